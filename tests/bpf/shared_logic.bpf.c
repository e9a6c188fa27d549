/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pure logic of bpf/shared, one program each, for comparison with its native build. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "shared/fp_frame.h"
#include "shared/thread_ctx.h"
#include "shared/unwind_arena.h"

struct thread_ctx record;
__u64 fp, below;
__u8 arena[UNWIND_ARENA_SIZE];
__u32 page_at, page_off, rule, n_rows;

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

SEC("syscall")
int find_row(void *ctx)
{
	__u32 n = 0;

	rule = unwind_packed_find(arena, page_at, page_off, &n);
	n_rows = n;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
