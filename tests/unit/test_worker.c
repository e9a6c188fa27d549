/* SPDX-License-Identifier: Apache-2.0 */
/* The worker process: the real one, build/spanprof, and fakes that answer what they should not. */
#include "worker/worker.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/io.h"
#include "elf_samples.h"
#include "leak_check.h"
#include "sym/demangle_client.h"
#include "sym/demangle_protocol.h"
#include "sym/file_finder.h"
#include "sym/names_client.h"
#include "sym/names_protocol.h"
#include "sym/symbol_cache.h"
#include "worker/sandbox.h"

#define PROGRAM "build/spanprof"
#define LIBC	"/lib/x86_64-linux-gnu/libc.so.6"
#define SOME	1000

static const struct worker_options real = { .program = PROGRAM };
static const struct worker_options small = { .program = PROGRAM, .memory_bytes = 2 << 20 };

static struct frame_store store;
static struct worker *w;
static uint64_t left_out;
static struct sym_result fake_results[2];

static void init(void)
{
	samples_init();
}

static void fini(void)
{
	worker_free(w);
	frame_store_clear(&store);
	samples_fini();
	leak_check();
}

TestSuite(worker, .init = init, .fini = fini, .timeout = 60);

static void start(const struct worker_options *opt)
{
	cr_assert(zero(int, worker_new(opt, &w)));
}

/* Names @n offsets of @file, all over its bytes. */
static int ask(const char *file, size_t n, const struct sym_file_source *files,
	       struct sym_result *results)
{
	const struct names_client c = { w, files, &store, &left_out, false };
	CLEANUP(freep) uint64_t *offsets = calloc(n, sizeof(*offsets));
	CLEANUP(closep) int fd = sample_open(file);
	struct stat st;

	fstat(fd, &st);
	for (size_t i = 0; i < n; i++)
		offsets[i] = (uint64_t)st.st_size / n * i;
	return names_client_ask(&c, fd, &(struct names_request){ offsets, results, n });
}

static size_t ask_named(const char *file, size_t n)
{
	CLEANUP(freep) struct sym_result *results = calloc(n, sizeof(*results));
	size_t named = 0;

	cr_assert(zero(int, ask(file, n, NULL, results)));
	for (size_t i = 0; i < n; i++)
		named += results[i].n_frames > 0;
	return named;
}

static void assert_failed(int r, enum worker_failure_kind kind, int number)
{
	const struct worker_failure *f = worker_last_failure(w);

	cr_assert(eq(int, r, -EREMOTEIO));
	cr_assert(eq(int, f->kind, kind));
	cr_assert(eq(int, f->number, number));
	cr_assert(zero(int, worker_pid(w)), "it is gone");
}

/* "CapEff:\t0000000000000000" */
static void assert_status(pid_t pid, const char *line)
{
	CLEANUP(freep) char *text = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	cr_assert(zero(int, read_whole_file(path, 65536, &text, &len)));
	cr_assert(strstr(text, line) != NULL, "%s in %s", line, text);
}

/* --- what it may do --------------------------------------------------------------------------- */

Test(worker, has_no_rights)
{
	char gaps[WORKER_TEXT_MAX];

	start(&real);
	cr_assert(gt(sz, ask_named(LIBC, SOME), SOME / 5));
	worker_gaps_print(w, gaps);
	cr_assert(eq(str, gaps, ""));
	assert_status(worker_pid(w), "\nCapInh:\t0000000000000000\n");
	assert_status(worker_pid(w), "\nCapPrm:\t0000000000000000\n");
	assert_status(worker_pid(w), "\nCapEff:\t0000000000000000\n");
	assert_status(worker_pid(w), "\nCapAmb:\t0000000000000000\n");
	assert_status(worker_pid(w), "\nNoNewPrivs:\t1\n");
	assert_status(worker_pid(w), "\nSeccomp:\t2\n");
}

Test(worker, is_limited_and_stands_back)
{
	struct rlimit limit;

	start(&real);
	ask_named(LIBC, SOME);
	cr_assert(zero(int, prlimit(worker_pid(w), RLIMIT_CPU, NULL, &limit)));
	cr_assert(ge(u64, limit.rlim_cur, 30));
	cr_assert(le(u64, limit.rlim_cur, 35));
	cr_assert(zero(int, prlimit(worker_pid(w), RLIMIT_FSIZE, NULL, &limit)));
	cr_assert(zero(u64, limit.rlim_max));
	cr_assert(zero(int, prlimit(worker_pid(w), RLIMIT_NOFILE, NULL, &limit)));
	cr_assert(eq(u64, limit.rlim_max, 256));
	cr_assert(zero(int, prlimit(worker_pid(w), RLIMIT_DATA, NULL, &limit)));
	cr_assert(lt(u64, limit.rlim_max, 3ULL << 29));
	cr_assert(eq(int, getpriority(PRIO_PROCESS, worker_pid(w)), 10));
	cr_assert(eq(int, sched_getscheduler(worker_pid(w)), SCHED_BATCH));
}

