/* SPDX-License-Identifier: Apache-2.0 */
#include "judge_dwfl.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge_dwfl {
	Dwfl *dwfl;
	pid_t pid;
	const struct stop *stop;
	struct unwind_regs regs; /* that a walk begins with */
};

/* --- what libdwfl asks for -------------------------------------------------------------------- */

/* Only what is mapped: the same tables that a profiler has. */
static int no_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			const char *file, const char *link, GElf_Word crc, char **ret)
{
	return -1;
}

static char *debuginfo_path;
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = no_debuginfo,
	.debuginfo_path = &debuginfo_path,
};

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread)
{
	const struct judge_dwfl *j = arg;

	if (*thread)
		return 0;
	*thread = arg;
	return j->stop->tid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread)
{
	const struct judge_dwfl *j = arg;

	*thread = arg;
	return tid == j->stop->tid;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret, void *arg)
{
	const struct judge_dwfl *j = arg;
	uint64_t word;

	if (!stop_read(j->stop, &word, sizeof(word), addr))
		return false;
	*ret = word;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct judge_dwfl *j = arg;
	Dwarf_Word words[17];

	for (int i = 0; i < 16; i++)
		words[i] = j->regs.reg[i];
	words[16] = j->regs.pc;
	return dwfl_thread_state_registers(thread, 0, 17, words);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_word,
	.set_initial_registers = set_registers,
};

/* --- one process at a time -------------------------------------------------------------------- */

int judge_dwfl_new(struct judge_dwfl **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void forget(struct judge_dwfl *j)
{
	if (j->dwfl)
		dwfl_end(j->dwfl);
	j->dwfl = NULL;
	j->pid = 0;
}

void judge_dwfl_free(struct judge_dwfl *j)
{
	if (!j)
		return;
	forget(j);
	free(j);
}

/* Modules anew: one that another file has replaced at the same place would be kept. */
static int report(struct judge_dwfl *j)
{
	forget(j);
	j->dwfl = dwfl_begin(&callbacks);
	if (!j->dwfl || dwfl_linux_proc_report(j->dwfl, j->stop->pid) != 0 ||
	    dwfl_report_end(j->dwfl, NULL, NULL) != 0)
		return -EIO;
	/* Attaching asks for the machine, which the first module tells. */
	if (!dwfl_attach_state(j->dwfl, NULL, j->stop->pid, &thread_callbacks, j))
		return -EIO;
	j->pid = j->stop->pid;
	return 0;
}

struct walking {
	struct judge_dwfl *j;
	struct chain *chain;
	uint32_t leg_start; /* first frame of this leg */
	bool was_trampoline;
	bool is_bare; /* ended at a sigreturn stub without CFI, with … */
	Dwarf_Word sp;
};

static bool has_cfi(Dwfl_Module *mod, Dwarf_Addr pc)
{
	Dwarf_Addr bias;
	Dwarf_Frame *frame;
	Dwarf_CFI *cfi = mod ? dwfl_module_eh_cfi(mod, &bias) : NULL;

	if (!cfi || dwarf_cfi_addrframe(cfi, pc - bias, &frame) != 0)
		cfi = mod ? dwfl_module_dwarf_cfi(mod, &bias) : NULL;
	else
		free(frame);
	if (!cfi || dwarf_cfi_addrframe(cfi, pc - bias, &frame) != 0)
		return false;
	free(frame);
	return true;
}

/* Does a signal handler return to here, and no CFI says what then? (Go, musl) */
static bool is_bare_trampoline(struct judge_dwfl *j, Dwarf_Addr pc)
{
	static const uint8_t stub[] = { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 };
	uint8_t code[sizeof(stub)];

	return stop_read(j->stop, code, sizeof(code), pc) && !memcmp(code, stub, sizeof(stub)) &&
	       !has_cfi(dwfl_addrmodule(j->dwfl, pc - 1), pc - 1);
}

/*
 * libdwfl calls both the signal trampoline and the interrupted frame below it an activation, though
 * it looks the former up as what it is, a return address.
 */
static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct walking *w = arg;
	struct chain *c = w->chain;
	bool activation, trampoline;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(frame, &pc, &activation))
		return DWARF_CB_ABORT;
	trampoline = c->n > w->leg_start && activation && !w->was_trampoline;
	c->frames[c->n++] = pc | (activation && !trampoline ? FRAME_EXACT : 0);
	w->was_trampoline = trampoline;
	if (c->n == CHAIN_MAX)
		return DWARF_CB_ABORT;
	w->is_bare = c->n > w->leg_start + 1 && is_bare_trampoline(w->j, pc) &&
		     dwfl_frame_reg(frame, UNWIND_X86_RSP, &w->sp) == 0;
	if (!w->is_bare)
		return DWARF_CB_OK;
	/* Nothing was called right before it: the byte before belongs to another function. */
	c->frames[c->n - 1] |= FRAME_EXACT;
	return DWARF_CB_ABORT;
}

