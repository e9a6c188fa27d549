/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_frame.h"

#include <elf.h>
#include <string.h>

#include "unwind/gopclntab.h"

#define UNSUPPORTED UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)
#define END	    UNWIND_RULE_SPECIAL(UNWIND_END)

#define R12 12

/* --- which function --------------------------------------------------------------------------- */

/* $GOROOT/src/runtime/asm_*.s, sys_linux_*.s, rt0_linux_*.s; of all versions. */
static const struct {
	const char *name;
	enum go_kind kind;
} known[] = {
	{ "runtime.goexit", GO_OUTERMOST },
	{ "runtime.mstart", GO_OUTERMOST },
	{ "runtime.rt0_go", GO_OUTERMOST },
	{ "_rt0_amd64_linux", GO_OUTERMOST },
	{ "_rt0_amd64", GO_OUTERMOST },
	{ "_rt0_arm64_linux", GO_OUTERMOST },
	/* Marked as outermost, but the kernel has put the address of the sigreturn stub there. */
	{ "runtime.sigtramp", GO_PLAIN },
	{ "runtime.sigreturn__sigaction", GO_SIGRETURN },
	{ "runtime.sigreturn", GO_SIGRETURN },
	{ "runtime.systemstack", GO_SYSTEM_STACK },
	{ "runtime.asmcgocall", GO_CALLS_C },
	{ "runtime.asmcgocall_no_g", GO_KEEPS_FP },
	/*
	 * Its frame on the goroutine's stack claims that asmcgocall() has called it. That on the
	 * thread's stack leads to the C code that did, and through it to the goroutine.
	 */
	{ "runtime.cgocallback", GO_KEEPS_FP },
	{ "runtime.nanotime1", GO_KEEPS_FP },
	{ "runtime.walltime", GO_KEEPS_FP },
	{ "runtime.walltime1", GO_KEEPS_FP },
	{ "runtime.vgetrandom1", GO_KEEPS_FP },
	{ "time.now", GO_KEEPS_FP },
	{ "runtime.callCgoMmap", GO_KEEPS_FP },
	{ "runtime.callCgoMunmap", GO_KEEPS_FP },
	{ "runtime.callCgoSigaction", GO_KEEPS_FP },
	{ "runtime.sigfwd", GO_KEEPS_FP },
	{ "runtime.mcall", GO_LEAVES_FOR_GOOD },
	{ "runtime.morestack", GO_GETS_STACK },
	{ "runtime.gogo", GO_LEAVES },
	{ "gogo", GO_LEAVES },
	{ "runtime.sigpanic", GO_INJECTED },
	{ "runtime.sigpanic0", GO_INJECTED },
	{ "runtime.asyncPreempt", GO_INJECTED },
	{ "runtime.debugCallV1", GO_INJECTED },
	{ "runtime.debugCallV2", GO_INJECTED },
};

enum go_kind go_kind_of(const char *name, uint8_t flags)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			return known[i].kind;
	if (flags & GOFUNC_TOP_FRAME)
		return GO_OUTERMOST;
	return flags & GOFUNC_SP_WRITE ? GO_UNKNOWN : GO_PLAIN;
}

/* --- x86_64 ----------------------------------------------------------------------------------- */

#define SLOT(i, n) ((uint32_t)(n) << (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS * (i)))

/* By index: rbx, rbp, r12, r13, r14, r15; each at CFA - 8 * (n + 1). */
#define RBP_SLOT SLOT(1, 1)
#define C_SLOTS	 (SLOT(0, 6) | SLOT(2, 5) | SLOT(3, 4) | SLOT(4, 3) | SLOT(5, 2))

static uint32_t x86_slots(const struct go_frame *f, uint64_t pc, int64_t value)
{
	const struct go_prologue *p = &f->prologue;
	uint32_t slots;

	if (pc < f->begin || value < f->size || !p->saves_fp || pc < f->begin + p->fp_saved)
		return 0;
	slots = RBP_SLOT;
	if (p->c_saved && pc >= f->begin + p->c_saved)
		slots |= C_SLOTS;
	return slots;
}

static struct unwind_ext x86_ext(int64_t cfa_off, uint32_t slots)
{
	struct unwind_ext ext = { .cfa = UNWIND_CFA_REG,
				  .cfa_reg = UNWIND_X86_RSP,
				  .cfa_off = (int32_t)cfa_off,
				  .ra = { .where = UNWIND_AT_CFA, .off = -8 } };

	for (int i = 0; i < UNWIND_X86_SLOTS; i++) {
		uint32_t n = slots >> (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS * i) & 7;

		if (n)
			ext.saved[i] = (struct unwind_place){ .where = UNWIND_AT_CFA,
							      .off = -8 * ((int)n + 1) };
	}
	return ext;
}

static bool fits_plain(int64_t cfa_off)
{
	return cfa_off >= 0 && cfa_off % 8 == 0 && cfa_off / 8 < 1 << UNWIND_CFA_BITS;
}

