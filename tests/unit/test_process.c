/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/process.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "leak_check.h"
#include "proc/maps.h"

static struct process_table table;

static void set_up(void)
{
	cr_assert(zero(int, process_table_init(&table)));
}

static void tear_down(void)
{
	process_table_clear(&table);
	leak_check();
}

TestSuite(process, .init = set_up, .fini = tear_down);

#define NOBODY 4194305 /* above PID_MAX_LIMIT: no such process can be */

static void add_map(pid_t pid, uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
	struct mapping_event ev = { start, end, offset, { path, 1, 2 } };

	cr_assert(zero(int, process_on_mmap(&table, pid, &ev)));
}

/* The mappings as text, "start-end+offset path" in hex, for comparing by eye. */
static char *maps_text(pid_t pid)
{
	static char text[4096];
	const struct process *p = process_find(&table, pid);
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; p && i < p->maps.n; i++) {
		const struct mapping *m = &p->maps.data[i];

		len += snprintf(text + len, sizeof(text) - len,
				"%" PRIx64 "-%" PRIx64 "+%" PRIx64 " %s; ", m->start, m->end,
				m->offset, m->dso->path);
	}
	return text;
}

static void assert_maps(pid_t pid, const char *want)
{
	cr_assert(eq(str, maps_text(pid), (char *)want));
}

/* --- mappings --------------------------------------------------------------------------------- */

Test(process, mappings_are_sorted)
{
	add_map(1, 0x3000, 0x4000, 0, "/c");
	add_map(1, 0x1000, 0x2000, 0x100, "/a");
	add_map(1, 0x2000, 0x3000, 0, "/b");
	assert_maps(1, "1000-2000+100 /a; 2000-3000+0 /b; 3000-4000+0 /c; ");
}

Test(process, new_mapping_replaces_what_was_there)
{
	static const struct {
		uint64_t start, end;
		const char *want;
	} cases[] = {
		{ 0x3000, 0x5000, "3000-5000+7000 /new; " },
		{ 0x2000, 0x6000, "2000-6000+7000 /new; " },
		{ 0x3000, 0x4000, "3000-4000+7000 /new; 4000-5000+11000 /old; " },
		{ 0x4000, 0x5000, "3000-4000+10000 /old; 4000-5000+7000 /new; " },
		{ 0x3800, 0x4800,
		  "3000-3800+10000 /old; 3800-4800+7000 /new; 4800-5000+11800 /old; " },
		{ 0x2000, 0x3800, "2000-3800+7000 /new; 3800-5000+10800 /old; " },
		{ 0x4800, 0x6000, "3000-4800+10000 /old; 4800-6000+7000 /new; " },
		{ 0x1000, 0x3000, "1000-3000+7000 /new; 3000-5000+10000 /old; " },
		{ 0x5000, 0x6000, "3000-5000+10000 /old; 5000-6000+7000 /new; " },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		add_map(i, 0x3000, 0x5000, 0x10000, "/old");
		add_map(i, cases[i].start, cases[i].end, 0x7000, "/new");
		assert_maps(i, cases[i].want);
	}
}

Test(process, new_mapping_over_several)
{
	add_map(1, 0x1000, 0x2000, 0, "/a");
	add_map(1, 0x2000, 0x3000, 0, "/b");
	add_map(1, 0x4000, 0x5000, 0, "/c");
	add_map(1, 0x6000, 0x7000, 0, "/d");
	add_map(1, 0x1800, 0x4800, 0, "/x");
	assert_maps(1, "1000-1800+0 /a; 1800-4800+0 /x; 4800-5000+800 /c; 6000-7000+0 /d; ");
}

Test(process, absurd_mappings_are_left_out)
{
	add_map(1, 0x2000, 0x2000, 0, "/empty");
	add_map(1, 0x3000, 0x2000, 0, "/backwards");
	assert_maps(1, "");
	add_map(1, 0, UINT64_MAX, UINT64_MAX, "/all");
	add_map(1, 0x1000, 0x2000, 0, "/x");
	assert_maps(1, "0-1000+ffffffffffffffff /all; 1000-2000+0 /x; "
		       "2000-ffffffffffffffff+1fff /all; ");
}

#define PAGES 64

