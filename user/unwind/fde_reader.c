/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/fde_reader.h"

#include <string.h>

/*
 * A block holds BLOCK_STEP bytes of the section and the BLOCK_OVERLAP that follow, so that nearly
 * every entry that begins in it lies in it whole. Functions that follow each other have their FDEs
 * in several places: each section of an object file (.text.unlikely, .text.startup) has its own.
 */
#define BLOCK_STEP    8192
#define BLOCK_OVERLAP 1024
#define BLOCKS	      16
#define CIES	      64

struct block {
	uint8_t *bytes;
	uint64_t index;
	size_t len; /* 0: nothing is held */
};

struct known_cie {
	uint8_t *bytes; /* of the entry; NULL: there is no CIE here */
	uint64_t off;
	int error;
	struct cfi_cie cie;
};

struct fde_reader {
	const struct fde_source *src;
	struct block blocks[BLOCKS];
	struct known_cie cies[CIES];
	uint8_t *big; /* an FDE that lies in no block */
};

int fde_reader_new(const struct fde_source *src, struct fde_reader **ret)
{
	struct fde_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->src = src;
	*ret = r;
	return 0;
}

void fde_reader_free(struct fde_reader *r)
{
	if (!r)
		return;

	for (size_t i = 0; i < BLOCKS; i++)
		free(r->blocks[i].bytes);
	for (size_t i = 0; i < CIES; i++)
		free(r->cies[i].bytes);
	free(r->big);
	free(r);
}

static int read_bytes(const struct fde_source *src, uint64_t off, void *buf, size_t len)
{
	if (off > src->span.size || len > src->span.size - off)
		return -EBADMSG;
	if (src->ef)
		return elf_span_read(src->ef, src->span.off + off, buf, len);
	memcpy(buf, src->mem + off, len);
	return 0;
}

static int fill_block(const struct fde_source *src, struct block *b, uint64_t index)
{
	uint64_t off = index * BLOCK_STEP;
	size_t len = BLOCK_STEP + BLOCK_OVERLAP;
	int r;

	if (!b->bytes)
		b->bytes = malloc(len);
	if (!b->bytes)
		return -ENOMEM;
	b->len = 0;
	if (len > src->span.size - off)
		len = src->span.size - off;
	r = read_bytes(src, off, b->bytes, len);
	if (r < 0)
		return r;
	b->index = index;
	b->len = len;
	return 0;
}

/* The bytes at @off, at least BLOCK_OVERLAP unless the section ends; valid until the next call. */
static int peek(struct fde_reader *r, uint64_t off, const uint8_t **ret, size_t *ret_len)
{
	uint64_t index = off / BLOCK_STEP;
	struct block *b = &r->blocks[index % BLOCKS];
	int error;

	if (off >= r->src->span.size)
		return -ENODATA;
	if (!b->len || b->index != index) {
		error = fill_block(r->src, b, index);
		if (error < 0)
			return error;
	}
	*ret = b->bytes + off % BLOCK_STEP;
	*ret_len = b->len - off % BLOCK_STEP;
	return 0;
}

int fde_reader_head(struct fde_reader *r, uint64_t off, struct cfi_head *ret)
{
	const uint8_t *bytes;
	struct cfi_head h;
	size_t len;
	int error;

	error = peek(r, off, &bytes, &len);
	if (error < 0)
		return error;
	error = cfi_read_head(bytes, len, r->src->eh, &h);
	if (error < 0)
		return error;
	if (h.size > r->src->span.size - off)
		return -EBADMSG;
	*ret = h;
	return 0;
}

/* Not through the blocks: what a caller has of these stays valid. */
static int load_cie(struct fde_reader *r, uint64_t off, struct known_cie *known)
{
	const struct fde_source *src = r->src;
	uint8_t head[CFI_HEAD_MAX];
	uint64_t there = off < src->span.size ? src->span.size - off : 0;
	struct cfi_head h;
	int error;

	error = read_bytes(src, off, head, there < sizeof(head) ? there : sizeof(head));
	if (error < 0)
		return error;
	error = cfi_read_head(head, there < sizeof(head) ? there : sizeof(head), src->eh, &h);
	if (error < 0)
		return error;
	if (!h.is_cie || h.size > CIE_SIZE_MAX)
		return -EBADMSG;

	known->bytes = malloc(h.size);
	if (!known->bytes)
		return -ENOMEM;
	error = read_bytes(src, off, known->bytes, h.size);
	if (error < 0)
		return error;
	return cfi_parse_cie(known->bytes, h.size, src->span.vaddr + off, src->arch, src->eh,
			     &known->cie);
}

static int find_cie(struct fde_reader *r, uint64_t off, const struct cfi_cie **ret)
{
	struct known_cie *known = &r->cies[off / 4 % CIES];

	if (!known->bytes || known->off != off) {
		free(TAKE_PTR(known->bytes));
		known->off = off;
		known->error = load_cie(r, off, known);
	}
	if (known->error < 0)
		return known->error;
	*ret = &known->cie;
	return 0;
}

static int cie_of(struct fde_reader *r, uint64_t off, const struct cfi_head *h,
		  const struct cfi_cie **ret)
{
	uint64_t field = off + h->head - 4;

	if (h->size == 0 || h->is_cie)
		return -EBADMSG;
	if (!r->src->eh)
		return find_cie(r, h->cie_off, ret);
	return h->cie_back > field ? -EBADMSG : find_cie(r, field - h->cie_back, ret);
}

int fde_reader_range(struct fde_reader *r, uint64_t off, struct cfi_fde *ret)
{
	const struct cfi_cie *cie;
	const uint8_t *bytes;
	struct cfi_head h;
	size_t len;
	int error;

	error = fde_reader_head(r, off, &h);
	if (error == 0)
		error = cie_of(r, off, &h, &cie);
	if (error == 0)
		error = peek(r, off, &bytes, &len);
	if (error < 0)
		return error == -ENODATA ? -EBADMSG : error;
	if (len > h.size)
		len = h.size;
	return cfi_parse_range(bytes, len, r->src->span.vaddr + off, cie, ret);
}

/* The whole entry, of @size bytes. */
static int whole(struct fde_reader *r, uint64_t off, uint64_t size, const uint8_t **ret)
{
	size_t len;
	int error;

	error = peek(r, off, ret, &len);
	if (error < 0 || len >= size)
		return error;
	if (size > FDE_SIZE_MAX)
		return -EBADMSG;

	free(TAKE_PTR(r->big));
	r->big = malloc(size);
	if (!r->big)
		return -ENOMEM;
	*ret = r->big;
	return read_bytes(r->src, off, r->big, size);
}

int fde_reader_load(struct fde_reader *r, uint64_t off, struct cfi_fde *ret)
{
	const struct cfi_cie *cie;
	const uint8_t *bytes;
	struct cfi_head h;
	int error;

	error = fde_reader_head(r, off, &h);
	if (error == 0)
		error = cie_of(r, off, &h, &cie);
	if (error == 0)
		error = whole(r, off, h.size, &bytes);
	if (error < 0)
		return error == -ENODATA ? -EBADMSG : error;
	return cfi_parse_fde(bytes, h.size, r->src->span.vaddr + off, cie, ret);
}
