/* SPDX-License-Identifier: Apache-2.0 */
#include "app/finding.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <stdio.h>

#include "leak_check.h"

TestSuite(finding, .init = cr_redirect_stdout, .fini = leak_check);

static enum finding_state print(enum finding_state state, const char *follows, const char *remedy)
{
	enum finding_state worst = FINDING_YES;

	finding_print(&(struct finding){ "BTF", state, follows, remedy }, &worst);
	fflush(stdout);
	return worst;
}

Test(finding, lines)
{
	cr_assert(eq(int, print(FINDING_YES, NULL, NULL), FINDING_YES));
	cr_assert(eq(int, print(FINDING_YES, "5.10", "do not say"), FINDING_YES));
	cr_assert(eq(int, print(FINDING_NO, "no names", "do it"), FINDING_NO));
	cr_assert(eq(int, print(FINDING_NO, "", NULL), FINDING_NO));
	cr_assert(eq(int, print(FINDING_FATAL, "no samples", "be root"), FINDING_FATAL));
	cr_assert_stdout_eq_str("yes  BTF\n"
				"yes  BTF: 5.10\n"
				"no   BTF: no names; do it\n"
				"no   BTF\n"
				"NO   BTF: no samples; be root\n");
}

/* Names of strangers are in it: none is a line of its own. */
Test(finding, what_is_printed_can_be_shown)
{
	print(FINDING_NO, "a\nno   b\033[2J", "c\xff");
	cr_assert_stdout_eq_str("no   BTF: a?no   b?[2J; c?\n");
}

Test(finding, worst_one_is_remembered)
{
	enum finding_state worst = FINDING_YES;

	finding_print(&(struct finding){ "a", FINDING_FATAL, NULL, NULL }, &worst);
	finding_print(&(struct finding){ "b", FINDING_NO, NULL, NULL }, &worst);
	finding_print(&(struct finding){ "c", FINDING_YES, NULL, NULL }, &worst);
	cr_assert(eq(int, worst, FINDING_FATAL));
}
