/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cfi_diff [-m MEGABYTES] [-v] PATH…: compiles the unwind tables of all ELF files in the given
 * files and folders, and compares each row with what libdw says of the same places: at every
 * boundary of either side and between two. -m: of as many files as have so much .eh_frame and
 * .debug_frame together, chosen by their names, always the same. Exit status 1 if any value
 * differs.
 */
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/vec.h"
#include "elf/elf_go.h"
#include "elf/elf_unwind.h"
#include "frame_values.h"

#define EXAMPLES    20	/* differences of a kind that are printed */
#define BEHIND_MARK 64	/* bytes */
#define START_MAX   256 /* bytes of the function where a program starts, at most */
#define SUPPORTED_MIN                                                                              \
	100000 /* places for one that is unsupported; a Debian system has 1 in a million */

enum difference {
	DIFF_NONE,     /* ours knows nothing, libdw does */
	DIFF_INVENTED, /* the reverse */
	DIFF_KIND,     /* another kind of frame */
	DIFF_CFA,
	DIFF_SP,
	DIFF_RA,
	DIFF_SAVED,
	DIFF_LIBDW, /* libdw says that this is malformed, ours does not */
	OK_SAME,
	OK_UNSUPPORTED, /* ours says that it cannot express it, or that the page is too dense */
	OK_UNKNOWN_REG, /* ours says that it cannot express a register, all others are the same */
	OK_UNSAID_REG,	/* libdw cannot tell a register, all others are the same */
	OK_BOTH_BAD,	/* ours says so, libdw that it is malformed */
	OK_BEHIND,	/* libdw stops at the terminator in the middle of .debug_frame */
	OK_STUB,	/* the code of sigreturn(2) without, or with another description */
	OK_CONTEXT,	/* the begin of __start_context(), which libc describes as called */
	OK_START,	/* where a process or thread starts, which no table knows */
	OK_GO,		/* what .gopclntab tells and .debug_frame does not */
	OK_CODE,	/* no table knows it, ours is from the instructions: see code_diff.c */
	DIFFERENCES,
};

static const char *const names[DIFFERENCES] = {
	[DIFF_NONE] = "row is missing",
	[DIFF_INVENTED] = "row is invented",
	[DIFF_KIND] = "another kind",
	[DIFF_CFA] = "another CFA",
	[DIFF_SP] = "another stack pointer",
	[DIFF_RA] = "another return address",
	[DIFF_SAVED] = "another register",
	[DIFF_LIBDW] = "libdw: malformed",
	[OK_SAME] = "same",
	[OK_UNSUPPORTED] = "unsupported",
	[OK_UNKNOWN_REG] = "register unknown",
	[OK_UNSAID_REG] = "register unknown to libdw",
	[OK_BOTH_BAD] = "malformed for both",
	[OK_BEHIND] = "behind a terminator",
	[OK_STUB] = "sigreturn",
	[OK_CONTEXT] = "begin of contexts",
	[OK_START] = "start of a thread",
	[OK_GO] = "of Go",
	[OK_CODE] = "by the code",
};

struct path {
	char *name;
	uint32_t hash;
	uint64_t dev, ino;
};

static VEC(struct path) paths;

static struct totals {
	uint64_t files, fdes, rows, bytes, longest;
	uint64_t bad_fdes, dense_pages;
	uint64_t points[DIFFERENCES];
} totals;

static bool verbose;

/* One file, opened both ways. */
struct pair {
	const char *path;
	int fd;
	struct machine machine;
	struct elf_span *segments;
	size_t n_segments;
	Dwarf_CFI *eh, *debug;
	uint64_t entry;
	bool is_program; /* the kernel starts it with an interpreter, or at its own addresses */
	bool is_go;
	bool debug_is_cut; /* libdw does not see all of .debug_frame */
	/* The page at hand. */
	uint64_t vaddr;
	const struct unwind_page *page;
};

