/* SPDX-License-Identifier: Apache-2.0 */
/* Follows children that publish contexts with the writer of tests/workloads. */
#include "ctx/context_tracker.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "../workloads/otel_ctx.c"
#include "base/clock.h"
#include "leak_check.h"
#include "proc/maps.h"
#include "start_stack.h"

static struct context_tracker *tracker;
static struct process_table table;

static const struct context_choice choice = { .formats = CONTEXT_FORMATS_ALL };

static void set_up(void)
{
	cr_assert(zero(int, context_tracker_new(&choice, &tracker)));
	cr_assert(zero(int, process_table_init(&table)));
}

static void tear_down(void)
{
	context_tracker_free(tracker);
	process_table_clear(&table);
	leak_check();
}

TestSuite(context_tracker, .init = set_up, .fini = tear_down);

/* --- a child that does as it is told ---------------------------------------------------------- */

static int to_child, from_child;

enum order {
	ORDER_PUBLISH = 'p',
	ORDER_RENAME = 'r',
	ORDER_RUBBISH = 'x',
	ORDER_EXEC = 'e',
	ORDER_AGAIN = 'a', /* executes this program anew, which publishes */
};

/* Descriptors of a child that executed itself. */
#define IN_AGAIN  200
#define OUT_AGAIN 201

static void obey(char order)
{
	static uint8_t rubbish[] = { 0xff, 0xff, 0xff, 0xff };
	struct otel_process p = { .service_name = "shop", .schema_version = OTEL_SCHEMA_NATIVE };

	if (order == ORDER_RENAME)
		p.service_name = "cart";
	if (order == ORDER_RUBBISH)
		otel_process_publish_raw((uintptr_t)rubbish, sizeof(rubbish), 77, NULL);
	else if (order == ORDER_EXEC)
		execl("/bin/sleep", "sleep", "60", NULL);
	else
		otel_process_publish(&p);
}

static void run_child(int in, int out)
{
	char order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &order, 1) == 1) {
		if (order == ORDER_AGAIN && dup2(in, IN_AGAIN) >= 0 && dup2(out, OUT_AGAIN) >= 0) {
			setenv("TEST_CONTEXT_CHILD", "1", 1);
			execl("/proc/self/exe", "again", NULL);
		}
		obey(order);
		if (write(out, &order, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

__attribute__((constructor)) static void run_again(void)
{
	char order = ORDER_AGAIN;

	if (!getenv("TEST_CONTEXT_CHILD"))
		return;
	obey(ORDER_PUBLISH);
	if (write(OUT_AGAIN, &order, 1) == 1)
		run_child(IN_AGAIN, OUT_AGAIN);
	_exit(1);
}

static pid_t start_child(void)
{
	int in[2], out[2];
	pid_t pid;

	cr_assert(zero(int, pipe2(in, O_CLOEXEC)));
	cr_assert(zero(int, pipe2(out, O_CLOEXEC)));
	pid = fork();
	if (pid == 0) {
		close(in[1]);
		close(out[0]);
		run_child(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	to_child = in[1];
	from_child = out[0];
	return pid;
}

/* Returns when it is done; for exec, that is the end of file. */
static void tell(char order)
{
	char answer;

	cr_assert(eq(int, write(to_child, &order, 1), 1));
	cr_assert(eq(int, read(from_child, &answer, 1), order != ORDER_EXEC));
}

static void stop_child(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
	close(to_child);
	close(from_child);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static unsigned int wait_us; /* in the middle of a look */

/* Loads and looks, as a session does. */
static int look(pid_t pid, struct context_finding *ret)
{
	CLEANUP(freep) char *text = NULL;
	struct context_maps maps = { .began_cpu_ns = thread_cpu_ns() };
	struct process *p;

	cr_assert(zero(int, maps_read(pid, 1 << 24, &text, &maps.len)));
	maps.text = text;
	cr_assert(zero(int, process_load(&table, pid, text, maps.len, &p)));
	usleep(wait_us);
	return context_tracker_look(tracker, p, &maps, ret);
}

static int64_t own_tp_off(void)
{
#ifdef __x86_64__
	char *tp;

	__asm__("mov %%fs:0, %0" : "=r"(tp));
#else
	char *tp = __builtin_thread_pointer();
#endif
	return (char *)&otel_thread_ctx_v1 - tp;
}

/* --- looks ------------------------------------------------------------------------------------ */

Test(context_tracker, from_nothing_to_a_thread_context)
{
	pid_t pid = start_child();
	struct context_finding f = { 0 };

	cr_assert(zero(int, look(pid, &f)));
	cr_assert(eq(int, f.state, CONTEXT_NONE));
	cr_assert(zero(ptr, (void *)f.process_ctx));

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(pid, &f), 1), "the kernel side must be told");
	cr_assert(eq(int, f.state, CONTEXT_THREAD));
	cr_assert(eq(str, (char *)f.process_ctx->service_name, "shop"));
	cr_assert(eq(str, (char *)f.process_ctx->schema_version, OTEL_SCHEMA_NATIVE));
	cr_assert(ne(ptr, strstr(f.writers[0], "test_context_tracker"), NULL));
	cr_assert(eq(uint, f.info.sources[0].var.model, TLS_MODEL_STATIC));
	cr_assert(eq(long, f.info.sources[0].var.off, own_tp_off()));
	cr_assert(eq(u64, f.info.start_stack, start_stack_of(pid)));

	cr_assert(zero(int, look(pid, &f)), "told already");
	cr_assert(eq(int, f.state, CONTEXT_THREAD));
	stop_child(pid);
}

/* Of a file that nobody has mapped for long, perhaps, and whose number another one may get. */
Test(context_tracker, file_of_the_writer_is_forgotten)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(pid, &f), 1));
	p = process_find(&table, pid);
	cr_assert(not(context_tracker_due(tracker, p, now_ns())));
	context_tracker_forget_dso(tracker, p->exe);
	f = context_tracker_last(tracker, p);
	cr_expect(eq(int, f.state, CONTEXT_NONE));
	cr_expect(zero(ptr, (void *)f.writers[0]));
	cr_expect(context_tracker_due(tracker, p, now_ns()));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_expect(eq(int, f.state, CONTEXT_THREAD));
	stop_child(pid);
}

Test(context_tracker, new_service_name_is_no_news_to_the_kernel)
{
	pid_t pid = start_child();
	struct context_finding f;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(pid, &f), 1));
	tell(ORDER_RENAME);
	cr_assert(zero(int, look(pid, &f)));
	cr_assert(eq(str, (char *)f.process_ctx->service_name, "cart"));
	f = context_tracker_last(tracker, process_find(&table, pid));
	cr_assert(eq(str, (char *)f.process_ctx->service_name, "cart"));
	stop_child(pid);
}

