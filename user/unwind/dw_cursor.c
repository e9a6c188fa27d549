/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/dw_cursor.h"

#include <dwarf.h>
#include <string.h>

#define FORMAT_MASK   0x0f
#define RELATIVE_MASK 0x70

struct dw_cursor dw_cursor_of(const void *buf, size_t len, uint64_t addr)
{
	static const uint8_t nothing[1];
	const uint8_t *bytes = len ? buf : nothing; /* to NULL nothing may be added, not even 0 */

	return (struct dw_cursor){ .pos = bytes, .end = bytes + len, .addr = addr };
}

const uint8_t *dw_take(struct dw_cursor *c, uint64_t len)
{
	const uint8_t *bytes = c->pos;

	if (len > (uint64_t)(c->end - c->pos)) {
		c->bad = true;
		c->pos = c->end;
		return NULL;
	}
	c->pos += len;
	c->addr += len;
	return bytes;
}

/* The file has the byte order of this program: struct elf_file takes no other. */
static void take_into(struct dw_cursor *c, void *ret, size_t len)
{
	const uint8_t *bytes = dw_take(c, len);

	if (bytes)
		memcpy(ret, bytes, len);
}

uint8_t dw_u8(struct dw_cursor *c)
{
	if (c->pos == c->end) {
		c->bad = true;
		return 0;
	}
	c->addr++;
	return *c->pos++;
}

uint16_t dw_u16(struct dw_cursor *c)
{
	uint16_t v = 0;

	take_into(c, &v, sizeof(v));
	return v;
}

uint32_t dw_u32(struct dw_cursor *c)
{
	uint32_t v = 0;

	take_into(c, &v, sizeof(v));
	return v;
}

uint64_t dw_u64(struct dw_cursor *c)
{
	uint64_t v = 0;

	take_into(c, &v, sizeof(v));
	return v;
}

uint64_t dw_uleb(struct dw_cursor *c)
{
	uint64_t v = 0;
	uint8_t byte;

	for (unsigned shift = 0;; shift += 7) {
		byte = dw_u8(c);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		if (shift >= 63 && (byte & 0x7f) >> (shift == 63))
			c->bad = true;
		if (!(byte & 0x80))
			return v;
	}
}

int64_t dw_sleb(struct dw_cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = dw_u8(c);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		/* From bit 63 on all bits are the sign. */
		if (shift >= 63 && (byte & 0x7f) != (v >> 63 ? 0x7f : 0))
			c->bad = true;
		shift += 7;
	} while (byte & 0x80);

	if (shift < 64 && (byte & 0x40))
		v |= UINT64_MAX << shift;
	return (int64_t)v;
}

uint64_t dw_raw(struct dw_cursor *c, uint8_t enc)
{
	switch (enc & FORMAT_MASK) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return dw_u64(c);
	case DW_EH_PE_uleb128:
		return dw_uleb(c);
	case DW_EH_PE_sleb128:
		return dw_sleb(c);
	case DW_EH_PE_udata2:
		return dw_u16(c);
	case DW_EH_PE_sdata2:
		return (int64_t)(int16_t)dw_u16(c);
	case DW_EH_PE_udata4:
		return dw_u32(c);
	case DW_EH_PE_sdata4:
		return (int64_t)(int32_t)dw_u32(c);
	default:
		c->bad = true;
		return 0;
	}
}

uint64_t dw_pointer(struct dw_cursor *c, uint8_t enc, uint64_t data_base)
{
	uint64_t here = c->addr;
	uint64_t v = dw_raw(c, enc);
	uint64_t base = 0;

	if (enc & DW_EH_PE_indirect) {
		c->bad = true;
		return 0;
	}
	switch (enc & RELATIVE_MASK) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		base = here;
		break;
	case DW_EH_PE_datarel:
		base = data_base;
		c->bad |= data_base == UINT64_MAX;
		break;
	default:
		c->bad = true;
	}
	return v && !c->bad ? base + v : 0;
}
