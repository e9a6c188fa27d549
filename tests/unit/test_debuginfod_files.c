/* SPDX-License-Identifier: Apache-2.0 */
/* Against Debian's debuginfod, and against servers that misbehave. */
#include "sym/debuginfod_files.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/parse.h"
#include "command.h"
#include "leak_check.h"

static char *folder; /* files/ served, cache/ */
static uint8_t build_id[20];
static char url[64], cache[128];
static pid_t server;

/* A program whose debug file is in files/, called @name; its build id becomes the wanted one. */
static void make_debug_file(const char *name)
{
	char *id;

	free(command_output("cd %s && mkdir -p files && printf 'int %s; int main(void) { return "
			    "0; }' > %s.c && gcc -g -Wl,--build-id=sha1 %s.c -o %s && objcopy "
			    "--only-keep-debug %s files/%s.debug",
			    folder, name, name, name, name, name, name));
	id = command_output("readelf -n %s/%s | sed -n 's/.*Build ID: //p' | tr -d '\\n'", folder,
			    name);
	cr_assert(eq(int, parse_hex(id, build_id, sizeof(build_id)), 0));
	free(id);
}

static void begin(void)
{
	folder = command_make_folder();
	snprintf(cache, sizeof(cache), "%s/deep/cache", folder);
	server = 0;
}

static void end(void)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	command_remove_folder(folder);
	leak_check();
}

/* The library's dprintf(3) does not give its buffer back: some KiB for each answer of a server. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:_IO_file_doallocate";
}

TestSuite(debuginfod_files, .init = begin, .fini = end);

/* A socket that listens, on a port of its own. */
static int listen_somewhere(unsigned *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(a);

	cr_assert(zero(int, bind(fd, (struct sockaddr *)&a, sizeof(a))));
	cr_assert(zero(int, listen(fd, 8)));
	cr_assert(zero(int, getsockname(fd, (struct sockaddr *)&a, &len)));
	*ret_port = ntohs(a.sin_port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", *ret_port);
	return fd;
}

/* Returns once the server has looked through its files. */
static void start_server(void)
{
	char port[16], files[128];
	unsigned number;

	close(listen_somewhere(&number));
	snprintf(port, sizeof(port), "%u", number);
	snprintf(files, sizeof(files), "%s/files", folder);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(126);
		execlp("debuginfod", "debuginfod", "-F", files, "-p", port, "-d", ":memory:", NULL);
		_exit(127);
	}
	free(command_output("for i in $(seq 100); do curl -s %s/metrics | grep -q "
			    "'^thread_work_total{role=\"scan\"} [1-9]' && exit 0; sleep 0.1; done; "
			    "exit 1",
			    url));
}

static struct debuginfod_files *open_files(const struct debuginfod_limits *limits)
{
	struct debuginfod_files *d = NULL;

	cr_assert(zero(int, debuginfod_files_new(url, cache, limits, &d)));
	return d;
}

static int open_wanted(struct debuginfod_files *d)
{
	return debuginfod_files_open(d, build_id, sizeof(build_id));
}

static void expect_same(int fd, const char *name)
{
	free(command_output("cmp /proc/%d/fd/%d %s/files/%s.debug", (int)getpid(), fd, folder,
			    name));
}

Test(debuginfod_files, a_file_comes_from_the_server_once)
{
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;
	CLEANUP(closep) int fd = -1;
	CLEANUP(closep) int again = -1;

	make_debug_file("one");
	start_server();
	d = open_files(&DEBUGINFOD_LIMITS_DEFAULT);
	fd = open_wanted(d);
	cr_assert(ge(int, fd, 0));
	expect_same(fd, "one");

	kill(server, SIGKILL);
	again = open_wanted(d);
	cr_assert(ge(int, again, 0));
	expect_same(again, "one");
	cr_assert(eq(u64, debuginfod_files_totals(d).found, 2));
	cr_assert(zero(u64, debuginfod_files_totals(d).failed));
}

Test(debuginfod_files, what_no_server_has_is_no_failure)
{
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;

	make_debug_file("one");
	start_server();
	d = open_files(&DEBUGINFOD_LIMITS_DEFAULT);
	build_id[3] ^= 1;
	cr_assert(eq(int, open_wanted(d), -ENOENT));
	cr_assert(eq(int, debuginfod_files_open(d, build_id, 0), -ENOENT));
	cr_assert(eq(u64, debuginfod_files_totals(d).missing, 1));
	cr_assert(zero(u64, debuginfod_files_totals(d).failed));
}