/* Against a page table: what was mapped last at each page. */
Test(process, mappings_agree_with_a_model)
{
	uint64_t model[PAGES] = { 0 }; /* offset of the page + 1, in pages; 0: none */
	unsigned seed = 1;

	for (int step = 0; step < 3000; step++) {
		uint64_t start = rand_r(&seed) % PAGES, n = 1 + rand_r(&seed) % 8;
		uint64_t offset = rand_r(&seed) % 100000;
		uint64_t end = start + n < PAGES ? start + n : PAGES;
		const struct process *p;

		add_map(7, start << 12, end << 12, offset << 12, "/f");
		for (uint64_t i = start; i < end; i++)
			model[i] = offset + i - start + 1;
		p = process_find(&table, 7);
		for (uint64_t i = 0; i < PAGES; i++) {
			const struct mapping *m = process_find_mapping(p, (i << 12) + 0xfff);
			uint64_t got = m ? (((i << 12) - m->start + m->offset) >> 12) + 1 : 0;

			cr_assert(eq(u64, got, model[i]), "step %d page %d", step, (int)i);
		}
		for (size_t i = 1; i < p->maps.n; i++)
			cr_assert(le(u64, p->maps.data[i - 1].end, p->maps.data[i].start));
	}
}

Test(process, find_mapping_at_its_borders)
{
	struct process *p;

	cr_assert(zero(int, process_get(&table, 1, &p)));
	cr_assert(zero(ptr, (void *)process_find_mapping(p, 0)));
	add_map(1, 0x1000, 0x2000, 0, "/a");
	add_map(1, 0x3000, 0x4000, 0, "/b");
	cr_assert(zero(ptr, (void *)process_find_mapping(p, 0xfff)));
	cr_assert(eq(str, process_find_mapping(p, 0x1000)->dso->path, "/a"));
	cr_assert(eq(str, process_find_mapping(p, 0x1fff)->dso->path, "/a"));
	cr_assert(zero(ptr, (void *)process_find_mapping(p, 0x2000)));
	cr_assert(eq(str, process_find_mapping(p, 0x3fff)->dso->path, "/b"));
	cr_assert(zero(ptr, (void *)process_find_mapping(p, 0x4000)));
	cr_assert(zero(ptr, (void *)process_find_mapping(p, UINT64_MAX)));
}

/* --- life ------------------------------------------------------------------------------------- */

static struct process *find(pid_t pid)
{
	struct process *p = process_find(&table, pid);

	cr_assert(ne(ptr, p, NULL), "process %d", pid);
	return p;
}

Test(process, fork_copies_and_the_two_go_their_own_ways)
{
	uint32_t parent_id;

	cr_assert(zero(int, process_on_exec(&table, 10, "shell")));
	add_map(10, 0x1000, 0x2000, 0, "/bin/shell");
	parent_id = find(10)->id;
	cr_assert(zero(int, process_on_fork(&table, 10, 11, 5)));
	assert_maps(11, "1000-2000+0 /bin/shell; ");
	cr_assert(eq(str, (char *)process_name(find(11)), "shell"));
	cr_assert(eq(str, find(11)->comm, "shell"));
	cr_assert(ne(uint, find(11)->id, parent_id));
	cr_assert(eq(uint, find(10)->id, parent_id));

	add_map(11, 0x1000, 0x1800, 0, "/lib");
	assert_maps(10, "1000-2000+0 /bin/shell; ");
	add_map(10, 0x5000, 0x6000, 0, "/other");
	assert_maps(11, "1000-1800+0 /lib; 1800-2000+800 /bin/shell; ");
}

/* One that changes is not to change others. */
Test(process, forks_of_forks_that_change)
{
	cr_assert(zero(int, process_on_exec(&table, 10, "shell")));
	add_map(10, 0x1000, 0x2000, 0, "/a");
	for (pid_t pid = 11; pid < 14; pid++)
		cr_assert(zero(int, process_on_fork(&table, pid - 1, pid, 5)));
	cr_assert(zero(int, process_on_exec(&table, 11, "other")));
	add_map(11, 0x3000, 0x4000, 0, "/b");
	add_map(12, 0x3000, 0x4000, 0, "/c");
	cr_assert(zero(int, process_on_fork(&table, 12, 10, 6)));
	assert_maps(10, "1000-2000+0 /a; 3000-4000+0 /c; ");
	assert_maps(11, "3000-4000+0 /b; ");
	assert_maps(12, "1000-2000+0 /a; 3000-4000+0 /c; ");
	assert_maps(13, "1000-2000+0 /a; ");
}

