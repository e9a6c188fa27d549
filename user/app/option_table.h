/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines by table: each option once, with its help. Logs what is wrong. */
#ifndef APP_OPTION_TABLE_H
#define APP_OPTION_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define OPTION_TABLE_MAX 32

struct option_def {
	const char *name; /* long form */
	char letter;	  /* 0: none */
	const char *arg;  /* what it takes; NULL: nothing */
	const char *help; /* lines */
	/* -EINVAL: said what is wrong; positive: the other words do not count. */
	int (*apply)(void *target, const char *arg);
	size_t target; /* offset in the state of the command */
};

struct option_table {
	const char *command; /* "report" */
	const struct option_def *defs;
	size_t n; /* at most OPTION_TABLE_MAX */
};

/* 0; optind is at the first word that is no option. Else what apply() returned, or -EINVAL. */
int option_table_parse(const struct option_table *t, int argc, char **argv, void *state);

/* The help of all options, in columns. */
void option_table_help(const struct option_table *t, FILE *out);

#endif
