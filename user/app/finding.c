/* SPDX-License-Identifier: Apache-2.0 */
#include "app/finding.h"

#include <stdio.h>

void finding_print(const struct finding *f, enum finding_state *worst)
{
	static const char *const words[] = { "yes", "no", "NO" };

	printf("%-3s  %s", words[f->state], f->what);
	if (f->follows && *f->follows)
		printf(": %s", f->follows);
	if (f->state != FINDING_YES && f->remedy)
		printf("; %s", f->remedy);
	putchar('\n');
	if (f->state > *worst)
		*worst = f->state;
}