/* What the kernel will restore: sigcontext of the frame at @sp (uapi/asm/sigcontext.h). */
static bool read_sigcontext(struct judge_dwfl *j, uint64_t sp)
{
	static const uint8_t dwarf[] = { 8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7 };
	uint64_t words[17];

	if (!stop_read(j->stop, words, sizeof(words), sp + 40))
		return false;
	for (int i = 0; i < 16; i++)
		j->regs.reg[dwarf[i]] = words[i];
	j->regs.pc = words[16];
	return true;
}

/* From the stop's registers, and anew from those of each signal frame that libdwfl cannot pass. */
int judge_dwfl_walk(struct judge_dwfl *j, const struct stop *s, struct chain *ret)
{
	struct walking w = { .j = j, .chain = ret };
	int r = 0;

	j->stop = s;
	ret->n = 0;
	ret->why[0] = '\0';
	stop_unwind_regs(s, &j->regs);
	if (s->code_changed || j->pid != s->pid)
		r = report(j);
	if (r < 0)
		return r;
	do {
		w.leg_start = ret->n;
		w.was_trampoline = w.is_bare = false;
		r = dwfl_getthread_frames(j->dwfl, s->tid, take_frame, &w);
	} while (w.is_bare && read_sigcontext(j, w.sp));
	ret->end = ret->n == CHAIN_MAX ? CHAIN_FULL : r == 0 ? CHAIN_OUTERMOST : CHAIN_FAILED;
	if (r != 0 && ret->n < CHAIN_MAX)
		snprintf(ret->why, sizeof(ret->why), "%s", dwfl_errmsg(-1));
	return ret->n ? 0 : -ENODATA;
}

const char *judge_dwfl_place(struct judge_dwfl *j, uint64_t frame, char *out, size_t size)
{
	uint64_t pc = frame & FRAME_ADDR_MASK;
	uint64_t at = frame & FRAME_EXACT ? pc : pc - 1;
	Dwfl_Module *mod = j->dwfl ? dwfl_addrmodule(j->dwfl, at) : NULL;
	const char *file, *symbol = NULL;
	GElf_Off off = 0;
	const struct region *region;
	Dwarf_Addr start;
	GElf_Sym sym;

	region = j->stop ? stop_region(j->stop, at) : NULL;
	/* Anonymous memory behind a module is taken for it. */
	if (!mod || !region || !region->has_file) {
		snprintf(out, size, "? 0x%lx", (unsigned long)pc);
		return out;
	}
	file = dwfl_module_info(mod, NULL, &start, NULL, NULL, NULL, NULL, NULL);
	file = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	symbol = dwfl_module_addrinfo(mod, at, &off, &sym, NULL, NULL, NULL);
	if (symbol)
		snprintf(out, size, "%s %.60s+0x%lx", file, symbol,
			 (unsigned long)(off + (pc - at)));
	else
		snprintf(out, size, "%s 0x%lx", file, (unsigned long)(pc - start));
	return out;
}
