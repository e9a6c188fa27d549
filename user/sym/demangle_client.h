/* SPDX-License-Identifier: Apache-2.0 */
/* Readable forms of strangers' names, by a worker: what a name does to a demangler costs that. */
#ifndef SYM_DEMANGLE_CLIENT_H
#define SYM_DEMANGLE_CLIENT_H

#include "base/arena.h"
#include "sym/demangle.h"
#include "worker/worker.h"

/*
 * ret[i], from @memory, is names[i] in @style, as demangle_styled() gives it; NULL if it cannot be
 * read. -EREMOTEIO: the worker failed on some, and these and their neighbours are NULL. -ENOMEM.
 */
int demangle_client_ask(struct worker *w, enum demangle_style style, const char *const *names,
			size_t n, struct arena *memory, const char **ret);

#endif
