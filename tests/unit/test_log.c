/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <string.h>

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
