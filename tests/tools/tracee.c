/* SPDX-License-Identifier: Apache-2.0 */
#include "tracee.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define STOP_TIMEOUT_NS 100000000ULL
#define STEP_TIMEOUT_NS 3000000ULL

uint64_t tracee_random(struct tracee *t, uint64_t below)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (t->random >> 11) % below;
}

static unsigned long options_of(const struct tracee *t)
{
	unsigned long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;

	if (t->owns)
		options |= PTRACE_O_EXITKILL;
	if (t->with_children)
		options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	return options;
}

/* --- who is traced ---------------------------------------------------------------------------- */

static size_t thread_index(const struct tracee *t, pid_t tid)
{
	size_t i = 0;

	while (i < t->threads.n && t->threads.data[i].tid != tid)
		i++;
	return i;
}

static pid_t process_of(pid_t tid)
{
	char path[64], line[256];
	pid_t pid = tid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Tgid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	return pid;
}

static bool is_wanted(const struct tracee *t, pid_t pid)
{
	char path[64], exe[4096], *name, *mark;
	ssize_t n;

	if (!t->n_programs)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	exe[n < 0 ? 0 : n] = '\0';
	mark = strstr(exe, " (deleted)");
	if (mark)
		*mark = '\0';
	name = strrchr(exe, '/');
	for (size_t i = 0; name && i < t->n_programs; i++)
		if (strcmp(name + 1, t->programs[i]) == 0)
			return true;
	return false;
}

static void add_thread(struct tracee *t, pid_t tid)
{
	pid_t pid;

	if (thread_index(t, tid) < t->threads.n)
		return;
	pid = process_of(tid);
	vec_push(&t->threads, (struct tracee_thread){ tid, pid, is_wanted(t, pid) });
}

static void remove_thread(struct tracee *t, pid_t tid)
{
	size_t i = thread_index(t, tid);

	if (i < t->threads.n)
		t->threads.data[i] = t->threads.data[--t->threads.n];
}

static char state_of(const struct tracee_thread *thread)
{
	char path[64], text[512], *paren;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", thread->tid);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	paren = strrchr(text, ')');
	return paren && paren[1] ? paren[2] : '?';
}

/* --- events ----------------------------------------------------------------------------------- */

static void took_exec(struct tracee *t, pid_t pid)
{
	for (size_t i = t->threads.n; i-- > 0;)
		if (t->threads.data[i].pid == pid && t->threads.data[i].tid != pid)
			remove_thread(t, t->threads.data[i].tid);
	if (thread_index(t, pid) < t->threads.n)
		t->threads.data[thread_index(t, pid)].is_wanted = is_wanted(t, pid);
	t->is_ready = true;
}

/* The signal that the stop was for; 0: none. A trap may be the program's own. */
static int signal_of(pid_t tid, int status)
{
	int sig = WSTOPSIG(status);
	siginfo_t info;

	if (status >> 16)
		return 0;
	if (sig == SIGTRAP &&
	    (ptrace(PTRACE_GETSIGINFO, tid, 0, &info) < 0 || info.si_code != SI_KERNEL /* int3 */))
		return 0;
	return sig;
}

/* Brings one stop, or an end, to its conclusion: the thread runs on. */
static void handle(struct tracee *t, pid_t tid, int status)
{
	int event = status >> 16;

	if (!WIFSTOPPED(status)) {
		remove_thread(t, tid);
		return;
	}
	add_thread(t, tid);
	if (event == PTRACE_EVENT_EXEC)
		took_exec(t, tid);
	if (event == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP)
		ptrace(PTRACE_LISTEN, tid, 0, 0); /* all of the process is stopped */
	else
		ptrace(PTRACE_CONT, tid, 0, signal_of(tid, status));
}

/* Until a tracee or a child may have something to tell, or @end. */
static void wait_for_event(uint64_t now, uint64_t end)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &(struct timespec){ 0, (end - now) % 1000000000 });
}

/* Of @tid alone, within @timeout_ns; false: it did not stop. */
static bool wait_for(pid_t tid, uint64_t timeout_ns, int *ret_status)
{
	uint64_t end = monotonic_ns() + timeout_ns, now;

	for (;;) {
		pid_t got = waitpid(tid, ret_status, __WALL | WNOHANG);

		if (got == tid)
			return true;
		now = monotonic_ns();
		if (got < 0 || now >= end)
			return false;
		wait_for_event(now, end);
	}
}

