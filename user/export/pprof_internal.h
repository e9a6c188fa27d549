/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of export/pprof.h share: who owns a profile, and a builder for the decoder. */
#ifndef EXPORT_PPROF_INTERNAL_H
#define EXPORT_PPROF_INTERNAL_H

#include <stddef.h>

#include "base/arena.h"
#include "export/pprof.h"

/* Every struct pprof that is handed out is the first member of one of these. */
struct pprof_owned {
	struct pprof pub;   /* its arrays of the first level are from malloc */
	struct arena arena; /* all else */
};

/* Adding fails with -ENOMEM once strings, stacks and tables take more than @bytes. */
void pprof_builder_limit(struct pprof_builder *b, size_t bytes);

/* The builder's own copy of the string, which ends at a NUL or after @len bytes. 0 or -ENOMEM. */
int pprof_builder_string(struct pprof_builder *b, const char *str, size_t len, const char **ret);

/*
 * From now on all strings given come from pprof_builder_string() of this builder, and are not
 * hashed again: long strings with many references would take quadratic time.
 */
void pprof_builder_trust_strings(struct pprof_builder *b);

#endif
