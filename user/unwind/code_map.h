/* SPDX-License-Identifier: Apache-2.0 */
/* A stretch of code, decoded where it is looked at, with a note on each of its bytes. */
#ifndef UNWIND_CODE_MAP_H
#define UNWIND_CODE_MAP_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "unwind/x86_decode.h"

/* Notes on a byte. */
enum code_mark {
	CODE_START = 1,	     /* a function begins here: something calls it, or a symbol says so */
	CODE_ADDRESS = 2,    /* its address is taken */
	CODE_NO_RETURN = 4,  /* the function that begins here never returns */
	CODE_DONE = 8,	     /* first byte of an instruction of a function that is understood */
	CODE_LEADER = 16,    /* something jumps here */
	CODE_CUT = 32,	     /* for the function at hand: the call here does not return */
	CODE_DOUBT = 64,     /* for it: what follows the call here has to prove itself */
	CODE_NOT_HERE = 128, /* for it: no jump through a table leads here */
	CODE_TRIED = 256,    /* whether a function begins here was looked at */
};

#define CODE_ENDERS 1024 /* a power of two */

struct code_map {
	struct x86_decoder decoder;
	uint32_t len;
	uint16_t *marks;
	uint32_t *op_at; /* index in ops + 1; 0: not decoded */
	VEC(struct code_op) ops;
	VEC(uint32_t) rules; /* of each of ops */
	uint64_t budget;     /* steps that may yet be made */
	int32_t enders[CODE_ENDERS];
};

/* @bytes must outlive it. -ENOMEM. */
int code_map_init(struct code_map *m, const void *bytes, size_t len, uint64_t vaddr);
void code_map_clear(struct code_map *m);

/* The instruction at @at < ->len. NULL: out of memory. Valid until the next call. */
const struct code_op *code_map_op(struct code_map *m, uint32_t at);

static inline bool code_map_is(const struct code_map *m, uint32_t at, unsigned marks)
{
	return at < m->len && (m->marks[at] & marks);
}

/* From @at on over what only fills up space, but not far. */
uint32_t code_map_skip_padding(struct code_map *m, uint32_t at);

/*
 * Functions outside of the code at hand are known to never return if elsewhere another function
 * follows on a call of them. By their distance from the code's begin; some are forgotten.
 */
void code_map_add_ender(struct code_map *m, int32_t callee);
bool code_map_is_ender(const struct code_map *m, int32_t callee);

/* Pays for a step. false: there were too many. */
static inline bool code_map_pay(struct code_map *m)
{
	return m->budget && m->budget--;
}

#endif