Test(context_tracker, rubbish_takes_the_context_back)
{
	pid_t pid = start_child();
	struct context_finding f;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(pid, &f), 1));
	tell(ORDER_RUBBISH);
	cr_assert(eq(int, look(pid, &f), 1), "the kernel side must stop");
	cr_assert(eq(int, f.state, CONTEXT_MALFORMED));
	cr_assert(eq(uint, f.info.sources[0].format, CTX_FORMAT_NONE));
	cr_assert(zero(ptr, (void *)f.process_ctx));
	stop_child(pid);
}

Test(context_tracker, another_program_starts_from_nothing)
{
	pid_t pid = start_child();
	struct context_finding f;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(pid, &f), 1));
	tell(ORDER_EXEC);
	cr_assert(zero(int, process_on_exec(&table, pid, "sleep")));
	cr_assert(eq(int, context_tracker_last(tracker, process_find(&table, pid)).state,
		     CONTEXT_NONE));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(eq(int, f.state, CONTEXT_NONE));
	cr_assert(eq(uint, f.info.sources[0].format, CTX_FORMAT_NONE));
	stop_child(pid);
}

/* A child of its own that has published nothing, as if it had been forked from @parent. */
static pid_t start_forked(pid_t parent)
{
	pid_t pid = start_child();
	struct context_finding f;

	cr_assert(zero(int, look(pid, &f)));
	cr_assert(eq(int, f.state, CONTEXT_NONE));
	cr_assert(zero(int, context_tracker_fork(tracker, process_find(&table, parent),
						 process_find(&table, pid))));
	return pid;
}

static void stop_parent(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
}

