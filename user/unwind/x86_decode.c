/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/x86_decode.h"

#include <stdbool.h>

#include "shared/unwind_rule.h"

#define NO_REG 255
#define WORD   8

#define ABSOLUTE_MIN   0x400000 /* where programs that are not position independent begin */
#define FUNCTION_ALIGN 16

/* Registers that a call may change (psABI 3.2.1): rax, rdx, rcx, rsi, rdi, r8 to r11. */
#define SCRATCH 0x0f37
#define RAX	0
#define RCX	2
#define R11	11

/* An instruction with its operands. */
struct x86_insn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t next; /* address behind it */
};

void x86_decoder_init(struct x86_decoder *d, const void *bytes, size_t len, uint64_t vaddr)
{
	/* Fails for modes only that we do not ask for. */
	(void)ZydisDecoderInit(&d->zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	d->bytes = bytes;
	d->len = len;
	d->vaddr = vaddr;
}

/* DWARF's number of a general register of 64 bits; of a part of one if @part. */
static unsigned reg_of(ZydisRegister reg, bool part)
{
	static const uint8_t dwarf[] = { 0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15 };

	if (part)
		reg = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
	if (reg < ZYDIS_REGISTER_RAX || reg > ZYDIS_REGISTER_R15)
		return NO_REG;
	return dwarf[reg - ZYDIS_REGISTER_RAX];
}

static unsigned full_reg(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER ? reg_of(op->reg.value, false) : NO_REG;
}

/* Is @op base + disp, with nothing else in it? */
static bool is_plain_memory(const ZydisDecodedOperand *op, struct code_op *ret)
{
	unsigned base;

	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.index != ZYDIS_REGISTER_NONE ||
	    op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS)
		return false;
	base = reg_of(op->mem.base, false);
	if (base == NO_REG || op->mem.disp.value != (int32_t)op->mem.disp.value)
		return false;
	ret->b = base;
	ret->disp = (int32_t)op->mem.disp.value;
	return true;
}

static uint32_t target_of(const struct x86_decoder *d, uint64_t address)
{
	uint64_t at = address - d->vaddr;

	return at < d->len ? (uint32_t)at : CODE_OP_NOWHERE;
}

static uint16_t bit_of(ZydisRegister reg)
{
	unsigned n = reg_of(reg, true);

	return n == NO_REG ? 0 : 1u << n;
}

static uint16_t reads_of(const struct x86_insn *in)
{
	uint16_t reads = 0;

	for (unsigned k = 0; k < in->i.operand_count; k++) {
		const ZydisDecodedOperand *op = &in->op[k];

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY)
			reads |= bit_of(op->mem.base) | bit_of(op->mem.index);
		else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
			 (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ))
			reads |= bit_of(op->reg.value);
	}
	return reads;
}

/* What the operands say of each instruction, also of one that is not known by its name. */
static void take_operands(const struct x86_insn *in, struct code_op *ret)
{
	ret->kind = CODE_OP_OTHER;
	for (unsigned k = 0; k < in->i.operand_count; k++) {
		const ZydisDecodedOperand *op = &in->op[k];

		if (!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			ret->writes |= bit_of(op->reg.value);
		} else if (is_plain_memory(op, ret)) {
			ret->kind = CODE_OP_STORE_OTHER;
			ret->size = op->size / 8;
		}
	}
}

static void take_mov(const struct x86_decoder *d, const struct x86_insn *in, struct code_op *ret)
{
	unsigned to = full_reg(&in->op[0]), from = full_reg(&in->op[1]);

	if (to != NO_REG && from != NO_REG) {
		*ret = (struct code_op){ .kind = CODE_OP_MOVE, .a = to, .b = from };
	} else if (to != NO_REG && is_plain_memory(&in->op[1], ret)) {
		ret->kind = CODE_OP_LOAD;
		ret->a = to;
	} else if (from != NO_REG && is_plain_memory(&in->op[0], ret)) {
		ret->kind = CODE_OP_STORE;
		ret->a = from;
	} else if (in->op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
		   in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		ret->target = target_of(d, in->op[1].imm.value.u);
		/* Most constants are no addresses, and small ones never are. */
		if (ret->target != CODE_OP_NOWHERE && in->op[1].imm.value.u >= ABSOLUTE_MIN &&
		    in->op[1].imm.value.u % FUNCTION_ALIGN == 0)
			ret->kind = CODE_OP_ADDRESS;
	}
	/* LOAD sets its register to what it knows: that is no unknown value. */
	if (ret->kind == CODE_OP_LOAD)
		ret->writes = 0;
}

