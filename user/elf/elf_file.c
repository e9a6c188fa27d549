/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_file.h"

#include <endian.h>
#include <fcntl.h>
#include <sha2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "elf/elf_image.h"

/* Linked files have tens of sections and about a dozen segments. */
#define SECTIONS_MAX 65536
#define SEGMENTS_MAX 1024
#define NOTES_MAX    (1 << 20) /* bytes of one note section */
#define DYNAMIC_MAX  4096      /* entries */
#define NAME_MAX_LEN 64	       /* of a section that we ask for */
#define PAGE_MAX     65536     /* of arm64 kernels */

#define HTLHASH_PIECE 4096

/*
 * Bytes of a mapped file that are read until they are forgotten: a table of symbols is read once,
 * from end to end. Up to 16 times as much is in memory where reads are scattered.
 */
#define TOUCHED_MAX (1 << 20)
#define TOUCHED_MIN 4096 /* by a read */

void elf_file_close(struct elf_file *ef)
{
	if (!ef)
		return;

	if (ef->mapped)
		munmap((void *)ef->mem, ef->size);
	closep(&ef->fd);
	free(ef->phdrs);
	free(ef->shdrs);
	free(ef);
}

/* Pages that were read become free; they come back from the file when they are needed. */
static void stay_small(struct elf_file *ef, size_t len)
{
	if (!ef->mapped)
		return;
	ef->touched += len < TOUCHED_MIN ? TOUCHED_MIN : len;
	if (ef->touched <= TOUCHED_MAX)
		return;
	(void)madvise((void *)ef->mem, ef->size, MADV_DONTNEED);
	ef->touched = 0;
}

int elf_image_read(struct elf_file *ef, uint64_t off, void *buf, size_t len)
{
	size_t done = 0;

	if (off > ef->size || len > ef->size - off)
		return -EBADMSG;
	if (ef->mem) {
		memcpy(buf, ef->mem + off, len);
		stay_small(ef, len);
		return 0;
	}

	while (done < len) {
		ssize_t n = pread(ef->fd, (char *)buf + done, len - done, off + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* truncated since it was opened */
			return -EBADMSG;
		done += n;
	}
	return 0;
}

static int load_header(struct elf_file *ef)
{
	const uint8_t data = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	Elf64_Ehdr *eh = &ef->ehdr;

	if (elf_image_read(ef, 0, eh, sizeof(*eh)) < 0)
		return -ENOEXEC;
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh->e_ident[EI_DATA] != data || eh->e_ident[EI_VERSION] != EV_CURRENT)
		return -ENOEXEC;
	return 0;
}

static int load_segments(struct elf_file *ef)
{
	const Elf64_Ehdr *eh = &ef->ehdr;

	if (eh->e_phnum > SEGMENTS_MAX || (eh->e_phnum && eh->e_phentsize != sizeof(*ef->phdrs)))
		return -ENOEXEC;
	ef->phdrs = calloc(eh->e_phnum ? eh->e_phnum : 1, sizeof(*ef->phdrs));
	if (!ef->phdrs)
		return -ENOMEM;
	if (elf_image_read(ef, eh->e_phoff, ef->phdrs, eh->e_phnum * sizeof(*ef->phdrs)) == 0)
		ef->n_phdrs = eh->e_phnum;
	return 0;
}

/* And which one has their names; their headers are read when one is asked for. */
static int count_sections(struct elf_file *ef)
{
	const Elf64_Ehdr *eh = &ef->ehdr;
	Elf64_Shdr first;

	if (eh->e_shoff == 0 || eh->e_shentsize != sizeof(first))
		return 0;
	ef->n_sections = eh->e_shnum;
	ef->shstrndx = eh->e_shstrndx;
	/* With more than 65279 sections these numbers stand in the first section header. */
	if (eh->e_shnum != 0 && eh->e_shstrndx != SHN_XINDEX)
		return 0;
	if (elf_image_read(ef, eh->e_shoff, &first, sizeof(first)) < 0)
		return -ENOEXEC;
	if (eh->e_shnum == 0)
		ef->n_sections = first.sh_size;
	if (eh->e_shstrndx == SHN_XINDEX)
		ef->shstrndx = first.sh_link;
	return ef->n_sections > SECTIONS_MAX ? -ENOEXEC : 0;
}

static int load_headers(struct elf_file *ef)
{
	int r = load_header(ef);

	if (r == 0)
		r = load_segments(ef);
	return r < 0 ? r : count_sections(ef);
}

