/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a sample that lie in code made at run time: made its process's own, and told apart. */
#ifndef APP_SAMPLE_CODE_H
#define APP_SAMPLE_CODE_H

#include "app/sample_stack.h"
#include "sym/jit_names.h"

/*
 * An address in such memory says nothing without its process and the time: puts both into the
 * frames of @stack, a sample of @p taken at @time_ns. -ENOMEM.
 */
int sample_code_resolve(struct jit_names *jit, struct process_table *procs, const struct process *p,
			uint64_t time_ns, struct sample_stack *stack);

/* What becomes of a file by such an @error of on_trouble: "is not used: …"; NULL: strerror() says
 * it.
 */
const char *sample_code_reason(int error);

/* Tells the user of a file that is not used; an observer's on_trouble, whose ctx is not looked at.
 */
void sample_code_log_trouble(void *ctx, pid_t pid, const char *path, int error);

#endif
