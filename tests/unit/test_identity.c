/* SPDX-License-Identifier: Apache-2.0 */
/* Who a process is: of children of the test, which are real processes. */
#include "meta/identity.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leak_check.h"
#include "shared/stat.h"

static struct process_table processes;
static struct identity_table *identities;
static uint64_t counters[STAT_COUNT];
static const char *container;

static const char *container_name(void *ctx, const char *id)
{
	return container;
}

static void set_up(void)
{
	struct identity_options opt = { .processes = &processes,
					.container_name = container_name,
					.counters = counters,
					.users = true };

	cr_assert(zero(int, process_table_init(&processes)));
	cr_assert(zero(int, identity_table_new(&opt, &identities)));
}

static void tear_down(void)
{
	identity_table_free(identities);
	process_table_clear(&processes);
	leak_check();
}

TestSuite(identity, .init = set_up, .fini = tear_down);

/* Runs @argv with no other environment than @env, until it is killed. */
static pid_t start(const char *const *argv, const char *const *env)
{
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert(zero(int, pipe2(ready, O_CLOEXEC)));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execve(argv[0], (char *const *)argv, (char *const *)env);
		_exit(1);
	}
	close(ready[1]);
	cr_assert(zero(long, read(ready[0], &byte, 1))); /* closed by execve */
	close(ready[0]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static const struct identity *get(const struct process *p)
{
	const struct identity *i;

	cr_assert(zero(int, identity_get(identities, p, &i)));
	return i;
}

static const struct context_finding nothing;

static enum identity_source resolve(const struct process *p, const char **ret)
{
	return identity_resolve(&(struct identity_claims){ NULL, &nothing, get(p), p }, ret);
}

static struct process *known(pid_t pid, const char *comm)
{
	struct process *p;

	cr_assert(zero(int, process_on_exec(&processes, pid, comm)));
	p = process_find(&processes, pid);
	return p;
}

static const char *const sleep_argv[] = { "/bin/sleep", "1000", NULL };
static const char *const shop_env[] = { "PASSWORD=x", "OTEL_SERVICE_NAME=shop",
					"OTEL_RESOURCE_ATTRIBUTES=service.version=2", NULL };
static const char *const no_env[] = { NULL };

Test(identity, environment_of_a_process)
{
	pid_t pid = start(sleep_argv, shop_env);
	const char *got[PROFILE_RESOURCES];
	char host[256];

	cr_assert(eq(int, resolve(known(pid, "sleep"), got), IDENTITY_ENVIRONMENT));
	cr_assert_str_eq(got[PROFILE_SERVICE_NAME], "shop");
	cr_assert_str_eq(got[PROFILE_SERVICE_VERSION], "2");
	gethostname(host, sizeof(host));
	cr_assert_str_eq(got[PROFILE_HOST_NAME], host);
	stop(pid);
}

Test(identity, interpreter_without_a_script)
{
	const char *const loop[] = { "/bin/bash", "-c", "while :; do read; done", NULL };
	const char *got[PROFILE_RESOURCES];
	pid_t pid = start(loop, no_env);

	cr_assert(eq(int, resolve(known(pid, "bash"), got), IDENTITY_EXECUTABLE));
	cr_assert_str_eq(got[PROFILE_SERVICE_NAME], "bash");
	stop(pid);
}

/* It is read once; under the same pid, the next program is another. */
Test(identity, once_for_each_program)
{
	pid_t pid = start(sleep_argv, shop_env);
	struct process *p = known(pid, "sleep");
	const char *got[PROFILE_RESOURCES];
	const struct identity *first = get(p);

	stop(pid);
	cr_assert(eq(ptr, (void *)get(p), (void *)first));
	p = known(pid, "other");
	cr_assert(eq(int, resolve(p, got), IDENTITY_EXECUTABLE));
	cr_assert_str_eq(got[PROFILE_SERVICE_NAME], "other");
	cr_assert(eq(u64, counters[STAT_IDENTITY_UNKNOWN], 1));
	identity_forget(identities, pid);
	identity_forget(identities, pid);
}

/* A daemon that begins as root; its environment stays what it was. */
Test(identity, user_is_that_of_later)
{
	const struct identity *i;
	struct process *p;
	int socks[2];
	char byte = 0;
	pid_t pid;

	cr_assert(zero(int, socketpair(AF_UNIX, SOCK_STREAM, 0, socks)));
	pid = fork();
	if (pid == 0) { /* until our end is closed, whatever becomes of us */
		close(socks[0]);
		if (read(socks[1], &byte, 1) == 1 && setresuid(65534, 65534, 65534) == 0 &&
		    write(socks[1], &byte, 1) == 1)
			(void)!read(socks[1], &byte, 1);
		_exit(0);
	}
	close(socks[1]);
	p = known(pid, "daemon");
	i = get(p);
	cr_assert(eq(i64, i->uid, 0));
	cr_assert(eq(int, write(socks[0], &byte, 1), 1));
	cr_assert(eq(int, read(socks[0], &byte, 1), 1));
	cr_assert(eq(i64, get(p)->uid, 0), "not with each sample");
	usleep(1100000);
	cr_assert(eq(i64, get(p)->uid, 65534));
	cr_assert(eq(ptr, (void *)get(p), (void *)i));
	close(socks[0]);
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
}

/* A filter may ask for them later. */
Test(identity, users_are_read_when_they_are_wanted)
{
	pid_t pid = start(sleep_argv, no_env);
	struct process *p = known(pid, "sleep");

	identity_set_users(identities, false);
	cr_assert(eq(i64, get(p)->uid, -1));
	identity_set_users(identities, true);
	cr_assert(eq(i64, get(p)->uid, 0));
	stop(pid);
}

/* It ended before it was looked at: its parent's parent has what is known. */
Test(identity, ended_ones_are_as_their_parents)
{
	pid_t pid = start(sleep_argv, shop_env);
	const char *got[PROFILE_RESOURCES];
	pid_t gone = 4000001, gone_too = 4000002; /* above the kernel's limit */
	struct process *p;

	known(pid, "sleep");
	process_on_fork(&processes, pid, gone, 1);
	process_on_fork(&processes, gone, gone_too, 2);
	p = known(gone_too, "child");
	process_on_exit(&processes, gone, 3);
	cr_assert(eq(int, resolve(p, got), IDENTITY_ENVIRONMENT));
	cr_assert_str_eq(got[PROFILE_SERVICE_NAME], "shop");
	cr_assert(zero(u64, counters[STAT_IDENTITY_UNKNOWN]));
	stop(pid);
}

/* The pid of its parent is another process's by now. */
Test(identity, another_one_under_the_pid_of_the_parent)
{
	pid_t pid = start(sleep_argv, shop_env);
	const char *got[PROFILE_RESOURCES];
	struct process *p;

	known(pid, "old");
	process_on_fork(&processes, pid, 4000001, 1);
	process_on_fork(&processes, 1, pid, 2);
	p = known(4000001, "child");
	cr_assert(eq(int, resolve(p, got), IDENTITY_EXECUTABLE));
	cr_assert(eq(u64, counters[STAT_IDENTITY_UNKNOWN], 1));
	stop(pid);
}

Test(identity, malformed_attributes_are_counted)
{
	const char *const env[] = { "OTEL_RESOURCE_ATTRIBUTES=service.name=%zz", NULL };
	pid_t pid = start(sleep_argv, env);
	const char *got[PROFILE_RESOURCES];

	cr_assert(eq(int, resolve(known(pid, "sleep"), got), IDENTITY_EXECUTABLE));
	cr_assert(eq(u64, counters[STAT_RESOURCE_MALFORMED], 1));
	stop(pid);
}

/* --- whose word counts ------------------------------------------------------------------------ */

static char a[] = "a", b[] = "b", c[] = "c", d[] = "d", e[] = "e", f[] = "f";

static void assert_named(const struct identity_claims *claims, enum identity_source source,
			 const char *name)
{
	const char *got[PROFILE_RESOURCES];

	cr_expect(eq(int, identity_resolve(claims, got), source));
	cr_expect_str_eq(got[PROFILE_SERVICE_NAME], name);
}

Test(identity, order_of_those_who_name_the_service)
{
	struct process p = { .comm = "program" };
	struct identity i = { .script = a };
	struct process_ctx pc = { .service_name = e };
	struct elastic_storage elastic = { .service_name = d };
	struct context_finding finding = { 0 };
	struct identity_claims claims = { NULL, &finding, NULL, &p };

	assert_named(&claims, IDENTITY_EXECUTABLE, "program");
	claims.identity = &i;
	assert_named(&claims, IDENTITY_SCRIPT, "a");
	i.known.value[PROFILE_K8S_POD_NAME] = e;
	assert_named(&claims, IDENTITY_CONTAINER, "e");
	i.known.value[PROFILE_K8S_CONTAINER_NAME] = f;
	assert_named(&claims, IDENTITY_CONTAINER, "f");
	i.known.value[PROFILE_CONTAINER_NAME] = b;
	assert_named(&claims, IDENTITY_CONTAINER, "b");
	i.unit_service = c;
	assert_named(&claims, IDENTITY_UNIT, "c");
	i.known.value[PROFILE_SERVICE_NAME] = b;
	assert_named(&claims, IDENTITY_ENVIRONMENT, "b");
	finding.elastic = &elastic;
	assert_named(&claims, IDENTITY_ELASTIC, "d");
	finding.process_ctx = &pc;
	assert_named(&claims, IDENTITY_PROCESS_CTX, "e");
	claims.configured = "f";
	assert_named(&claims, IDENTITY_CONFIG, "f");
}

/* What the process publishes is newer than its environment. */
Test(identity, attributes_of_both)
{
	struct process p = { .comm = "program" };
	struct identity i = { 0 };
	struct process_ctx pc = { .service_version = a };
	struct context_finding finding = { .process_ctx = &pc };
	struct identity_claims claims = { NULL, &finding, &i, &p };
	const char *got[PROFILE_RESOURCES];

	i.known.value[PROFILE_SERVICE_VERSION] = b;
	i.known.value[PROFILE_SERVICE_NAMESPACE] = c;
	identity_resolve(&claims, got);
	cr_assert_str_eq(got[PROFILE_SERVICE_VERSION], "a");
	cr_assert_str_eq(got[PROFILE_SERVICE_NAMESPACE], "c");
}