static size_t bytes_allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

Test(process, forks_take_no_room_for_mappings)
{
	size_t before;

	for (uint64_t i = 0; i < 10000; i++)
		add_map(10, i * 0x2000, i * 0x2000 + 0x1000, 0, "/a");
	before = bytes_allocated();
	for (pid_t pid = 11; pid < 1011; pid++)
		cr_assert(zero(int, process_on_fork(&table, 10, pid, 5)));
	cr_assert(lt(sz, bytes_allocated() - before, 2000000));
	cr_assert(eq(sz, find(1010)->maps.n, 10000));
}

/* Nobody tells of munmap(2). */
Test(process, mappings_are_not_without_number)
{
	size_t most = 0;

	for (uint64_t i = 0; i < 200000; i++) {
		add_map(10, i * 0x2000, i * 0x2000 + 0x1000, 0, "/a");
		most = find(10)->maps.n > most ? find(10)->maps.n : most;
	}
	cr_assert(lt(sz, most, 70000));
	cr_assert(ge(sz, most, 65530), "as many as there may be");
}

Test(process, child_of_an_unknown_process_is_known)
{
	cr_assert(zero(int, process_on_fork(&table, NOBODY, 11, 5)));
	assert_maps(11, "");
	cr_assert(zero(ptr, process_find(&table, NOBODY)));
	cr_assert(eq(str, (char *)process_name(find(11)), ""));
}

Test(process, exec_is_another_process_of_the_same_pid)
{
	uint32_t id;

	cr_assert(zero(int, process_on_fork(&table, 1, 10, 5)));
	add_map(10, 0x1000, 0x2000, 0, "/bin/before");
	id = find(10)->id;
	cr_assert(zero(int, process_on_exec(&table, 10, "after")));
	cr_assert(ne(uint, find(10)->id, id));
	assert_maps(10, "");
	cr_assert(eq(str, (char *)process_name(find(10)), "after"));
	add_map(10, 0x5000, 0x6000, 0, "/bin/after-all");
	add_map(10, 0x8000, 0x9000, 0, "/lib/ld.so");
	cr_assert(eq(str, (char *)process_name(find(10)), "after-all"));
}

/* The pid came round again while the first one's end is still being looked at. */
Test(process, fork_into_a_used_pid)
{
	uint32_t id;

	cr_assert(zero(int, process_on_exec(&table, 10, "first")));
	add_map(10, 0x1000, 0x2000, 0, "/first");
	id = find(10)->id;
	process_on_exit(&table, 10, 1000);
	cr_assert(zero(int, process_on_fork(&table, 1, 10, 5)));
	cr_assert(ne(uint, find(10)->id, id));
	cr_assert(zero(u64, find(10)->exited_ns));
	assert_maps(10, "");
}

Test(process, ids_are_never_used_again)
{
	uint32_t last = 0;

	for (int i = 0; i < 100; i++) {
		cr_assert(zero(int, i % 2 ? process_on_exec(&table, 5, "x")
					  : process_on_fork(&table, 1, 5, 5)));
		cr_assert(gt(uint, find(5)->id, last));
		last = find(5)->id;
	}
}

/* A host that starts 500 processes a second comes there in a month. */
Test(process, ids_go_on_beyond_32_bits)
{
	struct dso *shared, *own, *other;

	table.next_id = UINT32_MAX;
	for (int i = 0; i < 3; i++)
		cr_assert(zero(int, process_on_exec(&table, 5 + i, "x")));
	cr_assert(eq(u64, find(7)->id, find(6)->id + 2));
	cr_assert(gt(u64, find(7)->id, UINT32_MAX));
	cr_assert(zero(int,
		       dso_table_get(&table.dsos, &(struct dso_key){ "//anon", 0, 0 }, &shared)));
	cr_assert(zero(int, dso_table_get_owned(&table.dsos, shared, 1, &own)));
	cr_assert(zero(int, dso_table_get_owned(&table.dsos, shared, 1 + (1ULL << 32), &other)));
	cr_assert(ne(ptr, own, other));
}

Test(process, comm_is_cut_to_its_size)
{
	cr_assert(zero(int, process_on_comm(&table, 5, "0123456789abcdefXYZ")));
	cr_assert(eq(str, find(5)->comm, "0123456789abcde"));
	cr_assert(eq(str, (char *)process_name(find(5)), "0123456789abcde"));
}

