/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_image.h"

#include <libelf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf/elf_image.h"
#include "elf/unpack.h"

#define PAGE_MIN 4096

/* Mapping less than this costs more than reading it. */
#define MAP_MIN (64 * 1024)

/* Of one section: libdw counts in bytes that are offsets of 32 bits, mostly. */
#define SECTION_MAX (1ULL << 36)

static const char *const names[DEBUG_SECTIONS] = {
	[DEBUG_INFO] = "info",
	[DEBUG_TYPES] = "types",
	[DEBUG_ABBREV] = "abbrev",
	[DEBUG_LINE] = "line",
	[DEBUG_LINE_STR] = "line_str",
	[DEBUG_STR] = "str",
	[DEBUG_STR_OFFSETS] = "str_offsets",
	[DEBUG_ADDR] = "addr",
	[DEBUG_RANGES] = "ranges",
	[DEBUG_RNGLISTS] = "rnglists",
	[DEBUG_ARANGES] = "aranges",
	[DEBUG_CU_INDEX] = "cu_index",
};

/* Where the bytes of one section come from. */
struct source {
	enum { FROM_NOWHERE, FROM_FILE, FROM_ZLIB, FROM_ZSTD, FROM_MEMORY } kind;
	uint64_t off, len;   /* in the file */
	uint64_t size;	     /* of the section as libdw sees it */
	const uint8_t *data; /* FROM_MEMORY */
	bool mapped;
	uint64_t at; /* in the image */
};

/* The first page of an image. */
struct head {
	Elf64_Ehdr ehdr;
	Elf64_Shdr shdrs[DEBUG_SECTIONS + 2];
	char strings[DEBUG_SECTIONS * 24 + 16];
};

_Static_assert(sizeof(struct head) <= PAGE_MIN, "the first page holds it");

static uint64_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static uint64_t offset_in_page(uint64_t n)
{
	return n & (page_size() - 1);
}

static uint64_t page_up(uint64_t n)
{
	return (n + page_size() - 1) & ~(page_size() - 1);
}

/* --- what there is ---------------------------------------------------------------------------- */

/* The old form: "ZLIB", the size in big endian, the stream. */
static int old_compressed(struct elf_file *ef, const Elf64_Shdr *sh, struct source *ret)
{
	uint8_t head[12];
	uint64_t size = 0;

	if (sh->sh_size < sizeof(head) ||
	    elf_image_read(ef, sh->sh_offset, head, sizeof(head)) < 0 || memcmp(head, "ZLIB", 4))
		return -EBADMSG;
	for (size_t i = 4; i < sizeof(head); i++)
		size = size << 8 | head[i];
	*ret = (struct source){ .kind = FROM_ZLIB,
				.off = sh->sh_offset + sizeof(head),
				.len = sh->sh_size - sizeof(head),
				.size = size };
	return 0;
}

static int compressed(struct elf_file *ef, const Elf64_Shdr *sh, struct source *ret)
{
	Elf64_Chdr ch;

	if (sh->sh_size < sizeof(ch) || elf_image_read(ef, sh->sh_offset, &ch, sizeof(ch)) < 0)
		return -EBADMSG;
	*ret = (struct source){ .kind = FROM_ZLIB,
				.off = sh->sh_offset + sizeof(ch),
				.len = sh->sh_size - sizeof(ch),
				.size = ch.ch_size };
	if (ch.ch_type == 2) /* ELFCOMPRESS_ZSTD, which libelf does not know everywhere */
		ret->kind = FROM_ZSTD;
	else if (ch.ch_type != ELFCOMPRESS_ZLIB)
		return -EBADMSG;
	return 0;
}

