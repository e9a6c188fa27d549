/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwinder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "elf_samples.h"
#include "leak_check.h"

#define PID	   4194305 /* above PID_MAX_LIMIT: no such process can be */
#define ARENAS_MAX 256
#define CODE	   0x7f1200000000ULL
#define STACK	   0x7ffd00000000ULL
#define WORDS	   (REST_STACK_MAX / 8)

/*
 * entry calls outer, which calls inner; spin calls itself and needs one word. Where each of them is
 * returned to (…_ret) or interrupted (inner_at) has a name.
 */
static const char functions[] =
#if defined(__x86_64__)
	".text\n"
	".globl entry, entry_ret, outer, outer_ret, inner, inner_at, spin, spin_ret\n"
	"entry: .cfi_startproc\n .cfi_undefined rip\n call outer\nentry_ret: hlt\n .cfi_endproc\n"
	"outer: .cfi_startproc\n sub $24, %rsp\n .cfi_adjust_cfa_offset 24\n call inner\n"
	"outer_ret: add $24, %rsp\n .cfi_adjust_cfa_offset -24\n ret\n .cfi_endproc\n"
	"inner: .cfi_startproc\n push %rbx\n .cfi_adjust_cfa_offset 8\n .cfi_offset rbx, -16\n"
	"inner_at: pop %rbx\n .cfi_adjust_cfa_offset -8\n ret\n .cfi_endproc\n"
	"spin: .cfi_startproc\n call spin\nspin_ret: ret\n .cfi_endproc\n"
	".section .note.GNU-stack, \"\", @progbits\n";
#else
	".text\n"
	".globl entry, entry_ret, outer, outer_ret, inner, inner_at, spin, spin_ret\n"
	"entry: .cfi_startproc\n .cfi_undefined x30\n bl outer\nentry_ret: nop\n .cfi_endproc\n"
	"outer: .cfi_startproc\n sub sp, sp, 32\n .cfi_adjust_cfa_offset 32\n"
	" str x30, [sp, 24]\n .cfi_offset x30, -8\n bl inner\n"
	"outer_ret: ldr x30, [sp, 24]\n add sp, sp, 32\n ret\n .cfi_endproc\n"
	"inner: .cfi_startproc\n sub sp, sp, 16\n .cfi_adjust_cfa_offset 16\n"
	" str x30, [sp, 8]\n .cfi_offset x30, -8\n"
	"inner_at: ldr x30, [sp, 8]\n add sp, sp, 16\n ret\n .cfi_endproc\n"
	"spin: .cfi_startproc\n .cfi_adjust_cfa_offset 8\n .cfi_offset x30, -8\n bl spin\n"
	"spin_ret: ret\n .cfi_endproc\n"
	".section .note.GNU-stack, \"\", @progbits\n";
#endif

/* --- what the kernel side sees ---------------------------------------------------------------- */

static struct unwind_control control;
static uint8_t *arenas[ARENAS_MAX];
static uint32_t n_arenas;
static int arena_error, n_waits;

static int add_arena(void *ctx, uint32_t index, void **ret)
{
	if (arena_error)
		return arena_error;
	cr_assert(eq(u32, index, n_arenas));
	arenas[n_arenas] = calloc(1, UNWIND_ARENA_SIZE);
	*ret = arenas[n_arenas++];
	return 0;
}

static int wait_readers(void *ctx)
{
	n_waits++;
	return 0;
}

static const struct row_store_backing backing = {
	.control = &control,
	.add_arena = add_arena,
	.wait_readers = wait_readers,
};

static const void *at_line(uint32_t line)
{
	return arenas[line / UNWIND_ARENA_LINES] + unwind_line_at(line);
}

/* NULL: not known. */
static const struct unwind_file *find_file(const struct unwind_file_key *key)
{
	const struct unwind_file_table table =
		control.files[unwind_file_table_of(unwind_file_hash(key))];
	const struct unwind_file *entries = at_line(table.line);

	for (uint32_t i = 0; table.line && i <= table.mask; i++)
		if (entries[i].state != UNWIND_FILE_FREE && unwind_file_is(&entries[i], key))
			return &entries[i];
	return NULL;
}

