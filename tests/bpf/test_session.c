/* SPDX-License-Identifier: Apache-2.0 */
/* Intervals of a session, over a program whose CPU time the kernel counts, too. */
#include "app/session.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/session_internal.h"
#include "base/clock.h"
#include "base/io.h"
#include "leak_check.h"
#include "sym/names_service.h"
#include "unwind/rows_service.h"
#include "worker/service.h"
#include "worker/worker.h"

/* A session starts its own program as the reader of files: which is this one. */
__attribute__((constructor)) static void be_a_worker(int argc, char **argv)
{
	static const struct worker_service services[] = {
		{ WORKER_SERVICE_NAMES, names_service, NULL },
		{ WORKER_SERVICE_ROWS, rows_service, rows_service_tidy },
		{ 0 },
	};

	if (argc == 2 + WORKER_MORE_ARGUMENTS && strcmp(argv[1], WORKER_ARGUMENT) == 0)
		worker_main(argv + 2, services);
}

static char program[64];
static pid_t burner;
static struct session *session;

static void set_up(void)
{
	int null;

	/* A file that no other process of this host has mapped. */
	snprintf(program, sizeof(program), "/tmp/spanprof-burner-%d", getpid());
	burner = fork();
	if (burner == 0) {
		execl("/bin/cp", "cp", "/usr/bin/yes", program, NULL);
		_exit(1);
	}
	waitpid(burner, NULL, 0);
	burner = fork();
	if (burner == 0) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		execl(program, program, NULL);
		_exit(1);
	}
	usleep(100000);
}

static void tear_down(void)
{
	session_close(session);
	if (burner) {
		kill(burner, SIGKILL);
		waitpid(burner, NULL, 0);
	}
	unlink(program);
	leak_check();
}

TestSuite(session, .init = set_up, .fini = tear_down);

static void open_session(void)
{
	struct session_options opt = {
		.collector = { .frequency = 999,
			       .event = COLLECTOR_EVENT_CPU_CLOCK,
			       .filter_pids = true,
			       .cgroup_fd = -1,
			       .unwind_budget = 4 << 20 },
		.pids = &burner,
		.n_pids = 1,
		.context = context_options_default(),
		.keep_times = true,
	};

	cr_assert(zero(int, session_open(&opt, &session)));
	cr_assert(zero(int, session_start(session)));
}

