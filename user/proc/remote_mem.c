/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/remote_mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/*
 * Reading the memory of a process can take for ever: it may have the page brought by a file system
 * or another program (FUSE, userfaultfd) that never does. So all of it is done by a thread, which
 * is left to itself when that happens; a fatal signal, as at our own end, still ends it.
 */
#define PATIENCE_NS  (200 * NSEC_PER_MSEC)
#define PATIENCE_MAX 10 /* times, as long as it only waits for a CPU */

#define BOUNCE_KEPT (64u << 10) /* bytes of a buffer that are not given back */

struct reader {
	pthread_cond_t wake, done;
	pid_t tid;		/* 0: it has not begun to run */
	atomic_bool is_reading; /* it is in the kernel for it, or about to be */
	bool is_left;		/* it is alone: nobody waits for it any more */

	/* One request. */
	bool is_asked, is_done;
	pid_t pid;
	struct iovec remote[REMOTE_MEM_MANY];
	size_t n;
	uint8_t *bounce; /* never the caller's: it may be gone by then */
	size_t size, len;
	ssize_t got; /* or negative errno */

	struct reader *next; /* of those that are left */
};

/* There is one address space of ours, and so one of these. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* of who asks */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static struct reader *idle;				 /* NULL: there is none */
static struct reader *left;				 /* that wait for a page of their process */
static unsigned n_left;
static uint64_t n_given_up;

static void reader_free(struct reader *r)
{
	if (!r)
		return;
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->done);
	free(r->bounce);
	free(r);
}

static void forget_left(struct reader *r)
{
	struct reader **at = &left;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	n_left--;
}

static void read_now(struct reader *r)
{
	struct iovec local = { r->bounce, r->len };
	ssize_t got = process_vm_readv(r->pid, &local, 1, r->remote, r->n, 0);

	r->got = got < 0 ? -errno : got;
}

static void *run(void *arg)
{
	struct reader *r = arg;

	pthread_mutex_lock(&lock);
	r->tid = syscall(SYS_gettid);
	while (!r->is_left) {
		while (!r->is_asked)
			pthread_cond_wait(&r->wake, &lock);
		r->is_asked = false;
		r->is_reading = true;
		pthread_mutex_unlock(&lock);
		read_now(r);
		r->is_reading = false;
		pthread_mutex_lock(&lock);
		r->is_done = true;
		pthread_cond_signal(&r->done);
	}
	forget_left(r);
	pthread_mutex_unlock(&lock);
	reader_free(r);
	return NULL;
}

/* With no signal for it: those are for who waits. */
static int start(struct reader *r)
{
	sigset_t all, before;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	pthread_detach(thread);
	return 0;
}

static int reader_new(struct reader **ret)
{
	struct reader *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int error;

	if (!r)
		return -ENOMEM;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, NULL);
	pthread_cond_init(&r->done, &attr);
	pthread_condattr_destroy(&attr);
	error = start(r);
	if (error < 0) {
		reader_free(r);
		return error;
	}
	*ret = r;
	return 0;
}

static int make_room(struct reader *r, size_t len)
{
	uint8_t *bounce;

	if (len <= r->size && (r->size <= BOUNCE_KEPT || len > BOUNCE_KEPT))
		return 0;
	bounce = realloc(r->bounce, len ? len : 1);
	if (!bounce)
		return -ENOMEM;
	r->bounce = bounce;
	r->size = len;
	return 0;
}

/* A thread that waits for its turn on a CPU is not stuck. */
static bool is_runnable(pid_t tid)
{
	char path[64], text[128] = "";
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'R';
}

static bool wait_for(struct reader *r)
{
	for (int i = 0; !r->is_done && i < PATIENCE_MAX; i++) {
		uint64_t until = monotonic_ns() + PATIENCE_NS;
		const struct timespec ts = { until / NSEC_PER_SEC, until % NSEC_PER_SEC };

		while (!r->is_done && pthread_cond_timedwait(&r->done, &lock, &ts) == 0)
			;
		if (r->is_reading && !is_runnable(r->tid) && r->is_reading)
			break;
	}
	return r->is_done;
}

static bool is_stuck(pid_t pid)
{
	for (const struct reader *r = left; r; r = r->next)
		if (r->pid == pid)
			return true;
	return false;
}

/* A later look at the same process does not wait again. */
static void leave(struct reader *r)
{
	r->is_left = true;
	r->next = left;
	left = r;
	n_left++;
	n_given_up++;
	idle = NULL;
}

/* What process_vm_readv(2) returns, or a negative errno. */
static ssize_t read_locked(pid_t pid, const struct iovec *remote, size_t n, void *buf, size_t len)
{
	struct reader *r;
	int error;

	if (is_stuck(pid))
		return -ETIMEDOUT;
	if (n_left >= REMOTE_MEM_STUCK_MAX) {
		n_given_up++;
		return -ETIMEDOUT;
	}
	error = idle ? 0 : reader_new(&idle);
	if (error == 0)
		error = make_room(idle, len);
	if (error < 0)
		return error;
	r = idle;
	r->pid = pid;
	memcpy(r->remote, remote, n * sizeof(*remote));
	r->n = n;
	r->len = len;
	r->is_asked = true;
	r->is_done = false;
	pthread_cond_signal(&r->wake);
	if (!wait_for(r)) {
		leave(r);
		return -ETIMEDOUT;
	}
	if (r->got > 0)
		memcpy(buf, r->bounce, r->got);
	return r->got;
}

static ssize_t read_remote(pid_t pid, const struct iovec *remote, size_t n, void *buf, size_t len)
{
	ssize_t got;

	pthread_mutex_lock(&turn);
	pthread_mutex_lock(&lock);
	got = read_locked(pid, remote, n, buf, len);
	pthread_mutex_unlock(&lock);
	pthread_mutex_unlock(&turn);
	return got;
}

int remote_mem_read(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec remote = { (void *)(uintptr_t)addr, len };
	ssize_t n = read_remote(pid, &remote, 1, buf, len);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EFAULT;
}

int remote_mem_read_many(pid_t pid, const uint64_t *addrs, size_t n, void *buf, size_t len)
{
	struct iovec remote[REMOTE_MEM_MANY];
	ssize_t got;

	if (n > REMOTE_MEM_MANY)
		n = REMOTE_MEM_MANY;
	for (size_t i = 0; i < n; i++)
		remote[i] = (struct iovec){ (void *)(uintptr_t)addrs[i], len };
	got = read_remote(pid, remote, n, buf, n * len);
	if (got < 0)
		return got == -EFAULT ? 0 : (int)got;
	return (int)((size_t)got / len);
}

uint64_t remote_mem_given_up(void)
{
	uint64_t n;

	pthread_mutex_lock(&lock);
	n = n_given_up;
	pthread_mutex_unlock(&lock);
	return n;
}

unsigned remote_mem_stuck(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = n_left;
	pthread_mutex_unlock(&lock);
	return n;
}
