/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "worker/sandbox.h"
#include "worker/service.h"

#define MEMORY_BYTES (1ULL << 30)
#define CPU_S	     30
#define WALL_S	     120
#define START_S	     10
#define NAME	     "spanprof-worker"
#define START_PAUSE  10	  /* times as long as it took to fail, until it is tried again */
#define DIED_BY	     128  /* added to a signal, to tell it from a status */
#define DEATH_MS     2000 /* one that hangs in a file system may take its time to die */

struct worker {
	struct worker_options opt;
	pid_t pid;     /* 0: does not run */
	pid_t undying; /* was killed, and had not gone yet */
	int sock;
	bool is_ready;
	uint64_t started_ns;
	unsigned gaps;
	uint32_t exchanges; /* so far, from 1 */
	struct worker_failure failure;
	uint64_t ended_cpu_ns; /* CPU time of those before */
	uint64_t start_due_ns; /* after a failure to start: not before */
	/* The exchange at hand. */
	enum worker_service_id service;
	uint32_t exchange;
	uint64_t deadline_ns;
	struct worker_message in;
};

/* --- its end ---------------------------------------------------------------------------------- */

/* No less than a clock of it has shown: what is here is cut to whole us. */
static uint64_t ns_of(const struct timeval *t)
{
	return t->tv_sec * NSEC_PER_SEC + (t->tv_usec + 1) * 1000ULL;
}

static bool reap(struct worker *w, pid_t pid, int flags, int *status)
{
	struct rusage used;

	if (wait4(pid, status, flags, &used) != pid)
		return false;
	w->ended_cpu_ns += ns_of(&used.ru_utime) + ns_of(&used.ru_stime);
	return true;
}

