/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lives of processes, threads and mappings.
 *
 *   procs storm --children N --parallel N --cpu-ms MS [--log FILE]   short-lived children
 *   procs child --cpu-ms MS                                          one of them
 *   procs reexec --generations N --cpu-ms MS                         a program that execs itself
 *   procs unlinked --cpu-ms MS --folder DIR                          … that removes its own file
 *   procs replaced --cpu-ms MS --folder DIR --alpha LIB --beta LIB   … whose library is replaced
 *   procs threads --children N --parallel N --cpu-ms MS [--warm-up-ms MS] [--log FILE]
 *                                                                    threads that come and go
 *   procs jit --cpu-ms MS                                            code that is in no file
 *   procs sleepers --children N                                      idle processes, until SIGTERM
 *
 * MS is the CPU time of each child, generation, phase or thread.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "otel_ctx.h"
#include "truth.h"
#include "work.h"

#define SELF	     "/proc/self/exe"
#define PARALLEL_MAX 64

extern char **environ;

struct options {
	unsigned int children, parallel, generations;
	uint64_t cpu_ns;
	double warm_up_ms;
	const char *folder, *alpha, *beta, *log;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* By its name: a process that execs /proc/self/exe is called "exe". */
static const char *self_path(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink(SELF, path, sizeof(path) - 1);

	if (n < 0)
		die(SELF);
	path[n] = '\0';
	return path;
}

/* --- children ------------------------------------------------------------------------------ */

WORK_FUNCTION static uint64_t child_work(uint64_t ns)
{
	return work_spend(ns);
}

static void run_child(const struct options *o)
{
	child_work(o->cpu_ns);
}

/* The child is spared the calibration. */
static pid_t spawn_self(const char *what, uint64_t cpu_ns)
{
	char program[] = "procs", cpu_option[] = "--cpu-ms", steps_option[] = "--steps-per-ms";
	char mode[16], ms[32], steps[32];
	char *argv[] = { program, mode, cpu_option, ms, steps_option, steps, NULL };
	pid_t pid;
	int r;

	snprintf(mode, sizeof(mode), "%s", what);
	snprintf(ms, sizeof(ms), "%.6f", (double)cpu_ns / 1e6);
	snprintf(steps, sizeof(steps), "%" PRIu64, work_steps_per_ms);
	r = posix_spawn(&pid, self_path(), NULL, NULL, argv, environ);
	if (r != 0) {
		errno = r;
		die("posix_spawn");
	}
	return pid;
}

static void reap_one(FILE *log)
{
	struct rusage ru;
	int status;
	pid_t pid = wait4(-1, &status, 0, &ru);
	uint64_t us = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000u +
		      (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);

	if (pid < 0 || status != 0)
		die("child");
	if (log)
		fprintf(log, "{\"type\":\"child\",\"pid\":%d,\"cpu_ns\":%" PRIu64 "}\n", pid,
			us * 1000);
}

static void run_storm(const struct options *o)
{
	FILE *log = o->log ? fopen(o->log, "we") : NULL;
	unsigned int running = 0;

	if (o->log && !log)
		die(o->log);
	for (unsigned int i = 0; i < o->children && !truth_stopped(); i++) {
		if (running == o->parallel)
			reap_one(log);
		else
			running++;
		spawn_self("child", o->cpu_ns);
	}
	for (; running; running--)
		reap_one(log);
	if (log && fclose(log) != 0)
		die(o->log);
}

static void run_sleeper(const struct options *o)
{
	(void)o;
	while (!truth_stopped())
		pause();
}

static void run_sleepers(const struct options *o)
{
	for (unsigned int i = 0; i < o->children; i++)
		spawn_self("sleeper", 0);
	printf("procs: %u sleep\n", o->children);
	fflush(stdout);
	while (!truth_stopped())
		pause();
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM); /* the test gives us a process group of our own */
	while (wait(NULL) > 0)
		;
}

/* --- one process, several programs --------------------------------------------------------- */

WORK_FUNCTION static uint64_t work_even_generation(uint64_t ns)
{
	return work_spend(ns);
}