/* What a process in the sandbox gets for a system call: 0 or its errno, or the signal + 1000. */
static int in_sandbox(long (*call)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int r;

		signal(SIGABRT, SIG_DFL);
		r = worker_sandbox_enter(&(struct worker_sandbox){ .memory = 1 << 30 });
		/* Not _exit(), where the sanitizer does things of its own. */
		syscall(SYS_exit_group, r != 0 ? 255 : call() < 0 ? errno : 0);
	}
	cr_assert(eq(int, waitpid(pid, &status, 0), pid));
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static long call_nothing(void)
{
	return 0;
}

static long call_open(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static long call_create(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/tmp/spanprof-no-such", O_CREAT | O_WRONLY, 0600);
}

static long call_stat(void)
{
	struct stat st;

	return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, 0);
}

static long call_socket(void)
{
	return syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
}

static long call_write(void)
{
	return syscall(SYS_write, 2, "x", 1);
}

static long call_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long call_exec(void)
{
	char *argv[] = { NULL };

	return syscall(SYS_execve, "/bin/true", argv, argv);
}

static long call_kill(void)
{
	return syscall(SYS_kill, getppid(), 0);
}

static long call_tgkill(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long call_prlimit(void)
{
	return syscall(SYS_prlimit64, 0, RLIMIT_CPU, NULL, NULL);
}

static long call_code(void)
{
	return syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long call_make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : syscall(SYS_mprotect, p, 4096, PROT_READ | PROT_EXEC);
}

static long call_abort(void)
{
	return raise(SIGABRT);
}

Test(worker, can_open_and_reach_nothing)
{
	cr_assert(zero(int, in_sandbox(call_nothing)));
	cr_assert(eq(int, in_sandbox(call_open), EPERM));
	cr_assert(eq(int, in_sandbox(call_create), EPERM));
	cr_assert(eq(int, in_sandbox(call_stat), EPERM));
	cr_assert(eq(int, in_sandbox(call_socket), EPERM));
	cr_assert(eq(int, in_sandbox(call_write), EPERM));
}

Test(worker, dies_of_what_it_has_no_use_for)
{
	cr_assert(eq(int, in_sandbox(call_fork), 1000 + SIGSYS));
	cr_assert(eq(int, in_sandbox(call_exec), 1000 + SIGSYS));
	cr_assert(eq(int, in_sandbox(call_kill), 1000 + SIGSYS));
	cr_assert(eq(int, in_sandbox(call_tgkill), 1000 + SIGSYS));
	cr_assert(eq(int, in_sandbox(call_prlimit), 1000 + SIGSYS));
	cr_assert(eq(int, in_sandbox(call_code), 1000 + SIGSYS));
	cr_assert(eq(int, in_sandbox(call_make_code), 1000 + SIGSYS));
}

/* Which the C library does when its memory is found broken. */
Test(worker, may_abort)
{
	cr_assert(eq(int, in_sandbox(call_abort), 1000 + SIGABRT));
}

/* --- life and death --------------------------------------------------------------------------- */

Test(worker, starts_with_the_first_request_and_stays)
{
	pid_t pid;

	start(&real);
	cr_assert(zero(int, worker_pid(w)));
	ask_named(LIBC, SOME);
	pid = worker_pid(w);
	cr_assert(gt(int, pid, 0));
	ask_named(LIBC, SOME);
	cr_assert(eq(int, worker_pid(w), pid));
}

Test(worker, costs_little_when_idle)
{
	CLEANUP(freep) char *text = NULL;
	char path[64];
	const char *anon;
	size_t len;

	start(&real);
	ask_named(LIBC, 200000);
	usleep(200000); /* it gives back what it held */
	snprintf(path, sizeof(path), "/proc/%d/status", worker_pid(w));
	cr_assert(zero(int, read_whole_file(path, 65536, &text, &len)));
	anon = strstr(text, "\nRssAnon:");
	cr_assert(anon != NULL);
	cr_assert(lt(int, atoi(anon + strlen("\nRssAnon:")), 8192), "%s", text);
}

Test(worker, that_has_died_between_requests_is_not_missed)
{
	pid_t pid;

	start(&real);
	ask_named(LIBC, SOME);
	pid = worker_pid(w);
	kill(pid, SIGKILL);
	usleep(100000);
	cr_assert(gt(sz, ask_named(LIBC, SOME), 0));
	cr_assert(ne(int, worker_pid(w), pid));
}

Test(worker, cpu_time_is_of_all_its_processes)
{
	uint64_t before, after;

	start(&real);
	cr_assert(zero(u64, worker_cpu_ns(w)));
	ask_named(LIBC, SOME);
	kill(worker_pid(w), SIGSTOP);
	before = worker_cpu_ns(w);
	cr_assert(gt(u64, before, 0));
	worker_reject(w, WORKER_MALFORMED);
	after = worker_cpu_ns(w);
	cr_assert(zero(int, worker_pid(w)));
	cr_assert(ge(u64, after, before));
	ask_named(LIBC, SOME);
	cr_assert(gt(u64, worker_cpu_ns(w), after + before / 4));
}

Test(worker, does_not_outlive_its_parent)
{
	struct pollfd pfd = { .events = POLLIN };
	int out[2];
	pid_t parent, pid = 0;
	char end;

	cr_assert(zero(int, pipe(out)));
	parent = fork();
	if (parent == 0) {
		start(&real);
		ask_named(LIBC, SOME);
		pid = worker_pid(w);
		if (write(out[1], &pid, sizeof(pid)) < 0)
			_exit(1);
		_exit(0);
	}
	close(out[1]);
	cr_assert(eq(int, read(out[0], &pid, sizeof(pid)), (int)sizeof(pid)));
	cr_assert(zero(int, read(out[0], &end, 1)));
	close(out[0]);
	waitpid(parent, NULL, 0);
	pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	if (pfd.fd >= 0) {
		cr_assert(eq(int, poll(&pfd, 1, 5000), 1));
		close(pfd.fd);
	}
}

Test(worker, that_cannot_be_started_says_why)
{
	const struct worker_options none = { .program = "/no/such/program" };
	const struct worker_options other = { .program = "/bin/false" };
	struct sym_result res[1];
	char text[WORKER_TEXT_MAX];

	start(&none);
	assert_failed(ask(LIBC, 1, NULL, res), WORKER_NOT_STARTED, -ENOENT);
	worker_failure_print(worker_last_failure(w), text);
	cr_assert(eq(str, text, "its process did not start: No such file or directory"));
	worker_free(w);
	start(&other);
	assert_failed(ask(LIBC, 1, NULL, res), WORKER_NOT_STARTED, 1);
}

Test(worker, is_no_command)
{
	cr_assert(
		eq(int, system(PROGRAM " worker 1000000 prompt x 2>/dev/null </dev/null"), 2 << 8));
}

/* --- failures of the real one: it asks for a debug file, and then it happens ------------------ */

static int send_signal(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	kill(worker_pid(w), *(int *)arg);
	return -ENOENT;
}

/* stripped.so, for which a debug file is looked for. */
static void make_stripped(void)
{
	sample_write("lib.c", "int loud(int x) { return x + 1; }\n");
	sh("gcc -O1 -shared -fPIC -s lib.c -o stripped.so");
}

static void assert_dies_of(int signal, const struct worker_options *opt,
			   enum worker_failure_kind kind, int number)
{
	struct sym_file_source files = { send_signal, NULL, &signal };
	struct sym_result res[8];

	make_stripped();
	start(opt);
	assert_failed(ask("stripped.so", 8, &files, res), kind, number);
	for (size_t i = 0; i < 8; i++)
		cr_assert(zero(sz, res[i].n_frames));
	cr_assert(gt(sz, ask_named(LIBC, SOME), 0), "other files have their names");
}

/* What a container's runtime or systemd sends to all processes of a service is for the service. */
Test(worker, does_not_end_before_who_asks_it)
{
	static const int sent[] = { SIGTERM, SIGINT, SIGHUP };
	pid_t pid;

	start(&real);
	ask_named(LIBC, SOME);
	pid = worker_pid(w);
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		cr_assert(zero(int, kill(pid, sent[i])));
		usleep(50000);
		cr_assert(gt(sz, ask_named(LIBC, SOME), 0));
		cr_assert(eq(int, worker_pid(w), pid), "signal %d", sent[i]);
	}
}

