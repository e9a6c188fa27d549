/* SPDX-License-Identifier: Apache-2.0 */
/* The logic of bpf/shared gives in the kernel what it gives natively. */
#include "shared/fp_frame.h"
#include "shared/thread_ctx.h"
#include "shared/unwind_arena.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "shared_logic.skel.h"

#include "leak_check.h"

static struct shared_logic_bpf *skel;

static void load(void)
{
	skel = shared_logic_bpf__open_and_load();
	cr_assert(ne(ptr, skel, NULL));
}

static void unload(void)
{
	shared_logic_bpf__destroy(skel);
	leak_check();
}

TestSuite(shared_logic, .init = load, .fini = unload);

static int run(const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	cr_assert(zero(int, bpf_prog_test_run_opts(bpf_program__fd(prog), &opts)));
	return opts.retval;
}

static void compare(const struct thread_ctx *tc)
{
	memcpy(&skel->bss->record, tc, sizeof(*tc));
	cr_assert(eq(int, run(skel->progs.check_thread_ctx), thread_ctx_check(tc)));
}

Test(shared_logic, thread_ctx_at_its_borders)
{
	static const __u16 lens[] = {
		0, 1, THREAD_CTX_ATTRS_MAX, THREAD_CTX_ATTRS_MAX + 1, 0x8000, UINT16_MAX
	};
	static const __u8 flags[] = { 0, 1, 2, 0x80, 0xff };
	int seen[4] = { 0 };

	for (int byte = 0; byte <= TRACE_ID_LEN + SPAN_ID_LEN; byte++)
		for (size_t i = 0; i < sizeof(flags) * 6; i++) {
			struct thread_ctx tc = { .valid = flags[i % 5], .attrs_len = lens[i / 5] };

			/* One byte set of all ids, or none, and then the other id too. */
			if (byte < TRACE_ID_LEN + SPAN_ID_LEN)
				((__u8 *)&tc)[byte] = 0x80;
			compare(&tc);
			tc.span_id[7] = 1;
			compare(&tc);
			seen[thread_ctx_check(&tc)]++;
		}
	cr_assert(seen[THREAD_CTX_OK] && seen[THREAD_CTX_NOT_VALID] && seen[THREAD_CTX_INVALID]);
}

Test(shared_logic, thread_ctx_of_random_bytes)
{
	unsigned seed = 1;

	for (int i = 0; i < 5000; i++) {
		struct thread_ctx tc;

		for (size_t j = 0; j < sizeof(tc); j++)
			((__u8 *)&tc)[j] = rand_r(&seed) >> 8;
		tc.valid = rand_r(&seed) % 3;
		tc.attrs_len %= 1024;
		if (i % 3 == 0)
			memset(tc.trace_id, 0, sizeof(tc.trace_id));
		if (i % 5 == 0)
			memset(tc.span_id, 0, sizeof(tc.span_id));
		compare(&tc);
	}
}

Test(shared_logic, frame_pointers)
{
	const __u64 at[] = { 0,
			     1,
			     4095,
			     4096,
			     4104,
			     1ULL << 47,
			     (1ULL << 56) - 8,
			     1ULL << 56,
			     1ULL << 63,
			     UINT64_MAX - 7,
			     UINT64_MAX };
	const int n = sizeof(at) / sizeof(at[0]);

	for (int i = 0; i < n * n * 5; i++) {
		skel->bss->fp = at[i % n] + i / n / n - 2;
		skel->bss->below = at[i / n % n];
		cr_assert(eq(int, run(skel->progs.check_fp),
			     fp_may_be_frame(skel->bss->fp, skel->bss->below) |
				     fp_is_user_addr(skel->bss->fp) << 1));
	}
}

/* --- packed pages ----------------------------------------------------------------------------- */

static unsigned page_seed = 1;

static __u32 below(__u32 n)
{
	return rand_r(&page_seed) % n;
}

/* Rows that start at about one byte in @sparse of the page, written down by the definition. */
static void make_page(__u8 *arena, __u32 at, __u32 sparse, __u16 *starts, __u32 *ret_n)
{
	struct unwind_packed head = { 0 };
	__u32 n = 0;

	for (__u32 off = 0; off < UNWIND_PAGE_SIZE && n < UNWIND_PAGE_ROWS_MAX; off++)
		if (off == 0 || below(sparse) == 0)
			starts[n++] = off;
	for (__u32 i = 0; i < n; i++) {
		__u32 rule = 0x1000000 + i;

		arena[at + UNWIND_PACKED_PC + i] = (__u8)starts[i];
		memcpy(arena + at + UNWIND_PACKED_RULES(n) + 4 * i, &rule, 4);
		for (__u32 b = 0; b <= 16; b++)
			head.first[b] += starts[i] < 256 * b;
	}
	memcpy(arena + at, &head, sizeof(head));
	*ret_n = n;
}

static __u32 naive_row(const __u16 *starts, __u32 n, __u32 off)
{
	__u32 i = 0;

	while (i + 1 < n && starts[i + 1] <= off)
		i++;
	return i;
}

Test(shared_logic, rows_of_packed_pages)
{
	static const __u32 sparse[] = { 1, 2, 4, 5, 30, 300, 5000 };
	__u16 starts[UNWIND_PAGE_ROWS_MAX];
	__u32 n, native_n;

	for (int i = 0; i < 70; i++) {
		/* At any line; the last of an arena has to hold it, too. */
		__u32 at = below((UNWIND_ARENA_SIZE - 6000) / 64) * 64;

		make_page(skel->bss->arena, at, sparse[i % 7], starts, &n);
		for (__u32 off = below(3); off < UNWIND_PAGE_SIZE; off += 1 + below(5)) {
			skel->bss->page_at = at;
			skel->bss->page_off = off;
			run(skel->progs.find_row);
			cr_assert(eq(u32, skel->bss->rule, 0x1000000 + naive_row(starts, n, off)),
				  "%u rows, byte %u", n, off);
			cr_assert(eq(u32, skel->bss->n_rows, n));
			cr_assert(eq(u32, skel->bss->rule,
				     unwind_packed_find(skel->bss->arena, at, off, &native_n)));
		}
	}
}

/* Whatever lies there, the program reads no other memory, as natively. */
Test(shared_logic, packed_pages_of_random_bytes)
{
	__u32 native_n;

	for (__u32 i = 0; i < UNWIND_ARENA_SIZE; i++)
		skel->bss->arena[i] = below(256);
	for (int i = 0; i < 20000; i++) {
		skel->bss->page_at =
			i % 2 ? below(UNWIND_ARENA_SIZE) & ~63u : below(1 << 30) & ~63u;
		skel->bss->page_off = below(8192);
		run(skel->progs.find_row);
		cr_assert(eq(u32, skel->bss->rule,
			     unwind_packed_find(skel->bss->arena, skel->bss->page_at,
						skel->bss->page_off, &native_n)));
		cr_assert(eq(u32, skel->bss->n_rows, native_n));
	}
}