Test(context_tracker, forked_process_publishes_as_its_parent_does)
{
	pid_t parent = start_child(), pid;
	struct context_finding f;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(parent, &f), 1));
	pid = start_forked(parent);
	cr_assert(eq(int, look(pid, &f), 1), "the kernel side must be told");
	cr_assert(eq(int, f.state, CONTEXT_THREAD));
	cr_assert(eq(str, (char *)f.process_ctx->service_name, "shop"));
	cr_assert(f.is_inherited);
	cr_assert(eq(u64, f.info.start_stack, start_stack_of(pid)));

	/* Until it has something of its own to say. */
	tell(ORDER_RENAME);
	cr_assert(zero(int, look(pid, &f)));
	cr_assert(eq(str, (char *)f.process_ctx->service_name, "cart"));
	cr_assert(not(f.is_inherited));
	stop_child(pid);
	stop_parent(parent);
}

/* Its child inherits as well; another program does not. */
Test(context_tracker, what_was_inherited_is_inherited_until_exec)
{
	pid_t parent = start_child(), pid;
	struct context_finding f;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(parent, &f), 1));
	pid = start_forked(parent);
	stop_parent(parent);

	parent = pid;
	pid = start_forked(parent);
	cr_assert(eq(int, look(pid, &f), 1));
	cr_assert(eq(str, (char *)f.process_ctx->service_name, "shop"));
	tell(ORDER_EXEC);
	cr_assert(zero(int, process_on_exec(&table, pid, "sleep")));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(eq(int, f.state, CONTEXT_NONE));
	stop_child(pid);
	stop_parent(parent);
}

Test(context_tracker, parent_that_publishes_nothing_leaves_nothing)
{
	pid_t parent = start_child(), pid;
	struct context_finding f;

	cr_assert(zero(int, look(parent, &f)));
	pid = start_forked(parent);
	cr_assert(zero(int, look(pid, &f)));
	cr_assert(eq(int, f.state, CONTEXT_NONE));
	stop_child(pid);
	stop_parent(parent);
}

/* The news of exec was lost: the variable lies at the same offset, but in another image. */
Test(context_tracker, new_image_of_the_same_program_is_news)
{
	pid_t pid = start_child();
	struct context_finding f;
	uint64_t before;
	uint32_t id;

	tell(ORDER_PUBLISH);
	cr_assert(eq(int, look(pid, &f), 1));
	id = process_find(&table, pid)->id;
	before = f.info.start_stack;

	tell(ORDER_AGAIN);
	cr_assert(ne(u64, start_stack_of(pid), before));
	cr_assert(eq(int, look(pid, &f), 1), "the old entry is of no use any more");
	cr_assert(ne(uint, process_find(&table, pid)->id, id));
	cr_assert(eq(int, f.state, CONTEXT_THREAD));
	cr_assert(eq(u64, f.info.start_stack, start_stack_of(pid)));
	stop_child(pid);
}

Test(context_tracker, process_that_ends)
{
	pid_t pid = start_child();
	struct context_maps maps = { .text = "", .began_cpu_ns = thread_cpu_ns() };
	struct context_finding f = { .state = CONTEXT_THREAD };
	struct process *p;
	siginfo_t info;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	kill(pid, SIGKILL);
	cr_assert(zero(int, waitid(P_PID, pid, &info, WEXITED | WNOWAIT)));
	cr_assert(eq(int, context_tracker_look(tracker, p, &maps, &f), -ESRCH), "a zombie");
	stop_child(pid);
	cr_assert(eq(int, context_tracker_look(tracker, p, &maps, &f), -ESRCH));
	cr_assert(eq(int, f.state, CONTEXT_THREAD));
	context_tracker_forget(tracker, pid);
	context_tracker_forget(tracker, pid);
}

/* --- when ------------------------------------------------------------------------------------- */

#define SECOND 1000000000ULL

Test(context_tracker, due_at_once_then_ever_more_rarely)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;
	uint64_t now = now_ns();

	cr_assert(zero(int, process_get(&table, pid, &p)));
	cr_assert(context_tracker_due(tracker, p, now));
	for (int i = 0; i < 12; i++) {
		cr_assert(ge(int, look(pid, &f), 0));
		now = now_ns();
		cr_assert(not(context_tracker_due(tracker, p, now)), "look %d", i);
		cr_assert(not(context_tracker_due(tracker, p, now + 40000000)), "look %d", i);
	}
	cr_assert(not(context_tracker_due(tracker, p, now_ns() + 9 * SECOND)));
	cr_assert(context_tracker_due(tracker, p, now_ns() + 60 * SECOND));

	/* Something was mapped. */
	now = now_ns();
	context_tracker_hint(tracker, p, now);
	cr_assert(not(context_tracker_due(tracker, p, now + SECOND / 40)));
	cr_assert(context_tracker_due(tracker, p, now + SECOND / 25));
	stop_child(pid);
}

