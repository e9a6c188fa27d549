/* SPDX-License-Identifier: Apache-2.0 */
#include "app/finding.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

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

const char *finding_remedy_of(int err)
{
	if (err == -ESRCH)
		return "there is no such process";
	if (geteuid() == 0)
		return "needs CAP_SYS_PTRACE, in the user namespace of the process too";
	return "run as root";
}
