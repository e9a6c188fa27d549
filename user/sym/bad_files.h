/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the worker has failed on. None gets a second chance, but for its symbol tables. */
#ifndef SYM_BAD_FILES_H
#define SYM_BAD_FILES_H

#include <sys/stat.h>

#include "base/vec.h"
#include "sym/symbolizer.h"

struct bad_files {
	VEC(struct bad_file *) list;
};

/* Which one @fd is, or is a copy of. NULL: of none. */
const struct sym_bad_file *bad_files_find(const struct bad_files *bf, int fd);

/* @reason is copied. -ENOMEM. */
int bad_files_add(struct bad_files *bf, int fd, const char *reason, bool nameless);

const struct sym_bad_file *bad_files_get(const struct bad_files *bf, size_t i);
void bad_files_clear(struct bad_files *bf);

#endif