Test(worker, may_be_killed)
{
	assert_dies_of(SIGKILL, &real, WORKER_KILLED, SIGKILL);
}

Test(worker, may_crash)
{
	assert_dies_of(SIGSEGV, &real, WORKER_KILLED, SIGSEGV);
}

Test(worker, may_use_up_its_cpu_time)
{
	assert_dies_of(SIGXCPU, &real, WORKER_CPU_TIME, 0);
}

Test(worker, that_stops_is_given_up)
{
	const struct worker_options hasty = { .program = PROGRAM, .wall_s = 1 };
	uint64_t begin = monotonic_ns();

	assert_dies_of(SIGSTOP, &hasty, WORKER_TIMEOUT, 0);
	cr_assert(lt(u64, monotonic_ns() - begin, 10 * NSEC_PER_SEC));
}

Test(worker, that_wants_more_memory_is_given_up)
{
	CLEANUP(freep) struct sym_result *res = calloc(200000, sizeof(*res));

	start(&small);
	assert_failed(ask(LIBC, 200000, NULL, res), WORKER_NO_MEMORY, 0);
	cr_assert(gt(sz, ask_named(LIBC, SOME), 0));
}

static int slow_source(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	sleep(2);
	return -ENOENT;
}

Test(worker, does_not_pay_for_our_time)
{
	const struct worker_options hasty = { .program = PROGRAM, .wall_s = 1 };
	const struct sym_file_source files = { slow_source, NULL, NULL };
	struct sym_result res[8];

	make_stripped();
	start(&hasty);
	cr_assert(zero(int, ask("stripped.so", 8, &files, res)));
}