static int load_sections(struct elf_file *ef)
{
	size_t size = ef->n_sections * sizeof(*ef->shdrs);
	int r;

	ef->shdrs = malloc(size);
	if (!ef->shdrs)
		return -ENOMEM;
	r = elf_image_read(ef, ef->ehdr.e_shoff, ef->shdrs, size);
	if (r < 0)
		ef->n_sections = 0; /* of all of them */
	return r;
}

int elf_file_open_fd(int fd, struct elf_file **ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = calloc(1, sizeof(*ef));
	struct stat st;
	int r;

	if (!ef)
		return -ENOMEM;

	ef->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ef->fd < 0 || fstat(ef->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	ef->size = st.st_size;
	r = load_headers(ef);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(ef);
	return 0;
}

int elf_file_open_memory(const void *buf, size_t len, struct elf_file **ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = calloc(1, sizeof(*ef));
	int r;

	if (!ef)
		return -ENOMEM;

	ef->fd = -1;
	ef->mem = buf;
	ef->size = len;
	r = load_headers(ef);
	if (r < 0)
		return r;

	*ret = TAKE_PTR(ef);
	return 0;
}

int elf_file_open_mapped(int fd, struct elf_file **ret)
{
	struct stat st;
	void *map;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -ENOEXEC;
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = elf_file_open_memory(map, st.st_size, ret);
	if (r < 0) {
		munmap(map, st.st_size);
		return r;
	}
	(*ret)->mapped = true;
	/* Parts of it are mapped once more where libdw is to see them. */
	(*ret)->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if ((*ret)->fd >= 0)
		return 0;
	r = -errno;
	elf_file_close(TAKE_PTR(*ret));
	return r;
}

int elf_image_section(struct elf_file *ef, size_t index, Elf64_Shdr *ret)
{
	if (index == 0 || index >= ef->n_sections)
		return -ENOENT;
	if (!ef->shdrs && load_sections(ef) < 0)
		return -EBADMSG;
	*ret = ef->shdrs[index];
	return 0;
}

/* Do the first @len bytes of the section's name, its NUL perhaps among them, agree with @name? */
static bool name_agrees(struct elf_file *ef, const Elf64_Shdr *strings, const Elf64_Shdr *sh,
			const char *name, size_t len)
{
	char buf[NAME_MAX_LEN];

	if (len > sizeof(buf) || sh->sh_name > strings->sh_size ||
	    len > strings->sh_size - sh->sh_name)
		return false;
	return elf_image_read(ef, strings->sh_offset + sh->sh_name, buf, len) == 0 &&
	       memcmp(buf, name, len) == 0;
}

bool elf_image_section_starts(struct elf_file *ef, const Elf64_Shdr *sh, const char *prefix)
{
	Elf64_Shdr strings;

	return elf_image_section(ef, ef->shstrndx, &strings) == 0 &&
	       name_agrees(ef, &strings, sh, prefix, strlen(prefix));
}

int elf_image_section_by_name(struct elf_file *ef, const char *name, Elf64_Shdr *ret)
{
	Elf64_Shdr strings, sh;

	if (elf_image_section(ef, ef->shstrndx, &strings) < 0)
		return -ENOENT;

	for (size_t i = 1; i < ef->n_sections; i++) {
		if (elf_image_section(ef, i, &sh) < 0)
			return -ENOENT;
		if (name_agrees(ef, &strings, &sh, name, strlen(name) + 1)) {
			*ret = sh;
			return 0;
		}
	}
	return -ENOENT;
}

bool elf_image_is_debug_only(struct elf_file *ef)
{
	Elf64_Shdr sh;

	for (size_t i = 1; elf_image_section(ef, i, &sh) == 0; i++)
		if ((sh.sh_flags & SHF_EXECINSTR) && sh.sh_type == SHT_NOBITS)
			return true;
	return false;
}

/* Is there a build id among these notes? Then it is kept. */
static bool find_build_id(struct elf_file *ef, const uint8_t *buf, size_t len, size_t align)
{
	const size_t mask = align == 8 ? 7 : 3;
	Elf64_Nhdr nh;

	for (size_t pos = 0; len - pos >= sizeof(nh);) {
		size_t name = pos + sizeof(nh), desc, end;

		memcpy(&nh, buf + pos, sizeof(nh));
		desc = (name + (size_t)nh.n_namesz + mask) & ~mask;
		end = desc + nh.n_descsz;
		if (end > len)
			return false;
		if (nh.n_type == NT_GNU_BUILD_ID && nh.n_namesz == 4 && nh.n_descsz > 0 &&
		    nh.n_descsz <= ELF_BUILD_ID_MAX && memcmp(buf + name, "GNU", 4) == 0) {
			memcpy(ef->build_id, buf + desc, nh.n_descsz);
			ef->build_id_len = nh.n_descsz;
			return true;
		}
		pos = (end + mask) & ~mask;
		if (pos > len)
			return false;
	}
	return false;
}

static bool load_build_id(struct elf_file *ef, uint64_t off, uint64_t size, uint64_t align)
{
	CLEANUP(freep) uint8_t *buf = NULL;

	if (size > NOTES_MAX || off > ef->size || size > ef->size - off)
		return false;
	buf = malloc(size + 1);
	return buf && elf_image_read(ef, off, buf, size) == 0 &&
	       find_build_id(ef, buf, size, align);
}

/* Sections come first: in a file of debug information only they tell where the notes are. */
static bool search_build_id(struct elf_file *ef)
{
	Elf64_Shdr sh;

	for (size_t i = 1; elf_image_section(ef, i, &sh) == 0; i++)
		if (sh.sh_type == SHT_NOTE &&
		    load_build_id(ef, sh.sh_offset, sh.sh_size, sh.sh_addralign))
			return true;

	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];

		if (ph->p_type == PT_NOTE &&
		    load_build_id(ef, ph->p_offset, ph->p_filesz, ph->p_align))
			return true;
	}
	return false;
}