static void take_lea(const struct x86_decoder *d, const struct x86_insn *in, struct code_op *ret)
{
	const ZydisDecodedOperand *mem = &in->op[1];
	unsigned to = full_reg(&in->op[0]);

	if (mem->mem.base == ZYDIS_REGISTER_RIP) {
		ret->target = target_of(d, in->next + mem->mem.disp.value);
		if (ret->target != CODE_OP_NOWHERE)
			ret->kind = CODE_OP_ADDRESS;
	} else if (to != NO_REG && is_plain_memory(mem, ret)) {
		ret->kind = CODE_OP_ADD;
		ret->a = to;
		ret->writes = 0;
	}
}

/* add, sub: of a constant to a register. */
static void take_add(const struct x86_insn *in, int sign, struct code_op *ret)
{
	unsigned to = full_reg(&in->op[0]);
	int64_t by = in->op[1].imm.value.s;

	if (to == NO_REG || in->op[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || by != (int32_t)by ||
	    by == INT32_MIN)
		return;
	*ret = (struct code_op){ .kind = CODE_OP_ADD, .a = to, .b = to };
	ret->disp = sign * (int32_t)by;
}

static void take_push(const struct x86_insn *in, struct code_op *ret)
{
	unsigned reg = full_reg(&in->op[0]);

	*ret = (struct code_op){ .kind = CODE_OP_PUSH_OTHER, .disp = in->i.operand_width / 8 };
	if (reg != NO_REG) {
		ret->kind = CODE_OP_PUSH;
		ret->a = reg;
	}
}

static void take_pop(const struct x86_insn *in, struct code_op *ret)
{
	unsigned reg = full_reg(&in->op[0]);

	*ret = (struct code_op){ .kind = CODE_OP_POP_OTHER, .disp = in->i.operand_width / 8 };
	if (reg != NO_REG) {
		ret->kind = CODE_OP_POP;
		ret->a = reg;
	}
}

static void take_call(const struct x86_decoder *d, const struct x86_insn *in, struct code_op *ret)
{
	*ret = (struct code_op){ .kind = CODE_OP_CALL_INDIRECT, .writes = SCRATCH };
	if (in->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		ret->kind = CODE_OP_CALL;
		ret->target = target_of(d, in->next + in->op[0].imm.value.s);
		ret->disp = (int32_t)(in->next + in->op[0].imm.value.s - d->vaddr);
	}
}

static void take_jump(const struct x86_decoder *d, const struct x86_insn *in, bool conditional,
		      struct code_op *ret)
{
	*ret = (struct code_op){ .kind = CODE_OP_JUMP_INDIRECT };
	if (in->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		ret->kind = conditional ? CODE_OP_BRANCH : CODE_OP_JUMP;
		ret->target = target_of(d, in->next + in->op[0].imm.value.s);
	}
}

/* xor of a register with itself; 32 bits are enough to clear all. */
static bool is_zeroing(const struct x86_insn *in)
{
	return in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->op[0].reg.value == in->op[1].reg.value && in->op[0].size >= 32;
}

/* xchg %ax, %ax and its like */
static bool is_exchange_with_itself(const struct x86_insn *in)
{
	return in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       in->op[0].reg.value == in->op[1].reg.value && in->op[0].size != 32;
}

static void take_ordinary(const struct x86_decoder *d, const struct x86_insn *in,
			  struct code_op *ret)
{
	take_operands(in, ret);
	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		take_mov(d, in, ret);
		break;
	case ZYDIS_MNEMONIC_LEA:
		take_lea(d, in, ret);
		break;
	case ZYDIS_MNEMONIC_ADD:
		take_add(in, 1, ret);
		break;
	case ZYDIS_MNEMONIC_SUB:
		take_add(in, -1, ret);
		break;
	case ZYDIS_MNEMONIC_XOR:
		if (is_zeroing(in) && ret->writes == 1u << UNWIND_X86_RBP)
			*ret = (struct code_op){ .kind = CODE_OP_NO_FP };
		break;
	case ZYDIS_MNEMONIC_XCHG:
		if (is_exchange_with_itself(in))
			*ret = (struct code_op){ .kind = CODE_OP_PADDING };
		break;
	case ZYDIS_MNEMONIC_TEST:
	case ZYDIS_MNEMONIC_CMP:
		ret->kind = CODE_OP_TEST;
		break;
	default:
		break;
	}
}