WORK_FUNCTION static uint64_t work_odd_generation(uint64_t ns)
{
	return work_spend(ns);
}

static void run_reexec(const struct options *o)
{
	char left[16], ms[32];

	if (o->generations % 2)
		work_odd_generation(o->cpu_ns);
	else
		work_even_generation(o->cpu_ns);
	if (o->generations <= 1)
		return;

	snprintf(left, sizeof(left), "%u", o->generations - 1);
	snprintf(ms, sizeof(ms), "%.6f", (double)o->cpu_ns / 1e6);
	execl(self_path(), "procs", "reexec", "--generations", left, "--cpu-ms", ms, (char *)NULL);
	die("execl");
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		die(to);
	for (off_t done = 0; done < st.st_size;) {
		if (sendfile(out, in, &done, (size_t)(st.st_size - done)) <= 0)
			die(to);
	}
	close(in);
	close(out);
}

WORK_FUNCTION static uint64_t work_without_file(uint64_t ns)
{
	return work_spend(ns);
}

static void run_orphan(const struct options *o)
{
	if (unlink(self_path()) < 0)
		die("unlink");
	work_without_file(o->cpu_ns);
}

static void run_unlinked(const struct options *o)
{
	char path[PATH_MAX], ms[32];

	snprintf(path, sizeof(path), "%s/procs-unlinked", o->folder);
	snprintf(ms, sizeof(ms), "%.6f", (double)o->cpu_ns / 1e6);
	copy_file(SELF, path);
	execl(path, "procs-unlinked", "orphan", "--cpu-ms", ms, (char *)NULL);
	die(path);
}

/* --- mappings ------------------------------------------------------------------------------ */

static void work_in_library(const char *path, uint64_t ns)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	uint64_t (*run)(uint64_t, uint64_t) = handle ? dlsym(handle, "plug_run") : NULL;

	if (!run) {
		fprintf(stderr, "procs: %s\n", dlerror());
		exit(1);
	}
	run(ns, work_steps_per_ms);
}

/* alpha, then alpha when beta has taken its name, then beta: both are mapped by now. */
static void run_replaced(const struct options *o)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	uint64_t (*alpha)(uint64_t, uint64_t);

	snprintf(path, sizeof(path), "%s/libplug.so", o->folder);
	snprintf(fresh, sizeof(fresh), "%s/libplug.so.new", o->folder);
	copy_file(o->alpha, path);
	copy_file(o->beta, fresh);
	work_in_library(path, o->cpu_ns / 2);
	alpha = dlsym(dlopen(path, RTLD_NOW | RTLD_NOLOAD), "plug_run");
	if (rename(fresh, path) < 0)
		die(path);
	alpha(o->cpu_ns / 2, work_steps_per_ms);

	/* A name that the dynamic linker has not seen, or it would hand out alpha again. */
	snprintf(fresh, sizeof(fresh), "%s/./libplug.so", o->folder);
	work_in_library(fresh, o->cpu_ns);
}

/*
 * A function made at run time: count down from the argument. It keeps a frame pointer, as a
 * compiler for profiled code would.
 */
#if defined(__x86_64__)
static const uint8_t countdown_code[] = {
	0x55,		  /* push %rbp */
	0x48, 0x89, 0xe5, /* mov %rsp,%rbp */
	0x48, 0xff, 0xcf, /* dec %rdi */
	0x75, 0xfb,	  /* jnz -5 */
	0x5d,		  /* pop %rbp */
	0xc3,		  /* ret */
};
#elif defined(__aarch64__)
static const uint32_t countdown_code[] = {
	0xa9bf7bfd, /* stp x29, x30, [sp, #-16]! */
	0x910003fd, /* mov x29, sp */
	0xf1000400, /* subs x0, x0, #1 */
	0x54ffffe1, /* b.ne -4 */
	0xa8c17bfd, /* ldp x29, x30, [sp], #16 */
	0xd65f03c0, /* ret */
};
#endif

WORK_FUNCTION static uint64_t call_generated(void (*countdown)(uint64_t), uint64_t ns)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) - start < ns)
		countdown(work_steps_per_ms);
	return ns;
}

