/* SPDX-License-Identifier: Apache-2.0 */
/* Names of this very process's code, from the files it writes. */
#include "sym/jit_names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "leak_check.h"
#include "proc/process_root.h"
#include "shared/stat.h"

static struct jit_names *jit;
static uint64_t counters[STAT_COUNT];
static char path[64], target[80];
static int troubles, last_error;
static struct process process;

static void on_trouble(void *ctx, pid_t pid, const char *where, int error)
{
	cr_assert(eq(str, (char *)where, path));
	troubles++;
	last_error = error;
}

static void set_up(void)
{
	const struct jit_observer observer = { NULL, on_trouble, counters, 0 };

	cr_assert(zero(int, jit_names_new(&observer, &jit)));
	process = (struct process){ .id = 7, .pid = getpid() };
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
	snprintf(target, sizeof(target), "%s.target", path);
}

static void tear_down(void)
{
	jit_names_free(jit);
	unlink(path);
	unlink(target);
	rmdir(path);
	leak_check();
}

TestSuite(jit_names, .init = set_up, .fini = tear_down);
TestSuite(process_root, .init = set_up, .fini = tear_down);

static void write_map(const char *flags, const char *text)
{
	FILE *f = fopen(path, flags);

	cr_assert(ne(ptr, f, NULL));
	fputs(text, f);
	fclose(f);
}

/* As a sample taken now does. */
static uint32_t code_now(const struct process *p, uint64_t addr)
{
	struct jit_process *jp;

	jit_names_read(jit, monotonic_ns());
	cr_assert(zero(int, jit_names_enter(jit, p, &jp)));
	return jit_code_at(jp, addr, monotonic_ns());
}

static void assert_name(const struct process *p, uint64_t addr, uint32_t code, const char *want)
{
	struct jit_places places = { p->id, 1, &addr, &code };
	struct sym_result res;

	cr_assert(zero(int, jit_names_answer(jit, &places, &res)));
	cr_assert(eq(u64, res.vaddr, addr));
	cr_assert(eq(str, (char *)(res.n_frames ? res.frames[0].function : ""), (char *)want));
}

Test(jit_names, names_follow_the_file_as_it_grows)
{
	uint32_t first, second;

	write_map("w", "1000 10 first\n");
	first = code_now(&process, 0x1000);
	assert_name(&process, 0x1000, first, "first");
	write_map("a", "1000 10 second\n");
	second = code_now(&process, 0x1000);
	assert_name(&process, 0x1000, second, "second");
	assert_name(&process, 0x1000, first, "first");
}

Test(jit_names, what_is_told_later_names_what_nobody_had_told_of)
{
	uint32_t code = code_now(&process, 0x1000);

	cr_assert(zero(u32, code));
	assert_name(&process, 0x1000, code, "");
	write_map("w", "1000 10 late\n");
	jit_names_end(jit, process.pid);
	assert_name(&process, 0x1000, code, "late");
	assert_name(&process, 0x2000, 0, "");
}

Test(jit_names, a_file_that_is_written_anew_is_read_anew)
{
	code_now(&process, 0x1000);
	write_map("w", "1000 10 long_name_of_old\n");
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "long_name_of_old");
	write_map("w", "2000 10 new\n");
	assert_name(&process, 0x2000, code_now(&process, 0x2000), "new");
	unlink(path);
	write_map("w", "3000 10 another\n");
	code_now(&process, 0x3000);
	assert_name(&process, 0x3000, code_now(&process, 0x3000), "another");
}

Test(jit_names, a_child_has_the_code_of_before_the_fork)
{
	struct process child = { .id = 8, .pid = 0x7fffffff, .forked_from = 7 };
	uint32_t code;

	write_map("w", "1000 10 before\n");
	code_now(&process, 0x1000);
	child.forked_ns = monotonic_ns();
	usleep(2000);
	write_map("a", "1000 10 behind\n");
	code_now(&process, 0x1000);
	code = code_now(&child, 0x1000);
	assert_name(&child, 0x1000, code, "before");
	assert_name(&child, 0x1000, 0, "before");
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "behind");
}

