/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "leak_check.h"

TestSuite(log, .fini = leak_check);

Test(log, levels_and_their_words, .init = cr_redirect_stderr)
{
	log_error("a %d", 1);
	log_warning("b");
	log_info("c");
	log_debug("not shown");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("d");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("not shown");
	log_info("not shown");
	log_error("e");
	cr_assert_stderr_eq_str("spanprof: error: a 1\nspanprof: warning: b\nspanprof: c\n"
				"spanprof: debug: d\nspanprof: error: e\n");
}

Test(log, error_errno_says_why_and_returns_it, .init = cr_redirect_stderr)
{
	cr_assert(eq(int, log_error_errno(-ENOENT, "cannot open '%s'", "/x"), -ENOENT));
	cr_assert_stderr_eq_str("spanprof: error: cannot open '/x': No such file or directory\n");
}

Test(log, errno_survives, .init = cr_redirect_stderr)
{
	errno = EXDEV;
	log_warning("x");
	cr_assert(eq(int, errno, EXDEV));
}

Test(log, long_text_is_cut_but_the_reason_is_not, .init = cr_redirect_stderr)
{
	char text[4000], want[4100];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error_errno(-EIO, "%s", text);
	snprintf(want, sizeof(want), "spanprof: error: %.1023s: Input/output error\n", text);
	cr_assert_stderr_eq_str(want);
}

Test(log, progress_line_is_wiped_first, .init = cr_redirect_stderr)
{
	log_set_transient(1);
	log_info("a");
	log_set_transient(0);
	log_info("b");
	cr_assert_stderr_eq_str("\r\033[Kspanprof: a\nspanprof: b\n");
}

Test(log, message_of_any_length_is_one_line)
{
	static char text[20000], got[20100];
	int fd = memfd_create("log", 0);
	ssize_t n;

	memset(text, '\n', sizeof(text) - 1);
	cr_assert(eq(int, dup2(fd, STDERR_FILENO), STDERR_FILENO));
	log_set_format(LOG_FORMAT_LOGFMT);
	log_info("%s", text);
	n = pread(fd, got, sizeof(got), 0);
	cr_assert(eq(int, (int)n, (int)sizeof(got)), "%zd", n);
	cr_assert(zero(ptr, memchr(got, '\n', (size_t)n)));
	cr_assert(eq(int, (int)lseek(fd, 0, SEEK_END), 2 * 19999 + 48));
}

/* --- rate ------------------------------------------------------------------------------------- */

/* Stands in for the clock, so that minutes go by at once. */
static time_t seconds_more;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = 600 + seconds_more };
	return 0;
}

static void log_twice(int i)
{
	log_warning("one %d", i);
	log_info("two %d", i);
}

Test(log, each_place_has_its_own_rate_and_what_is_left_out_is_counted, .init = cr_redirect_stderr)
{
	log_set_rate(2);
	for (int i = 0; i < 5; i++)
		log_twice(i);
	log_tell_left_out(); /* the minute is not over */
	seconds_more = 60;
	log_warning("another place");
	log_twice(5);
	log_tell_left_out();
	cr_assert_stderr_eq_str("spanprof: warning: one 0\nspanprof: two 0\n"
				"spanprof: warning: one 1\nspanprof: two 1\n"
				"spanprof: warning: another place\n"
				"spanprof: warning: 3 more like this: one 4\n"
				"spanprof: warning: one 5\n"
				"spanprof: 3 more like this: two 4\nspanprof: two 5\n");
}

Test(log, what_is_left_out_is_told_without_another_line_and_once, .init = cr_redirect_stderr)
{
	log_set_rate(1);
	log_twice(0);
	log_twice(1);
	seconds_more = 59;
	log_tell_left_out();
	seconds_more = 61;
	log_tell_left_out();
	log_tell_left_out();
	log_twice(2);
	log_twice(3);
	log_tell_all_left_out();
	log_tell_all_left_out();
	cr_assert_stderr_eq_str("spanprof: warning: one 0\nspanprof: two 0\n"
				"spanprof: 1 more like this: two 1\n"
				"spanprof: warning: 1 more like this: one 1\n"
				"spanprof: warning: one 2\nspanprof: two 2\n"
				"spanprof: 1 more like this: two 3\n"
				"spanprof: warning: 1 more like this: one 3\n");
}

Test(log, text_left_out_is_remembered_up_to_a_whole_character, .init = cr_redirect_stderr)
{
	char text[300] = "", want[500];

	for (int i = 0; i < 40; i++)
		strcat(text, "€"); /* 3 bytes: 119 would cut the last in two */
	strcat(text, "x");
	log_set_rate(1);
	for (int i = 0; i < 2; i++)
		log_info("%s", text);
	log_tell_all_left_out();
	snprintf(want, sizeof(want), "spanprof: %s\nspanprof: 1 more like this: %.117s\n", text,
		 text);
	cr_assert_stderr_eq_str(want);
}

Test(log, errors_with_a_reason_have_the_rate_of_their_place, .init = cr_redirect_stderr)
{
	log_set_rate(1);
	for (int i = 0; i < 3; i++)
		cr_assert(eq(int, log_error_errno(-EIO, "x"), -EIO));
	cr_assert_stderr_eq_str("spanprof: error: x: Input/output error\n");
}

/* --- threads ---------------------------------------------------------------------------------- */

#define THREADS 8
#define LINES	2000

static void *log_much(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_info("%s", (const char *)arg);
	return NULL;
}

static void run_threads(void)
{
	static char texts[THREADS][40];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		memset(texts[i], 'a' + i, sizeof(texts[i]) - 1);
		cr_assert(zero(int, pthread_create(&threads[i], NULL, log_much, texts[i])));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Sums of the lines of @fd and of those that are said to be left out; each line is whole. */
static int count_lines(int fd)
{
	FILE *f = fdopen(dup(fd), "r");
	char line[200];
	int n = 0, more;

	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "spanprof: %d more like this: ", &more) == 1) {
			n += more;
			continue;
		}
		cr_assert(eq(sz, strlen(line), strlen("spanprof: ") + 39 + 1), "%s", line);
		cr_assert(eq(sz, strspn(line + 10, (char[]){ line[10], 0 }), 39), "%s", line);
		n++;
	}
	fclose(f);
	return n;
}

Test(log, lines_of_threads_do_not_mix)
{
	int fd = memfd_create("log", 0);

	fcntl(fd, F_SETFL, O_APPEND);
	dup2(fd, STDERR_FILENO);
	run_threads();
	cr_assert(eq(int, count_lines(fd), THREADS *LINES));
}

Test(log, threads_lose_no_count)
{
	int fd = memfd_create("log", 0);

	fcntl(fd, F_SETFL, O_APPEND);
	dup2(fd, STDERR_FILENO);
	log_set_rate(10);
	run_threads();
	log_tell_all_left_out();
	cr_assert(eq(int, count_lines(fd), THREADS *LINES));
}