static void run_jit(const struct options *o)
{
	void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*countdown)(uint64_t);

	if (code == MAP_FAILED)
		die("mmap");
	memcpy(code, countdown_code, sizeof(countdown_code));
	__builtin___clear_cache(code, (char *)code + sizeof(countdown_code));
	if (mprotect(code, 4096, PROT_READ | PROT_EXEC) < 0)
		die("mprotect");

	*(void **)&countdown = code;
	call_generated(countdown, o->cpu_ns);
}

/* --- threads ------------------------------------------------------------------------------- */

WORK_FUNCTION static uint64_t thread_work(uint64_t ns)
{
	return work_spend(ns);
}

static void *thread_main(void *arg)
{
	const struct options *o = arg;
	struct truth_span s;
	uint8_t trace_id[16];

	truth_thread_begin(OTEL_SWAP_POINTER);
	truth_trace_id(trace_id);
	truth_span_begin(&s, "short-lived", trace_id, NULL);
	truth_work(&s, 0, thread_work(o->cpu_ns));
	truth_span_end(&s);
	truth_thread_end();
	return NULL;
}

static void run_threads(const struct options *o)
{
	pthread_t threads[PARALLEL_MAX];
	unsigned int i;

	for (i = 0; i < o->children && !truth_stopped(); i++) {
		if (i >= o->parallel)
			pthread_join(threads[i % o->parallel], NULL);
		if (pthread_create(&threads[i % o->parallel], NULL, thread_main, (void *)o) != 0)
			die("pthread_create");
	}
	for (unsigned int j = i > o->parallel ? i - o->parallel : 0; j < i; j++)
		pthread_join(threads[j % o->parallel], NULL);
	if (o->log && truth_write(o->log) < 0)
		die(o->log);
}

static void run_threads_in_spans(const struct options *o)
{
	struct otel_process process = {
		.service_name = "procs",
		.schema_version = OTEL_SCHEMA_NATIVE,
	};

	if (otel_process_publish(&process) < 0)
		die("otel_process_publish");
	warm_up(o->warm_up_ms);
	run_threads(o);
}

/* --- main ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(const struct options *);
} modes[] = {
	{ "storm", run_storm },
	{ "child", run_child },
	{ "reexec", run_reexec },
	{ "unlinked", run_unlinked },
	{ "orphan", run_orphan },
	{ "replaced", run_replaced },
	{ "threads", run_threads_in_spans },
	{ "jit", run_jit },
	{ "sleepers", run_sleepers },
	{ "sleeper", run_sleeper },
};

static struct options options_read(char **argv)
{
	struct options o = {
		.children = (unsigned int)arg_number(argv, "children", 10),
		.parallel = (unsigned int)arg_number(argv, "parallel", 1),
		.generations = (unsigned int)arg_number(argv, "generations", 2),
		.cpu_ns = (uint64_t)(arg_number(argv, "cpu-ms", 100) * 1e6),
		.warm_up_ms = arg_number(argv, "warm-up-ms", 0),
		.folder = arg_string(argv, "folder", "."),
		.alpha = arg_string(argv, "alpha", ""),
		.beta = arg_string(argv, "beta", ""),
		.log = arg_string(argv, "log", NULL),
	};

	if (!o.parallel || o.parallel > PARALLEL_MAX) {
		fprintf(stderr, "procs: --parallel is 1 to %d\n", PARALLEL_MAX);
		exit(2);
	}
	return o;
}

int main(int argc, char **argv)
{
	static const char *const function_names[] = { "thread_work", NULL };
	struct options o = options_read(argv);

	truth_init("procs", "ns", function_names, (uint64_t)getpid());
	for (unsigned int i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, argv[1]) != 0)
			continue;
		work_steps_per_ms = (uint64_t)arg_number(argv, "steps-per-ms", 0);
		if (!work_steps_per_ms)
			work_calibrate();
		modes[i].run(&o);
		return 0;
	}

	fprintf(stderr, "procs: first argument is one of:");
	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		fprintf(stderr, " %s", modes[i].name);
	fprintf(stderr, "\n");
	return 2;
}
