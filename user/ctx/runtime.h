/* SPDX-License-Identifier: Apache-2.0 */
/* What runs a process's program, and how such a program comes to publish trace context. */
#ifndef CTX_RUNTIME_H
#define CTX_RUNTIME_H

#include "proc/process.h"

enum runtime {
	RUNTIME_NATIVE, /* or one that is not known */
	RUNTIME_GO,
	RUNTIME_NODE,
	RUNTIME_JVM,
	RUNTIME_CPYTHON,
	RUNTIME_RUBY,
	RUNTIME_PHP,
	RUNTIME_DOTNET,
};

/* By the names of the files that it maps, and for Go by what the program itself says. */
enum runtime runtime_of(const struct process *p);

/* For people. */
const char *runtime_name(enum runtime r);
const char *runtime_remedy(enum runtime r);

#endif
