/* SPDX-License-Identifier: Apache-2.0 */
/* CPython processes whose current spans can be read from the interpreter itself. */
#ifndef CTX_PYTHON_SOURCE_H
#define CTX_PYTHON_SOURCE_H

#include "base/cleanup.h"
#include "proc/process.h"
#include "shared/python_info.h"

/* What interpreters' files say is remembered. */
struct python_files;

int python_files_new(struct python_files **ret);
void python_files_free(struct python_files *f); /* NULL is fine */
DEFINE_CLEANUP(struct python_files *, python_files_free)

/* Nothing of @dso, which is about to go, is remembered. */
void python_files_forget(struct python_files *f, const struct dso *dso);

struct python_source {
	const struct dso *dso; /* the interpreter; NULL: the process has none */
	unsigned minor;	       /* 11 for CPython 3.11; 0: not known */
	struct python_info info;
};

/*
 * -ENOENT: no interpreter; -EAGAIN: it has not imported OpenTelemetry's SDK, or made no span, yet;
 * -ENOTSUP: an unknown version or build, or an unknown libc; -ENOMEM; otherwise what reading the
 * process's memory says. *@ret says what is known in either case.
 */
int python_source_find(struct python_files *f, const struct process *p, struct python_source *ret);

#endif
