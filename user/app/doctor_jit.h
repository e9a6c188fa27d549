/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor -p` says of code made at run time: which file names it, or how to get one. */
#ifndef APP_DOCTOR_JIT_H
#define APP_DOCTOR_JIT_H

#include "app/finding.h"
#include "proc/process.h"

/* Is it a file with names of such code, and no code itself? */
bool doctor_is_jit_dump(const struct dso *dso);

/* Prints nothing if @p has no such code, and no runtime that could be told to name its functions.
 */
void doctor_jit(const struct process *p, enum finding_state *worst);

#endif