static void report(const struct pair *p, enum difference what, uint64_t pc, uint32_t rule)
{
	if (totals.points[what]++ < (verbose ? UINT64_MAX : EXAMPLES) && what != OK_SAME &&
	    (what < OK_SAME || verbose))
		printf("%s: %#" PRIx64 ": %s (rule %#x)\n", p->path, pc, names[what], rule);
}

/* @len bytes at the virtual address @vaddr, of which the page at hand has some. */
static bool read_code(const struct pair *p, uint64_t vaddr, char *ret, size_t len)
{
	for (size_t i = 0; i < p->n_segments; i++) {
		const struct elf_span *s = &p->segments[i];

		if (p->machine.pc - s->vaddr < s->size)
			return pread(p->fd, ret, len, s->off + vaddr - s->vaddr) == (ssize_t)len;
	}
	return false;
}

/* Is the place in the code that calls sigreturn(2)? */
static bool is_stub(const struct pair *p)
{
	static const char x86[] = "\x48\xc7\xc0\x0f\0\0\0\x0f\x05",
			  a64[] = "\x68\x11\x80\xd2\x01\0\0\xd4";
	bool is_x86 = p->machine.e_machine == EM_X86_64;
	size_t len = (is_x86 ? sizeof(x86) : sizeof(a64)) - 1;
	char code[2 * sizeof(x86)];

	return read_code(p, p->machine.pc - (len - 1), code, 2 * len - 1) &&
	       memmem(code, 2 * len - 1, is_x86 ? x86 : a64, len);
}

/* Is the place the begin of __start_context()? */
static bool is_context(const struct pair *p)
{
	static const char x86[] =
		"\x48\x89\xdc\x48\x8b\x3c\x24",		    /* mov %rbx,%rsp; mov (%rsp),%rdi */
		a64[] = "\x1f\x20\x03\xd5\xe0\x03\x13\xaa"; /* nop; mov x0, x19 */
	bool is_x86 = p->machine.e_machine == EM_X86_64;
	unsigned first = is_x86 ? 3 : 8, len = (is_x86 ? sizeof(x86) : sizeof(a64)) - 1;
	char code[2 * sizeof(a64)];

	return read_code(p, p->machine.pc - (first - 1), code, first - 1 + len) &&
	       memmem(code, first - 1 + len, is_x86 ? x86 : a64, len);
}

/*
 * Is the place where a process starts, or not far behind code that marks itself as outermost
 * (x86-64 psABI 3.4.1: xor %ebp, %ebp)?
 */
static bool is_start(const struct pair *p)
{
	char code[BEHIND_MARK];

	if (p->is_program && p->machine.pc - p->entry < START_MAX)
		return true;
	return read_code(p, p->machine.pc - sizeof(code) + 4, code, sizeof(code)) &&
	       memmem(code, sizeof(code), "\x31\xed", 2);
}

static enum difference compare_values(const struct pair *p, const struct frame_values *a,
				      const struct frame_values *b)
{
	enum difference same = OK_SAME;
	const int *regs;
	unsigned n = machine_saved(&p->machine, &regs);

	if (a->kind == FRAME_UNSUPPORTED)
		return OK_UNSUPPORTED;
	if (a->signal && !b->signal)
		return is_stub(p) ? OK_STUB : DIFF_KIND;
	if (a->kind == FRAME_END && b->kind == FRAME_CALLER && is_context(p))
		return OK_CONTEXT;
	if (a->kind != b->kind)
		return DIFF_KIND;
	if (a->kind == FRAME_END)
		return OK_SAME;
	if (!a->signal && a->cfa != b->cfa)
		return DIFF_CFA;
	if (a->sp.value != b->sp.value || !b->sp.known)
		return DIFF_SP;
	if (a->ra.value != b->ra.value)
		return DIFF_RA;
	for (unsigned i = 0; i < n; i++) {
		if (b->unsaid & 1u << i)
			same = OK_UNSAID_REG;
		else if (!a->saved[i].known && b->saved[i].known)
			same = OK_UNKNOWN_REG;
		else if (a->saved[i].known != b->saved[i].known ||
			 a->saved[i].value != b->saved[i].value)
			return DIFF_SAVED;
	}
	return same;
}

