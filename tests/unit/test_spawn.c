/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "leak_check.h"

TestSuite(spawn, .fini = leak_check, .timeout = 30);

/* What a shell that runs @script says at its descriptor 1; @fds[1] is given by us. */
static const char *said(const char *script, int *fds, size_t n_fds, bool apart)
{
	static char text[4096];
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	char *envp[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	struct spawn_options opt = { "/bin/sh", argv, envp, fds, n_fds, apart };
	int out[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	cr_assert(zero(int, pipe2(out, O_CLOEXEC)));
	fds[1] = out[1];
	cr_assert(zero(int, spawn(&opt, &pid)));
	close(out[1]);
	while ((n = read(out[0], text + len, sizeof(text) - 1 - (size_t)len)) > 0)
		len += n;
	text[len] = '\0';
	close(out[0]);
	cr_assert(eq(int, waitpid(pid, &status, 0), pid));
	cr_assert(zero(int, status));
	return text;
}

static int file(const char *text)
{
	char path[] = "/tmp/test_spawnXXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	cr_assert(ge(int, fd, 0));
	unlink(path);
	cr_assert(eq(int, pwrite(fd, text, strlen(text), 0), (int)strlen(text)));
	return fd;
}

/* Those that it gets may be where others are to be. */
Test(spawn, descriptors_change_places)
{
	int a = file("a"), b = file("b");
	int fds[SPAWN_FDS_MAX] = { SPAWN_NULL, 0, [2 ... SPAWN_FDS_MAX - 1] = SPAWN_SAME };
	char script[64];

	cr_assert(lt(int, a, SPAWN_FDS_MAX));
	cr_assert(lt(int, b, SPAWN_FDS_MAX));
	fds[a] = b;
	fds[b] = a;
	sprintf(script, "cat /proc/$$/fd/%d /proc/$$/fd/%d", a, b);
	cr_assert(eq(str, (char *)said(script, fds, SPAWN_FDS_MAX, false), "ba"));
	close(a);
	close(b);
}

Test(spawn, no_other_descriptor_is_left)
{
	int fds[4] = { SPAWN_NULL, 0, SPAWN_SAME, SPAWN_NULL };
	int open_here = dup(2); /* which no close-on-exec keeps from it */

	cr_assert(eq(str, (char *)said("ls /proc/$$/fd; true", fds, 4, false), "0\n1\n2\n3\n"));
	cr_assert(eq(str, (char *)said("readlink /proc/$$/fd/0 /proc/$$/fd/3", fds, 4, false),
		     "/dev/null\n/dev/null\n"));
	close(open_here);
}

static uint64_t mask(const char *status, const char *name)
{
	return strtoull(strchr(strstr(status, name), ':') + 1, NULL, 16);
}

Test(spawn, apart_from_us)
{
	int fds[3] = { SPAWN_NULL, 0, SPAWN_SAME };
	const char *group = "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo own || echo ours";
	const char *masks = "exec cat /proc/self/status";

	signal(SIGUSR1, SIG_IGN);
	cr_assert(eq(str, (char *)said(group, fds, 3, false), "ours\n"));
	cr_assert(eq(str, (char *)said(group, fds, 3, true), "own\n"));
	for (int apart = 0; apart < 2; apart++) {
		const char *status = said(masks, fds, 3, apart);

		cr_assert(eq(u64, mask(status, "SigBlk"), 0x4003), "SIGHUP, SIGINT, SIGTERM");
		cr_assert(eq(u64, mask(status, "SigIgn") >> (SIGUSR1 - 1) & 1, !apart));
	}
}

Test(spawn, what_cannot_be_started)
{
	char *none[] = { (char *)"x", NULL };
	int fds[SPAWN_FDS_MAX + 1] = { SPAWN_NULL };
	struct spawn_options opt = { "/nonexistent", none, none + 1, fds, 1, false };
	pid_t pid;

	cr_assert(eq(int, spawn(&opt, &pid), -ENOENT));
	fds[0] = 1000;
	cr_assert(eq(int, spawn(&opt, &pid), -EBADF));
	opt.n_fds = SPAWN_FDS_MAX + 1;
	cr_assert(eq(int, spawn(&opt, &pid), -EINVAL));
}
