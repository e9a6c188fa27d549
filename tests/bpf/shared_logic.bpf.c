/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pure logic of bpf/shared, one program each, for comparison with its native build. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "shared/fp_frame.h"
#include "shared/thread_ctx.h"

struct thread_ctx record;
__u64 fp, below;

SEC("syscall")
int check_thread_ctx(void *ctx)
{
	return thread_ctx_check(&record);
}

SEC("syscall")
int check_fp(void *ctx)
{
	return fp_may_be_frame(fp, below) | fp_is_user_addr(fp) << 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
