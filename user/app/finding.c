/* SPDX-License-Identifier: Apache-2.0 */
#include "app/finding.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/utf8.h"

/* Names of strangers' files and threads are in it. */
static void print_printable(const char *text)
{
	CLEANUP(freep) char *copy = strdup(text);

	if (!copy)
		return;
	utf8_make_printable(copy, strlen(copy));
	fputs(copy, stdout);
}

void finding_print(const struct finding *f, enum finding_state *worst)
{
	static const char *const words[] = { "yes", "no", "NO" };

	printf("%-3s  ", words[f->state]);
	print_printable(f->what);
	if (f->follows && *f->follows) {
		fputs(": ", stdout);
		print_printable(f->follows);
	}
	if (f->state != FINDING_YES && f->remedy) {
		fputs("; ", stdout);
		print_printable(f->remedy);
	}
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