/* --- sweep ------------------------------------------------------------------------------------ */

struct gone {
	pid_t pids[8];
	int n;
};

static void note_gone(void *ctx, const struct process *p)
{
	struct gone *gone = ctx;

	gone->pids[gone->n++] = p->pid;
}

Test(process, sweep_takes_those_that_ended_before)
{
	struct gone gone = { .n = 0 };

	for (pid_t pid = NOBODY; pid < NOBODY + 4; pid++)
		cr_assert(zero(int, process_on_exec(&table, pid, "x")));
	process_on_exit(&table, NOBODY, 100);
	process_on_exit(&table, NOBODY + 1, 200);
	process_on_exit(&table, NOBODY + 2, 201);
	process_on_exit(&table, NOBODY + 5, 50); /* unknown */

	process_sweep(&table, 100, note_gone, &gone);
	cr_assert(zero(int, gone.n));
	process_sweep(&table, 201, note_gone, &gone);
	cr_assert(eq(int, gone.n, 2));
	cr_assert(zero(ptr, process_find(&table, NOBODY)));
	cr_assert(zero(ptr, process_find(&table, NOBODY + 1)));
	cr_assert(ne(ptr, process_find(&table, NOBODY + 2), NULL));
	process_sweep(&table, UINT64_MAX, note_gone, &gone);
	cr_assert(eq(int, gone.n, 3));
	cr_assert(ne(ptr, process_find(&table, NOBODY + 3), NULL), "it lives");
}

static int thread_pipe[2];

static void *wait_for_end(void *arg)
{
	char c;

	if (read(thread_pipe[0], &c, 1) < 0)
		abort();
	_exit(0);
}

/* A program whose main thread ends first. */
static pid_t start_without_main_thread(void)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid)
		return pid;
	close(thread_pipe[1]);
	pthread_create(&thread, NULL, wait_for_end, NULL);
	pthread_exit(NULL);
}

static void wait_until_zombie_leader(pid_t pid)
{
	char path[64], state = '?';

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 500 && state != 'Z'; i++) {
		FILE *f = fopen(path, "r");

		cr_assert(eq(int, fscanf(f, "%*d (%*[^)]) %c", &state), 1));
		fclose(f);
		usleep(10000);
	}
	cr_assert(eq(chr, state, 'Z'));
}

Test(process, sweep_leaves_those_with_running_threads)
{
	struct gone gone = { .n = 0 };
	pid_t pid;

	cr_assert(zero(int, pipe(thread_pipe)));
	pid = start_without_main_thread();
	wait_until_zombie_leader(pid);
	cr_assert(zero(int, process_on_exec(&table, pid, "x")));
	process_on_exit(&table, pid, 1);
	process_sweep(&table, UINT64_MAX, note_gone, &gone);
	cr_assert(zero(int, gone.n));

	close(thread_pipe[1]);
	close(thread_pipe[0]);
	/* Not waited for: a zombie as a whole has no threads that run. */
	for (int i = 0; i < 500 && !gone.n; i++) {
		usleep(10000);
		process_sweep(&table, UINT64_MAX, note_gone, &gone);
	}
	cr_assert(eq(int, gone.n, 1));
	cr_assert(eq(int, gone.pids[0], pid));
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
}

Test(process, is_over_with_its_last_thread)
{
	pid_t pid;

	cr_assert(not(process_is_over(getpid())));
	cr_assert(process_is_over(NOBODY));

	cr_assert(zero(int, pipe(thread_pipe)));
	pid = start_without_main_thread();
	wait_until_zombie_leader(pid);
	cr_assert(not(process_is_over(pid)));

	close(thread_pipe[1]);
	close(thread_pipe[0]);
	for (int i = 0; i < 500 && !process_is_over(pid); i++)
		usleep(10000);
	cr_assert(process_is_over(pid), "a zombie as a whole");
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
	cr_assert(process_is_over(pid));
}

/* --- /proc ------------------------------------------------------------------------------------ */

static struct process *load(pid_t pid)
{
	CLEANUP(freep) char *text = NULL;
	struct process *p;
	size_t len;

	cr_assert(zero(int, maps_read(pid, 1 << 24, &text, &len)));
	cr_assert(zero(int, process_load(&table, pid, text, len, &p)));
	return p;
}

