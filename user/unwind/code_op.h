/* SPDX-License-Identifier: Apache-2.0 */
/* What an instruction does to the stack and to the registers that a caller wants back. */
#ifndef UNWIND_CODE_OP_H
#define UNWIND_CODE_OP_H

#include <stddef.h>
#include <stdint.h>

enum code_op_kind {
	CODE_OP_OTHER,	     /* nothing but what ->writes and ->stored say */
	CODE_OP_BAD,	     /* no instruction, or one that no program's code has */
	CODE_OP_PADDING,     /* does nothing */
	CODE_OP_TEST,	     /* sets flags only */
	CODE_OP_PUSH,	     /* register a */
	CODE_OP_PUSH_OTHER,  /* disp bytes */
	CODE_OP_POP,	     /* register a */
	CODE_OP_POP_OTHER,   /* disp bytes */
	CODE_OP_MOVE,	     /* a = b */
	CODE_OP_ADD,	     /* a = b + disp */
	CODE_OP_LOAD,	     /* a = 8 bytes at b + disp */
	CODE_OP_STORE,	     /* 8 bytes at b + disp = a */
	CODE_OP_STORE_OTHER, /* size bytes at b + disp are overwritten */
	CODE_OP_LEAVE,	     /* sp = fp, pop fp */
	CODE_OP_NO_FP,	     /* fp = 0 */
	CODE_OP_SYSCALL,
	CODE_OP_ADDRESS, /* some register = target */
	CODE_OP_BRANCH,	 /* goes on, or to target */
	CODE_OP_CALL,	 /* of target, wherever it is: disp bytes from the code's begin */
	CODE_OP_CALL_INDIRECT,
	/* Behind these, control does not go on. */
	CODE_OP_JUMP,
	CODE_OP_JUMP_INDIRECT,
	CODE_OP_RETURN,
	CODE_OP_STOP, /* a trap */
};

#define CODE_OP_NOWHERE UINT32_MAX

struct code_op {
	uint8_t kind; /* enum code_op_kind */
	uint8_t len;  /* bytes; 1 for CODE_OP_BAD */
	uint8_t a, b; /* registers, by DWARF number */
	uint16_t size;
	uint16_t writes; /* registers whose value is another one afterwards, not told which */
	uint16_t reads;	 /* registers whose value is used, not only put elsewhere */
	int32_t disp;
	uint32_t target; /* bytes from the code's begin; CODE_OP_NOWHERE: outside of it */
};

static inline int code_op_is_end(const struct code_op *op)
{
	return op->kind >= CODE_OP_JUMP || op->kind == CODE_OP_BAD;
}

#endif