static bool is_loaded(const struct unwind_file *f, uint64_t page)
{
	const uint32_t *dir = at_line(f->dir);

	return page >= f->first_page && page - f->first_page < f->n_pages &&
	       dir[page - f->first_page] != 0;
}

/* --- a process -------------------------------------------------------------------------------- */

static struct process_table table;
static struct process *process;
static struct unwinder *unwinder;
static uint64_t text_offset, text_vaddr; /* of the executable segment */

static struct {
	struct sample_rest rest;
	uint64_t stack[WORDS];
} copy;

static uint64_t frames[USER_FRAMES_MAX];

static void add_map_of(pid_t pid, struct mapping_event ev)
{
	cr_assert(zero(int, process_on_mmap(&table, pid, &ev)));
	process = process_find(&table, pid);
}

static void add_map(uint64_t start, uint64_t end, uint64_t offset, struct dso_key file)
{
	add_map_of(PID, (struct mapping_event){ start, end, offset, file });
}

static struct dso_key key_of_sample(const char *name)
{
	struct stat st;

	cr_assert(zero(int, stat(sample(name), &st)));
	return (struct dso_key){ sample(name), st.st_dev, st.st_ino };
}

/* As the kernel has it. */
static struct unwind_file_key file_key(const char *name, uint64_t ctime_sec)
{
	struct dso_key dso = key_of_sample(name);

	return (struct unwind_file_key){
		.ino = dso.ino,
		.ctime_sec = ctime_sec,
		.dev = major(dso.dev) << 20 | minor(dso.dev),
	};
}

/* Maps the code of a sample at CODE. */
static void map_sample(const char *name)
{
	const char *line = first_line("readelf -lW %s | grep 'LOAD.* R E '", sample(name));

	cr_assert(
		eq(int, 2, sscanf(line, " LOAD %" SCNx64 " %" SCNx64, &text_offset, &text_vaddr)));
	add_map(CODE, CODE + 0x10000, text_offset, key_of_sample(name));
}

/* Where a symbol of the mapped sample is in the process. */
static uint64_t addr_of(const char *name, const char *symbol)
{
	return nm_value(name, symbol) - text_vaddr + CODE;
}

static void build(const char *name, const char *flags)
{
	char source[64];

	snprintf(source, sizeof(source), "%s.s", name);
	sample_write(source, functions);
	sh("gcc -shared -nostdlib %s -o %s %s.s", flags, name, name);
}

/* As if its code were @size bytes, of which nearly all are a hole in the file. */
static void stretch_code(const char *name, uint64_t size)
{
	int fd = sample_open(name);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	cr_assert(eq(int, pread(fd, &eh, sizeof(eh), 0), sizeof(eh)));
	for (int i = 0; i < eh.e_phnum; i++) {
		off_t at = eh.e_phoff + i * sizeof(ph);

		cr_assert(eq(int, pread(fd, &ph, sizeof(ph), at), sizeof(ph)));
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
			continue;
		ph.p_filesz = ph.p_memsz = size;
		cr_assert(eq(int, pwrite(fd, &ph, sizeof(ph), at), sizeof(ph)));
		cr_assert(zero(int, ftruncate(fd, ph.p_offset + size)));
	}
	close(fd);
}

static void set_up(void)
{
	samples_init();
	cr_assert(zero(int, process_table_init(&table)));
	memset(&control, 0, sizeof(control));
	cr_assert(zero(int, unwinder_new(&backing, 16 * UNWIND_ARENA_SIZE, &unwinder)));
	memset(&copy, 0, sizeof(copy));
	copy.rest.stack_addr = STACK;
	copy.rest.stack_len = sizeof(copy.stack);
	copy.rest.regs.known = UNWIND_KNOWN_ALL;
	copy.rest.regs.is_exact = 1;
	copy.rest.regs.reg[UNWIND_FP] = 1; /* none that could be followed */
	n_waits = 0;
}

static void tear_down(void)
{
	unwinder_free(unwinder);
	unwinder = NULL;
	while (n_arenas)
		free(arenas[--n_arenas]);
	process_table_clear(&table);
	samples_fini();
	leak_check();
}

TestSuite(unwinder, .init = set_up, .fini = tear_down);

