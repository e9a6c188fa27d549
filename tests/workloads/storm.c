/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A storm of short processes.
 *
 *   storm --rate N [--seconds S] [--spawners N] [--burn-ms MIN,MAX] [--kinds own,true,gzip]
 *         [--parallel N] [--log FILE]
 *
 * N processes a second are started in turns: storm-child, which lies beside this program and burns
 * MIN to MAX ms of CPU time; /bin/true; gzip of a small file. Fewer where the machine cannot do
 * more: not more than --parallel (12) live at once, and a spawner that is late does not catch up.
 * The log has a line of JSON for each start and for each end, with the CPU time as the kernel
 * accounts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "work.h"

#define SPAWNERS_MAX  16
#define CHILDREN_MAX  1000000
#define INPUT_SIZE    (12 * 1024)
#define REAP_EVERY_MS 2
#define STARTED_ABOUT 0.0005 /* s; a spawner that is later than this leaves some out */

extern char **environ;

enum kind { OWN, TRUE, GZIP, KINDS };

static const char *const kind_names[KINDS] = { "own", "true", "gzip" };

struct start {
	pid_t pid;
	enum kind kind;
	uint64_t time_ns;
};

struct end {
	pid_t pid;
	uint64_t time_ns, cpu_ns;
};

struct spawner {
	pthread_t thread;
	unsigned int index, n;
	struct start *starts;
};

static struct {
	double rate, seconds;
	unsigned int spawners;
	sem_t places;
	uint64_t burn_ms[2];
	enum kind kinds[KINDS];
	unsigned int n_kinds;
	char child[2 * PATH_MAX], input[64];
	uint64_t begin_ns;
} storm;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- starting ------------------------------------------------------------------------------ */

/* Between the limits, short ones more often: evenly on a logarithmic scale. */
static uint64_t burn_steps(uint64_t *random)
{
	double low = (double)storm.burn_ms[0], high = (double)storm.burn_ms[1];
	double part = (double)(work_random(random) >> 11) / (double)(1ull << 53);

	return (uint64_t)(low * pow(high / low, part) * (double)work_steps_per_ms);
}

static pid_t spawn(enum kind kind, const posix_spawn_file_actions_t *quiet, uint64_t *random)
{
	char steps[32], own[] = "storm-child", truth[] = "true", gzip[] = "gzip", option[] = "-c";
	char *const argv[KINDS][4] = {
		[OWN] = { own, steps, NULL },
		[TRUE] = { truth, NULL },
		[GZIP] = { gzip, option, storm.input, NULL },
	};
	const char *const paths[KINDS] = { storm.child, "/bin/true", "/bin/gzip" };
	pid_t pid;

	snprintf(steps, sizeof(steps), "%" PRIu64, burn_steps(random));
	errno = posix_spawn(&pid, paths[kind], quiet, NULL, argv[kind], environ);
	if (errno)
		die(paths[kind]);
	return pid;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void *spawner_main(void *arg)
{
	struct spawner *s = arg;
	double period = storm.spawners / storm.rate * 1e9;
	double next = (double)storm.begin_ns + period * s->index / storm.spawners;
	double end = (double)storm.begin_ns + storm.seconds * 1e9;
	posix_spawn_file_actions_t quiet;
	uint64_t random = s->index;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (; next < end && s->n < CHILDREN_MAX / storm.spawners; next += period) {
		struct start *st = &s->starts[s->n];
		double now;

		sleep_until((uint64_t)next);
		sem_wait(&storm.places);
		st->time_ns = clock_ns(CLOCK_MONOTONIC);
		st->kind = storm.kinds[(s->n + s->index) % storm.n_kinds];
		st->pid = spawn(st->kind, &quiet, &random);
		s->n++;
		now = (double)clock_ns(CLOCK_MONOTONIC);
		if (now - next > STARTED_ABOUT * 1e9 + period)
			next = now - period;
	}
	posix_spawn_file_actions_destroy(&quiet);
	return NULL;
}

/* --- ending -------------------------------------------------------------------------------- */

static uint64_t cpu_ns_of(const struct rusage *ru)
{
	return (uint64_t)(ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) * 1000u;
}

static volatile bool all_started;

static void reaped(struct end *e, pid_t pid, int status, const struct rusage *ru)
{
	if (status != 0) {
		fprintf(stderr, "storm: a child failed\n");
		exit(1);
	}
	*e = (struct end){ pid, clock_ns(CLOCK_MONOTONIC), cpu_ns_of(ru) };
	sem_post(&storm.places);
}

/*
 * Waits for all children, also those that are not yet started. Returns how many have ended. To wait
 * in wait4() would be to come too early: a child can be reaped before it is off its CPU, and what
 * it has used since the scheduler's last tick is then in no account.
 */
static unsigned int reap(struct end *ends)
{
	unsigned int n = 0;

	for (;;) {
		struct rusage ru;
		bool last = all_started;
		int status;
		pid_t pid = wait4(-1, &status, WNOHANG, &ru);

		if (pid > 0)
			reaped(&ends[n++], pid, status, &ru);
		else if (pid < 0 && errno == ECHILD && last)
			return n;
		else
			poll(NULL, 0, REAP_EVERY_MS);
	}
}

static void *reaper_main(void *arg)
{
	return (void *)(uintptr_t)reap(arg);
}

/* --- all ----------------------------------------------------------------------------------- */

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("calloc");
	return p;
}

