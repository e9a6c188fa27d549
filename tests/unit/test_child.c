/* SPDX-License-Identifier: Apache-2.0 */
#include "app/child.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/stop_signal.h"
#include "leak_check.h"

static char dir[] = "/tmp/test_childXXXXXX";

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN); /* as the program does */
	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	cr_assert(zero(int, chdir(dir)));
}

static void tear_down(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cr_assert(zero(int, system(cmd)));
	leak_check();
}

TestSuite(child, .init = set_up, .fini = tear_down);

static struct child start(const char *script)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	struct child c;

	cr_assert(zero(int, child_start(&c, argv)));
	return c;
}

static void wait_for(struct child *c)
{
	for (int i = 0; i < 1000 && !child_is_over(c); i++)
		usleep(10000);
	cr_assert(c->over);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(child, nothing_runs_before_it_is_released)
{
	int fds = count_fds();
	struct child c = start("touch started");

	usleep(100000);
	cr_assert(not(child_is_over(&c)));
	cr_assert(ne(int, access("started", F_OK), 0));
	cr_assert(zero(int, child_release(&c)));
	wait_for(&c);
	cr_assert(zero(int, access("started", F_OK)));
	cr_assert(zero(int, child_exit_status(&c)));
	cr_assert(eq(int, count_fds(), fds));
}

Test(child, exit_statuses_as_a_shell_says_them)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {
		{ "exit 0", 0 },	  { "exit 3", 3 },	    { "exit 255", 255 },
		{ "kill -TERM $$", 143 }, { "kill -KILL $$", 137 }, { "kill -PIPE $$", 141 },
		{ "kill -INT $$", 130 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct child c = start(cases[i].script);

		cr_assert(zero(int, child_release(&c)));
		wait_for(&c);
		cr_assert(eq(int, child_exit_status(&c), cases[i].status), "%s", cases[i].script);
	}
}

static int failure_of(const char *path)
{
	char *argv[] = { (char *)path, NULL };
	struct child c;
	int r;

	cr_assert(zero(int, child_start(&c, argv)));
	r = child_release(&c);
	wait_for(&c);
	return r;
}

Test(child, why_it_cannot_be_executed)
{
	FILE *f;

	cr_assert(eq(int, failure_of("./none"), -ENOENT));
	cr_assert(eq(int, failure_of("no-such-command-anywhere"), -ENOENT));
	cr_assert(eq(int, failure_of("/"), -EACCES));
	cr_assert(zero(int, mkdir("folder", 0755)));
	cr_assert(eq(int, failure_of("./folder"), -EACCES));

	f = fopen("file", "w");
	fputs("\177ELF", f);
	fclose(f);
	cr_assert(eq(int, failure_of("./file"), -EACCES));
	cr_assert(zero(int, chmod("file", 0755)));
	cr_assert(zero(int, symlink("loop", "loop")));
	cr_assert(eq(int, failure_of("./loop"), -ELOOP));
}

Test(child, killed_before_it_is_released)
{
	struct child c = start("true");

	cr_assert(zero(int, kill(c.pid, SIGKILL)));
	usleep(20000);
	cr_assert(zero(int, child_release(&c)));
	wait_for(&c);
	cr_assert(eq(int, child_exit_status(&c), 137));
}

Test(child, stop_of_one_that_was_never_released)
{
	int fds = count_fds();
	struct child c = start("touch started");

	child_stop(&c);
	cr_assert(c.over);
	cr_assert(ne(int, access("started", F_OK), 0));
	cr_assert(eq(int, count_fds(), fds));
	cr_assert(eq(int, kill(c.pid, 0), -1));
}

static void wait_for_file(const char *path)
{
	for (int i = 0; i < 1000 && access(path, F_OK) < 0; i++)
		usleep(10000);
	cr_assert(zero(int, access(path, F_OK)));
}

Test(child, stop_asks_first)
{
	struct child c = start("trap 'echo > asked; exit 7' TERM; echo > ready\n"
			       "while :; do sleep 0.01; done");

	cr_assert(zero(int, child_release(&c)));
	wait_for_file("ready");
	child_stop(&c);
	cr_assert(c.over);
	cr_assert(eq(int, child_exit_status(&c), 7));
	cr_assert(zero(int, access("asked", F_OK)));
}

Test(child, stop_kills_one_that_does_not_listen)
{
	struct child c = start("trap '' TERM; echo > ready; exec sleep 60");
	time_t began = time(NULL);

	cr_assert(zero(int, child_release(&c)));
	wait_for_file("ready");
	child_stop(&c);
	cr_assert(c.over);
	cr_assert(eq(int, child_exit_status(&c), 137));
	cr_assert(lt(long, time(NULL) - began, 20));
	child_stop(&c);
}

Test(child, there_is_none)
{
	struct child c = { 0 };

	cr_assert(child_is_over(&c));
	child_stop(&c);
	cr_assert(zero(int, c.release_fd), "nothing of ours was closed");
}

static uint64_t mask_of(const char *what)
{
	char line[64], want[16];
	uint64_t mask = UINT64_MAX;
	FILE *f = fopen("sig", "r");

	snprintf(want, sizeof(want), "%s:\t%%lx", what);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, want, &mask) == 1)
			break;
	fclose(f);
	return mask;
}

#define BIT(sig) (1ULL << ((sig)-1))
#define OURS	 (BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGHUP) | BIT(SIGPIPE))

static void assert_ignored(uint64_t want)
{
	struct child c;

	cr_assert(zero(int, stop_signal_install()));
	c = start("grep -E '^Sig(Ign|Blk)' /proc/self/status > sig");
	cr_assert(zero(int, child_release(&c)));
	wait_for(&c);
	cr_assert(eq(u64, mask_of("SigIgn") & OURS, want));
	cr_assert(zero(u64, mask_of("SigBlk")));
}

static void reset_signals(void)
{
	signal(SIGINT, SIG_DFL); /* ignored in a shell's background */
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
}

/* A command in a pipeline must die of SIGPIPE, and of Ctrl-C, though we do not. */
Test(child, signals_are_as_they_were_before_us)
{
	reset_signals();
	assert_ignored(0);
}

Test(child, hangups_stay_ignored_under_nohup)
{
	reset_signals();
	signal(SIGHUP, SIG_IGN);
	assert_ignored(BIT(SIGHUP));
}

/* Nothing of ours but the standard streams reaches it. */
Test(child, descriptors_are_not_passed_on)
{
	struct child c;

	/* Criterion's own, which it does not close on exec. */
	for (int fd = 3; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	c = start("ls /proc/self/fd > fds");
	cr_assert(zero(int, child_release(&c)));
	wait_for(&c);
	/* 3 is ls's own, for the folder. */
	cr_assert(zero(int, system("test \"$(tr '\\n' ' ' < fds)\" = '0 1 2 3 '")));
}
