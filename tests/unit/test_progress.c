/* SPDX-License-Identifier: Apache-2.0 */
#include "app/progress.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "leak_check.h"

TestSuite(progress, .fini = leak_check);

/* Standard error becomes a terminal, whose other side is returned. */
static int make_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;

	cr_assert(ge(int, master, 0));
	cr_assert(zero(int, grantpt(master) | unlockpt(master)));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	cr_assert(eq(int, dup2(slave, STDERR_FILENO), STDERR_FILENO));
	close(slave);
	fcntl(master, F_SETFL, O_NONBLOCK);
	return master;
}

/* A terminal passes on what was written in pieces, and not at once. */
static void assert_written(int master, const char *want)
{
	struct pollfd ready = { .fd = master, .events = POLLIN };
	char buf[256] = "";
	size_t len = 0;
	ssize_t n;

	fflush(stderr);
	while (len < strlen(want) && poll(&ready, 1, 5000) == 1) {
		n = read(master, buf + len, sizeof(buf) - 1 - len);
		cr_assert(gt(long, n, 0));
		len += n;
	}
	cr_assert(eq(str, buf, (char *)want));
	cr_assert(lt(long, read(master, buf, 1), 0), "there is more");
}

Test(progress, on_a_terminal_messages_and_the_end_wipe_the_line)
{
	int master = make_terminal();
	struct progress p;

	progress_start(&p, false);
	cr_assert(p.on);
	log_info("a message");
	assert_written(master, "\r\033[Kspanprof: a message\r\n");
	progress_end(&p);
	assert_written(master, "\r\033[K");
	log_info("afterwards");
	assert_written(master, "spanprof: afterwards\r\n");
	close(master);
}

Test(progress, quiet_means_nothing)
{
	int master = make_terminal();
	struct progress p;

	progress_start(&p, true);
	progress_update(&p, NULL);
	progress_end(&p);
	assert_written(master, "");
	close(master);
}

Test(progress, nothing_goes_into_a_file)
{
	char path[] = "/tmp/test_progressXXXXXX";
	int fd = mkstemp(path);
	struct progress p;

	unlink(path);
	cr_assert(eq(int, dup2(fd, STDERR_FILENO), STDERR_FILENO));
	progress_start(&p, false);
	progress_update(&p, NULL);
	progress_end(&p);
	fflush(stderr);
	cr_assert(zero(long, lseek(fd, 0, SEEK_END)));
	close(fd);
}
