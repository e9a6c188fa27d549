/* SPDX-License-Identifier: Apache-2.0 */
/* One line of `doctor`: what was looked at, yes or no, what follows from "no", how to mend it. */
#ifndef APP_FINDING_H
#define APP_FINDING_H

#include <stdbool.h>
#include <stddef.h>

enum finding_state {
	FINDING_YES,
	FINDING_NO,    /* something will be missing */
	FINDING_FATAL, /* profiling is impossible */
};

struct finding {
	const char *what;
	enum finding_state state;
	const char *follows; /* with NO and FATAL: what follows; with YES: a detail, or NULL */
	const char *remedy;  /* NULL: none */
};

/* What helps against @err (negative errno) of a look into another process. */
const char *finding_remedy_of(int err);

/* Prints it to standard output and remembers the worst in *worst. */
void finding_print(const struct finding *f, enum finding_state *worst);

#endif