static unsigned int run(struct spawner *spawners, struct end *ends)
{
	pthread_t reaper;
	void *n;

	storm.begin_ns = clock_ns(CLOCK_MONOTONIC);
	if (pthread_create(&reaper, NULL, reaper_main, ends) != 0)
		die("pthread_create");
	for (unsigned int i = 0; i < storm.spawners; i++) {
		spawners[i].index = i;
		spawners[i].starts =
			allocate(CHILDREN_MAX / storm.spawners, sizeof(*spawners[i].starts));
		if (pthread_create(&spawners[i].thread, NULL, spawner_main, &spawners[i]) != 0)
			die("pthread_create");
	}
	for (unsigned int i = 0; i < storm.spawners; i++)
		pthread_join(spawners[i].thread, NULL);
	all_started = true;
	pthread_join(reaper, &n);
	return (unsigned int)(uintptr_t)n;
}

static void write_log(const char *path, const struct spawner *spawners, const struct end *ends,
		      unsigned int n_ends)
{
	FILE *f = fopen(path, "we");

	if (!f)
		die(path);
	for (unsigned int i = 0; i < storm.spawners; i++) {
		for (unsigned int j = 0; j < spawners[i].n; j++) {
			const struct start *st = &spawners[i].starts[j];

			fprintf(f,
				"{\"type\":\"start\",\"pid\":%d,\"kind\":\"%s\",\"time_ns\":"
				"%" PRIu64 "}\n",
				st->pid, kind_names[st->kind], st->time_ns);
		}
	}
	for (unsigned int i = 0; i < n_ends; i++)
		fprintf(f,
			"{\"type\":\"end\",\"pid\":%d,\"time_ns\":%" PRIu64 ",\"cpu_ns\":%" PRIu64
			"}\n",
			ends[i].pid, ends[i].time_ns, ends[i].cpu_ns);
	if (fclose(f) != 0)
		die(path);
}

static void read_kinds(const char *list)
{
	for (unsigned int k = 0; k < KINDS; k++) {
		if (strstr(list, kind_names[k]))
			storm.kinds[storm.n_kinds++] = k;
	}
	if (!storm.n_kinds) {
		fprintf(stderr, "storm: --kinds are own, true, gzip\n");
		exit(2);
	}
}

static void read_options(char **argv)
{
	storm.rate = arg_number(argv, "rate", 500);
	storm.seconds = arg_number(argv, "seconds", 5);
	storm.spawners = (unsigned int)arg_number(argv, "spawners", 4);
	sem_init(&storm.places, 0, (unsigned int)arg_number(argv, "parallel", 12));
	arg_list(arg_string(argv, "burn-ms", "1,20"), storm.burn_ms, 2);
	read_kinds(arg_string(argv, "kinds", "own,true,gzip"));
	if (!storm.rate || !storm.spawners || storm.spawners > SPAWNERS_MAX || !storm.burn_ms[0]) {
		fprintf(stderr, "storm: --rate, --spawners (up to %d), --burn-ms\n", SPAWNERS_MAX);
		exit(2);
	}
	if (storm.burn_ms[1] < storm.burn_ms[0])
		storm.burn_ms[1] = storm.burn_ms[0];
}

/* The program beside this one, and a file to compress. */
static void prepare_files(void)
{
	char self[PATH_MAX] = "", byte = 0;
	uint64_t random = 1;
	FILE *f;
	int fd;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("/proc/self/exe");
	snprintf(storm.child, sizeof(storm.child), "%s/storm-child", dirname(self));
	strcpy(storm.input, "/tmp/spanprof-storm-XXXXXX");
	fd = mkstemp(storm.input);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		die(storm.input);
	for (unsigned int i = 0; i < INPUT_SIZE; i++) {
		byte = work_random(&random) % 4 ? byte : (char)(work_random(&random) % 64 + 32);
		fputc(byte, f);
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	static struct spawner spawners[SPAWNERS_MAX];
	struct end *ends = allocate(CHILDREN_MAX, sizeof(*ends));
	const char *log = arg_string(argv, "log", NULL);
	unsigned int n;

	(void)argc;
	read_options(argv);
	work_calibrate();
	prepare_files();
	n = run(spawners, ends);
	unlink(storm.input);
	if (log)
		write_log(log, spawners, ends, n);
	printf("storm: %u processes in %.1f s\n", n, storm.seconds);
	return 0;
}
