/* SPDX-License-Identifier: Apache-2.0 */
/* x86_64 instructions as struct code_op, decoded by Zydis. Pure. */
#ifndef UNWIND_X86_DECODE_H
#define UNWIND_X86_DECODE_H

#include <Zydis/Zydis.h>

#include "unwind/code_op.h"

struct x86_decoder {
	ZydisDecoder zydis;
	const uint8_t *bytes;
	size_t len;	/* below CODE_OP_NOWHERE */
	uint64_t vaddr; /* of byte 0 */
};

void x86_decoder_init(struct x86_decoder *d, const void *bytes, size_t len, uint64_t vaddr);

/* The instruction at byte @at, which is below ->len. */
void x86_decode(const struct x86_decoder *d, size_t at, struct code_op *ret);

#endif