/* Waits until it is gone, but not for ever. */
static bool await_end(struct worker *w, pid_t pid, int *status)
{
	CLEANUP(closep) int fd = pidfd_open(pid, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return reap(w, pid, 0, status);
	while (poll(&pfd, 1, DEATH_MS) < 0 && errno == EINTR)
		;
	return reap(w, pid, WNOHANG, status);
}

/* A process that dies of something else just now keeps that status. */
static int kill_it(struct worker *w)
{
	int status = 0;

	closep(&w->sock);
	if (w->pid > 0) {
		kill(w->pid, SIGKILL);
		if (!await_end(w, w->pid, &status))
			w->undying = w->pid;
	}
	w->pid = 0;
	return status;
}

static void explain_end(struct worker_failure *f, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
		*f = (struct worker_failure){ .kind = WORKER_CPU_TIME };
	else if (WIFSIGNALED(status))
		*f = (struct worker_failure){ WORKER_KILLED, WTERMSIG(status) };
	else if (WEXITSTATUS(status) == WORKER_EXIT_LIBRARY)
		*f = (struct worker_failure){ .kind = WORKER_NO_MEMORY };
	else
		*f = (struct worker_failure){ WORKER_EXITED, WEXITSTATUS(status) };
}

/* It went by itself. */
static int lost(struct worker *w)
{
	explain_end(&w->failure, kill_it(w));
	return -EREMOTEIO;
}

int worker_reject(struct worker *w, enum worker_failure_kind kind)
{
	kill_it(w);
	w->failure = (struct worker_failure){ .kind = kind };
	return -EREMOTEIO;
}

/* --- messages --------------------------------------------------------------------------------- */

/*
 * 0 when the socket is ready for @events, or its other end is gone. -EAGAIN: not by @until_ns;
 * -ETIMEDOUT: the time for the exchange is over.
 */
static int await(struct worker *w, short events, uint64_t until_ns)
{
	struct pollfd pfd = { .fd = w->sock, .events = events };
	uint64_t end = until_ns < w->deadline_ns ? until_ns : w->deadline_ns, now;
	int r;

	do {
		uint64_t left;

		now = monotonic_ns();
		left = now < end ? end - now : 0;
		r = poll(&pfd, 1, left / NSEC_PER_MSEC + (left > 0));
	} while (r < 0 && errno == EINTR);
	if (r > 0)
		return 0;
	return end < w->deadline_ns ? -EAGAIN : -ETIMEDOUT;
}

static int do_send(struct worker *w, const struct worker_header *h, const void *payload, int fd)
{
	int r;

	while ((r = worker_message_send(w->sock, h, payload, fd)) == -EAGAIN) {
		r = await(w, POLLOUT, UINT64_MAX);
		if (r < 0)
			return r;
	}
	return r;
}

/* What it has to say before anything else. */
static int take_ready(struct worker *w)
{
	uint32_t gaps;

	if (w->in.header.service != WORKER_SERVICE_SELF || w->in.header.kind != WORKER_READY ||
	    w->in.header.exchange != 0 || w->in.header.len != sizeof(gaps))
		return -EBADMSG;
	memcpy(&gaps, w->in.payload, sizeof(gaps));
	w->gaps |= gaps & (WORKER_GAPS - 1);
	w->is_ready = true;
	w->deadline_ns = monotonic_ns() + w->opt.wall_s * NSEC_PER_SEC;
	return 0;
}

static int receive_one(struct worker *w, uint64_t until_ns)
{
	int r;

	while ((r = worker_message_receive(w->sock, false, &w->in)) == -EAGAIN) {
		r = await(w, POLLIN, until_ns);
		if (r < 0)
			return r;
	}
	return r;
}

static int do_receive(struct worker *w, uint64_t until_ns)
{
	int r = receive_one(w, until_ns);

	if (r == 0 && !w->is_ready) {
		r = take_ready(w);
		if (r == 0)
			r = receive_one(w, until_ns);
	}
	if (r == 0 && (w->in.header.service != w->service || w->in.header.exchange != w->exchange))
		return -EBADMSG;
	return r;
}

static int cannot_start(struct worker *w, int err)
{
	uint64_t now = monotonic_ns();
	int status = kill_it(w);

	w->failure = (struct worker_failure){ WORKER_NOT_STARTED, err };
	if (err == -ECONNRESET && WIFSIGNALED(status))
		w->failure.number = DIED_BY + WTERMSIG(status);
	else if (err == -ECONNRESET && WEXITSTATUS(status))
		w->failure.number = WEXITSTATUS(status);
	/* Whoever asks for many files is not to wait for each that it does not start. */
	w->start_due_ns = now + START_PAUSE * (now - w->started_ns);
	return -EREMOTEIO;
}

static int fail(struct worker *w, int err)
{
	if (!w->is_ready)
		return cannot_start(w, err == -EPIPE ? -ECONNRESET : err);
	switch (err) {
	case -ETIMEDOUT:
		return worker_reject(w, WORKER_TIMEOUT);
	case -EBADMSG:
		return worker_reject(w, WORKER_MALFORMED);
	default:
		return lost(w);
	}
}

int worker_send(struct worker *w, unsigned kind, const void *payload, size_t len, int fd)
{
	struct worker_header h = {
		.protocol = WORKER_PROTOCOL,
		.service = w->service,
		.kind = kind,
		.exchange = w->exchange,
		.len = len,
	};
	int r = do_send(w, &h, payload, fd);

	return r < 0 ? fail(w, r) : 0;
}

int worker_receive_within(struct worker *w, uint64_t ns, const struct worker_message **ret)
{
	uint64_t now = monotonic_ns();
	int r = do_receive(w, ns < UINT64_MAX - now ? now + ns : UINT64_MAX);

	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return fail(w, r);
	*ret = &w->in;
	return 0;
}

int worker_receive(struct worker *w, const struct worker_message **ret)
{
	return worker_receive_within(w, UINT64_MAX, ret);
}

/* --- its start -------------------------------------------------------------------------------- */

/*
 * Apart: what a terminal sends to us is not meant for it. Nor is what those who run us send to each
 * of our processes: it ends when we have no more need of it.
 */
static int spawn_with(struct worker *w, int sock)
{
	const char *libraries = getenv("LD_LIBRARY_PATH");
	char memory[32], path[4096];
	char *argv[] = {
		(char *)"spanprof",
		(char *)WORKER_ARGUMENT,
		memory,
		(char *)(w->opt.prompt ? WORKER_PROMPT : WORKER_PATIENT),
		(char *)w->opt.name,
		NULL,
	};
	/* Of the environment no more than it may need to start: the rest is not its business. */
	char *envp[] = { NULL, NULL };
	const int fds[] = { SPAWN_NULL, SPAWN_NULL, SPAWN_NULL, [WORKER_SOCKET] = sock };
	const struct spawn_options opt = {
		.program = w->opt.program ? w->opt.program : "/proc/self/exe",
		.argv = argv,
		.envp = envp,
		.fds = fds,
		.n_fds = WORKER_SOCKET + 1,
		.apart = true,
	};

	snprintf(memory, sizeof(memory), "%" PRIu64, w->opt.memory_bytes);
	if (libraries &&
	    snprintf(path, sizeof(path), "LD_LIBRARY_PATH=%s", libraries) < (int)sizeof(path))
		envp[0] = path;
	return spawn(&opt, &w->pid);
}

static int start(struct worker *w)
{
	CLEANUP(closep) int theirs = -1;
	int pair[2], r;

	w->started_ns = monotonic_ns();
	w->deadline_ns = w->started_ns + START_S * NSEC_PER_SEC;
	w->is_ready = false;
	if (w->undying && reap(w, w->undying, WNOHANG, NULL))
		w->undying = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cannot_start(w, -errno);
	w->sock = pair[0];
	theirs = pair[1];
	if (fcntl(w->sock, F_SETFL, O_NONBLOCK) < 0)
		return cannot_start(w, -errno);
	r = spawn_with(w, theirs);
	return r < 0 ? cannot_start(w, r) : 0;
}

static int start_in_time(struct worker *w)
{
	if (w->failure.kind == WORKER_NOT_STARTED && monotonic_ns() < w->start_due_ns)
		return -EREMOTEIO;
	return start(w);
}

/* --- exchanges -------------------------------------------------------------------------------- */

/* One that has died while it had nothing to do is not missed. */
static void bury_if_dead(struct worker *w)
{
	struct pollfd pfd = { .fd = w->sock };

	if (w->sock >= 0 && poll(&pfd, 1, 0) > 0)
		kill_it(w);
}

/* Of the process at hand. */
static uint64_t cpu_ns(const struct worker *w)
{
	struct timespec used = { 0 };
	clockid_t clock;

	if (w->pid > 0 && clock_getcpuclockid(w->pid, &clock) == 0)
		(void)clock_gettime(clock, &used);
	return used.tv_sec * NSEC_PER_SEC + used.tv_nsec;
}

/* The kernel counts whole seconds, from its start. */
static void limit_cpu_time(struct worker *w)
{
	struct rlimit limit = { .rlim_max = RLIM_INFINITY };

	if (w->pid <= 0)
		return;
	limit.rlim_cur = cpu_ns(w) / NSEC_PER_SEC + 1 + w->opt.cpu_s;
	(void)prlimit(w->pid, RLIMIT_CPU, &limit, NULL);
}

static int make_run(struct worker *w)
{
	bury_if_dead(w);
	return w->sock < 0 ? start_in_time(w) : 0;
}

void worker_start(struct worker *w)
{
	if (make_run(w) == 0)
		limit_cpu_time(w);
}

int worker_begin(struct worker *w, enum worker_service_id service)
{
	int r = make_run(w);

	if (r < 0)
		return r;
	w->failure = (struct worker_failure){ 0 };
	limit_cpu_time(w);
	w->service = service;
	w->exchange = ++w->exchanges;
	if (w->is_ready)
		w->deadline_ns = monotonic_ns() + w->opt.wall_s * NSEC_PER_SEC;
	return 0;
}

void worker_excuse(struct worker *w, uint64_t ns)
{
	w->deadline_ns += ns;
}

/* --- the object ------------------------------------------------------------------------------- */

int worker_new(const struct worker_options *opt, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	if (opt)
		w->opt = *opt;
	if (!w->opt.memory_bytes)
		w->opt.memory_bytes = MEMORY_BYTES;
	if (!w->opt.cpu_s)
		w->opt.cpu_s = CPU_S;
	if (!w->opt.wall_s)
		w->opt.wall_s = WALL_S;
	if (!w->opt.name)
		w->opt.name = NAME;
	w->sock = -1;
	*ret = w;
	return 0;
}

int worker_adopt(const struct worker_options *opt, int sock, pid_t pid, struct worker **ret)
{
	int r = worker_new(opt, ret);

	if (r < 0)
		return r;
	(*ret)->sock = sock;
	(*ret)->pid = pid;
	(*ret)->is_ready = true;
	return fcntl(sock, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	kill_it(w);
	free(w);
}

pid_t worker_pid(const struct worker *w)
{
	return w->pid;
}

uint64_t worker_cpu_ns(const struct worker *w)
{
	return w->ended_cpu_ns + cpu_ns(w);
}

const struct worker_failure *worker_last_failure(const struct worker *w)
{
	return &w->failure;
}

/* --- words ------------------------------------------------------------------------------------ */

static void print_start(int number, char *ret)
{
	if (number > DIED_BY)
		snprintf(ret, WORKER_TEXT_MAX, "its process was killed by signal %d (%s)",
			 number - DIED_BY, strsignal(number - DIED_BY));
	else if (number == WORKER_EXIT_CAPABILITIES)
		snprintf(ret, WORKER_TEXT_MAX, "its process could not give up its capabilities");
	else if (number > 0)
		snprintf(ret, WORKER_TEXT_MAX, "its process did not start: exit status %d", number);
	else
		snprintf(ret, WORKER_TEXT_MAX, "its process did not start: %s", strerror(-number));
}

void worker_failure_print(const struct worker_failure *f, char ret[WORKER_TEXT_MAX])
{
	static const char *const texts[] = {
		[WORKER_NO_FAILURE] = "no failure",
		[WORKER_NO_MEMORY] = "it takes more memory than is allowed",
		[WORKER_CPU_TIME] = "it takes more CPU time than is allowed",
		[WORKER_TIMEOUT] = "no answer in time",
		[WORKER_MALFORMED] = "malformed answer",
	};

	switch (f->kind) {
	case WORKER_NOT_STARTED:
		print_start(f->number, ret);
		break;
	case WORKER_KILLED:
		if (f->number == SIGSYS)
			snprintf(ret, WORKER_TEXT_MAX, "its reader made a forbidden system call");
		else
			snprintf(ret, WORKER_TEXT_MAX, "its reader was killed by signal %d (%s)",
				 f->number, strsignal(f->number));
		break;
	case WORKER_EXITED:
		snprintf(ret, WORKER_TEXT_MAX, "its reader ended with status %d", f->number);
		break;
	default:
		snprintf(ret, WORKER_TEXT_MAX, "%s", texts[f->kind]);
	}
}

void worker_gaps_print(const struct worker *w, char ret[WORKER_TEXT_MAX])
{
	snprintf(ret, WORKER_TEXT_MAX, "%s%s%s",
		 w->gaps & WORKER_GAP_SECCOMP ? ", no filter of system calls" : "",
		 w->gaps & WORKER_GAP_NEW_PRIVS ? ", no_new_privs not set" : "",
		 w->gaps & WORKER_GAP_LIMITS ? ", no limit of memory" : "");
	memmove(ret, ret + (ret[0] ? 2 : 0), strlen(ret + (ret[0] ? 2 : 0)) + 1);
}
