/* SPDX-License-Identifier: Apache-2.0 */
/* A third opinion where two differ: libunwind over a thread that is stopped under ptrace. */
#ifndef JUDGE_LIBUNWIND_H
#define JUDGE_LIBUNWIND_H

#include "stop.h"

/* 0, or negative if it has none. */
int judge_libunwind_walk(const struct stop *s, struct chain *ret);

#endif