int elf_file_build_id(struct elf_file *ef, const uint8_t **ret_id, size_t *ret_len)
{
	if (!ef->build_id_len && !search_build_id(ef))
		return -ENODATA;

	*ret_id = ef->build_id;
	*ret_len = ef->build_id_len;
	return 0;
}

static int hash_piece(struct elf_file *ef, SHA2_CTX *ctx, uint64_t off, size_t len)
{
	uint8_t buf[HTLHASH_PIECE];
	int r = elf_image_read(ef, off, buf, len);

	if (r == 0)
		SHA256Update(ctx, buf, len);
	return r;
}

int elf_file_htlhash(struct elf_file *ef, char ret[ELF_HTLHASH_SIZE])
{
	const size_t piece = ef->size < HTLHASH_PIECE ? ef->size : HTLHASH_PIECE;
	const uint64_t size = htobe64(ef->size);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;
	int r;

	SHA256Init(&ctx);
	r = hash_piece(ef, &ctx, 0, piece);
	if (r == 0)
		r = hash_piece(ef, &ctx, ef->size - piece, piece);
	if (r < 0)
		return r;
	SHA256Update(&ctx, (const uint8_t *)&size, sizeof(size));
	SHA256Final(digest, &ctx);
	format_hex(digest, (ELF_HTLHASH_SIZE - 1) / 2, ret);
	return 0;
}

/* Bytes before a segment's first that are mapped with it, as mappings begin with a page. */
static uint64_t bytes_before(const Elf64_Phdr *ph)
{
	uint64_t page = ph->p_align < PAGE_MAX ? ph->p_align : PAGE_MAX;

	return page ? ph->p_offset & (page - 1) : 0;
}

/* How well does the segment fit to @offset of a mapping of code? 0: not at all. */
static int fits(const Elf64_Phdr *ph, uint64_t offset)
{
	bool is_code = ph->p_flags & PF_X;

	if (ph->p_type != PT_LOAD)
		return 0;
	if (offset >= ph->p_offset && offset - ph->p_offset < ph->p_filesz)
		return is_code ? 3 : 1;
	if (is_code && offset < ph->p_offset && ph->p_offset - offset <= bytes_before(ph))
		return 2;
	return 0;
}

int elf_file_offset_to_vaddr(struct elf_file *ef, uint64_t offset, uint64_t *ret_vaddr)
{
	const Elf64_Phdr *found = NULL;
	int best = 0;

	for (size_t i = 0; i < ef->n_phdrs; i++) {
		int how = fits(&ef->phdrs[i], offset);

		if (how <= best)
			continue;
		best = how;
		found = &ef->phdrs[i];
	}
	if (!found)
		return -ENOENT;

	*ret_vaddr = found->p_vaddr + (offset - found->p_offset);
	return 0;
}