static void set_regs(uint64_t pc, int sp_word)
{
	copy.rest.regs.pc = pc;
	copy.rest.regs.reg[UNWIND_SP] = STACK + 8 * sp_word;
}

static uint32_t finish(uint32_t n, enum user_end want)
{
	enum user_end end = USER_END_COUNT;
	uint32_t ret = unwinder_finish(unwinder, process, &copy.rest, frames, n, &end);

	cr_assert(eq(int, end, want));
	return ret;
}

static uint64_t counter(enum stat_id id)
{
	uint64_t counters[STAT_COUNT] = { 0 };

	unwinder_read_stats(unwinder, counters);
	return counters[id];
}

/* Interrupted in inner, whose frame begins at word 20. */
static void set_calls(const char *name)
{
	map_sample(name);
	set_regs(addr_of(name, "inner_at"), 20);
	copy.stack[21] = addr_of(name, "outer_ret");
	copy.stack[25] = addr_of(name, "entry_ret");
	frames[0] = copy.rest.regs.pc | FRAME_EXACT;
}

static void assert_calls(const char *name, uint32_t n)
{
	cr_assert(eq(u32, n, 3));
	cr_assert(eq(u64, frames[0], addr_of(name, "inner_at") | FRAME_EXACT));
	cr_assert(eq(u64, frames[1], addr_of(name, "outer_ret")));
	cr_assert(eq(u64, frames[2], addr_of(name, "entry_ret")));
}

/* --- walks ------------------------------------------------------------------------------------ */

Test(unwinder, walk_from_its_first_frame)
{
	build("lib.so", "");
	set_calls("lib.so");
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
	cr_assert(eq(u64, counter(STAT_UNWIND_FINISHED), 1));
	cr_assert(zero(u64, counter(STAT_UNWIND_FAILED)));
	cr_assert(gt(u64, unwinder_rows(unwinder).rows, 0));
}

/* The kernel side had got as far as outer. */
Test(unwinder, walk_that_had_begun)
{
	build("lib.so", "");
	set_calls("lib.so");
	set_regs(addr_of("lib.so", "outer_ret"), 22);
	copy.rest.regs.is_exact = 0;
	frames[1] = 0xdead;
	assert_calls("lib.so", finish(2, USER_END_ENTRY));
}

Test(unwinder, stack_that_is_longer_than_its_copy)
{
	build("lib.so", "");
	set_calls("lib.so");
	copy.rest.stack_len = 25 * 8;
	cr_assert(eq(u32, finish(1, USER_END_UNREADABLE), 2));
	copy.rest.stack_len = 26 * 8;
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
	copy.rest.stack_len = 0;
	cr_assert(eq(u32, finish(1, USER_END_UNREADABLE), 1));
}

/* Pages of the stack that were not in memory read as zeroes, which would mean that it ends. */
Test(unwinder, stack_of_which_a_page_is_absent)
{
	const int page = REST_CHUNK / 8;

	build("lib.so", "");
	set_calls("lib.so");
	set_regs(addr_of("lib.so", "inner_at"), page - 2); /* frames of 2, 4 words, and 1 */
	copy.stack[page - 1] = addr_of("lib.so", "outer_ret");
	copy.stack[page + 3] = addr_of("lib.so", "entry_ret");
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
	copy.stack[page + 3] = 0;
	copy.rest.absent = 1 << 1;
	cr_assert(eq(u32, finish(1, USER_END_UNREADABLE), 2));
	copy.rest.absent = 1 << 0;
	cr_assert(eq(u32, finish(1, USER_END_UNREADABLE), 1));
	copy.stack[page + 3] = addr_of("lib.so", "entry_ret");
	copy.rest.absent = 1 << 2;
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
}

Test(unwinder, return_address_in_no_mapping)
{
	build("lib.so", "");
	set_calls("lib.so");
	copy.stack[25] = 0x123456;
	cr_assert(eq(u32, finish(1, USER_END_BAD_RETURN), 2));
}

