/* SPDX-License-Identifier: Apache-2.0 */
/* Small pieces of a large run of bytes, of which a few blocks are kept. */
#ifndef UNWIND_BYTE_WINDOW_H
#define UNWIND_BYTE_WINDOW_H

#include "elf/elf_unwind.h"

struct byte_source {
	struct elf_file *ef; /* NULL: bytes in memory */
	const uint8_t *mem;
	struct elf_span span; /* vaddr: of the first byte */
};

#define BYTE_WINDOW_STEP   4096
#define BYTE_WINDOW_PEEK   256 /* what can be asked for at once */
#define BYTE_WINDOW_BLOCKS 8

struct byte_window {
	const struct byte_source *src; /* borrowed */
	struct {
		uint64_t index;
		size_t len; /* 0: nothing is held */
		uint8_t bytes[BYTE_WINDOW_STEP + BYTE_WINDOW_PEEK];
	} blocks[BYTE_WINDOW_BLOCKS];
};

void byte_window_init(struct byte_window *w, const struct byte_source *src);

/*
 * The bytes at @off, valid until the next call, and how many there are: BYTE_WINDOW_PEEK at least,
 * if the source does not end before. -EBADMSG at its end, -EIO.
 */
int byte_window_peek(struct byte_window *w, uint64_t off, const uint8_t **ret, size_t *ret_len);

/* The same, of exactly @len bytes. */
int byte_window_get(struct byte_window *w, uint64_t off, size_t len, const uint8_t **ret);

#endif
