/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "app/config_value.h"
#include "app/option_table.h"
#include "base/log.h"

#define HELP_MAX 256

/* Options that are keys of the configuration come from its table. */
struct parse_state {
	struct agent_options *opt;
	const char *text[OPTION_TABLE_MAX]; /* of the option of the same number */
};

struct options {
	struct option_def defs[OPTION_TABLE_MAX];
	char help[OPTION_TABLE_MAX][HELP_MAX];
	size_t n;
};

static int set_text(void *target, const char *arg)
{
	*(const char **)target = arg;
	return 0;
}

static int set_true(void *target, const char *arg)
{
	*(bool *)target = true;
	return 0;
}

static int add_flag(struct agent_sources *s, struct agent_flag flag)
{
	if (s->n_flags == AGENT_FLAGS_MAX) {
		log_error("option '--%s': more than %d options", flag.name, AGENT_FLAGS_MAX);
		return -EINVAL;
	}
	s->flags[s->n_flags++] = flag;
	return 0;
}

static struct agent_options *options_of(void *target)
{
	return ((struct parse_state *)target)->opt;
}

static int add_label(void *target, const char *arg)
{
	return add_flag(&options_of(target)->sources, (struct agent_flag){ "label", arg });
}

static int add_endpoint(void *target, const char *arg)
{
	return add_flag(&options_of(target)->sources, (struct agent_flag){ "endpoint", arg });
}

static int set_file(void *target, const char *arg)
{
	options_of(target)->sources.file = arg;
	return 0;
}

static int set_check(void *target, const char *arg)
{
	return set_true(&options_of(target)->check, arg);
}

static int set_print(void *target, const char *arg)
{
	return set_true(&options_of(target)->print, arg);
}

static int set_help(void *target, const char *arg)
{
	options_of(target)->help = true;
	return 1; /* the rest does not count */
}

/* "samples a second on each CPU, 1 to 20000 (default 19)" */
static void write_help(const struct config_key *key, char out[HELP_MAX])
{
	char values[96];

	if (key->names)
		config_names_text(key->names, values, sizeof(values));
	else
		config_range_text(key, values, sizeof(values));
	snprintf(out, HELP_MAX, "%s%s%s\n(default %s)", key->help, *values ? ", " : "", values,
		 key->def);
	/* The marks of the documentation. */
	for (char *c = out; (c = strchr(c, '`'));)
		memmove(c, c + 1, strlen(c));
}

static void add_keys(struct options *o, const struct config_schema *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct config_key *key = &s->keys[i];

		if (key->type == CONFIG_SECTION)
			add_keys(o, key->schema);
		if (!key->flag)
			continue;
		write_help(key, o->help[o->n]);
		o->defs[o->n] = (struct option_def){
			key->flag,     key->letter, key->arg,
			o->help[o->n], set_text,    offsetof(struct parse_state, text[o->n]),
		};
		o->n++;
	}
}

static void make_options(struct options *o)
{
	static const struct option_def before[] = {
		{ "config", 'c', "FILE",
		  "configuration (default $SPANPROF_CONFIG, else\n" AGENT_CONFIG_FILE
		  " if there is one)",
		  set_file, 0 },
	};
	static const struct option_def behind[] = {
		{ "endpoint", 0, "TYPE+URL",
		  "one more endpoint: pyroscope+http://HOST:4040, otlp_http+URL,\n"
		  "otlp_grpc+URL, directory+/PATH",
		  add_endpoint, 0 },
		{ "label", 0, "NAME=VALUE", "one more label of all samples", add_label, 0 },
		{ "check-config", 0, NULL, "only say what is wrong with the configuration",
		  set_check, 0 },
		{ "print-config", 0, NULL, "only print it, and where each value is from", set_print,
		  0 },
		{ "help", 'h', NULL, "show this", set_help, 0 },
	};

	*o = (struct options){ 0 };
	memcpy(o->defs, before, sizeof(before));
	o->n = sizeof(before) / sizeof(before[0]);
	add_keys(o, &agent_config_schema);
	memcpy(o->defs + o->n, behind, sizeof(behind));
	o->n += sizeof(behind) / sizeof(behind[0]);
}

static int take_texts(const struct options *o, const struct parse_state *st)
{
	for (size_t i = 0; i < o->n; i++) {
		int r = !st->text[i]
				? 0
				: add_flag(&st->opt->sources,
					   (struct agent_flag){ o->defs[i].name, st->text[i] });

		if (r < 0)
			return r;
	}
	return 0;
}

void agent_options_help(FILE *out)
{
	struct option_table table = { .command = "agent" };
	struct options o;

	make_options(&o);
	table.defs = o.defs;
	table.n = o.n;
	fputs("Usage: spanprof agent [OPTION]...\n"
	      "       spanprof agent ctl status|raise [OPTION]...\n"
	      "\n"
	      "Profiles all of this host all the time, and delivers a profile of each interval to "
	      "the\n"
	      "endpoints of the configuration. Every key of that is also a variable of the "
	      "environment\n"
	      "(spool.max_bytes: SPANPROF_SPOOL_MAX_BYTES), and some are options. What is said "
	      "here counts\n"
	      "more than the environment, and that more than the file.\n"
	      "\n",
	      out);
	option_table_help(&table, out);
	fputs("\n"
	      "Exit status: 0: done, or the configuration is good; 1: failed, or it is not; 2: "
	      "wrong usage.\n",
	      out);
}

int agent_options_parse(int argc, char **argv, char **environment, struct agent_options *ret)
{
	struct agent_options opt = { .sources = { .environment = environment } };
	struct parse_state st = { .opt = &opt };
	struct option_table table = { .command = "agent" };
	struct options o;
	int r;

	make_options(&o);
	table.defs = o.defs;
	table.n = o.n;
	r = option_table_parse(&table, argc, argv, &st);
	if (r == 0 && optind < argc) {
		log_error("unexpected '%s'; see 'spanprof agent --help'", argv[optind]);
		r = -EINVAL;
	}
	if (r == 0)
		r = take_texts(&o, &st);
	if (r < 0)
		return r;
	*ret = opt;
	return 0;
}
