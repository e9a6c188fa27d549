/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit-PID.dump: what a runtime tells of the code it makes, as records with the time and, if it
 * likes, source lines. The file grows, so its bytes come in parts. Layout: the kernel's
 * tools/perf/Documentation/jitdump-specification.txt. Never logs.
 */
#ifndef SYM_JITDUMP_H
#define SYM_JITDUMP_H

#include "sym/code_names.h"

struct jitdump;

int jitdump_new(struct jitdump **ret); /* -ENOMEM */
void jitdump_free(struct jitdump *d);  /* NULL is fine */
DEFINE_CLEANUP(struct jitdump *, jitdump_free)

/*
 * Takes the next bytes of the file, which have been there since @now_ns at the latest. -EBADMSG:
 * this is no such file, or none any more; -ENOSPC, -ENOMEM: of code_names_add().
 */
int jitdump_feed(struct jitdump *d, const void *bytes, size_t len, uint64_t now_ns,
		 struct code_names *names);

/* Records that were skipped, as they are not of the form that their kind has. */
uint64_t jitdump_malformed(const struct jitdump *d);

#endif
