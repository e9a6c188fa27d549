/* SPDX-License-Identifier: Apache-2.0 */
/* The recording that a command reads, and what of it: options and file. Logs what is wrong. */
#ifndef APP_PROFILE_INPUT_H
#define APP_PROFILE_INPUT_H

#include "app/option_table.h"
#include "export/pprof.h"
#include "sym/demangle.h"
#include "view/select.h"

struct frame_options {
	bool no_inline; /* inlined calls are part of the function that holds them */
	enum demangle_style demangle;
};

int select_set_span_id(void *select, const char *arg);
int select_set_trace_id(void *select, const char *arg);
int select_set_label(void *select, const char *arg);
int select_set_pid(void *select, const char *arg);
int frame_options_inline(void *options, const char *arg);
int frame_options_no_inline(void *options, const char *arg);
int frame_options_demangle(void *options, const char *arg);

/* Rows of a table of options; @at: offset of a struct view_select. */
#define SELECT_OPTIONS(at)                                                                         \
	{                                                                                          \
		"span-id",	    0, "HEX", "only samples of this span (16 hex digits)",         \
		select_set_span_id, at                                                             \
	},                                                                                         \
		{ "trace-id",	       0, "HEX", "only samples of this trace (32 hex digits)",     \
		  select_set_trace_id, at },                                                       \
		{ "label", 0, "KEY=VALUE", "only samples with this label", select_set_label, at }, \
	{                                                                                          \
		"pid", 'p', "PID", "only samples of this process", select_set_pid, at              \
	}

/* @at: offset of a struct frame_options. */
#define FRAME_OPTIONS(at)                                                                          \
	{ "inline",                                                                                \
	  0,                                                                                       \
	  NULL,                                                                                    \
	  "inlined functions are frames of their own (the default)",                               \
	  frame_options_inline,                                                                    \
	  at },                                                                                    \
		{ "no-inline",                                                                     \
		  0,                                                                               \
		  NULL,                                                                            \
		  "they are part of the function that they were inlined to",                       \
		  frame_options_no_inline,                                                         \
		  at },                                                                            \
	{                                                                                          \
		"demangle", 0, "STYLE",                                                            \
			"names of C++, Rust and D: full (default), none, or simple: with\n"        \
			"their arguments as <> and ()",                                            \
			frame_options_demangle, at                                                 \
	}

/* What the words behind the options say: one file. -EINVAL. */
int profile_input_one_file(const char *command, int argc, char **argv, const char **ret);

/*
 * Reads @path ("-": standard input), with its frames as @fo says. Negative errno, also -ENOENT if
 * @sel leaves no sample.
 */
int profile_input_read(const char *path, const struct view_select *sel,
		       const struct frame_options *fo, struct pprof **ret);

#endif
