/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_stack.h"

/* The first address of a kernel stack is a program counter; the others point behind a call. */
static uint64_t kernel_instruction(const uint64_t *frames, uint32_t i)
{
	return i ? frames[i] - 1 : frames[i];
}

static uint64_t user_instruction(uint64_t frame)
{
	return (frame & FRAME_ADDR_MASK) - (frame & FRAME_EXACT ? 0 : 1);
}

static enum profile_stack_end end_of(const struct sample_record *rec)
{
	switch (rec->user_end) {
	case USER_END_NONE:
	case USER_END_ENTRY:
		return PROFILE_STACK_WHOLE;
	case USER_END_ZERO:
		return PROFILE_STACK_MAYBE_WHOLE;
	default:
		return PROFILE_STACK_TRUNCATED;
	}
}

static struct profile_frame mapped_frame(const struct process *p, const struct mapping *m,
					 uint64_t addr)
{
	switch (m->dso->kind) {
	case DSO_FILE:
		/* While the process lives: its files may be out of reach afterwards. */
		dso_open(m->dso, p->pid, m->start, m->end);
		return (struct profile_frame){ .dso = m->dso,
					       .offset = addr - m->start + m->offset };
	case DSO_VDSO:
		return (struct profile_frame){ .dso = m->dso, .offset = addr - m->start };
	default:
		return (struct profile_frame){ .dso = m->dso, .offset = addr };
	}
}

/* False: the rest is not to be believed. */
static bool add_user_frame(const struct dso_table *dsos, const struct process *p, uint64_t addr,
			   bool is_caller, struct sample_stack *ret)
{
	const struct mapping *m = process_find_mapping(p, addr);

	if (!m)
		ret->n_unknown++;
	if (!m && is_caller)
		return false;
	ret->frames[ret->n++] =
		m ? mapped_frame(p, m, addr)
		  : (struct profile_frame){ .dso = dsos->dsos[DSO_ID_UNKNOWN], .offset = addr };
	return true;
}

void sample_stack_resolve(const struct dso_table *dsos, const struct process *p,
			  const struct sample_record *rec, const uint64_t *frames,
			  struct sample_stack *ret)
{
	const struct dso *kernel = dsos->dsos[DSO_ID_KERNEL];
	const uint64_t *user = frames + rec->n_kernel;

	ret->n = 0;
	ret->n_unknown = 0;
	ret->end = end_of(rec);
	for (uint32_t i = 0; i < rec->n_kernel; i++)
		ret->frames[ret->n++] =
			(struct profile_frame){ .dso = kernel,
						.offset = kernel_instruction(frames, i) };
	for (uint32_t i = 0; i < rec->n_user; i++) {
		if (add_user_frame(dsos, p, user_instruction(user[i]), i > 0, ret))
			continue;
		ret->end = PROFILE_STACK_TRUNCATED;
		break;
	}
}
