/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_code.h"

#include <string.h>

#include "base/load.h"

#define INSN 4 /* bytes of an aarch64 instruction */

/* From gsignal to curg in struct m: gsignal, goSigStack, sigmask, tls, mstartfn. */
#define GSIGNAL_TO_CURG (8 + 40 + 8 + 48 + 8)

/* --- x86_64 ----------------------------------------------------------------------------------- */

static bool is_at(const uint8_t *code, const char *bytes, size_t len)
{
	return memcmp(code, bytes, len) == 0;
}

/*
 * The length of an instruction with a memory operand @off(%rsp), whose opcode is @op (two bytes)
 * and register %rbp; 0: it is another one.
 */
static uint8_t rbp_and_stack(const uint8_t *code, const char *op, uint64_t off)
{
	uint32_t disp;

	if (!is_at(code, op, 2) || code[3] != 0x24)
		return 0;
	switch (code[2]) {
	case 0x2c:
		return off == 0 ? 4 : 0;
	case 0x6c:
		return off == code[4] && off < 0x80 ? 5 : 0;
	case 0xac:
		memcpy(&disp, code + 4, sizeof(disp));
		return off == disp ? 8 : 0;
	default:
		return 0;
	}
}

/* PUSH_REGS_HOST_TO_ABI0 (runtime/cgo/abi_amd64.h), behind what it does with rbp. */
#define PUSH_C_REGS                                                                                \
	"\x48\x89\x1c\x24\x4c\x89\x64\x24\x08\x4c\x89\x6c\x24\x10"                                 \
	"\x4c\x89\x74\x24\x18\x4c\x89\x7c\x24\x20"
#define PUSH_C_REGS_LEN 24
#define PUSH_C_FRAME	48

/*
 * Since Go 1.21 `push %rbp; mov %rsp, %rbp`, before that `sub $size, %rsp; mov %rbp,
 * size-8(%rsp); lea size-8(%rsp), %rbp`.
 */
struct go_prologue go_prologue_x86(const uint8_t *code, uint64_t size)
{
	struct go_prologue p = { 0 };
	uint8_t save, set;

	if (size == 8 && code[-1] == 0x55 && is_at(code, "\x48\x89\xe5", 3))
		return (struct go_prologue){ .saves_fp = true, .fp_set = 3 };
	if (size < 8)
		return p;
	save = rbp_and_stack(code, "\x48\x89", size - 8);
	set = save ? rbp_and_stack(code + save, "\x48\x8d", size - 8) : 0;
	if (!set)
		return p;
	p = (struct go_prologue){ .saves_fp = true, .fp_saved = save, .fp_set = save + set };
	if (size == PUSH_C_FRAME && is_at(code + p.fp_set, PUSH_C_REGS, PUSH_C_REGS_LEN))
		p.c_saved = p.fp_set + PUSH_C_REGS_LEN;
	return p;
}

/*
 * mov 0x38(%reg), %rsp (g.sched.sp of any Go since 1.5); mov (%rbx), %rsp in gogo(); mov %reg,
 * %rsp.
 */
size_t go_stack_switch_x86(const uint8_t *code, size_t len)
{
	for (size_t i = 0; i + 4 <= len; i++) {
		if (is_at(code + i, "\x48\x8b\x23", 3) ||
		    (is_at(code + i, "\x48\x89", 2) && (code[i + 2] & 0xc7) == 0xc4))
			return i + 3;
		if ((code[i] & 0xfe) == 0x48 && code[i + 1] == 0x8b &&
		    (code[i + 2] & 0xf8) == 0x60 && code[i + 3] == 0x38)
			return i + 4;
	}
	return 0;
}

/* mov %rdi, n(%rsp), or mov %rdx, n(%rsp): its length, and n. 0: it is another one. */
static size_t store_on_stack(const uint8_t *code, uint8_t *ret_off)
{
	bool is_short = code[2] == 0x3c || code[2] == 0x14;

	if (!is_at(code, "\x48\x89", 2) || code[3] != 0x24)
		return 0;
	if (!is_short && code[2] != 0x7c && code[2] != 0x54)
		return 0;
	*ret_off = is_short ? 0 : code[4];
	return is_short ? 4 : 5;
}

/*
 * The last such store before the call is that of the depth, and `mov %rsi, %rsp` behind it goes
 * back. Where the struct g is stored first, that is 8 bytes above.
 */