/* A child that waits until it is killed, with more executable memory than the test has. */
static pid_t start_child(void)
{
	pid_t pid;
	int fds[2];
	char c;

	cr_assert(zero(int, pipe(fds)));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "a (b) c");
		mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	cr_assert(eq(int, read(fds[0], &c, 1), 1));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
}

/* sscanf(3), on the format that proc(5) documents, is the other reader. */
static size_t compare_with_proc(const struct process *p)
{
	char path[64], line[8192], file[4096], perms[5];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", p->pid);
	f = fopen(path, "r");
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end, offset, ino;
		unsigned major, minor;
		const struct mapping *m;
		int fields = sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %4095[^\n]", &start, &end,
				    perms, &offset, &major, &minor, &ino, file);

		if (perms[2] != 'x')
			continue;
		m = &p->maps.data[n++];
		cr_assert(eq(u64, m->start, start));
		cr_assert(eq(u64, m->end, end));
		cr_assert(eq(u64, m->offset, offset));
		cr_assert(eq(ulong, m->dso->ino, ino));
		cr_assert(eq(ulong, m->dso->dev, makedev(major, minor)));
		cr_assert(eq(str, m->dso->path, fields == 8 ? file : (char *)"//anon"));
	}
	fclose(f);
	return n;
}

Test(process, load_is_what_proc_says)
{
	pid_t pid = start_child();
	struct process *p = load(pid);
	char exe[4096] = "";

	cr_assert(eq(sz, compare_with_proc(p), p->maps.n));
	cr_assert(gt(sz, p->maps.n, 5));
	cr_assert(eq(str, p->comm, "a (b) c"));
	cr_assert(gt(long, readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0));
	cr_assert(eq(str, p->exe->path, exe));
	cr_assert(eq(str, (char *)process_name(p), "test_process"));
	stop_child(pid);
}

/* The events of their ends were lost. */
Test(process, those_that_are_missing_have_ended)
{
	pid_t pid = start_child(), other = start_child();
	struct process *p = load(pid), *q = load(other);

	process_end_missing(&table, 7);
	cr_expect(zero(u64, p->exited_ns));
	stop_child(other);
	process_end_missing(&table, 8);
	cr_expect(zero(u64, p->exited_ns));
	cr_expect(eq(u64, q->exited_ns, 8));
	stop_child(pid);
}

/* The table goes on as the events say, not as /proc does. */
Test(process, peek_leaves_the_table_as_it_is)
{
	CLEANUP(process_freep) struct process *peeked = NULL;
	CLEANUP(freep) char *text = NULL;
	pid_t pid = start_child();
	size_t len;

	add_map(pid, 0x1000, 0x2000, 0, "/old");
	cr_assert(zero(int, maps_read(pid, 1 << 24, &text, &len)));
	cr_assert(zero(int, process_peek(&table, pid, text, len, &peeked)));
	cr_assert(eq(int, peeked->pid, pid));
	cr_assert(gt(sz, peeked->maps.n, 5));
	cr_assert(eq(sz, compare_with_proc(peeked), peeked->maps.n));
	assert_maps(pid, "1000-2000+0 /old; ");
	cr_assert(ne(ptr, peeked, process_find(&table, pid)));
	/* Files are shared: what is opened for the one is open for the other. */
	cr_assert(eq(ptr, peeked->maps.data[0].dso, load(pid)->maps.data[0].dso));
	stop_child(pid);
}

Test(process, peek_at_a_process_that_is_not_known)
{
	CLEANUP(process_freep) struct process *peeked = NULL;
	static const char text[] = "1000-2000 r-xp 00000000 08:01 5 /a\n";

	cr_assert(zero(int, process_peek(&table, NOBODY, text, sizeof(text) - 1, &peeked)));
	cr_assert(eq(sz, peeked->maps.n, 1));
	cr_assert(eq(str, peeked->maps.data[0].dso->path, "/a"));
	cr_assert(zero(ptr, process_find(&table, NOBODY)));
}

Test(process, load_again_replaces)
{
	pid_t pid = start_child();
	uint32_t id;
	size_t n;

	add_map(pid, 0x1000, 0x2000, 0, "/stale");
	n = load(pid)->maps.n;
	cr_assert(zero(ptr, (void *)process_find_mapping(find(pid), 0x1000)));
	id = find(pid)->id;
	cr_assert(eq(sz, load(pid)->maps.n, n));
	cr_assert(eq(uint, find(pid)->id, id));
	stop_child(pid);
}

