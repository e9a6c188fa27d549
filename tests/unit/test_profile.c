/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "leak_check.h"

static struct profile *profile;
static char exe_path[] = "/bin/a", lib_path[] = "/lib/b";
static struct dso exe = { .id = 2, .kind = DSO_FILE, .path = exe_path, .name = exe_path + 5 };
static struct dso lib = { .id = 3, .kind = DSO_FILE, .path = lib_path, .name = lib_path + 5 };

static void set_up(void)
{
	cr_assert(zero(int, profile_new(&profile)));
}

static void tear_down(void)
{
	profile_free(profile);
	leak_check();
}

TestSuite(profile, .init = set_up, .fini = tear_down);

static const struct profile_process *process_of(uint32_t id, pid_t pid, const char *service)
{
	struct process p = { .id = id, .pid = pid, .exe = &exe };
	const struct profile_process *ret;

	cr_assert(zero(int, profile_get_process(profile, &p, service, &ret)));
	return ret;
}

static const struct profile_stack *stack_of(const struct profile_frame *frames, uint32_t n)
{
	struct profile_stack_key key = { .frames = frames, .n = n };
	const struct profile_stack *ret;

	cr_assert(zero(int, profile_get_stack(profile, &key, &ret)));
	return ret;
}

/* Counts *s and gives how often it has been counted. */
static uint64_t count(const struct profile_sample *s)
{
	const struct profile_sample *found;
	uint64_t n = 0, sum = 0;
	size_t pos = 0;

	cr_assert(zero(int, profile_add(profile, s)));
	while ((found = hashmap_next(&profile->samples, &pos))) {
		sum += found->count;
		if (found->process == s->process && found->stack == s->stack &&
		    found->tid == s->tid && found->has_context == s->has_context &&
		    memcmp(found->span_id, s->span_id, SPAN_ID_LEN) == 0 &&
		    memcmp(found->trace_id, s->trace_id, TRACE_ID_LEN) == 0 &&
		    strcmp(found->thread, s->thread) == 0)
			n = found->count;
	}
	cr_assert(eq(u64, sum, profile->n_samples));
	return n;
}

static struct profile_sample sample(void)
{
	static const struct profile_frame frames[] = { { &exe, 0x10 }, { &lib, 0x20 } };

	return (struct profile_sample){
		.process = process_of(1, 10, NULL),
		.stack = stack_of(frames, 2),
		.tid = 11,
		.thread = "main",
		.has_context = true,
		.trace_id = { 1 },
		.span_id = { 2 },
	};
}

Test(profile, samples_that_agree_are_one)
{
	struct profile_sample s = sample();

	for (uint64_t i = 1; i <= 1000; i++)
		cr_assert(eq(u64, count(&s), i));
	cr_assert(eq(sz, profile->samples.n, 1));
	cr_assert(eq(u64, profile->n_samples, 1000));
}

Test(profile, whatever_differs_makes_two)
{
	static const struct profile_frame other[] = { { &exe, 0x11 }, { &lib, 0x20 } };
	struct profile_sample base = sample(), s = base;

	count(&base);
	s.span_id[SPAN_ID_LEN - 1] = 1;
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	s.trace_id[TRACE_ID_LEN - 1] = 1;
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	s.has_context = false;
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	s.tid = 12;
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	strcpy(s.thread, "worker");
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	s.process = process_of(2, 10, NULL);
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	s.stack = stack_of(other, 2);
	cr_assert(eq(u64, count(&s), 1));
	cr_assert(eq(sz, profile->samples.n, 8));
	cr_assert(eq(u64, count(&base), 2));
}

/* What is not valid is not looked at. */
Test(profile, ids_without_context_do_not_tell_samples_apart)
{
	struct profile_sample s = sample();

	s.has_context = false;
	count(&s);
	s.span_id[0] = 99;
	cr_assert(zero(int, profile_add(profile, &s)));
	cr_assert(eq(sz, profile->samples.n, 1));
}

Test(profile, many_spans_stay_apart)
{
	struct profile_sample s = sample();

	for (int round = 0; round < 2; round++)
		for (uint64_t span = 1; span <= 5000; span++) {
			memcpy(s.span_id, &span, SPAN_ID_LEN);
			cr_assert(zero(int, profile_add(profile, &s)));
		}
	cr_assert(eq(sz, profile->samples.n, 5000));
	cr_assert(eq(u64, profile->n_samples, 10000));
}

Test(profile, stacks_are_interned)
{
	struct profile_frame a[] = { { &exe, 1 }, { &lib, 2 }, { &lib, 3 } };
	struct profile_frame b[] = { { &exe, 1 }, { &exe, 2 }, { &lib, 3 } };
	struct profile_stack_key key = { .frames = a, .n = 3 };
	const struct profile_stack *first = stack_of(a, 3), *other;

	cr_assert(eq(ptr, (void *)stack_of(a, 3), (void *)first));
	cr_assert(ne(ptr, (void *)stack_of(a, 2), (void *)first));
	cr_assert(ne(ptr, (void *)stack_of(b, 3), (void *)first));
	for (int i = 0; i < 3; i++) {
		key.n_kernel = i == 0;
		key.end = i == 1 ? PROFILE_STACK_MAYBE_WHOLE : PROFILE_STACK_WHOLE;
		key.kernel_cut = i == 2;
		cr_assert(zero(int, profile_get_stack(profile, &key, &other)));
		cr_assert(ne(ptr, (void *)other, (void *)first), "%d", i);
	}
	cr_assert(eq(sz, profile->stacks.n, 6));

	a[0].offset = 99; /* it was copied */
	cr_assert(eq(u64, first->frames[0].offset, 1));
}

Test(profile, stack_without_frames)
{
	cr_assert(eq(ptr, (void *)stack_of(NULL, 0), (void *)stack_of(NULL, 0)));
}

Test(profile, processes_are_told_apart_by_id_not_by_pid)
{
	const struct profile_process *p = process_of(1, 10, NULL);

	cr_assert(eq(ptr, (void *)process_of(1, 10, NULL), (void *)p));
	cr_assert(ne(ptr, (void *)process_of(2, 10, NULL), (void *)p));
	cr_assert(eq(int, p->pid, 10));
	cr_assert(eq(str, p->name, "a"));
}

Test(profile, service_is_the_last_one_known)
{
	const struct profile_process *p = process_of(1, 10, NULL);

	cr_assert(zero(ptr, p->service));
	process_of(1, 10, "shop");
	cr_assert(eq(str, p->service, "shop"));
	process_of(1, 10, NULL);
	cr_assert(eq(str, p->service, "shop"));
	process_of(1, 10, "cart");
	cr_assert(eq(str, p->service, "cart"));
}