static int give_debug_file(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	if (wanted->kind != SYM_FILE_BUILD_ID || nth > 0)
		return -ENOENT;
	cr_assert(gt(sz, wanted->build_id_len, 8));
	return open(sample("full.debug"), O_RDONLY | O_CLOEXEC);
}

Test(worker, is_given_the_files_that_it_asks_for)
{
	const struct sym_file_source files = { give_debug_file, NULL, NULL };
	struct sym_result res;
	uint64_t quiet;

	sample_write("lib.c",
		     "static __attribute__((noinline)) int quiet(int x) { return x * 3; }\n"
		     "int loud(int x) { return quiet(x) + quiet(x + 1); }\n");
	sh("gcc -O1 -shared -fPIC -Wl,-z,noseparate-code lib.c -o full.so");
	sh("objcopy --only-keep-debug full.so full.debug && strip full.so -o lib.so");
	quiet = nm_value("full.so", "quiet");

	start(&real);
	for (int given = 0; given < 2; given++) {
		const struct names_client c = { w, given ? &files : NULL, &store, &left_out,
						false };
		CLEANUP(closep) int fd = sample_open("lib.so");

		cr_assert(zero(
			int, names_client_ask(&c, fd, &(struct names_request){ &quiet, &res, 1 })));
		cr_assert(eq(sz, res.n_frames, given));
	}
	cr_assert(eq(str, (char *)res.frames[0].function, "quiet"));
	cr_assert(eq(u64, res.start, quiet));
}

Test(worker, says_what_is_no_elf_file)
{
	start(&real);
	sample_write("text", "some text\n");
	cr_assert(eq(int, ask("text", 1, NULL, fake_results), -ENOEXEC));
	cr_assert(gt(int, worker_pid(w), 0), "that is no failure");
}

Test(worker, takes_a_million_offsets)
{
	cr_assert(gt(sz, (start(&real), ask_named(LIBC, 1000000)), 200000));
}

/* --- as the symbolizer uses it ---------------------------------------------------------------- */

static void assert_same(const struct sym_result *a, const struct sym_result *b)
{
	cr_assert(eq(u64, a->vaddr, b->vaddr));
	cr_assert(eq(u64, a->start, b->start));
	cr_assert(eq(sz, a->n_frames, b->n_frames));
	for (size_t i = 0; i < a->n_frames; i++) {
		const struct sym_frame *x = &a->frames[i], *y = &b->frames[i];

		cr_assert(eq(str, (char *)x->function, (char *)y->function));
		cr_assert(eq(str, (char *)(x->linkage ? x->linkage : x->function),
			     (char *)(y->linkage ? y->linkage : y->function)));
		cr_assert(eq(int, !x->file, !y->file));
		if (x->file)
			cr_assert(eq(str, (char *)x->file, (char *)y->file));
		cr_assert(eq(u32, x->line, y->line));
	}
}

