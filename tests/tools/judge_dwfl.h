/* SPDX-License-Identifier: Apache-2.0 */
/* The unwinder of elfutils over a stop: independent of ours in code and in tables. */
#ifndef JUDGE_DWFL_H
#define JUDGE_DWFL_H

#include "base/cleanup.h"
#include "stop.h"

struct judge_dwfl;

int judge_dwfl_new(struct judge_dwfl **ret); /* -ENOMEM */
void judge_dwfl_free(struct judge_dwfl *j);
DEFINE_CLEANUP(struct judge_dwfl *, judge_dwfl_free)

/* 0, or negative if there is nothing to be compared with. */
int judge_dwfl_walk(struct judge_dwfl *j, const struct stop *s, struct chain *ret);

/* "module symbol+offset" of a place in the process of the last walk. */
const char *judge_dwfl_place(struct judge_dwfl *j, uint64_t frame, char *out, size_t size);

#endif
