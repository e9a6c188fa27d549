/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Address of a thread-local variable in the current thread. One function per TLS model. */
#ifndef BPF_TLS_BPF_H
#define BPF_TLS_BPF_H

#include "regs.bpf.h"
#include "shared/proc_info.h"

/* Local-exec, initial-exec, and every module that got a place in the static TLS block. */
static __always_inline __u64 tls_static_addr(const struct tls_var *var, __u64 tp)
{
	return tp + var->tp_off;
}

/* 0: this thread has no thread pointer yet, or the model is not known to this program. */
static __always_inline __u64 tls_addr(const struct tls_var *var, struct task_struct *task)
{
	__u64 tp = thread_pointer(task);

	if (!tp)
		return 0;
	switch (var->model) {
	case TLS_MODEL_STATIC:
		return tls_static_addr(var, tp);
	default:
		return 0;
	}
}

#endif
