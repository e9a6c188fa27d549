/* SPDX-License-Identifier: Apache-2.0 */
/* A stopped thread as all unwinders see it: registers, memory, mappings; and what they make of it.
 */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "base/vec.h"
#include "proc/process.h"
#include "shared/record.h"

#define STOP_COPY_MAX (1u << 20)

/* Any mapping, with or without code; the names are those of struct process's table. */
struct region {
	uint64_t start, end, offset;
	bool exec;
	bool has_file; /* or is the vDSO */
};

struct stop {
	pid_t pid, tid;
	struct user_regs_struct regs;
	uint64_t stack_addr; /* of the copy, which begins a red zone below the stack pointer */
	size_t stack_len;
	uint8_t stack[STOP_COPY_MAX];
	char *maps; /* text of /proc/PID/maps */
	size_t maps_len;
	uint64_t code_hash; /* of the lines of executable mappings */
	bool code_changed;  /* since the stop before, or it was of another process */
	VEC(struct region) regions;
};

/* Zeroed the first time. Negative errno: the process has no memory any more. */
int stop_take(struct stop *s, pid_t pid, pid_t tid);
void stop_clear(struct stop *s);

/* From the copy of the stack where it reaches, else from the process. */
bool stop_read(const struct stop *s, void *dst, size_t len, uint64_t addr);

const struct region *stop_region(const struct stop *s, uint64_t addr); /* NULL: none */

/* Registers by DWARF number, as the walk begins. */
void stop_unwind_regs(const struct stop *s, struct unwind_regs *ret);

/* One more frame than the walk takes, to see that others go on. */
#define CHAIN_MAX (USER_FRAMES_MAX + 1)

enum chain_end {
	CHAIN_OUTERMOST, /* says that there are no more frames */
	CHAIN_FAILED,	 /* could not go on */
	CHAIN_FULL,
};

/* What an unwinder says. */
struct chain {
	uint32_t n;
	uint64_t frames[CHAIN_MAX]; /* with FRAME_EXACT, FRAME_BY_FALLBACK */
	enum chain_end end;
	char why[80]; /* it ended */
};

#endif