Test(jit_names, an_old_file_of_that_name_is_another_process_s)
{
	const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };

	write_map("w", "1000 10 old\n");
	cr_assert(zero(int, utimensat(AT_FDCWD, path, old, 0)));
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "");
	write_map("w", "1000 10 own\n");
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "own");
	cr_assert(zero(int, troubles));
}

static struct jit_files files_now(void)
{
	struct jit_process *jp;
	struct jit_files files;

	jit_names_read(jit, monotonic_ns());
	cr_assert(zero(int, jit_names_enter(jit, &process, &jp)));
	jit_process_files(jp, &files);
	return files;
}

Test(jit_names, files_that_are_read)
{
	const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
	struct jit_files files = files_now();

	cr_assert(not(files.map_read || files.map_old || files.dump_read));
	cr_assert(eq(ptr, (void *)files.dump, NULL));
	write_map("w", "1000 10 one\n2000 10 two\n");
	cr_assert(zero(int, utimensat(AT_FDCWD, path, old, 0)));
	files = files_now();
	cr_assert(files.map_old && !files.map_read);
	cr_assert(zero(u32, files.n_names));
	cr_assert(zero(int, utimensat(AT_FDCWD, path, NULL, 0)));
	files = files_now();
	cr_assert(files.map_read && !files.map_old);
	cr_assert(eq(u32, files.n_names, 2));
	cr_assert(eq(str, (char *)files.map, strrchr(path, '/') + 1));
}

Test(jit_names, what_has_ended_is_kept_as_long_as_it_is_used)
{
	struct process child = { .id = 8, .pid = 0x7fffffff, .forked_from = 7 };
	uint32_t code;

	write_map("w", "1000 10 code\n");
	code_now(&process, 0x1000);
	child.forked_ns = monotonic_ns();
	code = code_now(&child, 0x1000);
	jit_names_end(jit, 0);
	jit_names_use(jit, child.id);
	jit_names_sweep(jit);
	/* The child's name is its parent's. */
	assert_name(&child, 0x1000, code, "code");
	jit_names_sweep(jit);
	assert_name(&child, 0x1000, code, "");
	assert_name(&process, 0x1000, 0, "");
}

Test(jit_names, the_living_are_kept)
{
	uint32_t code;

	write_map("w", "1000 10 code\n");
	code = code_now(&process, 0x1000);
	jit_names_sweep(jit);
	assert_name(&process, 0x1000, code, "code");
}

static void assert_refused(int error)
{
	for (int i = 0; i < 3; i++)
		assert_name(&process, 0x1000, code_now(&process, 0x1000), "");
	cr_assert(eq(int, troubles, 1));
	cr_assert(eq(int, last_error, error));
	cr_assert(eq(u64, counters[STAT_JIT_REFUSED], error != -EFBIG));
	cr_assert(eq(u64, counters[STAT_JIT_CUT], error == -EFBIG));
}

Test(jit_names, a_fifo_is_refused_at_once)
{
	cr_assert(zero(int, mkfifo(path, 0600)));
	assert_refused(-ENOTSUP);
}

Test(jit_names, a_symbolic_link_is_refused)
{
	write_map("w", "1000 10 hidden\n");
	cr_assert(zero(int, rename(path, target)));
	cr_assert(zero(int, symlink(target, path)));
	assert_refused(-ELOOP);
}

Test(jit_names, a_file_of_somebody_else_is_refused)
{
	write_map("w", "1000 10 hidden\n");
	if (chown(path, 12345, 12345) < 0)
		return; /* not root: there is no other owner to be had */
	assert_refused(-EPERM);
}

static void begin_with(size_t memory)
{
	const struct jit_observer observer = { NULL, on_trouble, counters, memory };

	jit_names_free(jit);
	cr_assert(zero(int, jit_names_new(&observer, &jit)));
}