/* Names offsets all over the file with and without a worker. How many have names? */
static size_t compare(const char *file, size_t n)
{
	CLEANUP(symbolizer_freep) struct symbolizer *here = NULL, *there = NULL;
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	CLEANUP(freep) struct sym_result *a = calloc(n, sizeof(*a)), *b = calloc(n, sizeof(*b));
	CLEANUP(freep) uint64_t *offsets = calloc(n, sizeof(*offsets));
	CLEANUP(closep) int fd = sample_open(file);
	size_t named = 0;
	struct stat st;

	fstat(fd, &st);
	for (size_t i = 0; i < n; i++)
		offsets[i] = (uint64_t)st.st_size / n * i;
	cr_assert(zero(int, file_finder_new(sample(file), -1, &finder)));
	cr_assert(zero(int, symbolizer_new(&here)));
	cr_assert(zero(int, symbolizer_new(&there)));
	symbolizer_allow_mapping(here);
	symbolizer_use_worker(there, w);
	cr_assert(zero(int, symbolizer_file(here, fd, file_finder_source(finder), offsets, n, a)));
	cr_assert(zero(int, symbolizer_file(there, fd, file_finder_source(finder), offsets, n, b)));
	for (size_t i = 0; i < n; i++) {
		assert_same(&a[i], &b[i]);
		named += a[i].n_frames > 0;
	}
	return named;
}

Test(worker, says_what_we_would_say_ourselves)
{
	start(&real);
	compare(LIBC, 50000);
	compare("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", 50000);
	cr_assert(gt(int, worker_pid(w), 0));
}

static void name_libc(struct symbolizer *s, uint64_t *offsets, struct sym_result *res, size_t n)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	CLEANUP(closep) int fd = open(LIBC, O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < n; i++)
		offsets[i] = 0x28000 + 97 * i;
	cr_assert(zero(int, file_finder_new(LIBC, -1, &finder)));
	cr_assert(zero(int, symbolizer_file(s, fd, file_finder_source(finder), offsets, n, res)));
}

Test(worker, is_not_asked_for_what_the_cache_knows)
{
	CLEANUP(symbolizer_freep) struct symbolizer *here = NULL, *there = NULL;
	CLEANUP(symbol_cache_freep) struct symbol_cache *cache = NULL;
	static struct sym_result a[5000], b[5000];
	static uint64_t offsets[5000];
	size_t named = 0;

	start(&real);
	cr_assert(zero(int, symbol_cache_new(NULL, &SYMBOL_CACHE_LIMITS_DEFAULT, &cache)));
	cr_assert(zero(int, symbolizer_new(&here)));
	symbolizer_allow_mapping(here);
	symbolizer_use_cache(here, cache);
	name_libc(here, offsets, a, 4000);

	cr_assert(zero(int, symbolizer_new(&there)));
	symbolizer_use_worker(there, w);
	symbolizer_use_cache(there, cache);
	name_libc(there, offsets, b, 4000);
	cr_assert(zero(int, worker_pid(w)), "it was not started");
	for (size_t i = 0; i < 4000; i++) {
		assert_same(&a[i], &b[i]);
		named += b[i].n_frames > 0;
	}
	cr_assert(gt(sz, named, 2000));

	name_libc(there, offsets, b, 5000); /* some of them are new */
	cr_assert(gt(int, worker_pid(w), 0));
	name_libc(here, offsets, a, 5000);
	for (size_t i = 0; i < 5000; i++)
		assert_same(&a[i], &b[i]);
}

/* Files that a fuzzer has made of ELF files. */
Test(worker, survives_broken_files)
{
	static char names[64][128];
	struct sym_result res[64];
	size_t n = 0;
	FILE *p;

	p = popen("ls tests/fuzz/corpus/elf_symbols/* | head -64", "r");
	while (n < 64 && fgets(names[n], sizeof(names[n]), p))
		names[n][strcspn(names[n], "\n")] = '\0', n++;
	pclose(p);
	cr_assert(gt(sz, n, 4));
	start(&real);
	for (size_t i = 0; i < n; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", getenv("PWD"), names[i]);
		cr_assert(ne(int, ask(path, 64, NULL, res), -EREMOTEIO), "%s", names[i]);
	}
}

