/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of a whole profile: some that all samples get, and rules that rewrite them. */
#ifndef EXPORT_PPROF_RELABEL_H
#define EXPORT_PPROF_RELABEL_H

#include <stdint.h>

#include "export/pprof.h"
#include "meta/relabel.h"

struct pprof_relabel {
	const struct pprof_label
		*fixed; /* with texts; a sample that has one of them keeps its own */
	size_t n_fixed;
	struct relabel *rules; /* NULL: none */
};

/*
 * Gives every sample the fixed labels, then applies the rules to its labels that are texts: those
 * that the rules drop go. Samples do not become one that have equal labels then. The sum of their
 * first values is added to *dropped. -ENOMEM: the profile may be half done, and is whole.
 */
int pprof_relabel(struct pprof *p, const struct pprof_relabel *how, uint64_t *dropped);

#endif