static bool is_unchanged(pid_t pid)
{
	struct process *p = process_find(&table, pid);

	return p && context_tracker_is_unchanged(tracker, p, thread_cpu_ns());
}

/* No look is needed while a process that had nothing maps nothing. */
Test(context_tracker, unchanged_until_it_maps_something)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	cr_assert(not(is_unchanged(pid)));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(not(is_unchanged(pid)), "once is not enough: it may be mapping just now");
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(is_unchanged(pid));
	cr_assert(not(context_tracker_due(tracker, p, now_ns())), "the next one is set");

	tell(ORDER_PUBLISH);
	cr_assert(not(is_unchanged(pid)));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(not(is_unchanged(pid)), "what it publishes may change where it is");
	stop_child(pid);
}

Test(context_tracker, unchanged_but_for_a_mapped_file)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(is_unchanged(pid));
	context_tracker_hint(tracker, p, now_ns());
	cr_assert(not(is_unchanged(pid)));
	stop_child(pid);
}

/* A program that imports a library a hundred times over. */
Test(context_tracker, one_look_for_many_reasons)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;
	uint64_t start, now;
	int looks = 0;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	cr_assert(ge(int, look(pid, &f), 0));
	start = now_ns();
	for (now = start; now < start + SECOND; now += SECOND / 100) {
		context_tracker_hint(tracker, p, now);
		if (!context_tracker_due(tracker, p, now))
			continue;
		looks++;
		cr_assert(ge(int, look(pid, &f), 0));
	}
	cr_expect(ge(int, looks, 10), "%d", looks);
	cr_expect(le(int, looks, 14), "%d", looks);
	/* 40 ms after the last one. */
	context_tracker_hint(tracker, p, now);
	cr_expect(not(context_tracker_due(tracker, p, now + SECOND / 40)));
	cr_expect(context_tracker_due(tracker, p, now + SECOND / 25));
	stop_child(pid);
}

/* Events are told of late. */
Test(context_tracker, due_at_once_by_what_was_a_while_ago)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;
	uint64_t now;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	cr_assert(ge(int, look(pid, &f), 0));
	now = now_ns();
	cr_assert(not(context_tracker_due(tracker, p, now)));
	context_tracker_hint(tracker, p, now - SECOND / 20);
	cr_assert(context_tracker_due(tracker, p, now));
	stop_child(pid);
}

static bool count_visit(void *ctx, pid_t pid)
{
	(*(int *)ctx)++;
	return false;
}

/* In a storm most of the young are dead: each costs one visit, not one a poll. */
Test(context_tracker, ended_process_is_visited_once)
{
	uint64_t now = now_ns();
	struct process *p;
	int visits = 0;

	cr_assert(zero(int, process_get(&table, getpid(), &p)));
	cr_assert(zero(int, context_tracker_hint(tracker, p, now)));
	for (int i = 1; i < 10; i++)
		context_tracker_visit_young(tracker, now + i * SECOND / 10, count_visit, &visits);
	cr_expect(eq(int, visits, 1));
	/* Another reason, such as a process that has the same number. */
	cr_assert(zero(int, context_tracker_hint(tracker, p, now + SECOND)));
	context_tracker_visit_young(tracker, now + 2 * SECOND, count_visit, &visits);
	cr_expect(eq(int, visits, 2));
}

/* Once for each process context: what it lacks for good is not to be looked for all the time. */
Test(context_tracker, due_at_once_by_a_key_that_is_missing)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	context_tracker_expect_keys(tracker, p); /* never seen */
	tell(ORDER_PUBLISH);
	for (int i = 0; i < 2; i++) {
		cr_assert(ge(int, look(pid, &f), 0));
		cr_assert(not(context_tracker_due(tracker, p, now_ns())));
		context_tracker_expect_keys(tracker, p);
		cr_assert(context_tracker_due(tracker, p, now_ns()));
		cr_assert(ge(int, look(pid, &f), 0));
		context_tracker_expect_keys(tracker, p);
		cr_assert(not(context_tracker_due(tracker, p, now_ns())));
		tell(ORDER_RENAME);
	}
	stop_child(pid);
}

