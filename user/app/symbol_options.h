/* SPDX-License-Identifier: Apache-2.0 */
/* What `record` and `doctor` are told about where names come from. */
#ifndef APP_SYMBOL_OPTIONS_H
#define APP_SYMBOL_OPTIONS_H

#include <stdbool.h>

#include "sym/demangle.h"

struct symbol_options {
	const char *debuginfod; /* URLs of servers, separated by spaces; NULL: none is asked */
	const char *cache;	/* folder; NULL: none */
	bool again;		/* the same names will be wanted again and again */
	enum demangle_style demangle;
};

/* With the servers of DEBUGINFOD_URLS, if there are any. */
struct symbol_options symbol_options_default(void);

/* --debuginfod[=URLS]; @urls NULL: those of DEBUGINFOD_URLS. -EINVAL: a message has been logged. */
int symbol_options_set_debuginfod(struct symbol_options *opt, const char *urls);

/* Lines of --help. */
#define SYMBOL_OPTIONS_HELP                                                                        \
	"      --debuginfod[=URLS]  fetch debug files that are missing here from these servers, "  \
	"or\n"                                                                                     \
	"                         those of $DEBUGINFOD_URLS (which alone does it, too;\n"          \
	"                         --no-debuginfod: nothing is fetched)\n"                          \
	"      --symbol-cache DIR  keep names there for the next time\n"

/* Where fetched files are kept: $DEBUGINFOD_CACHE_PATH, else below /var/cache. */
const char *symbol_options_debuginfod_folder(void);

#endif
