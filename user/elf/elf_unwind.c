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

static bool find_section(struct elf_file *ef, const char *name, Elf64_Shdr *ret)
{
	return elf_image_section_by_name(ef, name, ret) == 0 && ret->sh_type != SHT_NOBITS;
}

static void find_debug_frame(struct elf_file *ef, struct elf_unwind *u)
{
	Elf64_Shdr sh;

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
	Elf64_Shdr sh;

	if (find_section(ef, ".eh_frame", &sh))
		u.eh_frame = clip(ef, sh.sh_offset, sh.sh_size, sh.sh_addr);
	if (find_section(ef, ".eh_frame_hdr", &sh))
		u.hdr = clip(ef, sh.sh_offset, sh.sh_size, sh.sh_addr);
	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];

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

static size_t load_segments(struct elf_file *ef, struct elf_span *spans)
{
	size_t n = 0;

	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X) &&
		    ph->p_vaddr <= UINT64_MAX - ph->p_filesz)
			spans[n++] = clip(ef, ph->p_offset, ph->p_filesz, ph->p_vaddr);
	}
	qsort(spans, n, sizeof(*spans), compare_spans);
	return make_disjoint(spans, n);
}

/* The span that holds the byte at @off of the file, or -1. */
static ssize_t span_of(const struct elf_span *spans, size_t n, uint64_t off)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (spans[mid].off <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && off - spans[lo - 1].off < spans[lo - 1].size ? (ssize_t)lo - 1 : -1;
}

/* Makes @part, which is empty at first, the least that holds [from, to) too. */
static void widen(struct elf_span *part, uint64_t from, uint64_t to)
{
	uint64_t end = part->off + part->size;

	if (!part->size) {
		*part = (struct elf_span){ .off = from, .size = to - from };
		return;
	}
	part->off = from < part->off ? from : part->off;
	part->size = (to > end ? to : end) - part->off;
}

/*
 * Linkers used to put all that is not written to into one segment: dynamic symbols before the code,
 * constants behind it. Where sections tell, those ends are left out.
 */
static int leave_out_data(struct elf_file *ef, struct elf_span *spans, size_t n)
{
	CLEANUP(freep) struct elf_span *parts = calloc(n + 1, sizeof(*parts));
	Elf64_Shdr sh;

	if (!parts)
		return -ENOMEM;
	for (size_t i = 1; elf_image_section(ef, i, &sh) == 0; i++) {
		bool is_code = (sh.sh_flags & SHF_ALLOC) && (sh.sh_flags & SHF_EXECINSTR) &&
			       sh.sh_type != SHT_NOBITS && sh.sh_size;
		ssize_t at = is_code ? span_of(spans, n, sh.sh_offset) : -1;

		if (at >= 0) {
			uint64_t left = spans[at].off + spans[at].size - sh.sh_offset;

			widen(&parts[at], sh.sh_offset,
			      sh.sh_offset + (sh.sh_size < left ? sh.sh_size : left));
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (!parts[i].size)
			continue;
		parts[i].vaddr = spans[i].vaddr + (parts[i].off - spans[i].off);
		spans[i] = parts[i];
	}
	return 0;
}

int elf_code_segments(struct elf_file *ef, struct elf_span **ret, size_t *ret_n)
{
	CLEANUP(freep) struct elf_span *spans = calloc(ef->n_phdrs + 1, sizeof(*spans));
	size_t n;
	int r;

	if (!spans)
		return -ENOMEM;
	n = load_segments(ef, spans);
	r = leave_out_data(ef, spans, n);
	if (r < 0)
		return r;

	*ret_n = n;
	*ret = TAKE_PTR(spans);
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
