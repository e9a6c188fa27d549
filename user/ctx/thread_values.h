/* SPDX-License-Identifier: Apache-2.0 */
/* Where the C library of a process keeps its threads' values of pthread keys. */
#ifndef CTX_THREAD_VALUES_H
#define CTX_THREAD_VALUES_H

#include <stdint.h>

#include "ctx/tls_symbol.h"
#include "proc/process.h"

struct thread_values {
	enum tls_libc libc;
	int32_t self; /* what pthread_self() returns, struct pthread, from the thread pointer */
	uint16_t specific; /* glibc: of the pointers to blocks of values, in struct pthread */
};

/* -ENOTSUP: neither glibc nor musl, or one that does not say it. */
int thread_values_find(const struct process *p, struct thread_values *ret);

#endif
