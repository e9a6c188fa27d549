/* SPDX-License-Identifier: Apache-2.0 */
/* Reads DWARF's numbers from foreign bytes. What is read past the end is 0, and is remembered. */
#ifndef UNWIND_DW_CURSOR_H
#define UNWIND_DW_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dw_cursor {
	const uint8_t *pos;
	const uint8_t *end;
	uint64_t addr; /* of *pos: what pcrel is relative to */
	bool bad;      /* a read went past the end, or a number had more than 64 bits */
};

struct dw_cursor dw_cursor_of(const void *buf, size_t len, uint64_t addr);

/* @len bytes from here; NULL, and bad, if there are not as many. */
const uint8_t *dw_take(struct dw_cursor *c, uint64_t len);

uint8_t dw_u8(struct dw_cursor *c);
uint16_t dw_u16(struct dw_cursor *c);
uint32_t dw_u32(struct dw_cursor *c);
uint64_t dw_u64(struct dw_cursor *c);
uint64_t dw_uleb(struct dw_cursor *c);
int64_t dw_sleb(struct dw_cursor *c);

/*
 * A value in one of the DW_EH_PE_* formats, without what it is relative to (bits 0-3 of @enc). Bad
 * if there is no such format.
 */
uint64_t dw_raw(struct dw_cursor *c, uint8_t enc);

/*
 * A pointer in encoding @enc; @data_base is what datarel is relative to, UINT64_MAX: unknown. Bad
 * where only a process could know (indirect), and for textrel, funcrel and aligned, whose bases
 * nothing in an ELF file says. A relative 0 is 0, as in every runtime.
 */
uint64_t dw_pointer(struct dw_cursor *c, uint8_t enc, uint64_t data_base);

#endif
