/* SPDX-License-Identifier: Apache-2.0 */
/* What names functions, as the user's options say, and what is said of its troubles. */
#ifndef APP_NAMING_H
#define APP_NAMING_H

#include "app/symbol_options.h"
#include "base/cleanup.h"

struct debuginfod_files;
struct pprof;
struct symbol_cache;
struct symbolizer;
struct worker;

struct naming {
	struct worker *worker; /* reads the files of strangers */
	struct symbolizer *sym;
	struct symbol_cache *cache; /* NULL: none */
	const char *cache_folder;
	struct debuginfod_files *servers; /* NULL: none is asked */
	enum demangle_style demangle;
	size_t n_bad_told; /* files that could not be read, and were named */
	bool kernel_told;
};

/* Logs; negative errno. */
int naming_open(const struct symbol_options *opt, struct naming **ret);
void naming_close(struct naming *n); /* NULL is fine */
DEFINE_CLEANUP(struct naming *, naming_close)

/*
 * Names of the profile in the style of the options, by the worker: those of code made at run time,
 * which nobody has demangled yet, in any case. A name that the worker fails on stays as it is, and
 * a warning is logged. -ENOMEM.
 */
int naming_demangle(struct naming *n, struct pprof *p);

/* Logs what could not be read since the last time: files, or the names of the kernel. */
void naming_tell_troubles(struct naming *n);

/* Once everything has its name: keeps what is new, logs what could not be had. */
void naming_finish(struct naming *n);

#endif