/* Most processes that end have never told of any code. */
Test(jit_names, those_without_names_leave_the_account_as_it_was)
{
	begin_with(1 << 20);
	for (uint32_t id = 100; id < 5000; id++) {
		struct process nameless = { .id = id, .pid = 0x7fffffff, .exited_ns = 1 };

		code_now(&nameless, 0x1000);
		jit_names_end(jit, nameless.pid);
		jit_names_sweep(jit);
	}
	write_map("w", "1000 10 code\n");
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "code");
	cr_assert(zero(int, troubles));
}

Test(jit_names, names_take_no_more_memory_than_they_may)
{
	FILE *f = fopen(path, "w");

	begin_with(1 << 20);
	for (unsigned i = 0; i < 20000; i++)
		fprintf(f, "%x 10 function_number_%u\n", 0x1000 + 16 * i, i);
	fclose(f);
	for (int i = 0; i < 100 && !troubles; i++)
		code_now(&process, 0x1000);
	cr_assert(eq(int, last_error, -EFBIG));
	cr_assert(eq(u64, counters[STAT_JIT_CUT], 1));
	/* What is there by now nobody has told. */
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "");
}

/* Samples wait meanwhile. */
Test(jit_names, what_is_left_at_the_end_is_read_to_a_limit)
{
	struct jit_process *jp;

	write_map("w", "1000 10 code\n");
	cr_assert(zero(int, jit_names_enter(jit, &process, &jp)));
	cr_assert(zero(int, truncate(path, 200LL << 20)));
	jit_names_end(jit, 0);
	cr_assert(eq(int, last_error, -EFBIG));
	cr_assert(eq(u64, counters[STAT_JIT_CUT], 1));
	assert_name(&process, 0x1000, jit_code_at(jp, 0x1000, monotonic_ns()), "code");
}

Test(jit_names, a_huge_file_is_read_to_a_limit)
{
	write_map("w", "");
	cr_assert(zero(int, truncate(path, 10LL << 30)));
	for (int i = 0; i < 100 && !troubles; i++)
		code_now(&process, 0x1000);
	assert_refused(-EFBIG);
}

/* An address that is known may be another function's by now. */
Test(jit_names, after_the_limit_there_are_no_names)
{
	uint32_t code;

	write_map("w", "1000 10 code\n");
	code = code_now(&process, 0x1000);
	assert_name(&process, 0x1000, code, "code");
	cr_assert(zero(int, truncate(path, 10LL << 30)));
	for (int i = 0; i < 100 && !troubles; i++)
		code_now(&process, 0x1000);
	cr_assert(eq(int, last_error, -EFBIG));
	assert_name(&process, 0x1000, code_now(&process, 0x1000), "");
	assert_name(&process, 0x1000, code, "code");
}

Test(process_root, ids_of_this_process)
{
	struct process_ids ids;
	uint64_t now = realtime_ns();

	cr_assert(zero(int, process_ids_read(getpid(), &ids)));
	cr_assert(eq(int, ids.ns_pid, getpid()));
	cr_assert(eq(u32, ids.euid, geteuid()));
	cr_assert(le(u64, ids.started_ns, now + NSEC_PER_SEC));
	cr_assert(ge(u64, ids.started_ns, now - 60 * NSEC_PER_SEC));
	cr_assert(eq(int, process_ids_read(0x7fffffff, &ids), -ESRCH));
}

Test(process_root, names_lead_nowhere_else)
{
	int folder = process_folder_open(getpid(), "tmp");
	struct stat st;

	cr_assert(ge(int, folder, 0));
	cr_assert(eq(int, process_file_open(folder, "../etc/passwd", 0, &st), -EXDEV));
	cr_assert(eq(int, process_file_open(folder, "/etc/passwd", 0, &st), -EXDEV));
	cr_assert(eq(int, process_file_open(folder, "no-such-file", 0, &st), -ENOENT));
	close(folder);
	cr_assert(eq(int, process_folder_open(getpid(), "no-such-folder"), -ENOENT));
}