Test(worker, reads_all_kinds_of_dwarf)
{
	static const char *const flags[] = { "-gdwarf-5", "-gdwarf-4", "-gz=zlib" };

	start(&real);
	for (size_t i = 0; i < 3; i++) {
		sample_write("lib.c",
			     "static __attribute__((noinline)) int quiet(int x) { return x * 3; }\n"
			     "int loud(int x) { return quiet(x) + quiet(x + 1); }\n");
		sh("gcc -g -O1 -shared -fPIC -Wl,-z,noseparate-code %s lib.c -o lib.so", flags[i]);
		sh("objcopy -N quiet lib.so && rm lib.c");
		cr_assert(gt(sz, compare("lib.so", 4000), 0));
	}
}

Test(worker, finds_debug_files)
{
	size_t few;

	sample_write("lib.c",
		     "static __attribute__((noinline)) int quiet(int x) { return x * 3; }\n"
		     "int loud(int x) { return quiet(x) + quiet(x + 1); }\n");
	sh("gcc -g -O1 -shared -fPIC -Wl,-z,noseparate-code lib.c -o full.so");
	sh("objcopy --only-keep-debug full.so full.debug && strip full.so -o lib.so");
	start(&real);
	few = compare("lib.so", 4000);
	sh("objcopy --add-gnu-debuglink=full.debug lib.so");
	cr_assert(gt(sz, compare("lib.so", 4000), few));
}

/* So many offsets that the worker has no memory for them; or one. */
static int name_many(struct symbolizer *s, const char *file, size_t n)
{
	CLEANUP(freep) struct sym_result *res = calloc(n, sizeof(*res));
	CLEANUP(freep) uint64_t *offsets = calloc(n, sizeof(*offsets));
	CLEANUP(closep) int fd = sample_open(file);
	int r;

	offsets[0] = 64;
	r = symbolizer_file(s, fd, NULL, offsets, n, res);
	cr_assert(zero(sz, res[0].n_frames));
	cr_assert(r == 0 || res[0].vaddr == 64);
	return r;
}

#define TOO_MANY 200000

Test(worker, a_bad_file_is_tried_once)
{
	CLEANUP(symbolizer_freep) struct symbolizer *s = NULL;

	make_stripped();
	start(&small);
	cr_assert(zero(int, symbolizer_new(&s)));
	symbolizer_use_worker(s, w);
	cr_assert(eq(int, name_many(s, "stripped.so", TOO_MANY), -EREMOTEIO));
	cr_assert(eq(str, (char *)symbolizer_bad_file(s, 0)->path, (char *)sample("stripped.so")));
	cr_assert(eq(str, (char *)symbolizer_bad_file(s, 0)->reason,
		     "it takes more memory than is allowed"));

	cr_assert(eq(int, name_many(s, "stripped.so", 1), -EREMOTEIO), "not again");
	sh("cp stripped.so copy.so");
	cr_assert(eq(int, name_many(s, "copy.so", 1), -EREMOTEIO), "nor a copy");
	cr_assert(zero(int, worker_pid(w)), "nobody was asked");
	cr_assert(zero(ptr, (void *)symbolizer_bad_file(s, 1)));
}

/* What a file is asked for once more after the worker has failed on it. */
Test(worker, leaves_debug_information_alone)
{
	CLEANUP(closep) int fd = -1;
	struct sym_result res;
	uint64_t quiet;

	sh("echo 'int quiet(int x) { return x + 1; }' > q.c && gcc -g -shared -nostdlib -fPIC q.c "
	   "-o q.so");
	quiet = nm_value("q.so", "quiet");
	fd = sample_open("q.so");
	start(&real);
	for (int only = 0; only < 2; only++) {
		const struct names_client c = { w, NULL, &store, &left_out, only };
		const struct names_request q = { &quiet, &res, 1 };

		cr_assert(zero(int, names_client_ask(&c, fd, &q)));
		cr_assert(eq(sz, res.n_frames, 1));
		cr_assert(eq(str, (char *)res.frames[0].function, "quiet"));
		cr_assert(eq(u32, res.frames[0].line, only ? 0 : 1));
	}
}

/* A build id says what its file's maker wants. */
Test(worker, a_bad_file_takes_no_other_with_it)
{
	CLEANUP(symbolizer_freep) struct symbolizer *s = NULL;

	make_stripped();
	sh("cp stripped.so other.so && printf 'x' | dd of=other.so bs=1 conv=notrunc "
	   "seek=$(($(stat -c %%s other.so) - 1)) status=none");
	start(&small);
	cr_assert(zero(int, symbolizer_new(&s)));
	symbolizer_use_worker(s, w);
	cr_assert(eq(int, name_many(s, "stripped.so", TOO_MANY), -EREMOTEIO));
	cr_assert(zero(int, name_many(s, "other.so", 1)), "it has that build id, too");
	cr_assert(gt(int, worker_pid(w), 0));
	sh("cp -f other.so stripped.so");
	cr_assert(zero(int, name_many(s, "stripped.so", 1)), "what is mended is read");
}

