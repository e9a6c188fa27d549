/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor -p` says of names: which source a mapped file's names and lines come from. */
#ifndef APP_DOCTOR_SYMBOLS_H
#define APP_DOCTOR_SYMBOLS_H

#include "app/finding.h"
#include "elf/elf_file.h"
#include "proc/dso.h"
#include "sym/symbolizer.h"

struct doctor_naming {
	struct symbolizer *sym;
	const char *debuginfod; /* URL of the distribution's server */
};

/* Prints findings on @ef, the contents of @dso, which is open. */
void doctor_symbols(struct elf_file *ef, const struct dso *dso, const struct doctor_naming *with,
		    enum finding_state *worst);

#endif