/* What libdw says of @pc: 1, 0 (nothing), or -1 (malformed). The frame is freed by the caller. */
static int ask_libdw(struct pair *p, uint64_t pc, Dwarf_Frame **ret)
{
	static int no_match;
	Dwarf_CFI *cfi[] = { p->eh, p->debug };

	/* libdw has no names for its errors; one that is sure to be this one tells its number. */
	for (size_t i = 0; i < 2; i++) {
		int error;

		if (!cfi[i])
			continue;
		if (dwarf_cfi_addrframe(cfi[i], pc, ret) == 0)
			return 1;
		error = dwarf_errno();
		if (!no_match && dwarf_cfi_addrframe(cfi[i], UINT64_MAX - 1, ret) < 0)
			no_match = dwarf_errno();
		if (error != no_match)
			return -1;
	}
	return 0;
}

/*
 * Go's .debug_frame leaves out the frame pointer, which functions are outermost, and what
 * hand-written code does to the stack pointer; it is not there at all in a stripped program. We do
 * not read it: the C code in front of Go's, of which it alone knows, is looked through. Where the
 * table has no more than the distance to the stack pointer, both have to say the same.
 */
static enum difference allow_go(enum difference d, uint32_t rule)
{
	bool is_by_sp = (rule & 3) == UNWIND_BASE_SP;

	switch (d) {
	case DIFF_INVENTED:
	case DIFF_SAVED:
	case DIFF_KIND:
	case OK_UNSUPPORTED:
	case OK_STUB:
	case OK_START:
		return OK_GO;
	case DIFF_CFA:
	case DIFF_RA:
		return is_by_sp ? d : OK_GO;
	default:
		return d;
	}
}

static enum difference compare_both(struct pair *p, uint64_t pc, uint32_t rule, Dwarf_Frame *frame,
				    int known)
{
	struct frame_values ours, theirs;

	p->machine.pc = pc;
	frame_by_rule(&p->machine, p->page, rule, &ours);
	if (known == 1 && frame_by_libdw(&p->machine, frame, &theirs) < 0)
		known = -1;
	if (known < 0)
		return ours.kind == FRAME_UNSUPPORTED ? OK_BOTH_BAD : DIFF_LIBDW;
	if (known == 0 && ours.kind == FRAME_NONE)
		return OK_SAME;
	if (known == 0 && p->debug_is_cut)
		return OK_BEHIND;
	if (known == 0 && ours.by_code)
		return OK_CODE;
	if (known == 0 && ours.kind == FRAME_UNSUPPORTED)
		return OK_UNSUPPORTED;
	if (known == 0 && ours.kind == FRAME_END && is_start(p))
		return OK_START;
	if (known == 0)
		return ours.signal && is_stub(p) ? OK_STUB : DIFF_INVENTED;
	if (ours.kind == FRAME_NONE || (ours.by_code && !p->is_go))
		return DIFF_NONE;
	return compare_values(p, &ours, &theirs);
}

static enum difference compare_at(struct pair *p, uint64_t pc, uint32_t rule, Dwarf_Frame *frame,
				  int known)
{
	enum difference d = compare_both(p, pc, rule, frame, known);

	return p->is_go ? allow_go(d, rule) : d;
}

/*
 * One of our rows. Libdw's own rows within it are walked: one look at each begin, and in the middle
 * of what both have in common.
 */
static void compare_row(struct pair *p, uint64_t from, uint64_t to, uint32_t rule)
{
	for (uint64_t pc = from; pc < to;) {
		Dwarf_Frame *frame = NULL;
		Dwarf_Addr start = pc, end = to;
		int known = ask_libdw(p, pc, &frame);

		if (known == 1)
			dwarf_frame_info(frame, &start, &end, NULL);
		else
			end = pc + (to - pc > 64 ? 16 : 1);
		if (end > to || end <= pc)
			end = to;
		report(p, compare_at(p, pc, rule, frame, known), pc, rule);
		pc += (end - pc) / 2;
		if (pc > start)
			report(p, compare_at(p, pc, rule, frame, known), pc, rule);
		free(frame);
		pc = end;
	}
}

