/* SPDX-License-Identifier: Apache-2.0 */
#include "app/option_table.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"

#define SPELLING_MAX 64
#define GAP	     2

static void write_spelling(const struct option_def *def, char out[SPELLING_MAX])
{
	snprintf(out, SPELLING_MAX, "  %c%c%s--%s%s%s", def->letter ? '-' : ' ',
		 def->letter ? def->letter : ' ', def->letter ? ", " : "  ", def->name,
		 def->arg ? " " : "", def->arg ? def->arg : "");
}

/* Behind the spellings of an option its text, each line at the same column. */
static void print_option(FILE *out, const struct option_def *def, int column)
{
	const char *line = def->help, *end;
	char left[SPELLING_MAX];
	bool first = true;

	write_spelling(def, left);
	for (; *line; line = *end ? end + 1 : end, first = false) {
		end = strchrnul(line, '\n');
		fprintf(out, "%-*s%.*s\n", column, first ? left : "", (int)(end - line), line);
	}
}

void option_table_help(const struct option_table *t, FILE *out)
{
	char left[SPELLING_MAX];
	size_t widest = 0;

	for (size_t i = 0; i < t->n; i++) {
		write_spelling(&t->defs[i], left);
		if (strlen(left) > widest)
			widest = strlen(left);
	}
	for (size_t i = 0; i < t->n; i++)
		print_option(out, &t->defs[i], (int)widest + GAP);
}

/* getopt_long() returns the place in the table, + 1, of either spelling. */
static void fill_getopt(const struct option_table *t, struct option *longs, char *shorts)
{
	char *s = shorts;

	/* Own messages; and a missing argument is told apart from an unknown option. */
	*s++ = ':';
	for (size_t i = 0; i < t->n; i++) {
		const struct option_def *def = &t->defs[i];

		longs[i] = (struct option){ def->name, def->arg ? required_argument : no_argument,
					    NULL, (int)i + 1 };
		if (!def->letter)
			continue;
		*s++ = def->letter;
		if (def->arg)
			*s++ = ':';
	}
	longs[t->n] = (struct option){ 0 };
	*s = '\0';
}

static const struct option_def *find_option(const struct option_table *t, int value)
{
	for (size_t i = 0; i < t->n; i++)
		if (value == (int)i + 1 || (t->defs[i].letter && value == t->defs[i].letter))
			return &t->defs[i];
	return NULL;
}

static int complain(const struct option_table *t, int c, char **argv)
{
	const struct option_def *def = find_option(t, optopt);
	char letter[] = { '-', (char)optopt, '\0' };
	/* In a cluster of letters ("-xz") optind is not behind the word yet. */
	bool is_letter = optopt > (int)t->n;
	const char *given = is_letter ? letter : argv[optind - 1];

	if (c == ':')
		log_error("option '%s' needs a value; see 'spanprof %s --help'", given, t->command);
	else if (def)
		log_error("option '--%s' takes no value; see 'spanprof %s --help'", def->name,
			  t->command);
	else
		log_error("unknown option '%s'; see 'spanprof %s --help'", given, t->command);
	return -EINVAL;
}

int option_table_parse(const struct option_table *t, int argc, char **argv, void *state)
{
	struct option longs[OPTION_TABLE_MAX + 1];
	char shorts[2 * OPTION_TABLE_MAX + 2];
	int c;

	fill_getopt(t, longs, shorts);
	opterr = 0;
	optind = 0; /* glibc: start anew, also in a second call */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_def *def;
		int r;

		if (c == '?' || c == ':')
			return complain(t, c, argv);
		def = find_option(t, c);
		r = def->apply((char *)state + def->target, optarg);
		if (r != 0)
			return r;
	}
	return 0;
}
