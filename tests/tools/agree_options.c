/* SPDX-License-Identifier: Apache-2.0 */
#include "agree_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "base/parse.h"

const char agree_usage[] =
	"usage: unwind_agree [OPTIONS] -p PID... | -- PROGRAM ARGUMENTS...\n"
	"  -n STOPS        stops to compare (2000)\n"
	"  --seed N        of what is random (1)\n"
	"  --steps N       up to so many single steps after a stop (200)\n"
	"  --pause-us N    mean time between stops (1000)\n"
	"  --skip-ms N     time before the first stop (0)\n"
	"  --children      look at child processes as well\n"
	"  --program NAME  stop only processes that run it (up to 4 names)\n"
	"  --name NAME     in the table (the program's)\n"
	"  --json          a last line of JSON\n"
	"  --quiet         no examples\n"
	"  --record FILE   write the first stop on which ours and libdwfl agree, and which\n"
	"  --frame GLOB    has a frame whose \"FILE SYMBOL+0xOFFSET\" matches (up to 4 of them)\n"
	"  --min-depth N   has so many frames\n"
	"  --copy BYTES    with only so much of the stack readable\n"
	"  --rule TEXT     goes by a rule in whose text this is\n"
	"  --cut           one at which both break off is good as well\n"
	"  --disputed      on which libdwfl is wrong, by the processor's own word\n"
	"  --title TEXT    what it shows, for its first line\n";

enum {
	OPT_SEED = 256,
	OPT_STEPS,
	OPT_PAUSE,
	OPT_SKIP,
	OPT_CHILDREN,
	OPT_NAME,
	OPT_JSON,
	OPT_QUIET,
	OPT_RECORD,
	OPT_FRAME,
	OPT_DEPTH,
	OPT_COPY,
	OPT_TITLE,
	OPT_PROGRAM,
	OPT_RULE,
	OPT_CUT,
	OPT_DISPUTED,
};

static const struct option long_options[] = {
	{ "seed", 1, NULL, OPT_SEED },	       { "steps", 1, NULL, OPT_STEPS },
	{ "pause-us", 1, NULL, OPT_PAUSE },    { "skip-ms", 1, NULL, OPT_SKIP },
	{ "children", 0, NULL, OPT_CHILDREN }, { "name", 1, NULL, OPT_NAME },
	{ "json", 0, NULL, OPT_JSON },	       { "quiet", 0, NULL, OPT_QUIET },
	{ "record", 1, NULL, OPT_RECORD },     { "frame", 1, NULL, OPT_FRAME },
	{ "min-depth", 1, NULL, OPT_DEPTH },   { "copy", 1, NULL, OPT_COPY },
	{ "rule", 1, NULL, OPT_RULE },	       { "cut", 0, NULL, OPT_CUT },
	{ "disputed", 0, NULL, OPT_DISPUTED }, { "title", 1, NULL, OPT_TITLE },
	{ "program", 1, NULL, OPT_PROGRAM },   { 0 },
};

static uint64_t *number_option(struct agree_options *o, int c)
{
	switch (c) {
	case 'n':
		return &o->stops;
	case OPT_SEED:
		return &o->seed;
	case OPT_STEPS:
		return &o->steps;
	case OPT_PAUSE:
		return &o->pause_us;
	case OPT_SKIP:
		return &o->skip_ms;
	case OPT_DEPTH:
		return &o->min_depth;
	case OPT_COPY:
		return &o->copy;
	default:
		return NULL;
	}
}

static int other_option(struct agree_options *o, int c)
{
	switch (c) {
	case OPT_CHILDREN:
		o->with_children = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_CUT:
		o->cut = true;
		return 0;
	case OPT_DISPUTED:
		o->disputed = true;
		return 0;
	case OPT_QUIET:
		o->quiet = true;
		return 0;
	case OPT_NAME:
		o->name = optarg;
		return 0;
	case OPT_RECORD:
		o->record = optarg;
		return 0;
	case OPT_TITLE:
		o->title = optarg;
		return 0;
	case OPT_RULE:
		o->rule = optarg;
		return 0;
	case 'p':
		if (o->n_pids == sizeof(o->pids) / sizeof(o->pids[0]))
			return -EINVAL;
		o->pids[o->n_pids++] = atoi(optarg);
		return 0;
	case OPT_PROGRAM:
		if (o->n_programs == TRACEE_PROGRAMS)
			return -EINVAL;
		o->programs[o->n_programs++] = optarg;
		return 0;
	case OPT_FRAME:
		if (o->n_frames == sizeof(o->frames) / sizeof(o->frames[0]))
			return -EINVAL;
		o->frames[o->n_frames++] = optarg;
		return 0;
	default:
		return -EINVAL;
	}
}

int agree_options_parse(int argc, char **argv, struct agree_options *ret)
{
	struct agree_options o = {
		.stops = 2000, .seed = 1, .steps = 200, .pause_us = 1000, .title = ""
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "+n:p:", long_options, NULL)) != -1) {
		uint64_t *number = number_option(&o, c);

		r = number ? parse_u64(optarg, 0, UINT32_MAX, number) : other_option(&o, c);
	}
	if (r < 0 || !o.n_pids == !argv[optind])
		return -EINVAL;
	o.argv = argv + optind;
	if (!o.name)
		o.name = o.n_pids ? "attached" : o.argv[0];
	*ret = o;
	return 0;
}