static int compare_page(void *arg, uint64_t number, const struct unwind_page *page)
{
	struct pair *p = arg;
	uint64_t begin = number << UNWIND_PAGE_SHIFT;

	p->page = page;
	totals.rows += page->n_rows;
	for (size_t i = 0; i < p->n_segments; i++) {
		const struct elf_span *s = &p->segments[i];

		for (unsigned k = 0; k < page->n_rows; k++) {
			uint64_t from = begin + page->pc[k];
			uint64_t to =
				begin + (k + 1 < page->n_rows ? page->pc[k + 1] : UNWIND_PAGE_SIZE);

			from = from > s->off ? from : s->off;
			to = to < s->off + s->size ? to : s->off + s->size;
			if (from < to)
				compare_row(p, s->vaddr + from - s->off, s->vaddr + to - s->off,
					    page->rule[k]);
		}
	}
	return 0;
}

/* Walks a section by libdw's own reader. Does that reach the section's end? */
static bool count_section(Elf_Scn *scn, const unsigned char *ident, bool eh)
{
	Dwarf_Off off = 0, next;
	Dwarf_CFI_Entry entry;
	Elf_Data *data = elf_rawdata(scn, NULL);

	while (data && dwarf_next_cfi(ident, data, eh, off, &next, &entry) == 0) {
		totals.fdes += !dwarf_cfi_cie_p(&entry);
		if (next - off > totals.longest)
			totals.longest = next - off;
		off = next;
	}
	return data && off + sizeof(uint32_t) >= data->d_size;
}

static void count_fdes(struct pair *p, Elf *elf)
{
	GElf_Ehdr ehdr;
	Elf_Scn *scn = NULL;
	size_t strings;

	if (!gelf_getehdr(elf, &ehdr) || elf_getshdrstrndx(elf, &strings) < 0)
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		GElf_Shdr sh;

		gelf_getshdr(scn, &sh);
		name = elf_strptr(elf, strings, sh.sh_name);
		if (!name || sh.sh_type == SHT_NOBITS)
			continue;
		if (strcmp(name, ".eh_frame") == 0)
			(void)count_section(scn, ehdr.e_ident, true);
		if (strcmp(name, ".debug_frame") != 0)
			continue;
		if (sh.sh_flags & SHF_COMPRESSED)
			elf_compress(scn, 0, 0);
		p->debug_is_cut = !count_section(scn, ehdr.e_ident, false);
	}
}

static void find_start(struct pair *p, Elf *elf)
{
	GElf_Ehdr ehdr;
	GElf_Phdr ph;

	if (!gelf_getehdr(elf, &ehdr))
		return;
	p->entry = ehdr.e_entry;
	p->is_program = ehdr.e_type == ET_EXEC;
	for (int i = 0; gelf_getphdr(elf, i, &ph); i++)
		p->is_program |= ph.p_type == PT_INTERP;
}

static int open_pair(struct pair *p, struct elf_file *ef, int fd, Elf **elf, Dwarf **dwarf)
{
	*elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!*elf)
		return -1;
	find_start(p, *elf);
	p->machine.e_machine = elf_file_machine(ef);
	p->eh = dwarf_getcfi_elf(*elf);
	*dwarf = dwarf_begin_elf(*elf, DWARF_C_READ, NULL);
	p->debug = *dwarf ? dwarf_getcfi(*dwarf) : NULL;
	return elf_code_segments(ef, &p->segments, &p->n_segments);
}