Test(unwinder, as_deep_as_there_is_room)
{
	uint64_t ret, entry;

	build("lib.so", "");
	set_calls("lib.so");
	ret = addr_of("lib.so", "spin_ret");
	entry = addr_of("lib.so", "entry_ret");
	set_regs(ret, 0);
	copy.rest.regs.is_exact = 0;
	for (int i = 0; i < WORDS; i++)
		copy.stack[i] = ret;
	cr_assert(eq(u32, finish(1, USER_END_DEPTH), USER_FRAMES_MAX));
	cr_assert(eq(u64, frames[USER_FRAMES_MAX - 1], ret));
	copy.stack[1000] = entry;
	cr_assert(eq(u32, finish(1, USER_END_ENTRY), 1002));
}

/* --- files without rows ----------------------------------------------------------------------- */

/* A frame pointer chain from pc through @ra to the end that the psABI asks for. */
static void set_chain(uint64_t pc, uint64_t ra)
{
	set_regs(pc, 20);
	copy.rest.regs.reg[UNWIND_FP] = STACK + 8 * 30;
	copy.stack[30] = 0;
	copy.stack[31] = ra;
	frames[0] = pc | FRAME_EXACT;
}

static void assert_chain(uint64_t ra)
{
	cr_assert(eq(u32, finish(1, USER_END_ZERO), 2));
	cr_assert(eq(u64, frames[1], ra | FRAME_BY_FALLBACK));
	cr_assert(gt(u64, counter(STAT_FRAME_BY_FALLBACK), 0));
}

/* Of a machine whose code is not understood. */
static void build_without_rows(void)
{
	const uint16_t riscv = EM_RISCV;

	build("lib.so", "");
	sh("objcopy -R .eh_frame -R .eh_frame_hdr lib.so bare.so 2>&1 | grep -v warning; test -s "
	   "bare.so");
	patch("bare.so", 18, &riscv, sizeof(riscv));
	map_sample("bare.so");
}

Test(unwinder, file_without_tables)
{
	struct unwind_file_key key;

	build_without_rows();
	key = file_key("bare.so", 2);
	set_chain(addr_of("lib.so", "inner_at"), addr_of("lib.so", "outer_ret"));
	copy.rest.key = key;
	assert_chain(addr_of("lib.so", "outer_ret"));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_NO_ROWS), "it need not ask again");
}

#if defined(__x86_64__)

/* Its code says where return addresses lie, but nothing of entry, which never returns. */
Test(unwinder, file_without_tables_whose_code_is_understood)
{
	build("lib.so", "");
	sh("objcopy -R .eh_frame -R .eh_frame_hdr lib.so bare.so 2>&1 | grep -v warning; test -s "
	   "bare.so");
	set_calls("bare.so");
	copy.rest.key = file_key("bare.so", 2);
	cr_assert(eq(u32, finish(1, USER_END_NO_RULE), 3));
	cr_assert(eq(u64, frames[1], addr_of("bare.so", "outer_ret") | FRAME_BY_FALLBACK));
	cr_assert(eq(u64, frames[2], addr_of("bare.so", "entry_ret") | FRAME_BY_FALLBACK));
	cr_assert(eq(u32, find_file(&copy.rest.key)->state, UNWIND_FILE_ROWS));
}

#endif

/* The code is read from the file: no call is in front of inner. */
Test(unwinder, return_address_that_is_behind_no_call)
{
	build_without_rows();
	set_chain(addr_of("lib.so", "inner_at"), addr_of("lib.so", "inner"));
	cr_assert(eq(u32, finish(1, USER_END_NO_RULE), 1));
}

Test(unwinder, file_that_is_not_to_be_had)
{
	const struct unwind_file_key key = { .ino = 2, .ctime_sec = 2, .dev = 3 << 20 | 4 };
	const struct dso_key file = { "/none/such", makedev(3, 4), 2 };

	set_chain(CODE + 16, CODE + 64);
	copy.rest.key = key;
	for (unsigned i = 0; i < DSO_ATTEMPTS_MAX; i++) {
		cr_assert(zero(ptr, (void *)find_file(&key)), "another process may have it");
		add_map_of(PID + i, (struct mapping_event){ CODE, CODE + 0x1000, 0, file });
		assert_chain(CODE + 64);
		assert_chain(CODE + 64);
	}
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_NO_ROWS));
}