Test(debuginfod_files, no_server)
{
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;
	unsigned port;

	close(listen_somewhere(&port));
	d = open_files(&DEBUGINFOD_LIMITS_DEFAULT);
	cr_assert(lt(int, open_wanted(d), 0));
	cr_assert(eq(u64, debuginfod_files_totals(d).failed, 1));
	cr_assert(ne(int, debuginfod_files_totals(d).error, -ENOENT));
}

/* It is connected to by the kernel, and then says nothing. */
Test(debuginfod_files, a_server_that_hangs_costs_the_limit_once, .timeout = 30)
{
	struct debuginfod_limits limits = DEBUGINFOD_LIMITS_DEFAULT;
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;
	CLEANUP(closep) int fd = -1;
	uint64_t start = monotonic_ns();
	unsigned port;

	fd = listen_somewhere(&port);
	limits.stall_seconds = 20;
	limits.total_seconds = 2;
	d = open_files(&limits);
	cr_assert(eq(int, open_wanted(d), -ETIMEDOUT));
	cr_assert(lt(u64, monotonic_ns() - start, 8000000000ULL));
	start = monotonic_ns();
	cr_assert(eq(int, open_wanted(d), -ETIMEDOUT));
	cr_assert(lt(u64, monotonic_ns() - start, 500000000ULL));
	cr_assert(eq(u64, debuginfod_files_totals(d).failed, 2));
}

/* Who goes on for days asks again some day. */
Test(debuginfod_files, each_period_has_its_time, .timeout = 30)
{
	struct debuginfod_limits limits = DEBUGINFOD_LIMITS_DEFAULT;
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;
	CLEANUP(closep) int fd = -1;
	uint64_t start = monotonic_ns();
	unsigned port;

	fd = listen_somewhere(&port);
	limits.stall_seconds = 20;
	limits.total_seconds = 1;
	limits.period_seconds = 5;
	d = open_files(&limits);
	cr_assert(ne(u64, debuginfod_files_asked(d), 0));
	cr_assert(eq(int, open_wanted(d), -ETIMEDOUT));
	cr_assert(zero(u64, debuginfod_files_asked(d)));
	while (monotonic_ns() - start < 5 * NSEC_PER_SEC)
		usleep(10000);
	cr_assert(ne(u64, debuginfod_files_asked(d), 0));
	closep(&fd);
	fd = -1;
	cr_assert(ne(int, open_wanted(d), -ETIMEDOUT), "it was asked, and refused");
}

Test(debuginfod_files, large_files_are_left_at_the_server)
{
	struct debuginfod_limits limits = DEBUGINFOD_LIMITS_DEFAULT;
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;

	make_debug_file("one");
	start_server();
	limits.file_bytes = 1000;
	d = open_files(&limits);
	cr_assert(eq(int, open_wanted(d), -EFBIG));
	cr_assert(eq(u64, debuginfod_files_totals(d).failed, 1));
}

static size_t cached(void)
{
	char *n = command_output("find %s -name debuginfo -size +0 | wc -l", cache);
	size_t count = strtoul(n, NULL, 10);

	free(n);
	return count;
}

Test(debuginfod_files, the_folder_is_bounded)
{
	struct debuginfod_limits limits = DEBUGINFOD_LIMITS_DEFAULT;
	CLEANUP(debuginfod_files_freep) struct debuginfod_files *d = NULL;
	CLEANUP(closep) int one = -1;
	CLEANUP(closep) int two = -1;
	uint8_t first[20];
	struct stat st;

	make_debug_file("one");
	memcpy(first, build_id, sizeof(first));
	make_debug_file("two");
	start_server();
	limits.cache_bytes = 8192; /* one file of some 5 KiB, but not two */
	d = open_files(&limits);
	one = debuginfod_files_open(d, first, sizeof(first));
	cr_assert(ge(int, one, 0));
	cr_assert(zero(int, fstat(one, &st)));
	cr_assert(gt(long, st.st_size, 8192 / 2));
	cr_assert(lt(long, st.st_size, 8192));
	cr_assert(eq(sz, cached(), 1));
	two = open_wanted(d);
	cr_assert(ge(int, two, 0));
	cr_assert(eq(sz, cached(), 1));
	expect_same(one, "one"); /* it is open */
	expect_same(two, "two");
}

Test(debuginfod_files, a_folder_that_cannot_be)
{
	struct debuginfod_files *d = NULL;

	snprintf(url, sizeof(url), "http://127.0.0.1:1");
	cr_assert(eq(int,
		     debuginfod_files_new(url, "/dev/null/cache", &DEBUGINFOD_LIMITS_DEFAULT, &d),
		     -ENOTDIR));
}