/* --- names that are read there ------------------------------------------------------------------
 */

Test(worker, demangles_as_we_do)
{
	enum { MANY = 20000 };
	static char longest[100000], text[MANY][24];
	static const char *names[MANY], *read[MANY];
	CLEANUP(arena_clear) struct arena memory = { 0 };
	char wanted[1024];

	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, "_Z", 2);
	for (int i = 0; i < MANY; i++) {
		snprintf(text[i], sizeof(text[i]), "_Z6f%05di", i);
		names[i] = text[i];
	}
	names[1] = longest;
	names[2] = "main";
	names[3] = "_ZN1\x01\xff";
	names[4] = "_RNvCs1234_3drv1f";
	names[5] = "";
	start(&real);
	for (int style = DEMANGLE_FULL; style <= DEMANGLE_NONE; style++) {
		cr_assert(zero(int, demangle_client_ask(w, style, names, MANY, &memory, read)));
		for (int i = 0; i < MANY; i++) {
			bool can = i != 1 && demangle_styled(names[i], style, wanted, 1024);

			cr_assert(eq(int, read[i] != NULL, can), "%d", i);
			if (can)
				cr_assert(eq(str, (char *)read[i], wanted));
		}
	}
}

/* --- fakes ------------------------------------------------------------------------------------ */

/* What a fake answers to its first message. */
static struct worker_header reply;
static unsigned char payload[2 * WORKER_PAYLOAD_MAX];
static size_t sent_len; /* of the whole message */
static bool with_fd, endlessly;