static uint64_t burnt_ns(void)
{
	struct timespec ts;
	clockid_t clock;

	cr_assert(zero(int, clock_getcpuclockid(burner, &clock)));
	cr_assert(zero(int, clock_gettime(clock, &ts)));
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void poll_ms(unsigned ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;

	while (monotonic_ns() < end)
		cr_assert(zero(int, session_poll(session)));
}

static struct session_interval *take(void)
{
	struct session_interval *i = NULL;
	int r;

	while ((r = session_take(session, &i)) == 0)
		cr_assert(zero(int, session_poll(session)));
	cr_assert(eq(int, r, 1));
	return i;
}

/* As many times as samples, all of them in the interval. */
static void assert_times(const struct profile *p)
{
	uint64_t end = p->start_realtime_ns + p->duration_ns, n = 0;
	const struct profile_sample *s;
	size_t pos = 0;

	while ((s = hashmap_next(&p->samples, &pos))) {
		cr_assert(eq(u64, s->times.n, s->count));
		n += s->count;
		for (size_t i = 0; i < s->times.n; i++) {
			cr_assert(ge(u64, s->times.data[i], p->start_realtime_ns));
			cr_assert(lt(u64, s->times.data[i], end));
		}
	}
	cr_assert(eq(u64, n, p->n_samples));
}

/* The CPU time that its samples stand for is what the kernel has counted. */
static void assert_interval(const struct session_interval *i, unsigned hz, uint64_t cpu_ns)
{
	uint64_t sampled_ns = i->profile->n_samples * i->profile->period_ns;

	cr_assert(eq(u64, i->profile->period_ns, NSEC_PER_SEC / hz));
	cr_assert(gt(u64, cpu_ns, 300 * NSEC_PER_MSEC));
	cr_assert(lt(dbl, (double)sampled_ns / cpu_ns, 1.05), "%f", (double)sampled_ns / cpu_ns);
	cr_assert(gt(dbl, (double)sampled_ns / cpu_ns, 0.95), "%f", (double)sampled_ns / cpu_ns);
	assert_times(i->profile);
}

Test(session, intervals_are_of_their_time_and_frequency)
{
	struct session_interval *first, *second;
	uint64_t t0, t1, t2, counters[STAT_COUNT] = { 0 };

	open_session();
	t0 = burnt_ns();
	poll_ms(1000);
	cr_assert(zero(int, session_rotate(session, &(struct session_rate){ .frequency = 199 })));
	t1 = burnt_ns();
	cr_assert(eq(int, session_rotate(session, NULL), -EBUSY));
	first = take();
	poll_ms(1000);
	cr_assert(zero(int, session_rotate(session, NULL)));
	t2 = burnt_ns();
	second = take();

	assert_interval(first, 999, t1 - t0);
	assert_interval(second, 199, t2 - t1);
	cr_assert(zero(int, session_finish(session)));
	cr_assert(zero(int, session_stats(session, counters)));
	cr_assert(eq(u64, counters[STAT_SAMPLE_DELIVERED],
		     first->profile->n_samples + second->profile->n_samples +
			     session->profile->n_samples));
	session_give_back(session, first);
	session_give_back(session, second);
}

/* A second with the focus on @pid: what it took of the CPU, and both profiles of it. */
static uint64_t focus_on(pid_t pid, struct session_interval **ret_usual,
			 struct session_interval **ret_focused)
{
	struct session_rate rate = { .frequency = 999, .focus = { .every = 9, .tgid = pid } };
	uint64_t start, end;

	cr_assert(zero(int, session_rotate(session, &rate)));
	start = burnt_ns();
	session_give_back(session, take());
	poll_ms(1000);
	cr_assert(zero(int, session_rotate(session, &(struct session_rate){ .frequency = 99 })));
	end = burnt_ns();
	*ret_usual = take();
	*ret_focused = take();
	return end - start;
}

/* Two profiles of one time: CPU time is right in each, and nothing is in both. */
Test(session, focus)
{
	struct session_interval *usual, *focused;
	uint64_t cpu_ns;

	open_session();
	cpu_ns = focus_on(burner, &usual, &focused);
	cr_assert(not(session_is_rotating(session)));
	cr_assert(eq(u64, usual->profile->period_ns, NSEC_PER_SEC * 9 / 999));
	cr_assert(zero(u64, usual->profile->n_samples));
	assert_interval(focused, 999, cpu_ns);
	session_give_back(session, usual);
	session_give_back(session, focused);

	cpu_ns = focus_on(getpid(), &usual, &focused);
	assert_interval(usual, 111, cpu_ns);
	cr_assert(zero(u64, focused->profile->n_samples));
	session_give_back(session, usual);
	session_give_back(session, focused);
}

static const struct dso *find_program(void)
{
	const struct dso_table *t = &session->procs.dsos;

	for (size_t i = 0; i < t->n; i++)
		if (t->dsos[i] && strncmp(t->dsos[i]->path, program, strlen(program)) == 0)
			return t->dsos[i];
	return NULL;
}

static void pass_an_interval(void)
{
	cr_assert(zero(int, session_rotate(session, NULL)));
	session_give_back(session, take());
}

Test(session, an_interval_keeps_its_files_and_nobody_s_are_given_back)
{
	struct session_interval *i;
	const struct dso *dso;
	int fd;

	open_session();
	poll_ms(500);
	cr_assert(zero(int, session_rotate(session, NULL)));
	i = take();
	dso = find_program();
	cr_assert(ne(ptr, (void *)dso, NULL));
	fd = profile_files_find(&i->files, dso)->fd;

	kill(burner, SIGKILL);
	waitpid(burner, NULL, 0);
	burner = 0;
	poll_ms(2500); /* it is swept */
	for (int n = 0; n < 12; n++)
		pass_an_interval();
	cr_assert(ge(int, fcntl(fd, F_GETFD), 0));
	session_give_back(session, i);
	for (int n = 0; n < 12; n++)
		pass_an_interval();
	cr_assert(eq(ptr, (void *)find_program(), NULL));
	cr_assert(eq(int, fcntl(fd, F_GETFD), -1));
}