/* Where CPUs are busy, a look takes long by the clock. It is not dear for that. */
Test(context_tracker, waiting_is_no_cost)
{
	pid_t pid = start_child();
	struct context_finding f;
	struct process *p;

	cr_assert(zero(int, process_get(&table, pid, &p)));
	cr_assert(zero(int, context_tracker_hint(tracker, p, now_ns())));
	cr_assert(context_tracker_due(tracker, p, now_ns()));
	wait_us = 40000;
	cr_assert(ge(int, look(pid, &f), 0));
	cr_assert(context_tracker_due(tracker, p, now_ns() + SECOND));
	stop_child(pid);
}

Test(context_tracker, exec_makes_it_due)
{
	pid_t pid = start_child();
	struct context_finding f;

	for (int i = 0; i < 10; i++)
		look(pid, &f);
	cr_assert(not(context_tracker_due(tracker, process_find(&table, pid), now_ns() + SECOND)));
	cr_assert(zero(int, process_on_exec(&table, pid, "x")));
	cr_assert(context_tracker_due(tracker, process_find(&table, pid), now_ns() + SECOND));
	stop_child(pid);
}

/* --- programs that publish nothing ------------------------------------------------------------ */

static void load(pid_t pid)
{
	CLEANUP(freep) char *text = NULL;
	struct process *p;
	size_t len;

	cr_assert(zero(int, maps_read(pid, 1 << 24, &text, &len)));
	cr_assert(zero(int, process_load(&table, pid, text, len, &p)));
}

/* A child that executes sleep(1) and has mapped all that it ever will. */
static pid_t start_sleep(struct process **ret)
{
	pid_t pid = start_child();
	char state = 'R';

	tell(ORDER_EXEC);
	for (int i = 0; state != 'S' && i < 1000; i++) {
		char path[64];
		FILE *f;

		usleep(10000);
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "r");
		cr_assert(eq(int, fscanf(f, "%*d (sleep) %c", &state), 1));
		fclose(f);
	}
	cr_assert(zero(int, process_get(&table, pid, ret)));
	cr_assert(zero(int, process_on_exec(&table, pid, "sleep")));
	load(pid);
	return pid;
}

static void let_one_have_nothing(void)
{
	struct context_finding f;
	struct process *p;
	pid_t pid = start_sleep(&p);

	cr_assert(zero(int, context_tracker_hint(tracker, p, now_ns())));
	cr_assert(not(context_tracker_may_wait(tracker, p, now_ns())), "nothing is known yet");
	for (int i = 0; i < 3; i++) /* looks at one process count once */
		cr_assert(zero(int, look(pid, &f)));
	context_tracker_forget(tracker, pid);
	stop_child(pid);
}

/* That of the fourth process of a program that had nothing three times. */
Test(context_tracker, look_that_may_wait)
{
	uint64_t start;
	struct process *p;
	pid_t pid;

	for (int i = 0; i < 3; i++)
		let_one_have_nothing();
	pid = start_sleep(&p);
	start = now_ns();
	cr_assert(not(context_tracker_may_wait(tracker, p, start)), "no reason to look is known");
	cr_assert(zero(int, context_tracker_hint(tracker, p, start)));
	cr_assert(context_tracker_due(tracker, p, start + SECOND / 10));
	cr_assert(context_tracker_may_wait(tracker, p, start + SECOND / 10));
	cr_assert(context_tracker_may_wait(tracker, p, start + SECOND / 5), "nor now");
	cr_assert(not(context_tracker_due(tracker, p, start + SECOND - 1)));
	cr_assert(context_tracker_due(tracker, p, start + SECOND));
	cr_assert(not(context_tracker_may_wait(tracker, p, start + SECOND)), "once only");
	context_tracker_forget_dso(tracker, p->exe);
	cr_assert(not(context_tracker_may_wait(tracker, p, start + SECOND / 10)), "forgotten");
	stop_child(pid);
}

/* What has the variable may come to publish at any time. */
Test(context_tracker, look_at_a_writer_never_waits)
{
	struct context_finding f;

	for (int i = 0; i < 4; i++) {
		pid_t pid = start_child();
		struct process *p;

		cr_assert(zero(int, look(pid, &f)));
		cr_assert(eq(int, f.state, CONTEXT_NONE));
		p = process_find(&table, pid);
		cr_assert(zero(int, context_tracker_hint(tracker, p, now_ns())));
		cr_assert(not(context_tracker_may_wait(tracker, p, now_ns())));
		context_tracker_forget(tracker, pid);
		stop_child(pid);
	}
}
