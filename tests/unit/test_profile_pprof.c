/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of this very program, and of a stripped one, with their names. */
#include "export/profile_pprof.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "export/frame_names.h"
#include "leak_check.h"
#include "proc/maps.h"
#include "shared/stat.h"

static struct process_table table;
static struct profile *profile;
static struct symbolizer *sym;
static uint64_t counters[STAT_COUNT];

static void set_up(void)
{
	cr_assert(zero(int, process_table_init(&table)));
	cr_assert(zero(int, profile_new(&profile)));
	cr_assert(zero(int, symbolizer_new(&sym)));
	profile->period_ns = 10000000;
	profile->start_realtime_ns = 1700000000000000000;
	profile->duration_ns = 5000000000;
}

static void tear_down(void)
{
	symbolizer_free(sym);
	profile_free(profile);
	process_table_clear(&table);
	leak_check();
}

TestSuite(profile_pprof, .init = set_up, .fini = tear_down);

static struct dso *dso_of(const char *path)
{
	struct stat st = { 0 };
	struct dso *dso;

	stat(path, &st);
	cr_assert(zero(int, dso_table_get(&table.dsos,
					  &(struct dso_key){ path, st.st_dev, st.st_ino }, &dso)));
	return dso;
}

static struct profile_frame frame_of_file(const char *path, uint64_t offset)
{
	struct dso *dso = dso_of(path);

	dso_open(dso, getpid(), 0, 0);
	return (struct profile_frame){ dso, offset, 0 };
}

/* Where an address of this process lies, as its maps say. */
static struct profile_frame frame_of_addr(uint64_t addr)
{
	CLEANUP(freep) char *text = NULL, *path = NULL;
	struct maps_cursor c = { 0 };
	struct map_entry e;

	cr_assert(zero(int, maps_read(getpid(), 1 << 24, &text, &c.len)));
	c.buf = text;
	while (maps_next(&c, &e))
		if (addr >= e.start && addr < e.end)
			break;
	cr_assert(zero(int, map_entry_path(&e, &path)));
	return frame_of_file(path, addr - e.start + e.offset);
}

__attribute__((noinline)) int work_of_known_name(int n);
int work_of_known_name(int n)
{
	return n * 3;
}

static struct profile_frame work_frame(void)
{
	return frame_of_addr((uintptr_t)work_of_known_name);
}

static struct profile_frame entry_frame(void)
{
	return frame_of_addr(getauxval(AT_ENTRY) + 4);
}

/* @context may be NULL. */
static void add_in_context(const struct profile_stack_key *key, uint64_t n,
			   const struct profile_context *context)
{
	static const char *const resource[PROFILE_RESOURCES] = {
		[PROFILE_SERVICE_NAME] = "shop",
		[PROFILE_SERVICE_NAMESPACE] = "eu",
		[PROFILE_SERVICE_INSTANCE_ID] = "i-1",
		[PROFILE_SERVICE_VERSION] = "1.2.3",
		[PROFILE_DEPLOYMENT_ENVIRONMENT_NAME] = "prod",
	};
	struct process process = { .id = 1, .pid = 10, .comm = "prog" };
	struct profile_sample s = { .tid = 11, .thread = "a-name-of-15-b." };

	cr_assert(zero(int, profile_get_process(profile, &process, resource, &s.process)));
	if (context)
		cr_assert(zero(int, profile_get_context(profile, context, &s.context)));
	cr_assert(zero(int, profile_get_stack(profile, key, &s.stack)));
	while (n--)
		cr_assert(zero(int, profile_add(profile, &s, 0)));
}

static const struct profile_context span = {
	.trace_id = { 0x4b, [15] = 0x36 },
	.span_id = { 0x00, 0xf0, [7] = 0xb7 },
};

static void add_times(const struct profile_stack_key *key, uint64_t n, bool has_context)
{
	add_in_context(key, n, has_context ? &span : NULL);
}

static struct pprof *convert(void)
{
	CLEANUP(profile_files_clear) struct profile_files files = { 0 };
	const struct name_sources names = { &files, sym, NULL, NULL };
	struct pprof *p;

	cr_assert(zero(int, profile_files_collect(profile, &files)));
	cr_assert(zero(int, profile_to_pprof(profile, &names, counters, &p)));
	return p;
}