static uint32_t x86_by_sp(const struct go_frame *f, uint64_t pc, int64_t value,
			  struct unwind_ext *ret_ext)
{
	int64_t cfa_off = value + 8;
	uint32_t slots = x86_slots(f, pc, value);

	if (value == -8 && f->ra_in_r12) {
		*ret_ext = x86_ext(cfa_off, 0);
		ret_ext->ra = (struct unwind_place){ .where = UNWIND_IN_REG, .reg = R12 };
		return UNWIND_RULE_EXT(0);
	}
	if (value < 0 || cfa_off > INT32_MAX)
		return UNSUPPORTED;
	if (f->kind != GO_INJECTED && fits_plain(cfa_off))
		return UNWIND_BASE_SP | (uint32_t)(cfa_off / 8) << UNWIND_CFA_SHIFT | slots;
	*ret_ext = x86_ext(cfa_off, slots);
	if (f->kind == GO_INJECTED)
		ret_ext->flags = UNWIND_EXT_EXACT;
	return UNWIND_RULE_EXT(0);
}

static uint32_t x86_by_fp(void)
{
	return UNWIND_BASE_FP | (16 / 8) << UNWIND_CFA_SHIFT | RBP_SLOT;
}

/* The frame of asmcgocall() when it has saved its stack pointer has its caller's rbp only. */
static uint32_t x86_call(const struct go_frame *f, uint64_t pc, int64_t value,
			 struct unwind_ext *ret_ext)
{
	if (value < 0 || value > INT32_MAX - 8)
		return UNSUPPORTED;
	for (size_t i = 0; i < sizeof(f->calls) / sizeof(f->calls[0]); i++) {
		if (pc < f->calls[i].from || pc >= f->calls[i].to)
			continue;
		*ret_ext = x86_ext(f->calls[i].saved, RBP_SLOT);
		ret_ext->cfa = UNWIND_CFA_GO_CALL;
		ret_ext->cfa_add = (int32_t)(value + 8);
		return UNWIND_RULE_EXT(0);
	}
	return f->begin == UINT64_MAX ? UNSUPPORTED : x86_by_fp();
}

static uint32_t x86_stack(const struct go_frame *f, struct unwind_ext *ret_ext)
{
	if (!f->offsets.curg)
		return UNSUPPORTED;
	*ret_ext = (struct unwind_ext){ .cfa = UNWIND_CFA_GO_STACK,
					.cfa_off = f->offsets.curg,
					.cfa_add = f->offsets.sched_bp };
	if (f->kind == GO_GETS_STACK)
		ret_ext->ra.off = (int16_t)f->code_size;
	return UNWIND_RULE_EXT(0);
}

/* --- aarch64 ---------------------------------------------------------------------------------- */

/* A signal handler that injects a call pushes x30, which its code then has anew. */
#define A64_INJECTED_FRAME 16

static uint32_t a64_ext(const struct go_frame *f, int64_t value, bool fp, struct unwind_ext *ret)
{
	int64_t frame = f->kind == GO_INJECTED ? A64_INJECTED_FRAME : 0;
	struct unwind_ext ext = { .cfa = UNWIND_CFA_REG,
				  .cfa_reg = UNWIND_A64_SP_REG,
				  .cfa_off = (int32_t)(value + frame),
				  .ra = { .where = UNWIND_AT_REG, .reg = UNWIND_A64_SP_REG } };

	if (value == 0)
		ext.ra = (struct unwind_place){ .where = UNWIND_IN_REG, .reg = UNWIND_A64_LR_REG };
	if (fp)
		ext.saved[0] = (struct unwind_place){ .where = UNWIND_AT_REG,
						      .reg = UNWIND_A64_SP_REG,
						      .off = -8 };
	ext.saved[1].where = UNWIND_UNKNOWN;
	if (f->kind == GO_INJECTED) {
		ext.saved[1] = (struct unwind_place){ .where = UNWIND_AT_CFA, .off = -16 };
		ext.flags = UNWIND_EXT_EXACT;
	}
	*ret = ext;
	return UNWIND_RULE_EXT(0);
}

static uint32_t a64_plain(uint32_t base, int64_t cfa_off, uint32_t saved, int64_t at)
{
	return base | (uint32_t)(cfa_off / 8) << UNWIND_CFA_SHIFT |
	       saved << UNWIND_A64_SAVED_SHIFT | (uint32_t)(at / 8) << UNWIND_A64_AT_SHIFT;
}

static uint32_t a64_by_sp(const struct go_frame *f, uint64_t pc, int64_t value,
			  struct unwind_ext *ret_ext)
{
	const struct go_prologue *p = &f->prologue;
	bool fp = value && p->saves_fp && pc >= f->begin + p->fp_saved;

