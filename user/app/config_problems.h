/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a configuration: all of it, each with its place. */
#ifndef APP_CONFIG_PROBLEMS_H
#define APP_CONFIG_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"

#define CONFIG_PROBLEMS_MAX 50 /* of each kind; there are more if so many are listed */

/* Where something was said. */
struct config_origin {
	const char *source; /* file, variable or option; NULL: nowhere, it is the default */
	unsigned line;	    /* of a file; 0: none */
};

typedef VEC(char *) config_texts;

/* A zeroed one is empty. Texts are "FILE:LINE: what", printable. */
struct config_problems {
	config_texts errors, warnings;
	bool no_memory; /* some could not be noted */
};

void config_error(struct config_problems *p, struct config_origin at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void config_warning(struct config_problems *p, struct config_origin at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* -ENOMEM, -EINVAL if there are errors, 0. */
int config_problems_result(const struct config_problems *p);

/* At the levels error and warning. */
void config_problems_log(const struct config_problems *p);

void config_problems_clear(struct config_problems *p);

/* "FILE:LINE" or "default", printable; cut where @size ends. Returns @out. */
const char *config_origin_text(struct config_origin at, char *out, size_t size);

/* A copy of @text in @out in which nothing moves the cursor of who prints it. Returns @out. */
const char *config_printable(const char *text, char *out, size_t size);

#endif
