/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that publish no context, as none of their processes has: most of those that come and go
 * by the hundred, compilers and shells. A program is what a process has mapped, libraries too.
 */
#ifndef CTX_PLAIN_PROGRAMS_H
#define CTX_PLAIN_PROGRAMS_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "proc/process.h"

struct plain_programs;

int plain_programs_new(struct plain_programs **ret);
void plain_programs_free(struct plain_programs *pp); /* NULL is fine */
DEFINE_CLEANUP(struct plain_programs *, plain_programs_free)

/*
 * @p was looked at: it had something to publish by, or nothing. To be told once of a process that
 * had nothing. What there is no memory for is not remembered.
 */
void plain_programs_note(struct plain_programs *pp, const struct process *p, bool had_something);

/* Has @p mapped what three processes had that published nothing, and none that did? */
bool plain_programs_has(const struct plain_programs *pp, const struct process *p);

/* @dso is about to go, and its number to be another file's: its programs are learned anew. */
void plain_programs_forget(struct plain_programs *pp, const struct dso *dso);

#endif