static int find_source(struct elf_file *ef, enum debug_section id, bool split, struct source *ret)
{
	const char *end = split ? ".dwo" : "";
	char name[32];
	Elf64_Shdr sh;

	snprintf(name, sizeof(name), ".debug_%s%s", names[id], id == DEBUG_CU_INDEX ? "" : end);
	if (elf_image_section_by_name(ef, name, &sh) == 0) {
		if (sh.sh_type == SHT_NOBITS)
			return -ENOENT;
		if (sh.sh_flags & SHF_COMPRESSED)
			return compressed(ef, &sh, ret);
		*ret = (struct source){ .kind = FROM_FILE,
					.off = sh.sh_offset,
					.len = sh.sh_size,
					.size = sh.sh_size };
		return 0;
	}
	snprintf(name, sizeof(name), ".zdebug_%s%s", names[id], end);
	if (elf_image_section_by_name(ef, name, &sh) == 0)
		return old_compressed(ef, &sh, ret);
	return -ENOENT;
}

/* --- layout ----------------------------------------------------------------------------------- */

/* Gives each source a place; mapped pieces keep their distance to the page's begin. */
static int lay_out(struct debug_image *img, struct source *sources)
{
	uint64_t pos = page_size();

	for (size_t i = 0; i < DEBUG_SECTIONS; i++) {
		struct source *s = &sources[i];
		uint64_t in_page = 0;

		if (s->kind == FROM_NOWHERE)
			continue;
		if (s->size > SECTION_MAX)
			return -EFBIG;
		if (s->kind == FROM_FILE && s->mapped)
			in_page = offset_in_page(s->off);
		else if (s->kind == FROM_MEMORY)
			in_page = offset_in_page((uintptr_t)s->data);
		else
			img->taken += s->size;
		s->at = pos + in_page;
		pos += page_up(in_page + s->size);
	}
	img->len = pos;
	return 0;
}

static void write_head(struct debug_image *img, const struct source *sources)
{
	struct head *h = (struct head *)img->base;
	size_t n = 1, str = 1;

	memcpy(h->ehdr.e_ident, ELFMAG, SELFMAG);
	h->ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	h->ehdr.e_ident[EI_DATA] =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
	h->ehdr.e_ident[EI_VERSION] = h->ehdr.e_version = EV_CURRENT;
	h->ehdr.e_type = ET_DYN;
	h->ehdr.e_ehsize = sizeof(h->ehdr);
	h->ehdr.e_shentsize = sizeof(h->shdrs[0]);
	h->ehdr.e_shoff = offsetof(struct head, shdrs);

	for (size_t i = 0; i < DEBUG_SECTIONS; i++) {
		if (sources[i].kind == FROM_NOWHERE)
			continue;
		h->shdrs[n++] = (Elf64_Shdr){ .sh_name = str,
					      .sh_type = SHT_PROGBITS,
					      .sh_offset = sources[i].at,
					      .sh_size = sources[i].size,
					      .sh_addralign = 1 };
		str += sprintf(h->strings + str, ".debug_%s", names[i]) + 1;
	}
	h->ehdr.e_shstrndx = n;
	h->shdrs[n++] = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
				      .sh_offset = offsetof(struct head, strings),
				      .sh_size = sizeof(h->strings),
				      .sh_addralign = 1 };
	h->ehdr.e_shnum = n;
}

/* --- contents --------------------------------------------------------------------------------- */

