/* SPDX-License-Identifier: Apache-2.0 */
/* What names functions, as the user's options say, and what is said of its troubles. */
#ifndef APP_NAMING_H
#define APP_NAMING_H

#include "app/symbol_options.h"
#include "base/cleanup.h"

struct debuginfod_files;
struct symbolizer;
struct worker;

struct naming {
	struct worker *worker; /* reads the files of strangers */
	struct symbolizer *sym;
	struct debuginfod_files *servers; /* NULL: none is asked */
};

/* Logs; negative errno. */
int naming_open(const struct symbol_options *opt, struct naming **ret);
void naming_close(struct naming *n); /* NULL is fine */
DEFINE_CLEANUP(struct naming *, naming_close)

/* Logs what could not be had, once everything has its name. */
void naming_report(const struct naming *n);

#endif
