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
	const char *resource[PROFILE_RESOURCES] = { [PROFILE_SERVICE_NAME] = service };
	struct process p = { .id = id, .pid = pid, .exe = &exe };
	const struct profile_process *ret;

	cr_assert(zero(int, profile_get_process(profile, &p, resource, &ret)));
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

	cr_assert(zero(int, profile_add(profile, s, 0)));
	while ((found = hashmap_next(&profile->samples, &pos))) {
		sum += found->count;
		if (found->process == s->process && found->stack == s->stack &&
		    found->tid == s->tid && found->context == s->context &&
		    strcmp(found->thread, s->thread) == 0)
			n = found->count;
	}
	cr_assert(eq(u64, sum, profile->n_samples));
	return n;
}

static const struct profile_context *context_of(struct profile_context key)
{
	const struct profile_context *ret;

	cr_assert(zero(int, profile_get_context(profile, &key, &ret)));
	return ret;
}

static struct profile_context span_of(uint64_t span)
{
	struct profile_context key = { .trace_id = { 1 } };

	memcpy(key.span_id, &span, sizeof(key.span_id));
	return key;
}

static struct profile_sample sample(void)
{
	static const struct profile_frame frames[] = { { &exe, 0x10, 0 }, { &lib, 0x20, 0 } };