void tracee_run(struct tracee *t, uint64_t ns)
{
	uint64_t end = monotonic_ns() + ns;

	for (;;) {
		uint64_t now;
		int status;
		pid_t tid;

		while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
			handle(t, tid, status);
		now = monotonic_ns();
		if (tid < 0 || now >= end)
			break;
		wait_for_event(now, end);
	}
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void block_sigchld(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(how, &set, NULL);
}

static void become(int go, char **argv)
{
	char c;

	block_sigchld(SIG_UNBLOCK);
	if (read(go, &c, 1) != 1 || !freopen("/dev/null", "w", stdout))
		_exit(126);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int tracee_spawn(struct tracee *t, char **argv)
{
	int go[2], r = 0;
	pid_t pid;

	block_sigchld(SIG_BLOCK);
	if (pipe2(go, 02000000 /* O_CLOEXEC */) < 0)
		return -errno;
	t->owns = true;
	t->is_ready = false;
	pid = fork();
	if (pid == 0)
		become(go[0], argv);
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, 0, options_of(t)) < 0)
		r = -errno;
	if (r == 0)
		add_thread(t, pid);
	close(go[0]);
	if (write(go[1], "", 1) < 0)
		r = -errno;
	close(go[1]);
	while (r == 0 && t->threads.n && !t->is_ready)
		tracee_run(t, 1000000);
	return r == 0 && !t->threads.n ? -ECHILD : r;
}

/* Those that were there; threads that start meanwhile come by their parent's event. */
int tracee_attach(struct tracee *t, pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	block_sigchld(SIG_BLOCK);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid && ptrace(PTRACE_SEIZE, tid, 0, options_of(t)) == 0)
			add_thread(t, tid);
	}
	closedir(dir);
	t->is_ready = true;
	return t->threads.n ? 0 : -EPERM;
}

static void detach(pid_t tid)
{
	int status;

	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	if (wait_for(tid, STOP_TIMEOUT_NS, &status) && WIFSTOPPED(status))
		ptrace(PTRACE_DETACH, tid, 0, signal_of(tid, status));
}

void tracee_end(struct tracee *t)
{
	for (size_t i = 0; i < t->threads.n; i++) {
		if (t->owns)
			kill(t->threads.data[i].pid, SIGKILL);
		else
			detach(t->threads.data[i].tid);
	}
	for (int i = 0; t->owns && t->threads.n && i < 2000; i++)
		tracee_run(t, 1000000);
	vec_free(&t->threads);
}

/* --- one stop --------------------------------------------------------------------------------- */

int tracee_regs(pid_t tid, struct user_regs_struct *ret)
{
	struct iovec iov = { ret, sizeof(*ret) };

	return ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

/* Most stops go to threads that run; those that wait all look the same. NULL: there is none. */
static const struct tracee_thread *choose(struct tracee *t)
{
	bool any = tracee_random(t, 16) == 0;
	const struct tracee_thread *waits = NULL;
	size_t at = tracee_random(t, t->threads.n);

	for (size_t i = 0; i < t->threads.n; i++) {
		const struct tracee_thread *thread = &t->threads.data[(at + i) % t->threads.n];

		if (!thread->is_wanted)
			continue;
		if (any || state_of(thread) == 'R')
			return thread;
		waits = thread;
	}
	return waits;
}

/*
 * One instruction on; @sig is delivered by it. A system call may wait for long: it is interrupted.
 * Negative: the thread is not at hand any more.
 */
static int step(struct tracee *t, pid_t tid, int *sig)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, tid, 0, *sig) < 0)
		return -errno;
	*sig = 0;
	if (!wait_for(tid, STEP_TIMEOUT_NS, &status)) {
		ptrace(PTRACE_INTERRUPT, tid, 0, 0);
		if (!wait_for(tid, STOP_TIMEOUT_NS, &status))
			return -EAGAIN;
	}
	if (!WIFSTOPPED(status)) {
		handle(t, tid, status);
		return -EAGAIN;
	}
	if (status >> 16 == PTRACE_EVENT_EXEC)
		took_exec(t, tid);
	*sig = signal_of(tid, status);
	return 0;
}

int tracee_step(struct tracee *t, pid_t tid)
{
	int sig = 0, r = step(t, tid, &sig);

	if (r == 0 && sig) /* into its handler, and on */
		r = step(t, tid, &sig);
	return r;
}

int tracee_stop(struct tracee *t, unsigned max_steps, struct tracee_thread *ret)
{
	unsigned n = max_steps ? tracee_random(t, max_steps + 1) : 0;
	const struct tracee_thread *chosen;
	struct tracee_thread thread;
	int status, sig, r = 0;

	if (!t->threads.n)
		return -ESRCH;
	chosen = choose(t);
	if (!chosen)
		return -EAGAIN;
	thread = *chosen;
	if (ptrace(PTRACE_INTERRUPT, thread.tid, 0, 0) < 0 ||
	    !wait_for(thread.tid, STOP_TIMEOUT_NS, &status))
		return -EAGAIN;
	if (!WIFSTOPPED(status) || status >> 16 == PTRACE_EVENT_EXEC ||
	    (status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP)) {
		handle(t, thread.tid, status);
		return -EAGAIN;
	}
	sig = signal_of(thread.tid, status);
	for (unsigned i = 0; i < n && r == 0; i++)
		r = step(t, thread.tid, &sig);
	/* What is about to be delivered is, before it is looked at. */
	for (int i = 0; i < 4 && sig && r == 0; i++)
		r = step(t, thread.tid, &sig);
	*ret = thread;
	return r;
}

void tracee_continue(struct tracee *t, pid_t tid)
{
	ptrace(PTRACE_CONT, tid, 0, 0);
}
