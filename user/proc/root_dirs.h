/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Root folders of processes that have another one than we have (containers, chroots), each held
 * open once: what is looked for below one of them is to be found when the process is gone, and
 * never in that of a later one with its number.
 */
#ifndef PROC_ROOT_DIRS_H
#define PROC_ROOT_DIRS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"

/* Which folder, as statx(2) tells. The same one is another root where other things are mounted. */
struct root_key {
	dev_t dev;
	ino_t ino;
	uint64_t mnt_id; /* 0: before Linux 5.8 */
};

struct root_dir {
	int fd; /* O_PATH */
	struct root_key key;
	unsigned n_users;
};

struct root_dirs {
	VEC(struct root_dir *) list;
};

/*
 * That of @pid, until root_dirs_put(); NULL: it is ours. -ENOMEM, or what open(2) says of
 * /proc/PID/root.
 */
int root_dirs_get(struct root_dirs *t, pid_t pid, struct root_dir **ret);
void root_dirs_put(struct root_dirs *t, struct root_dir *root); /* NULL is fine */
void root_dirs_clear(struct root_dirs *t);

#endif