	if (value < 0 || value % 8 || value > INT32_MAX - A64_INJECTED_FRAME)
		return UNSUPPORTED;
	/* Hand-written code that moves the stack pointer saves what it saves where it likes. */
	if (value && (!p->saves_lr || value < f->size))
		return UNSUPPORTED;
	if (f->kind == GO_INJECTED || !fits_plain(value + 8))
		return a64_ext(f, value, fp, ret_ext);
	if (value == 0)
		return a64_plain(UNWIND_BASE_SP, 0, UNWIND_A64_NONE, 0);
	if (!fp)
		return a64_plain(UNWIND_BASE_SP, value, UNWIND_A64_LR, value);
	return a64_plain(UNWIND_BASE_SP, value, UNWIND_A64_PAIR, value + 8);
}

/* The frame pointer is 8 bytes below the stack pointer. */
static uint32_t a64_by_fp(const struct go_frame *f)
{
	/* A larger frame would spill into the rule's other fields. */
	if (!fits_plain(f->size + 8))
		return UNSUPPORTED;
	return a64_plain(UNWIND_BASE_FP, f->size + 8, UNWIND_A64_PAIR, f->size + 8);
}

/* --- both ------------------------------------------------------------------------------------- */

static uint32_t by_sp(const struct go_frame *f, uint64_t pc, int64_t value, struct unwind_ext *ret)
{
	return f->machine == EM_X86_64 ? x86_by_sp(f, pc, value, ret)
				       : a64_by_sp(f, pc, value, ret);
}

/* Aarch64's frames begin with all of their size. */
static bool has_own_fp(const struct go_frame *f, uint64_t pc, int64_t value)
{
	if (f->begin == UINT64_MAX || value <= 0 || !f->prologue.fp_set)
		return false;
	return pc >= f->begin + f->prologue.fp_set && pc < f->leaving &&
	       (f->machine == EM_X86_64 || value == f->size);
}

static uint32_t by_fp(const struct go_frame *f, uint64_t pc, int64_t value,
		      struct unwind_ext *ret_ext)
{
	if (f->machine == EM_AARCH64)
		return a64_by_fp(f);
	return f->kind == GO_CALLS_C ? x86_call(f, pc, value, ret_ext) : x86_by_fp();
}

/* On another stack. */
static uint32_t behind_switch(const struct go_frame *f, struct unwind_ext *ret_ext)
{
	if (f->kind == GO_LEAVES_FOR_GOOD)
		return END;
	if (f->kind == GO_GETS_STACK && f->machine == EM_X86_64)
		return x86_stack(f, ret_ext);
	return UNSUPPORTED;
}

/* Before Go 1.21 such functions have no frame if they have no variables. */
static uint32_t keeps_fp(const struct go_frame *f, uint64_t pc, int64_t value,
			 struct unwind_ext *ret_ext)
{
	if (f->begin != UINT64_MAX)
		return has_own_fp(f, pc, value) ? by_fp(f, pc, value, ret_ext)
						: by_sp(f, pc, value, ret_ext);
	if (f->kind == GO_KEEPS_FP)
		return UNSUPPORTED;
	if (pc < f->switched)
		return by_sp(f, pc, value, ret_ext);
	if (f->machine != EM_X86_64)
		return UNSUPPORTED;
	return f->kind == GO_CALLS_C ? x86_call(f, pc, value, ret_ext) : x86_stack(f, ret_ext);
}

uint32_t go_frame_rule(const struct go_frame *f, uint64_t pc, int64_t value,
		       struct unwind_ext *ret_ext)
{
	switch (f->kind) {
	case GO_OUTERMOST:
		return END;
	case GO_SIGRETURN:
		return UNWIND_RULE_SPECIAL(UNWIND_SIGNAL);
	case GO_UNKNOWN:
		/* Without a frame nobody knows where it begins to do so. */
		return f->begin == UINT64_MAX || pc >= f->begin ? UNSUPPORTED
								: by_sp(f, pc, value, ret_ext);
	case GO_KEEPS_FP:
	case GO_SYSTEM_STACK:
	case GO_CALLS_C:
		return keeps_fp(f, pc, value, ret_ext);
	case GO_LEAVES_FOR_GOOD:
	case GO_LEAVES:
	case GO_GETS_STACK:
		return pc < f->switched ? by_sp(f, pc, value, ret_ext) : behind_switch(f, ret_ext);
	default:
		return by_sp(f, pc, value, ret_ext);
	}
}

static void take_earlier(uint64_t place, uint64_t pc, uint64_t *next)
{
	if (place > pc && place < *next)
		*next = place;
}

uint64_t go_frame_next(const struct go_frame *f, uint64_t pc)
{
	const struct go_prologue *p = &f->prologue;
	const uint8_t offs[] = { p->fp_saved, p->fp_set, p->c_saved };
	uint64_t next = UINT64_MAX;

	take_earlier(f->switched, pc, &next);
	take_earlier(f->leaving, pc, &next);
	for (size_t i = 0; f->kind == GO_CALLS_C && i < 2; i++) {
		take_earlier(f->calls[i].from, pc, &next);
		take_earlier(f->calls[i].to, pc, &next);
	}
	for (size_t i = 0; f->begin != UINT64_MAX && i < sizeof(offs); i++)
		take_earlier(f->begin + offs[i], pc, &next);
	return next;
}