	return (struct profile_sample){
		.process = process_of(1, 10, NULL),
		.stack = stack_of(frames, 2),
		.tid = 11,
		.thread = "main",
		.context = context_of(span_of(2)),
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
	static const struct profile_frame other[] = { { &exe, 0x11, 0 }, { &lib, 0x20, 0 } };
	struct profile_sample base = sample(), s = base;

	count(&base);
	s.context = context_of(span_of(3));
	cr_assert(eq(u64, count(&s), 1));
	s = base;
	s.context = NULL;
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
	cr_assert(eq(sz, profile->samples.n, 7));
	cr_assert(eq(u64, count(&base), 2));
}

Test(profile, contexts_that_agree_are_one)
{
	struct profile_label labels[] = { { "a", "1" }, { "b", "2" } };
	struct profile_context key = { .trace_id = { 1 },
				       .span_id = { 2 },
				       .local_root_id = { 3 },
				       .n_labels = 2,
				       .labels = labels };
	const struct profile_context *first = context_of(key), *other;

	for (int i = 0; i < 7; i++) {
		struct profile_label changed[] = { labels[0], labels[1] };
		struct profile_context k = key;

		k.labels = changed;
		cr_assert(eq(ptr, (void *)context_of(k), (void *)first));
		k.trace_id[15] += i == 0;
		k.span_id[7] += i == 1;
		k.local_root_id[7] += i == 2;
		k.n_labels -= i == 3;
		changed[0].key = i == 4 ? "A" : changed[0].key;
		changed[1].value = i == 5 ? "" : changed[1].value;
		k.overflow = i == 6;
		other = context_of(k);
		cr_assert(ne(ptr, (void *)other, (void *)first), "%d", i);
	}
	cr_assert(eq(sz, profile->contexts.n, 8));
	labels[0].key = "changed"; /* it was copied */
	cr_assert(eq(str, (char *)first->labels[0].key, "a"));
}

static const struct profile_context *labelled(uint64_t span, const char *value)
{
	struct profile_label label = { "user", value };
	struct profile_context key = span_of(span);

	key.n_labels = 1;
	key.labels = &label;
	return context_of(key);
}

/* First labels go, then spans; what is known keeps both. */
Test(profile, too_many_contexts)
{
	const struct profile_context *early, *c, *over;

	profile->contexts_max = 100;
	early = labelled(1, "u");
	for (uint64_t span = 2; span <= 100; span++)
		cr_assert(eq(sz, labelled(span, "u")->n_labels, 1));
	for (uint64_t span = 101; span <= 200; span++) {
		c = labelled(span, "u");
		cr_assert(zero(sz, c->n_labels));
		cr_assert(not(c->overflow));
		cr_assert(eq(ptr, (void *)labelled(span, "v"), (void *)c));
	}
	over = labelled(201, "u");
	cr_assert(over->overflow);
	cr_assert(eq(ptr, (void *)context_of(span_of(202)), (void *)over));
	cr_assert(eq(ptr, (void *)labelled(1, "u"), (void *)early));
	cr_assert(eq(ptr, (void *)context_of(span_of(150)), (void *)labelled(150, "w")));
	cr_assert(eq(sz, profile->contexts.n, 201));
}

/* Labels without a span have nothing left when they go. */
Test(profile, too_many_labels_without_a_span)
{
	struct profile_label label = { "user", "a" };
	struct profile_context key = { .n_labels = 1, .labels = &label };

	profile->contexts_max = 1;
	cr_assert(not(context_of(key)->overflow));
	label.value = "b";
	cr_assert(context_of(key)->overflow);
	cr_assert(zero(sz, context_of(key)->n_labels));
}

Test(profile, many_spans_stay_apart)
{
	struct profile_sample s = sample();

	for (int round = 0; round < 2; round++)
		for (uint64_t span = 1; span <= 5000; span++) {
			s.context = context_of(span_of(span));
			cr_assert(zero(int, profile_add(profile, &s, 0)));
		}
	cr_assert(eq(sz, profile->samples.n, 5000));
	cr_assert(eq(u64, profile->n_samples, 10000));
}

Test(profile, stacks_are_interned)
{
	struct profile_frame a[] = { { &exe, 1, 0 }, { &lib, 2, 0 }, { &lib, 3, 0 } };
	struct profile_frame b[] = { { &exe, 1, 0 }, { &exe, 2, 0 }, { &lib, 3, 0 } };
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
	cr_assert_str_eq(p->name, "a");
}

Test(profile, service_is_the_last_one_known)
{
	const struct profile_process *p = process_of(1, 10, NULL);

	cr_assert(zero(ptr, (void *)p->resource[PROFILE_SERVICE_NAME]));
	process_of(1, 10, "shop");
	cr_assert_str_eq(p->resource[PROFILE_SERVICE_NAME], "shop");
	process_of(1, 10, NULL);
	cr_assert_str_eq(p->resource[PROFILE_SERVICE_NAME], "shop");
	process_of(1, 10, "cart");
	cr_assert_str_eq(p->resource[PROFILE_SERVICE_NAME], "cart");
}

/* Names of programs are any bytes. */
Test(profile, names_are_text)
{
	const struct profile_process *p = process_of(1, 10, "a\xff\n");

	cr_assert_str_eq(p->resource[PROFILE_SERVICE_NAME], "a??");
	cr_assert(eq(ptr, (void *)process_of(2, 11, "a??")->resource[PROFILE_SERVICE_NAME],
		     (void *)p->resource[PROFILE_SERVICE_NAME]));
}

Test(profile, values_are_bounded)
{
	const struct profile_process *p = NULL;
	char service[32];

	for (int i = 0; i <= PROFILE_VALUES_MAX; i++) {
		snprintf(service, sizeof(service), "s%d", i);
		p = process_of(i + 1, 10, service);
	}
	cr_assert(eq(sz, profile->values.n, PROFILE_VALUES_MAX));
	cr_assert_str_eq(p->resource[PROFILE_SERVICE_NAME], PROFILE_VALUE_OVERFLOW);
	cr_assert_str_eq(process_of(1, 10, "s7")->resource[PROFILE_SERVICE_NAME], "s7");
	cr_assert(eq(u64, profile->values_left_out, 2)); /* "a", the program's name, is one */
}

Test(profile, times_of_each_sample)
{
	struct profile_sample s = sample();
	const struct profile_sample *found;
	size_t pos = 0;

	profile->keep_times = true;
	profile->clock_offset_ns = 1000;
	cr_assert(zero(int, profile_add(profile, &s, 5)));
	cr_assert(zero(int, profile_add(profile, &s, 7)));
	found = hashmap_next(&profile->samples, &pos);
	cr_assert(eq(u64, found->count, 2));
	cr_assert(eq(sz, found->times.n, 2));
	cr_assert(eq(u64, found->times.data[0], 1005));
	cr_assert(eq(u64, found->times.data[1], 1007));
}

Test(profile, files_of_its_frames)
{
	const struct profile_frame both[] = { { &lib, 8, 0 }, { &exe, 16, 0 }, { &lib, 24, 0 } };
	struct dso other = { .id = 4, .kind = DSO_FILE };
	struct root_dir root = { .fd = 99 };
	struct profile_files files;

	exe.fd = 42;
	exe.root = &root;
	lib.fd = -1;
	lib.error = -ENOENT;
	stack_of(both, 3);
	stack_of(both, 2);
	cr_assert(zero(int, profile_files_collect(profile, &files)));
	exe.fd = 43; /* what is opened later does not count */
	cr_assert(eq(sz, files.list.n, 2));
	cr_assert(eq(int, profile_files_find(&files, &exe)->fd, 42));
	cr_assert(eq(int, profile_files_find(&files, &exe)->root, 99));
	cr_assert(eq(int, profile_files_find(&files, &lib)->root, -1));
	cr_assert(eq(int, profile_files_find(&files, &lib)->fd, -1));
	cr_assert(eq(int, profile_files_find(&files, &lib)->error, -ENOENT));
	cr_assert(eq(ptr, (void *)profile_files_find(&files, &other), NULL));
	profile_files_clear(&files);
}
