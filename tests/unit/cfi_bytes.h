/* SPDX-License-Identifier: Apache-2.0 */
/* CIEs and FDEs of tests, byte by byte. */
#ifndef CFI_BYTES_H
#define CFI_BYTES_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

struct cfi_bytes {
	uint8_t data[8192];
	size_t n;
};

static inline void put_bytes(struct cfi_bytes *b, const void *bytes, size_t len)
{
	cr_assert_leq(b->n + len, sizeof(b->data));
	memcpy(b->data + b->n, bytes, len);
	b->n += len;
}

static inline void put_u8(struct cfi_bytes *b, uint8_t v)
{
	put_bytes(b, &v, sizeof(v));
}

static inline void put_u32(struct cfi_bytes *b, uint32_t v)
{
	put_bytes(b, &v, sizeof(v));
}

static inline void put_u64(struct cfi_bytes *b, uint64_t v)
{
	put_bytes(b, &v, sizeof(v));
}

#define PUT(b, ...)                                                                                \
	put_bytes(b, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Sets the 32-bit length of the entry that begins at @at and ends here. */
static inline void put_length(struct cfi_bytes *b, size_t at)
{
	uint32_t len = b->n - at - 4;

	memcpy(b->data + at, &len, sizeof(len));
}

#endif