/* What is not in ring 3's code, or would need to be followed to where nobody can see. */
static bool is_foreign(const ZydisDecodedInstruction *i)
{
	return (i->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) ||
	       i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
	       i->mnemonic == ZYDIS_MNEMONIC_ENTER || i->meta.category == ZYDIS_CATEGORY_IO ||
	       i->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

static void take_stack_or_flow(const struct x86_decoder *d, const struct x86_insn *in,
			       struct code_op *ret)
{
	switch (in->i.meta.category) {
	case ZYDIS_CATEGORY_CALL:
		take_call(d, in, ret);
		break;
	case ZYDIS_CATEGORY_COND_BR:
		take_jump(d, in, true, ret);
		break;
	case ZYDIS_CATEGORY_UNCOND_BR:
		take_jump(d, in, false, ret);
		break;
	case ZYDIS_CATEGORY_RET:
		/* ret $n is no C function's. */
		ret->kind = in->i.operand_count && in->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE
				    ? CODE_OP_BAD
				    : CODE_OP_RETURN;
		break;
	case ZYDIS_CATEGORY_PUSH:
		take_push(in, ret);
		break;
	case ZYDIS_CATEGORY_POP:
		take_pop(in, ret);
		break;
	case ZYDIS_CATEGORY_NOP:
	case ZYDIS_CATEGORY_WIDENOP:
		ret->kind = CODE_OP_PADDING;
		break;
	case ZYDIS_CATEGORY_SYSCALL:
		ret->kind = CODE_OP_SYSCALL;
		ret->writes = 1u << RAX | 1u << RCX | 1u << R11;
		break;
	default:
		take_ordinary(d, in, ret);
		break;
	}
}

static void take_insn(const struct x86_decoder *d, const struct x86_insn *in, struct code_op *ret)
{
	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_LEAVE:
		ret->kind = CODE_OP_LEAVE;
		break;
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_INT3:
		ret->kind = CODE_OP_STOP;
		break;
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_XABORT: /* has no effect outside of a transaction */
		ret->kind = CODE_OP_OTHER;
		break;
	default:
		if (is_foreign(&in->i))
			ret->kind = CODE_OP_BAD;
		else
			take_stack_or_flow(d, in, ret);
		break;
	}
}

void x86_decode(const struct x86_decoder *d, size_t at, struct code_op *ret)
{
	ZydisDecoderContext ctx;
	struct code_op op = { .kind = CODE_OP_BAD, .target = CODE_OP_NOWHERE };
	struct x86_insn in;

	*ret = op;
	ret->len = 1;
	if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&d->zydis, &ctx, d->bytes + at, d->len - at,
						      &in.i)) ||
	    ZYAN_FAILED(
		    ZydisDecoderDecodeOperands(&d->zydis, &ctx, &in.i, in.op, in.i.operand_count)))
		return;
	in.next = d->vaddr + at + in.i.length;
	take_insn(d, &in, &op);
	op.len = in.i.length;
	op.reads = reads_of(&in);
	/* That is no use: it saves the register, or clears it. */
	if (op.kind == CODE_OP_PUSH || op.kind == CODE_OP_STORE || op.kind == CODE_OP_MOVE)
		op.reads &= ~(1u << op.a | (op.kind == CODE_OP_MOVE ? 1u << op.b : 0));
	if (op.kind == CODE_OP_PADDING || is_zeroing(&in))
		op.reads = 0;
	if (op.kind < CODE_OP_ADDRESS || op.kind == CODE_OP_CALL_INDIRECT || op.kind > CODE_OP_JUMP)
		op.target = CODE_OP_NOWHERE;
	*ret = op;
}