static void compare_tables(struct elf_file *ef, struct unwind_table *t, int fd, const char *path)
{
	struct pair p = { .path = path, .fd = fd };
	struct unwind_table_stats stats;
	struct elf_unwind u;
	struct elf_go go;
	Dwarf *dwarf = NULL;
	Elf *elf = NULL;
	uint64_t first, n;
	int r;

	p.is_go = elf_go_find(ef, &go) == 0;
	if (open_pair(&p, ef, fd, &elf, &dwarf) == 0) {
		count_fdes(&p, elf);
		unwind_table_pages(t, &first, &n);
		r = unwind_table_compile(t, first, n, compare_page, &p);
		if (r < 0)
			printf("%s: compile: %s\n", path, strerror(-r));
		stats = unwind_table_stats(t);
		totals.bad_fdes += stats.bad_fdes;
		totals.dense_pages += stats.dense_pages;
		elf_unwind_find(ef, &u);
		totals.files++;
		totals.bytes += u.eh_frame.size + u.debug_frame.size;
	}
	if (p.eh)
		dwarf_cfi_end(p.eh);
	dwarf_end(dwarf);
	elf_end(elf);
	free(p.segments);
}

static void compare_file(const char *path)
{
	CLEANUP(unwind_table_closep) struct unwind_table *t = NULL;
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || elf_file_open_fd(fd, &ef) < 0)
		return;
	if (unwind_table_open(ef, &t) == 0)
		compare_tables(ef, t, fd, path);
}

static int add_path(const char *name, const struct stat *st, int kind, struct FTW *ftw)
{
	struct path p = { .hash = 2166136261, .dev = st->st_dev, .ino = st->st_ino };

	if (kind != FTW_F || !S_ISREG(st->st_mode) || st->st_size < 4096)
		return 0;
	p.name = strdup(name);
	for (const char *c = name; *c; c++)
		p.hash = (p.hash ^ (uint8_t)*c) * 16777619;
	return p.name ? vec_push(&paths, p) : -ENOMEM;
}

static int compare_paths(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool is_seen(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (paths.data[i].dev == paths.data[n].dev &&
		    paths.data[i].ino == paths.data[n].ino)
			return true;
	return false;
}

static int print_totals(void)
{
	uint64_t different = 0;

	printf("%" PRIu64 " files, %" PRIu64 " MB, %" PRIu64 " FDEs (the longest has %" PRIu64
	       " bytes), %" PRIu64 " rows\n",
	       totals.files, totals.bytes >> 20, totals.fdes, totals.longest, totals.rows);
	printf("%" PRIu64 " bad FDEs, %" PRIu64 " dense pages\n", totals.bad_fdes,
	       totals.dense_pages);
	for (int i = 0; i < DIFFERENCES; i++) {
		printf("%12" PRIu64 " %s\n", totals.points[i], names[i]);
		if (i < OK_SAME)
			different += totals.points[i];
	}
	printf("%" PRIu64 " differences\n", different);
	if (totals.points[OK_UNSUPPORTED] > totals.points[OK_SAME] / SUPPORTED_MIN) {
		printf("more than one place in %d is unsupported\n", SUPPORTED_MIN);
		return 1;
	}
	return different ? 1 : 0;
}

int main(int argc, char **argv)
{
	uint64_t max = UINT64_MAX;
	int opt;

	while ((opt = getopt(argc, argv, "m:v")) != -1) {
		if (opt == 'm')
			max = strtoull(optarg, NULL, 10) << 20;
		else if (opt == 'v')
			verbose = true;
		else
			return 2;
	}
	elf_version(EV_CURRENT);
	for (int i = optind; i < argc; i++)
		nftw(argv[i], add_path, 64, FTW_PHYS);
	qsort(paths.data, paths.n, sizeof(*paths.data), compare_paths);
	for (size_t i = 0; i < paths.n && totals.bytes < max; i++)
		if (!is_seen(i))
			compare_file(paths.data[i].name);
	for (size_t i = 0; i < paths.n; i++)
		free(paths.data[i].name);
	vec_free(&paths);
	return totals.files ? print_totals() : 2;
}
