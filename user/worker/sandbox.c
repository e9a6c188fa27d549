/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/capabilities.h"
#include "base/cleanup.h"

#define NICE	  10
#define FILES_MAX 256 /* descriptors; those that the parent sends count, too */

static void seccomp_releasep(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

/* --- limits ----------------------------------------------------------------------------------- */

/* What the program and its libraries have taken so far (and a sanitizer's terabytes). */
static int read_data_bytes(uint64_t *ret)
{
	CLEANUP(fclosep) FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages;

	if (!f)
		return -errno;
	if (fscanf(f, "%*u %*u %*u %*u %*u %lu", &pages) != 1)
		return -EBADMSG;
	*ret = (uint64_t)pages * sysconf(_SC_PAGESIZE);
	return 0;
}

static bool set_limit(int resource, uint64_t value)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return false;
	if (value > now.rlim_max)
		value = now.rlim_max;
	return setrlimit(resource, &(struct rlimit){ value, value }) == 0;
}

/*
 * CPU time is limited from outside, request by request. Memory is what is our own: mapped files,
 * which are only read, can be as large as they like.
 */
static bool set_limits(uint64_t memory)
{
	uint64_t data = 0;

	return read_data_bytes(&data) == 0 && set_limit(RLIMIT_DATA, data + memory) &&
	       set_limit(RLIMIT_FSIZE, 0) && set_limit(RLIMIT_NOFILE, FILES_MAX) &&
	       set_limit(RLIMIT_NPROC, 0) && set_limit(RLIMIT_CORE, 0) &&
	       set_limit(RLIMIT_MEMLOCK, 0);
}

/* --- system calls ----------------------------------------------------------------------------- */

/* Reading what we were given, memory, talking to the parent, and the end. */
static const char *const allowed[] = { "brk",
				       "clock_gettime",
				       "close",
				       "exit",
				       "exit_group",
				       "fstat",
				       "futex",
				       "getpid",
				       "getrandom",
				       "gettid",
				       "gettimeofday",
				       "lseek",
				       "madvise",
				       "mremap",
				       "munmap",
				       "poll",
				       "ppoll",
				       "pread64",
				       "read",
				       "recvmsg",
				       "restart_syscall",
				       "rt_sigprocmask",
				       "rt_sigreturn",
				       "sched_yield",
				       "sendmsg",
				       "sysinfo" };

/* What libraries try, and can do without. Anything else ends the worker. */
static const char *const refused[] = { "access", "faccessat", "faccessat2", "lstat",	  "open",
				       "openat", "openat2",   "readlink",   "readlinkat", "socket",
				       "stat",	 "statx",     "write",	    "writev" };

/* Compares argument @n, from 0, with @a; for SCMP_CMP_MASKED_EQ what of it is in @a, with @b. */
static struct scmp_arg_cmp arg(unsigned n, enum scmp_compare op, uint64_t a, uint64_t b)
{
	return (struct scmp_arg_cmp){ .arg = n, .op = op, .datum_a = a, .datum_b = b };
}

static int add_names(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);
		int r;

		/* Negative: this architecture has no such call. */
		r = nr < 0 ? 0 : seccomp_rule_add(ctx, action, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Memory and files, but no code. Files came without the right to write. */
static int allow_memory(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 arg(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     arg(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return r;
}

static int allow_fcntl(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_DUPFD_CLOEXEC, F_GETFD, F_GETFL };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     arg(1, SCMP_CMP_EQ, commands[i], 0));
	return r;
}

/* fstat() is fstatat() of an empty path in the C library; abort() is a signal to oneself. */
static int allow_self(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
				 arg(3, SCMP_CMP_EQ, AT_EMPTY_PATH, 0));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(newfstatat), 1,
				     arg(3, SCMP_CMP_NE, AT_EMPTY_PATH, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				     arg(0, SCMP_CMP_EQ, getpid(), 0));
	return r;
}

static int load_filter(void)
{
	CLEANUP(seccomp_releasep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r;

	if (!ctx)
		return -ENOMEM;
	/* There is nothing here to be spied out: no need to slow it down against that. */
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	r = add_names(ctx, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(allowed[0]));
	if (r == 0)
		r = add_names(ctx, SCMP_ACT_ERRNO(EPERM), refused,
			      sizeof(refused) / sizeof(refused[0]));
	if (r == 0)
		r = allow_memory(ctx);
	if (r == 0)
		r = allow_fcntl(ctx);
	if (r == 0)
		r = allow_self(ctx);
	return r < 0 ? r : seccomp_load(ctx);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void lower_priority(void)
{
	const struct sched_param param = { 0 };

	(void)sched_setscheduler(0, SCHED_BATCH, &param);
	if (getpriority(PRIO_PROCESS, 0) < NICE)
		(void)setpriority(PRIO_PROCESS, 0, NICE);
}

int worker_sandbox_enter(const struct worker_sandbox *s)
{
	int gaps = 0, r;

	if (!s->prompt)
		lower_priority();
	r = capabilities_drop_all();
	if (r < 0)
		return r;
	/* After the capabilities: a change of these clears it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		gaps |= WORKER_GAP_NEW_PRIVS;
	if (!set_limits(s->memory))
		gaps |= WORKER_GAP_LIMITS;
	if (load_filter() < 0)
		gaps |= WORKER_GAP_SECCOMP;
	return gaps;
}