/* The one that was sampled first had ended by the time it was looked at. */
Test(unwinder, file_that_is_to_be_had_by_way_of_another_process)
{
	struct unwind_file_key key;

	build("lib.so", "");
	key = file_key("lib.so", 2);
	set_calls("lib.so");
	copy.rest.key = key;
	sh("mv lib.so away.so");
	for (int i = 0; i < 20; i++)
		cr_assert(eq(u32, finish(1, USER_END_NO_RULE), 1));
	sh("mv away.so lib.so");
	add_map_of(PID + 1, (struct mapping_event){ CODE, CODE + 0x10000, text_offset,
						    key_of_sample("lib.so") });
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS));
}

/* It would be opened again for each frame. */
Test(unwinder, file_that_is_too_large_is_opened_once)
{
	struct unwind_file_key key;
	uint64_t pc, ra;

	build("lib.so", "");
	stretch_code("lib.so", (UNWIND_FILE_PAGES_MAX + 1ULL) << UNWIND_PAGE_SHIFT);
	map_sample("lib.so");
	pc = addr_of("lib.so", "inner_at");
	ra = addr_of("lib.so", "outer_ret");
	drop_sections("lib.so"); /* they would tell what is not code */
	key = file_key("lib.so", 2);
	set_chain(pc, ra);
	copy.rest.key = key;
	assert_chain(ra);
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_NO_ROWS), "it need not ask again");
	assert_chain(ra);
	cr_assert(eq(u64, counter(STAT_UNWIND_FAILED), 1));
}

Test(unwinder, code_of_no_file)
{
	add_map(CODE, CODE + 0x1000, 0, (struct dso_key){ "//anon", 0, 0 });
	set_chain(CODE + 16, CODE + 64);
	assert_chain(CODE + 64);
}

/* --- what the kernel side is told ------------------------------------------------------------- */

Test(unwinder, rows_are_there_for_the_next_sample)
{
	struct unwind_file_key key;

	build("lib.so", "");
	key = file_key("lib.so", 2);
	set_calls("lib.so");
	cr_assert(zero(ptr, (void *)find_file(&key)));
	copy.rest.key = key;
	finish(1, USER_END_ENTRY);
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS));
	cr_assert(is_loaded(find_file(&key), text_offset >> 12));
}

/* The kernel side knows the file: nothing is published anew, nobody waited for. */
Test(unwinder, without_a_key_nothing_is_told)
{
	struct unwind_file_key key;
	uint32_t generation;

	build("lib.so", "");
	key = file_key("lib.so", 2);
	set_calls("lib.so");
	copy.rest.key = key;
	finish(1, USER_END_ENTRY);
	generation = control.generation;
	memset(&copy.rest.key, 0, sizeof(copy.rest.key));
	finish(1, USER_END_ENTRY);
	cr_assert(eq(u32, control.generation, generation));
	cr_assert(zero(int, n_waits));
}

/* The key belongs to the file of the frame that lacked its rule, not to those after it. */
Test(unwinder, key_is_of_the_first_file)
{
	const uint64_t other = CODE + 0x100000;
	struct unwind_file_key key;

	build("lib.so", "");
	key = file_key("lib.so", 2);
	build("other.so", "-Wl,-z,max-page-size=65536");
	set_calls("lib.so");
	add_map(other, other + 0x1000, 0, key_of_sample("other.so"));
	copy.stack[25] = other + 64;
	copy.rest.key = key;
	unwinder_finish(unwinder, process, &copy.rest, frames, 1, &(enum user_end){ 0 });
	cr_assert(eq(u32, find_file(&key)->first_page, text_offset >> 12));
}

#if defined(__x86_64__)

/* The same file, written to: another change time. Its contents are read anew. */
Test(unwinder, file_that_was_rewritten)
{
	struct unwind_file_key before, after;

	build("lib.so", "");
	before = file_key("lib.so", 2);
	after = file_key("lib.so", 3);
	set_calls("lib.so");
	copy.rest.key = before;
	finish(1, USER_END_ENTRY);
	/* inner does not push any more: its caller's address is on top of the stack. */
	sh("sed -i -e 's/push %%rbx/nop/; /inner_at:/s/pop %%rbx/nop/; /offset rbx/d' "
	   "-e '/^ .cfi_adjust_cfa_offset -\\?8$/d' lib.so.s");
	sh("gcc -shared -nostdlib -o new.so lib.so.s && cat new.so > lib.so");
	set_calls("lib.so");
	copy.stack[21] = copy.stack[25] = 0;
	copy.stack[20] = addr_of("lib.so", "outer_ret");
	copy.stack[24] = addr_of("lib.so", "entry_ret");
	copy.rest.key = after;
	frames[0] = copy.rest.regs.pc | FRAME_EXACT;
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
	cr_assert(is_loaded(find_file(&after), text_offset >> 12));
	/* Once more at once: not with rows that may be another program's. */
	copy.rest.key.ctime_sec++;
	cr_assert(eq(u32, finish(1, USER_END_NOT_LOADED), 1));
	cr_assert(zero(ptr, (void *)find_file(&copy.rest.key)));
	cr_assert(zero(u64, counter(STAT_UNWIND_FAILED)));
}