struct go_call_range go_call_range_x86(const uint8_t *code, size_t len)
{
	struct go_call_range range = { 0 };

	for (size_t i = 0; i + 8 <= len; i++) {
		size_t size = store_on_stack(code + i, &range.saved);

		if (size)
			range.from = i + size;
		/* At its begin that instruction has not been executed yet. */
		if (range.from && is_at(code + i, "\x48\x89\xf4", 3)) {
			range.to = i + 1;
			return range;
		}
	}
	return (struct go_call_range){ 0 };
}

/* `mov m.gsignal(%rbx), %rsi`, or `cmp m.curg(%rbx), %rax`; and `mov %rbp, g.sched.bp(%reg)`. */
struct go_stack_offsets go_stack_offsets_x86(const uint8_t *code, size_t len)
{
	struct go_stack_offsets o = { 0 };

	for (size_t i = 0; i + 7 <= len; i++) {
		if (!o.curg && is_at(code + i, "\x48\x8b\x73", 3))
			o.curg = code[i + 3] + GSIGNAL_TO_CURG;
		if (!o.curg && is_at(code + i, "\x48\x3b\x83", 3) && !code[i + 5] && !code[i + 6])
			o.curg = code[i + 3] | code[i + 4] << 8;
		if (!o.sched_bp && is_at(code + i, "\x48\x89", 2) && (code[i + 2] & 0xf8) == 0x68)
			o.sched_bp = code[i + 3];
	}
	return o;
}

/* --- aarch64 ---------------------------------------------------------------------------------- */

#define STUR_X29_BELOW_SP 0xf81f83fdu /* stur x29, [sp, #-8] */
#define STP_X29_X30_BELOW 0xa93ffa9du /* stp x29, x30, [x20, #-8] */
#define MOV_SP_X20	  0x9100029fu
#define SUB_X29_SP_8	  0xd10023fdu
#define IS_STR_X30_PRE(i) (((i)&0xffe00fffu) == 0xf8000ffeu) /* str x30, [sp, #n]! */
#define IS_MOV_SP_REG(i)  (((i)&0xfffffc1fu) == 0x9100001fu && (i) != 0x910003ffu)
#define IS_LDR_X4_X8(i)	  (((i)&0xffc003ffu) == 0xf9400104u) /* ldr x4, [x8, #n] */
#define LDR_OFFSET(i)	  (((i) >> 10 & 0xfff) * 8)

static uint32_t insn(const uint8_t *code)
{
	return load_u32(code);
}

/*
 * Small frames: `str x30, [sp, #-size]!; stur x29, [sp, #-8]; sub x29, sp, #8`. Others: `sub x20,
 * sp, #size; stp x29, x30, [x20, #-8]; mov sp, x20; sub x29, sp, #8`.
 */
struct go_prologue go_prologue_a64(const uint8_t *code)
{
	struct go_prologue p = { 0 };

	if (IS_STR_X30_PRE(insn(code - INSN))) {
		p.saves_lr = true;
		p.saves_fp = insn(code) == STUR_X29_BELOW_SP;
		p.fp_saved = INSN;
		p.fp_set = insn(code + INSN) == SUB_X29_SP_8 ? 2 * INSN : 0;
	} else if (insn(code - INSN) == MOV_SP_X20 && insn(code - 2 * INSN) == STP_X29_X30_BELOW) {
		p.saves_lr = p.saves_fp = true;
		p.fp_set = insn(code) == SUB_X29_SP_8 ? INSN : 0;
	}
	return p;
}

size_t go_stack_switch_a64(const uint8_t *code, size_t len)
{
	for (size_t i = 0; i + INSN <= len; i += INSN)
		if (IS_MOV_SP_REG(insn(code + i)))
			return i + INSN;
	return 0;
}

/* `ldr x4, [x8, #m.gsignal]`; the load before it that looks like it is that of m.g0, at 0. */
uint16_t go_curg_a64(const uint8_t *code, size_t len)
{
	for (size_t i = 0; i + INSN <= len; i += INSN) {
		uint32_t off = IS_LDR_X4_X8(insn(code + i)) ? LDR_OFFSET(insn(code + i)) : 0;

		if (off)
			return off + GSIGNAL_TO_CURG;
	}
	return 0;
}
