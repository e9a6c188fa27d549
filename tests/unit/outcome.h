/* SPDX-License-Identifier: Apache-2.0 */
/* A subcommand run in the process of the test, and what it wrote. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"

struct outcome {
	int status;
	char *out, *err;
};

/* @args without the name, NULL at their end; the caller frees by outcome_free(). */
static inline struct outcome outcome_of(int (*command)(int, char **), const char *name,
					const char *const *args)
{
	char *argv[24] = { (char *)name };
	struct capture out = capture_begin(STDOUT_FILENO), err = capture_begin(STDERR_FILENO);
	struct outcome o;
	int argc = 1;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	o.status = command(argc, argv);
	o.err = capture_end(&err);
	o.out = capture_end(&out);
	return o;
}

static inline void outcome_free(struct outcome *o)
{
	free(o->out);
	free(o->err);
}

/* It failed with @status and one line that says @want, and wrote nothing to standard output. */
static inline void outcome_assert_fails(struct outcome o, int status, const char *want)
{
	cr_expect(eq(int, o.status, status));
	cr_expect(strstr(o.err, want) != NULL, "no '%s' in: %s", want, o.err);
	cr_expect(strchr(o.err, '\n') == o.err + strlen(o.err) - 1, "one line: %s", o.err);
	cr_expect(eq(str, o.out, ""));
	outcome_free(&o);
}

#endif