int elf_image_vaddr_to_offset(struct elf_file *ef, uint64_t vaddr, uint64_t *ret_off,
			      uint64_t *ret_avail)
{
	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];
		uint64_t delta = vaddr - ph->p_vaddr;

		if (ph->p_type != PT_LOAD || vaddr < ph->p_vaddr || delta >= ph->p_filesz ||
		    ph->p_offset > UINT64_MAX - delta)
			continue;
		*ret_off = ph->p_offset + delta;
		*ret_avail = ph->p_filesz - delta;
		return 0;
	}
	return -EBADMSG;
}

uint64_t elf_file_code_offset(struct elf_file *ef)
{
	const Elf64_Phdr *found = NULL;

	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) &&
		    (!found || ph->p_vaddr < found->p_vaddr))
			found = ph;
	}
	return found ? found->p_offset : 0;
}

int elf_file_interpreter(struct elf_file *ef, char *ret, size_t size)
{
	const Elf64_Phdr *ph = ef->phdrs, *end = ef->phdrs + ef->n_phdrs;
	int r;

	while (ph < end && ph->p_type != PT_INTERP)
		ph++;
	if (ph == end)
		return -ENOENT;
	if (ph->p_filesz == 0 || ph->p_filesz > size)
		return -EBADMSG;
	r = elf_image_read(ef, ph->p_offset, ret, ph->p_filesz);
	if (r < 0)
		return r;
	return ret[ph->p_filesz - 1] ? -EBADMSG : 0;
}

uint64_t elf_file_entry(struct elf_file *ef)
{
	return ef->ehdr.e_entry;
}

bool elf_file_is_executable(struct elf_file *ef)
{
	struct elf_dynamic dyn;

	if (ef->ehdr.e_type == ET_EXEC)
		return true;
	return ef->ehdr.e_type == ET_DYN && elf_image_dynamic(ef, &dyn) == 0 &&
	       (dyn.flags_1 & DF_1_PIE);
}

static uint64_t *dynamic_slot(struct elf_dynamic *dyn, int64_t tag)
{
	switch (tag) {
	case DT_SYMTAB:
		return &dyn->symtab;
	case DT_STRTAB:
		return &dyn->strtab;
	case DT_STRSZ:
		return &dyn->strsz;
	case DT_HASH:
		return &dyn->hash;
	case DT_GNU_HASH:
		return &dyn->gnu_hash;
	case DT_RELA:
		return &dyn->rela;
	case DT_RELASZ:
		return &dyn->relasz;
	case DT_JMPREL:
		return &dyn->jmprel;
	case DT_PLTRELSZ:
		return &dyn->pltrelsz;
	case DT_PLTREL:
		return &dyn->pltrel;
	case DT_FLAGS_1:
		return &dyn->flags_1;
	default:
		return NULL;
	}
}

int elf_image_dynamic(struct elf_file *ef, struct elf_dynamic *ret)
{
	const Elf64_Phdr *ph = ef->phdrs, *end = ef->phdrs + ef->n_phdrs;
	struct elf_dynamic dyn = { 0 };
	struct elf_window w;

	while (ph < end && ph->p_type != PT_DYNAMIC)
		ph++;
	if (ph == end || elf_image_is_debug_only(ef))
		return -ENOENT;

	elf_window_init(&w, ef, ph->p_offset, ph->p_filesz, sizeof(Elf64_Dyn));
	for (size_t i = 0; i < DYNAMIC_MAX; i++) {
		const Elf64_Dyn *d = elf_window_next(&w);
		uint64_t *slot;

		if (!d || d->d_tag == DT_NULL)
			break;
		slot = dynamic_slot(&dyn, d->d_tag);
		if (slot)
			*slot = d->d_un.d_val;
	}
	*ret = dyn;
	return 0;
}

void elf_window_init(struct elf_window *w, struct elf_file *ef, uint64_t off, uint64_t bytes,
		     size_t elem)
{
	uint64_t there = off < ef->size ? ef->size - off : 0;

	if (there > ELF_WINDOW_MAX)
		there = ELF_WINDOW_MAX;
	w->ef = ef;
	w->off = off;
	w->elem = elem;
	w->n = (bytes < there ? bytes : there) / elem;
	w->next = w->held = w->pos = 0;
}

const void *elf_window_next(struct elf_window *w)
{
	uint64_t want = sizeof(w->buf) / w->elem;

	if (w->pos == w->held) {
		if (want > w->n - w->next)
			want = w->n - w->next;
		if (want == 0 ||
		    elf_image_read(w->ef, w->off + w->next * w->elem, w->buf, want * w->elem) < 0)
			return NULL;
		w->next += want;
		w->held = want;
		w->pos = 0;
	}
	return w->buf + w->pos++ * w->elem;
}
