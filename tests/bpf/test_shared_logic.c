/* SPDX-License-Identifier: Apache-2.0 */
/* The logic of bpf/shared gives in the kernel what it gives natively. */
#include "shared/fp_frame.h"
#include "shared/thread_ctx.h"

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
	cr_assert(seen[THREAD_CTX_OK] && seen[THREAD_CTX_TORN] && seen[THREAD_CTX_INVALID]);
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
