/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a worker has failed on: none gets a second chance. */
#ifndef WORKER_BAD_FILES_H
#define WORKER_BAD_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/vec.h"

struct bad_file {
	const char *path; /* as we would open it; "?" if that cannot be told */
	const char *reason;
	bool hopeless; /* not even a part of it can be read */
};

/* A zeroed struct is empty. */
struct bad_files {
	VEC(struct kept_file *) list;
	off_t compare_max; /* bytes of a file that copies are known by; 0: 512 MiB */
	uint64_t kept_ns;  /* how long copies are known; 0: a minute */
};

/* Which one @fd is, or is a copy of. NULL: of none. */
const struct bad_file *bad_files_find(struct bad_files *bf, int fd);

/* Closes what copies are not known by any more, which bad_files_find() does, too. */
void bad_files_tidy(const struct bad_files *bf);

/* @reason is copied. -ENOMEM. */
int bad_files_add(struct bad_files *bf, int fd, const char *reason, bool hopeless);

/* Of one that bad_files_find() has found: the reading of a part of it has failed as well. */
void bad_files_give_up(struct bad_files *bf, const struct bad_file *bad);

const struct bad_file *bad_files_get(const struct bad_files *bf, size_t i);
void bad_files_clear(struct bad_files *bf);

#endif