/* "leaf;…;outermost" */
static void assert_stack(const struct pprof_sample *s, const char *want)
{
	char text[1024] = "";

	for (size_t i = 0; i < s->n_locations; i++) {
		if (i)
			strcat(text, ";");
		strcat(text, s->locations[i]->lines[0].function->name);
	}
	cr_assert(eq(str, text, (char *)want));
}

/* Converts a profile of one stack. */
static void assert_becomes(const struct profile_stack_key *key, const char *want)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;

	add_times(key, 3, false);
	p = convert();
	cr_assert(eq(sz, p->n_samples, 1));
	assert_stack(&p->samples[0], want);
}

static void assert_string(const struct pprof_sample *s, const char *key, const char *want)
{
	const struct pprof_label *l = pprof_sample_label(s, key);

	cr_assert(eq(int, l != NULL, want != NULL), "%s", key);
	if (l)
		cr_assert(eq(str, (char *)l->str, (char *)want));
}

Test(profile_pprof, values_labels_and_header)
{
	struct profile_frame frames[] = { work_frame(), entry_frame() };
	struct profile_stack_key key = { .frames = frames, .n = 2 };
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	const struct pprof_sample *s;

	add_times(&key, 7, true);
	p = convert();
	cr_assert(eq(str, (char *)p->sample_types[0].type, "samples"));
	cr_assert(eq(str, (char *)p->sample_types[0].unit, "count"));
	cr_assert(eq(str, (char *)p->sample_types[1].type, "cpu"));
	cr_assert(eq(str, (char *)p->sample_types[1].unit, "nanoseconds"));
	cr_assert(eq(long, p->period, 10000000));
	cr_assert(eq(long, p->time_nanos, 1700000000000000000));
	cr_assert(eq(long, p->duration_nanos, 5000000000));
	cr_assert(eq(sz, p->n_samples, 1));

	s = &p->samples[0];
	assert_stack(s, "work_of_known_name;_start");
	cr_assert(eq(long, s->values[0], 7));
	cr_assert(eq(long, s->values[1], 70000000));
	assert_string(s, PPROF_LABEL_SPAN_ID, "00f00000000000b7");
	assert_string(s, PPROF_LABEL_TRACE_ID, "4b000000000000000000000000000036");
	assert_string(s, PPROF_LABEL_LOCAL_ROOT, NULL);
	assert_string(s, PPROF_LABEL_OVERFLOW, NULL);
	assert_string(s, PPROF_LABEL_SERVICE, "shop");
	assert_string(s, "service.namespace", "eu");
	assert_string(s, "service.instance.id", "i-1");
	assert_string(s, "service.version", "1.2.3");
	assert_string(s, "deployment.environment.name", "prod");
	assert_string(s, PPROF_LABEL_PROCESS, "prog");
	assert_string(s, PPROF_LABEL_THREAD, "a-name-of-15-b.");
	cr_assert(eq(long, pprof_sample_label(s, PPROF_LABEL_PID)->num, 10));
	cr_assert(eq(long, pprof_sample_label(s, PPROF_LABEL_TID)->num, 11));
	for (int id = 0; id < STAT_COUNT; id++)
		cr_assert(zero(u64, counters[id]), "counter %d", id);
}

Test(profile_pprof, without_context_there_are_no_ids)
{
	struct profile_frame frames[] = { work_frame(), entry_frame() };
	struct profile_stack_key key = { .frames = frames, .n = 2 };
	CLEANUP(pprof_freep) struct pprof *p = NULL;

	add_times(&key, 1, false);
	p = convert();
	assert_string(&p->samples[0], PPROF_LABEL_SPAN_ID, NULL);
	assert_string(&p->samples[0], PPROF_LABEL_TRACE_ID, NULL);
}

/* The sample of a profile of one, in a context of these labels. */
static struct pprof *in_context(const struct profile_label *labels, size_t n)
{
	struct profile_frame frames[] = { work_frame(), entry_frame() };
	struct profile_stack_key key = { .frames = frames, .n = 2 };
	struct profile_context c = span;

	c.local_root_id[7] = 0x99;
	c.labels = labels;
	c.n_labels = n;
	add_in_context(&key, 5, &c);
	return convert();
}

