/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of code that a process makes at run time. Code comes and goes: several entries may be of
 * the same address, each from the time on that it was written. All that is told is foreign: memory
 * and the time of a look-up are bounded. Never logs.
 */
#ifndef SYM_CODE_NAMES_H
#define SYM_CODE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define CODE_NAME_MAX  1024 /* bytes; what is longer is cut */
#define CODE_NAMES_MAX (1U << 20)

/* A line of the source, from this address on. */
struct code_line {
	uint64_t addr;
	uint32_t line;
	const char *file;
};

struct code_name {
	uint64_t start, end; /* addresses */
	uint64_t time_ns;    /* CLOCK_MONOTONIC: known to be there since */
	const char *name;
	const struct code_line *lines; /* by address; NULL: none */
	uint32_t n_lines;
};

struct code_names;

int code_names_new(struct code_names **ret); /* -ENOMEM */
void code_names_free(struct code_names *t);  /* NULL is fine */
DEFINE_CLEANUP(struct code_names *, code_names_free)

/*
 * Adds what is there from @c->time_ns on; name and lines are copied, the name of @name_len bytes.
 * Entries come in the order in which they were written. -ENOSPC: too many, or too much text;
 * -EINVAL: of no bytes, or past the end of memory; -ENOMEM.
 */
int code_names_add(struct code_names *t, const struct code_name *c, size_t name_len);

/*
 * The number (from 1 on) of the last entry for @addr that was there at @time_ns; 0: none. Then the
 * first of those that came later, of several at the same time the last one.
 */
uint32_t code_names_at(const struct code_names *t, uint64_t addr, uint64_t time_ns);
uint32_t code_names_after(const struct code_names *t, uint64_t addr, uint64_t time_ns);

/* Entry number @n, 1 to code_names_count(). Valid until the next is added. */
const struct code_name *code_names_get(const struct code_names *t, uint32_t n);
uint32_t code_names_count(const struct code_names *t);

/* Memory that it takes. */
size_t code_names_bytes(const struct code_names *t);

#endif