/* When events were lost, exec was among them: a sample before it must not get the new name. */
Test(process, load_of_another_program_is_another_process)
{
	pid_t pid = start_child();
	uint32_t id;

	cr_assert(zero(int, process_on_exec(&table, pid, "old")));
	add_map(pid, 0x1000, 0x2000, 0, "/bin/old");
	id = find(pid)->id;
	cr_assert(ne(uint, load(pid)->id, id));
	stop_child(pid);
}

/* On overlayfs perf says one device and inode of a file, and /proc another one. */
Test(process, load_of_a_file_of_other_numbers_is_the_same_process)
{
	char exe[PATH_MAX] = "";
	pid_t pid = start_child();
	uint32_t id;

	cr_assert(gt(int, readlink("/proc/self/exe", exe, sizeof(exe) - 1), 0));
	cr_assert(zero(int, process_on_exec(&table, pid, "same")));
	add_map(pid, 0x1000, 0x2000, 0, exe);
	id = find(pid)->id;
	cr_assert(eq(uint, load(pid)->id, id));
	cr_assert(eq(uint, load(pid)->id, id));
	stop_child(pid);
}

/* News of its end were lost, and the pid is that of the same program again. */
Test(process, load_of_the_same_program_anew_is_another_process)
{
	pid_t pid = start_child();
	uint32_t id = load(pid)->id;

	cr_assert(eq(uint, load(pid)->id, id));
	find(pid)->start_stack += 16;
	cr_assert(ne(uint, load(pid)->id, id));
	stop_child(pid);
}

/* The exit was seen, the fork that used its pid again was lost. */
Test(process, load_of_a_living_process_forgets_an_exit)
{
	pid_t pid = start_child();
	struct gone gone = { .n = 0 };

	cr_assert(zero(int, process_on_exec(&table, pid, "x")));
	process_on_exit(&table, pid, 1);
	load(pid);
	process_sweep(&table, UINT64_MAX, note_gone, &gone);
	cr_assert(zero(int, gone.n));
	stop_child(pid);
}

Test(process, load_of_a_zombie_has_a_name_and_no_mappings)
{
	pid_t pid = fork();
	siginfo_t info;
	struct process *p;

	if (pid == 0)
		_exit(0);
	cr_assert(zero(int, waitid(P_PID, pid, &info, WEXITED | WNOWAIT)));
	p = load(pid);
	cr_assert(zero(sz, p->maps.n));
	cr_assert(zero(ptr, p->exe));
	cr_assert(eq(str, (char *)process_name(p), p->comm));
	cr_assert(ne(chr, p->comm[0], '\0'));
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
}

Test(process, load_of_a_program_that_was_deleted)
{
	char path[] = "/tmp/test_processXXXXXX", cmd[128];
	int fd = mkstemp(path);
	struct process *p;
	uint32_t id;
	pid_t pid;

	close(fd);
	snprintf(cmd, sizeof(cmd), "cp /bin/sleep %s && chmod 700 %s", path, path);
	cr_assert(zero(int, system(cmd)));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, "sleep", "60", NULL);
		_exit(1);
	}
	for (int i = 0; i < 500; i++) {
		p = load(pid);
		if (strncmp(p->comm, "test_processXXX", 12) == 0 && p->exe &&
		    strcmp(p->exe->path, path) == 0)
			break;
		usleep(10000);
	}
	cr_assert(eq(str, p->exe->path, path));
	id = p->id;
	unlink(path);
	p = load(pid);
	cr_assert(eq(uint, p->id, id), "the file has another name, the process is the same");
	cr_assert(ne(ptr, p->exe, NULL));
	cr_assert(eq(int, strncmp(p->exe->path, path, strlen(path)), 0));
	stop_child(pid);
}

Test(process, where_exec_has_mapped_the_code)
{
	uint64_t start = 0, end = 0;
	uint64_t here = (uint64_t)(uintptr_t)process_code_range;

	cr_assert(zero(int, process_code_range(getpid(), &start, &end)));
	cr_assert(lt(u64, start, here));
	cr_assert(gt(u64, end, here));
	cr_assert(lt(int, process_code_range(0x7ffffff0, &start, &end), 0));
}