Test(profile_pprof, labels_of_the_program)
{
	static const struct profile_label labels[] = { { "http.route", "/pay" }, { "user", "x" } };
	CLEANUP(pprof_freep) struct pprof *p = in_context(labels, 2);

	assert_string(&p->samples[0], "http.route", "/pay");
	assert_string(&p->samples[0], "user", "x");
	assert_string(&p->samples[0], PPROF_LABEL_LOCAL_ROOT, "0000000000000099");
	assert_string(&p->samples[0], PPROF_LABEL_SPAN_ID, "00f00000000000b7");
	cr_assert(zero(u64, counters[STAT_CTX_LABELS_CUT]));
}

Test(profile_pprof, labels_of_the_program_do_not_pass_for_ours)
{
	static const struct profile_label labels[] = { { "pid", "1" },
						       { "service.name", "other" },
						       { "span_id", "ffffffffffffffff" } };
	CLEANUP(pprof_freep) struct pprof *p = in_context(labels, 3);

	assert_string(&p->samples[0], PPROF_LABEL_SPAN_ID, "00f00000000000b7");
	assert_string(&p->samples[0], PPROF_LABEL_SERVICE, "shop");
	cr_assert(eq(long, pprof_sample_label(&p->samples[0], PPROF_LABEL_PID)->num, 10));
	cr_assert(eq(u64, counters[STAT_CTX_LABELS_CUT], 15));
}

Test(profile_pprof, trace_alone_and_overflow)
{
	struct profile_frame frames[] = { work_frame(), entry_frame() };
	struct profile_stack_key key = { .frames = frames, .n = 2 };
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	const struct pprof_sample *trace, *over;

	add_in_context(&key, 1, &(struct profile_context){ .trace_id = { 0x4b } });
	add_in_context(&key, 1, &(struct profile_context){ .overflow = true });
	p = convert();
	cr_assert(eq(sz, p->n_samples, 2));
	trace = &p->samples[pprof_sample_label(&p->samples[0], PPROF_LABEL_OVERFLOW) != NULL];
	over = trace == &p->samples[0] ? &p->samples[1] : &p->samples[0];
	assert_string(trace, PPROF_LABEL_TRACE_ID, "4b000000000000000000000000000000");
	assert_string(trace, PPROF_LABEL_SPAN_ID, NULL);
	assert_string(over, PPROF_LABEL_TRACE_ID, NULL);
	assert_string(over, PPROF_LABEL_OVERFLOW, "true");
}

Test(profile_pprof, stack_that_broke_off)
{
	struct profile_frame frames[] = { work_frame(), entry_frame() };

	assert_becomes(&(struct profile_stack_key){ frames, 2, 0, PROFILE_STACK_TRUNCATED, false },
		       "work_of_known_name;_start;[truncated]");
	cr_assert(eq(u64, counters[STAT_SAMPLE_TRUNCATED], 3));
}

Test(profile_pprof, stack_that_ends_where_no_thread_begins)
{
	struct profile_frame frames[] = { work_frame(), work_frame() };

	assert_becomes(
		&(struct profile_stack_key){ frames, 2, 0, PROFILE_STACK_MAYBE_WHOLE, false },
		"work_of_known_name;work_of_known_name;[truncated]");
	cr_assert(eq(u64, counters[STAT_SAMPLE_TRUNCATED], 3));
}

/* An unwind table says where a stack ends, whatever the place is called. */
Test(profile_pprof, stack_that_is_known_to_be_whole)
{
	struct profile_frame frames[] = { work_frame(), work_frame() };

	assert_becomes(&(struct profile_stack_key){ frames, 2, 0, PROFILE_STACK_WHOLE, false },
		       "work_of_known_name;work_of_known_name");
	cr_assert(zero(u64, counters[STAT_SAMPLE_TRUNCATED]));
}

Test(profile_pprof, stack_that_ends_where_a_program_begins)
{
	struct profile_frame frames[] = { work_frame(), entry_frame() };

	assert_becomes(
		&(struct profile_stack_key){ frames, 2, 0, PROFILE_STACK_MAYBE_WHOLE, false },
		"work_of_known_name;_start");
	cr_assert(zero(u64, counters[STAT_SAMPLE_TRUNCATED]));
}