/* Shared, as only such memory can be seen at a second place (share()). */
static int take_memory(uint8_t *at, size_t len)
{
	void *p = mmap(at, page_up(len), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -ENOMEM : 0;
}

static int map_file(struct elf_file *ef, const struct source *s, uint8_t *to)
{
	uint64_t in_page = offset_in_page(s->off);
	void *p;

	if (s->off > ef->size || s->size > ef->size - s->off)
		return -EBADMSG;
	p = mmap(to - in_page, in_page + s->size, PROT_READ, MAP_SHARED | MAP_FIXED, ef->fd,
		 s->off - in_page);
	return p == MAP_FAILED ? -errno : 0;
}

/* An old length of 0 leaves the old mapping where it is. */
static int share(const struct source *s, uint8_t *to)
{
	uint64_t in_page = offset_in_page((uintptr_t)s->data);
	void *p = mremap((void *)(s->data - in_page), 0, page_up(in_page + s->size),
			 MREMAP_MAYMOVE | MREMAP_FIXED, to - in_page);

	return p == MAP_FAILED ? -errno : 0;
}

static int fill(struct elf_file *ef, const struct source *s, uint8_t *to)
{
	struct unpack_input in = { ef, s->off, s->len };
	int r;

	if (s->kind == FROM_MEMORY)
		return share(s, to);
	if (s->mapped)
		return map_file(ef, s, to);
	r = take_memory(to, s->size);
	if (r < 0)
		return r;
	if (s->kind == FROM_FILE)
		return elf_image_read(ef, s->off, to, s->size);
	return unpack_fill(&in, s->kind == FROM_ZLIB ? UNPACK_ZLIB : UNPACK_ZSTD, to, s->size);
}

static int build(struct debug_image *img, struct elf_file *ef, struct source *sources)
{
	int r = lay_out(img, sources);

	if (r < 0)
		return r;
	if (img->budget && img->taken > img->budget->left) {
		img->taken = 0;
		return -EFBIG;
	}
	if (img->budget)
		img->budget->left -= img->taken;

	img->base =
		mmap(NULL, img->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (img->base == MAP_FAILED)
		return -ENOMEM;
	r = take_memory(img->base, page_size());
	for (size_t i = 0; r == 0 && i < DEBUG_SECTIONS; i++) {
		if (sources[i].kind == FROM_NOWHERE)
			continue;
		r = fill(ef, &sources[i], img->base + sources[i].at);
		img->sections[i] =
			(struct debug_bytes){ img->base + sources[i].at, sources[i].size };
	}
	if (r < 0)
		return r;
	write_head(img, sources);

	elf_version(EV_CURRENT);
	img->elf = elf_memory((char *)img->base, img->len);
	return img->elf ? 0 : -EBADMSG;
}

static struct debug_image *image_new(struct debug_budget *budget)
{
	struct debug_image *img = calloc(1, sizeof(*img));

	if (img) {
		img->base = MAP_FAILED;
		img->budget = budget;
	}
	return img;
}

int debug_image_open(struct elf_file *ef, bool split, struct debug_budget *budget,
		     struct debug_image **ret)
{
	CLEANUP(debug_image_closep) struct debug_image *img = image_new(budget);
	struct source sources[DEBUG_SECTIONS] = { 0 };
	int r;

	if (!img)
		return -ENOMEM;
	for (size_t i = 0; i < DEBUG_SECTIONS; i++) {
		r = find_source(ef, i, split, &sources[i]);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r < 0 || sources[i].size == 0)
			sources[i].kind = FROM_NOWHERE;
		sources[i].mapped = sources[i].kind == FROM_FILE && budget->may_map &&
				    ef->fd >= 0 && sources[i].size >= MAP_MIN;
	}
	if (sources[DEBUG_INFO].kind == FROM_NOWHERE)
		return -ENODATA;
	r = build(img, ef, sources);
	if (r == 0)
		*ret = TAKE_PTR(img);
	return r;
}

int debug_image_join(const struct debug_bytes parts[DEBUG_SECTIONS], struct debug_image **ret)
{
	CLEANUP(debug_image_closep) struct debug_image *img = image_new(NULL);
	struct source sources[DEBUG_SECTIONS] = { 0 };
	int r;

	if (!img)
		return -ENOMEM;
	for (size_t i = 0; i < DEBUG_SECTIONS; i++)
		if (parts[i].len)
			sources[i] = (struct source){ .kind = FROM_MEMORY,
						      .data = parts[i].data,
						      .size = parts[i].len };
	r = build(img, NULL, sources);
	if (r == 0)
		*ret = TAKE_PTR(img);
	return r;
}

void debug_image_close(struct debug_image *img)
{
	if (!img)
		return;
	elf_end(img->elf);
	if (img->base != MAP_FAILED)
		munmap(img->base, img->len);
	if (img->budget)
		img->budget->left += img->taken;
	free(img);
}

/* The memory of unpacked sections is shared memory, which this does not take away. */
void debug_image_forget(struct debug_image *img)
{
	madvise(img->base, img->len, MADV_DONTNEED);
}