static void answer_once(int sock)
{
	struct iovec iov[] = { { &reply, sizeof(reply) }, { payload, sent_len - sizeof(reply) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct cmsghdr *c;

	if (sent_len < sizeof(reply)) {
		send(sock, &reply, sent_len, 0);
		return;
	}
	if (with_fd) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &sock, sizeof(sock));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		_exit(9);
}

static void run_fake(int sock)
{
	static struct worker_message m;

	if (worker_message_receive(sock, true, &m) < 0)
		_exit(8);
	do
		answer_once(sock);
	while (endlessly &&
	       (reply.kind != NAMES_WANTED || worker_message_receive(sock, true, &m) == 0));
	pause();
}

/* The exchange that a fresh client begins with is number 1. */
static void begin_reply(unsigned kind, size_t len)
{
	reply = (struct worker_header){
		.protocol = WORKER_PROTOCOL,
		.service = WORKER_SERVICE_NAMES,
		.kind = kind,
		.exchange = 1,
		.len = len,
	};
	sent_len = sizeof(reply) + len;
}

static pid_t run_fake_behind(struct worker **ret)
{
	int pair[2];
	pid_t pid;

	cr_assert(zero(int, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		run_fake(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	cr_assert(zero(int, worker_adopt(NULL, pair[0], pid, ret)));
	return pid;
}

static int ask_fake(void)
{
	pid_t pid = run_fake_behind(&w);
	int r = ask(LIBC, 2, NULL, fake_results);

	cr_assert(eq(int, waitpid(pid, NULL, WNOHANG), -1), "it is gone, and buried");
	return r;
}

static void assert_rejected(void)
{
	assert_failed(ask_fake(), WORKER_MALFORMED, 0);
	cr_assert(zero(sz, fake_results[0].n_frames));
	worker_free(w);
	w = NULL;
}

Test(worker, answers_have_a_sound_header)
{
	for (int field = 0; field < 7; field++) {
		begin_reply(NAMES_STRINGS, 2);
		reply.protocol += field == 0;
		reply.service += field == 1;
		reply.exchange += field == 2;
		reply.exchange -= field == 3;
		reply.len += field == 4;
		reply.len -= field == 5;
		if (field == 6)
			sent_len = sizeof(reply) - 1;
		assert_rejected();
	}
}

Test(worker, answers_are_not_longer_than_agreed)
{
	begin_reply(NAMES_STRINGS, WORKER_PAYLOAD_MAX + 1);
	memset(payload, 'x', sizeof(payload));
	assert_rejected();
}

Test(worker, answers_bring_no_descriptors)
{
	begin_reply(NAMES_STRINGS, 2);
	with_fd = true;
	assert_rejected();
}

Test(worker, answers_that_break_the_protocol_of_names_are_rejected)
{
	begin_reply(NAMES_STRINGS, 2); /* no string: it has no end */
	memset(payload, 'x', 2);
	assert_rejected();
	begin_reply(NAMES_OFFSETS, 8);
	assert_rejected();
	begin_reply(NAMES_DONE + 1, 0);
	assert_rejected();
}

static int ask_fake_to_demangle(void)
{
	CLEANUP(arena_clear) struct arena memory = { 0 };
	const char *names[] = { "_Z1fi", "_Z1gi" }, *read[2] = { "", "" };
	int r;

	run_fake_behind(&w);
	r = demangle_client_ask(w, DEMANGLE_FULL, names, 2, &memory, read);
	if (r < 0)
		cr_assert(read[0] == NULL && read[1] == NULL);
	if (r == 0) {
		cr_assert(eq(str, (char *)read[0], "f"));
		cr_assert(zero(ptr, (void *)read[1]));
	}
	worker_free(w);
	w = NULL;
	return r;
}

static int demangle_reply(const char *bytes, size_t len)
{
	begin_reply(DEMANGLE_STRINGS, len);
	reply.service = WORKER_SERVICE_DEMANGLE;
	memcpy(payload, bytes, len);
	return ask_fake_to_demangle();
}

Test(worker, answers_that_break_the_protocol_of_demangling_are_rejected)
{
	static char longest[2000];

	memset(longest, 'x', sizeof(longest));
	longest[1500] = longest[1501] = '\0';
	cr_assert(zero(int, demangle_reply("f\0", 3)));
	cr_assert(eq(int, demangle_reply("f\0g", 3), -EREMOTEIO), "no end");
	cr_assert(eq(int, demangle_reply("f\0g\0h", 6), -EREMOTEIO), "more than were asked for");
	cr_assert(eq(int, demangle_reply("f\x1b\0", 4), -EREMOTEIO), "not printable");
	cr_assert(eq(int, demangle_reply("f\xff\0", 4), -EREMOTEIO), "not UTF-8");
	cr_assert(eq(int, demangle_reply(longest, 1502), -EREMOTEIO), "too long");
	cr_assert(eq(int, demangle_reply("", 0), -EREMOTEIO), "nothing");
}

static void make_wanted(struct names_wanted want, size_t len)
{
	begin_reply(NAMES_WANTED, len);
	memset(payload, 'x', sizeof(payload));
	memcpy(payload, &want, sizeof(want));
}

Test(worker, questions_for_files_are_checked)
{
	const size_t head = sizeof(struct names_wanted);

	make_wanted((struct names_wanted){ .kind = SYM_FILE_KINDS }, head);
	assert_rejected();
	make_wanted((struct names_wanted){ .name_len = 8 }, head);
	assert_rejected();
	make_wanted((struct names_wanted){ .name_len = UINT16_MAX, .comp_dir_len = UINT16_MAX },
		    head + 8);
	assert_rejected();
	make_wanted((struct names_wanted){ .name_len = 8 }, head + 9);
	assert_rejected();
	make_wanted((struct names_wanted){ .name_len = 8 }, head + 8); /* without its 0 */
	assert_rejected();
	make_wanted((struct names_wanted){ .name_len = 8 }, head + 8);
	payload[head + 3] = payload[head + 7] = '\0'; /* one in the middle */
	assert_rejected();
	begin_reply(NAMES_WANTED, head - 1);
	assert_rejected();
}

Test(worker, questions_for_files_have_an_end)
{
	make_wanted((struct names_wanted){ 0 }, sizeof(struct names_wanted));
	endlessly = true;
	assert_rejected();
}

Test(worker, floods_are_rejected)
{
	begin_reply(NAMES_STRINGS, WORKER_PAYLOAD_MAX);
	memset(payload, 0, sizeof(payload));
	endlessly = true;
	assert_rejected();
}

/* Closing the socket is no way to be waited for. */
static void close_and_stay(int sock)
{
	close(sock);
	for (;;)
		pause();
}

Test(worker, that_closes_its_socket_is_ended)
{
	int pair[2];
	pid_t pid;

	cr_assert(zero(int, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		usleep(200000);
		close_and_stay(pair[1]);
	}
	close(pair[1]);
	cr_assert(zero(int, worker_adopt(NULL, pair[0], pid, &w)));
	assert_failed(ask(LIBC, 2, NULL, fake_results), WORKER_KILLED, SIGKILL);
}