Test(profile_pprof, kernel_stack_that_was_cut)
{
	struct profile_frame frames[] = { { table.dsos.dsos[DSO_ID_KERNEL], 16, 0 },
					  entry_frame() };

	assert_becomes(&(struct profile_stack_key){ frames, 2, 1, PROFILE_STACK_MAYBE_WHOLE, true },
		       "[kernel.kallsyms+0x10];[truncated];_start");
}

Test(profile_pprof, kernel_thread_is_whole)
{
	struct profile_frame frames[] = { { table.dsos.dsos[DSO_ID_KERNEL], 16, 0 } };

	assert_becomes(&(struct profile_stack_key){ frames, 1, 1, PROFILE_STACK_WHOLE, false },
		       "[kernel.kallsyms+0x10]");
	cr_assert(zero(u64, counters[STAT_SAMPLE_TRUNCATED]));
	cr_assert(eq(u64, counters[STAT_FRAME_NO_SYMBOL], 1));
}

Test(profile_pprof, places_without_a_name)
{
	struct profile_frame frames[] = {
		{ table.dsos.dsos[DSO_ID_UNKNOWN], 0x1234, 0 },
		{ dso_of("//anon"), 0x7f0000001000, 0 },
		{ dso_of("[heap]"), 0x55, 0 },
		{ dso_of("/none/libx.so"), 0x99, 0 },
		entry_frame(),
	};

	dso_open((struct dso *)frames[3].dso, getpid(), 0, 0);
	assert_becomes(&(struct profile_stack_key){ frames, 5, 0, false, false },
		       "[unknown+0x1234];[anon+0x7f0000001000];[heap+0x55];[libx.so+0x99];_start");
	cr_assert(eq(u64, counters[STAT_FRAME_NO_SYMBOL], 4));
	cr_assert(eq(u64, counters[STAT_FILE_UNREADABLE], 1));
}

Test(profile_pprof, file_that_is_another_by_now)
{
	struct profile_frame frames[] = { { dso_of("/lib/replaced"), 0x99, 0 }, entry_frame() };

	((struct dso *)frames[0].dso)->error = -ESTALE;
	assert_becomes(
		&(struct profile_stack_key){ frames, 2, 0, PROFILE_STACK_MAYBE_WHOLE, false },
		"[replaced+0x99];_start");
	cr_assert(eq(u64, counters[STAT_FILE_REPLACED], 1));
	cr_assert(zero(u64, counters[STAT_FILE_UNREADABLE]));
}

/* _start has no name there, but the file says where it lies. */
Test(profile_pprof, stack_of_a_stripped_program_is_whole)
{
	CLEANUP(closep) int fd = open("/bin/sleep", O_RDONLY);
	struct profile_frame frames[2] = { work_frame() };
	char want[128];
	Elf64_Ehdr header;

	cr_assert(eq(int, pread(fd, &header, sizeof(header), 0), sizeof(header)));
	/* The first segment of code lies at its own offset in Debian's programs. */
	frames[1] = frame_of_file("/bin/sleep", header.e_entry + 4);
	snprintf(want, sizeof(want), "work_of_known_name;[sleep+0x%lx]", header.e_entry + 4);
	assert_becomes(&(struct profile_stack_key){ frames, 2, 0, false, false }, want);
	cr_assert(zero(u64, counters[STAT_SAMPLE_TRUNCATED]));
}

Test(profile_pprof, each_place_is_named_once)
{
	struct profile_frame frames[] = { work_frame(), work_frame(), entry_frame() };
	struct profile_stack_key a = { .frames = frames, .n = 3 };
	struct profile_stack_key b = { .frames = frames + 1, .n = 2 };
	struct frame_names names = { 0 };
	CLEANUP(pprof_freep) struct pprof *p = NULL;

	add_times(&a, 1, false);
	add_times(&b, 1, false);
	cr_assert(zero(int, frame_names_collect(&names, profile)));
	cr_assert(eq(sz, names.by_frame.n, 2));
	cr_assert(ne(ptr, (void *)frame_names_find(&names, &frames[0]), NULL));
	frame_names_clear(&names);
	p = convert();
	cr_assert(eq(sz, p->n_samples, 2));
	cr_assert(eq(sz, p->n_locations, 3), "two, and the one that says truncated");
}