#endif

/* At once, before it is the walk's turn: nothing comes of it but the rows. */
Test(unwinder, loading_ahead)
{
	struct unwind_file_key key;

	build("lib.so", "");
	set_calls("lib.so");
	key = copy.rest.key = file_key("lib.so", 2);
	unwinder_load(unwinder, process, &copy.rest);
	cr_assert(is_loaded(find_file(&key), text_offset >> 12));
	cr_assert(zero(u64, counter(STAT_UNWIND_FINISHED)));
	cr_assert(zero(u64, frames[1]));
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
}

/* --- another file than the kernel side saw ---------------------------------------------------- */

Test(unwinder, knows_the_file_by_inode_and_device)
{
	struct unwind_file_key key;

	build("lib.so", "");
	set_calls("lib.so");
	cr_assert(unwinder_knows(process, &copy.rest), "no key: it was not a file's");
	key = copy.rest.key = file_key("lib.so", 2);
	cr_assert(unwinder_knows(process, &copy.rest));
	copy.rest.key.ino++;
	cr_assert(not(unwinder_knows(process, &copy.rest)));
	copy.rest.key = key;
	copy.rest.key.dev += 1 << 20;
	cr_assert(not(unwinder_knows(process, &copy.rest)));
	/* On overlayfs one of the two is what is known here. */
	copy.rest.backing = (struct unwind_backing){ .ino = key.ino, .dev = key.dev };
	cr_assert(unwinder_knows(process, &copy.rest));
	copy.rest.backing.dev++;
	cr_assert(not(unwinder_knows(process, &copy.rest)));
	copy.rest.key = key;
	copy.rest.regs.pc = CODE - 1;
	cr_assert(not(unwinder_knows(process, &copy.rest)), "nothing is mapped there");
}

/* The event that told of it was lost: another file's rows would be wrong, also for the next one. */
Test(unwinder, another_file_is_not_walked_by)
{
	struct unwind_file_key key;

	build("lib.so", "");
	set_calls("lib.so");
	key = file_key("lib.so", 2);
	key.ino++;
	copy.rest.key = key;
	cr_assert(eq(u32, finish(1, USER_END_NOT_LOADED), 1));
	cr_assert(eq(u64, counter(STAT_UNWIND_MISMATCH), 1));
	cr_assert(zero(ptr, (void *)find_file(&key)));

	copy.rest.backing.ino = key.ino - 1;
	copy.rest.backing.dev = key.dev;
	assert_calls("lib.so", finish(1, USER_END_ENTRY));
	cr_assert(eq(u64, counter(STAT_UNWIND_MISMATCH), 1));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS), "as the kernel side asked");
}

Test(unwinder, vdso_is_loaded_from_the_start)
{
	cr_assert(eq(u32, control.vdso.state, UNWIND_FILE_ROWS));
	cr_assert(gt(u32, control.vdso.n_pages, 0));
	for (uint32_t i = 0; i < control.vdso.n_pages; i++)
		cr_assert(is_loaded(&control.vdso, control.vdso.first_page + i));
}

/* --- failures --------------------------------------------------------------------------------- */

Test(unwinder, no_memory_for_tables)
{
	struct unwinder *u = NULL;

	cr_assert(eq(int, unwinder_new(&backing, 0, &u), -ENOSPC));
	arena_error = -EPERM;
	cr_assert(eq(int, unwinder_new(&backing, 1 << 20, &u), -EPERM));
	arena_error = 0;
	cr_assert(zero(ptr, u));
}
