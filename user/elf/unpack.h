/* SPDX-License-Identifier: Apache-2.0 */
/* Packed contents of ELF files: compressed sections, .gnu_debugdata. */
#ifndef ELF_UNPACK_H
#define ELF_UNPACK_H

#include "elf/elf_file.h"

enum unpack_format { UNPACK_ZLIB, UNPACK_ZSTD };

/* Packed bytes of a file. */
struct unpack_input {
	struct elf_file *ef;
	uint64_t off;
	uint64_t len;
};

/*
 * Fills @out[0..size) with what @in unpacks to; what it has beyond that is left. -EBADMSG: it is
 * broken, or shorter; -ENOMEM.
 */
int unpack_fill(const struct unpack_input *in, enum unpack_format format, uint8_t *out,
		size_t size);

/*
 * Unpacks xz to a fresh buffer (the caller frees). -EFBIG if that would have more than @max bytes,
 * or take more memory than that to unpack.
 */
int unpack_xz(const struct unpack_input *in, size_t max, uint8_t **ret, size_t *ret_len);

#endif
