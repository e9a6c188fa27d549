/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_unwind.h"

#include <string.h>
#include <zlib.h>

#include "elf/elf_image.h"

#define UNPACK_STEP 16384 /* compressed bytes read at a time */

/* In front of the bytes of .zdebug_*: "ZLIB" and their number, big-endian. */
#define ZDEBUG_MAGIC "ZLIB"
#define ZDEBUG_HEAD  12

static struct elf_span clip(struct elf_file *ef, uint64_t off, uint64_t size, uint64_t vaddr)
{
	uint64_t there = off < ef->size ? ef->size - off : 0;

	return (struct elf_span){ off, size < there ? size : there, vaddr };
}

static bool find_section(struct elf_file *ef, const char *name, GElf_Shdr *ret)
{
	return elf_image_section_by_name(ef, name, ret) == 0 && ret->sh_type != SHT_NOBITS;
}

static void find_debug_frame(struct elf_file *ef, struct elf_unwind *u)
{
	GElf_Shdr sh;

	if (find_section(ef, ".debug_frame", &sh))
		u->debug_frame_packed = sh.sh_flags & SHF_COMPRESSED;
	else if (find_section(ef, ".zdebug_frame", &sh))
		u->debug_frame_packed = true;
	else
		return;
	u->debug_frame = clip(ef, sh.sh_offset, sh.sh_size, 0);
}

void elf_unwind_find(struct elf_file *ef, struct elf_unwind *ret)
{
	struct elf_unwind u = { 0 };
	GElf_Shdr sh;

	if (find_section(ef, ".eh_frame", &sh))
		u.eh_frame = clip(ef, sh.sh_offset, sh.sh_size, sh.sh_addr);
	if (find_section(ef, ".eh_frame_hdr", &sh))
		u.hdr = clip(ef, sh.sh_offset, sh.sh_size, sh.sh_addr);
	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const GElf_Phdr *ph = &ef->phdrs[i];

		if (ph->p_type == PT_GNU_EH_FRAME)
			u.hdr = clip(ef, ph->p_offset, ph->p_filesz, ph->p_vaddr);
	}
	if (elf_image_is_debug_only(ef))
		u.hdr = (struct elf_span){ 0 };
	find_debug_frame(ef, &u);
	*ret = u;
}

int elf_span_at(struct elf_file *ef, uint64_t vaddr, struct elf_span *ret)
{
	uint64_t off, avail;
	int r = elf_image_vaddr_to_offset(ef, vaddr, &off, &avail);

	if (r < 0)
		return r;
	*ret = clip(ef, off, avail, vaddr);
	return 0;
}

int elf_span_read(struct elf_file *ef, uint64_t off, void *buf, size_t len)
{
	return elf_image_read(ef, off, buf, len);
}

uint16_t elf_file_machine(struct elf_file *ef)
{
	return ef->ehdr.e_machine;
}

static int compare_spans(const void *a, const void *b)
{
	const struct elf_span *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

/* Cuts what an earlier span has already. */
static size_t make_disjoint(struct elf_span *spans, size_t n)
{
	uint64_t end = 0;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct elf_span s = spans[i];
		uint64_t had = end > s.off ? end - s.off : 0;

		if (had >= s.size)
			continue;
		s = (struct elf_span){ s.off + had, s.size - had, s.vaddr + had };
		end = s.off + s.size;
		spans[kept++] = s;
	}
	return kept;
}

int elf_code_segments(struct elf_file *ef, struct elf_span **ret, size_t *ret_n)
{
	struct elf_span *spans = calloc(ef->n_phdrs + 1, sizeof(*spans));
	size_t n = 0;

	if (!spans)
		return -ENOMEM;
	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const GElf_Phdr *ph = &ef->phdrs[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) &&
		    ph->p_vaddr <= UINT64_MAX - ph->p_filesz)
			spans[n++] = clip(ef, ph->p_offset, ph->p_filesz, ph->p_vaddr);
	}
	qsort(spans, n, sizeof(*spans), compare_spans);

	*ret_n = make_disjoint(spans, n);
	*ret = spans;
	return 0;
}

/* Where the packed bytes begin, and how many they become. */
static int read_packed_head(struct elf_file *ef, struct elf_span *packed, uint64_t *ret_size)
{
	uint8_t old[ZDEBUG_HEAD];
	uint64_t size = 0;
	Elf64_Chdr ch;

	if (packed->size < sizeof(ch) || elf_image_read(ef, packed->off, &ch, sizeof(ch)) < 0)
		return -EBADMSG;
	memcpy(old, &ch, sizeof(old));
	if (memcmp(old, ZDEBUG_MAGIC, strlen(ZDEBUG_MAGIC)) == 0) {
		for (size_t i = strlen(ZDEBUG_MAGIC); i < ZDEBUG_HEAD; i++)
			size = size << 8 | old[i];
		packed->off += ZDEBUG_HEAD;
		packed->size -= ZDEBUG_HEAD;
		*ret_size = size;
		return 0;
	}

	if (ch.ch_type != ELFCOMPRESS_ZLIB)
		return -EOPNOTSUPP;
	packed->off += sizeof(ch);
	packed->size -= sizeof(ch);
	*ret_size = ch.ch_size;
	return 0;
}

static void inflate_endp(z_stream *z)
{
	inflateEnd(z);
}

static int inflate_span(struct elf_file *ef, struct elf_span packed, uint8_t *out, size_t len)
{
	CLEANUP(inflate_endp) z_stream z = { .next_out = out, .avail_out = len };
	uint8_t in[UNPACK_STEP];
	int r = inflateInit(&z);

	while (r == Z_OK && packed.size) {
		size_t n = packed.size < sizeof(in) ? packed.size : sizeof(in);

		if (elf_image_read(ef, packed.off, in, n) < 0)
			return -EBADMSG;
		packed.off += n;
		packed.size -= n;
		z.next_in = in;
		z.avail_in = n;
		r = inflate(&z, Z_NO_FLUSH);
	}
	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	return r == Z_STREAM_END && z.avail_out == 0 ? 0 : -EBADMSG;
}

int elf_unwind_unpack(struct elf_file *ef, const struct elf_span *packed, size_t max, uint8_t **ret,
		      size_t *ret_len)
{
	CLEANUP(freep) uint8_t *out = NULL;
	struct elf_span in = *packed;
	uint64_t size;
	int r;

	r = read_packed_head(ef, &in, &size);
	if (r < 0)
		return r;
	if (size > max)
		return -EFBIG;

	out = malloc(size + 1);
	if (!out)
		return -ENOMEM;
	r = inflate_span(ef, in, out, size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(out);
	*ret_len = size;
	return 0;
}
