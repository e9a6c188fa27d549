/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the files of debug information of one mapped file, as a struct sym_file_source: in the root
 * of the process that had it mapped, then in ours. No name leads out of the root that it is looked
 * up in, and nothing is handed on but ELF files, none of them of the kernel (/proc/kcore). At last
 * debuginfod servers are asked, if there are any.
 */
#ifndef SYM_FILE_FINDER_H
#define SYM_FILE_FINDER_H

#include "base/cleanup.h"
#include "sym/debuginfod_files.h"
#include "sym/file_source.h"

struct file_finder;

/*
 * @path is what the process called the file; NULL: unknown. @root is the folder (as O_PATH opens
 * it) that is searched before our own root; borrowed; -1: none. -ENOMEM, or what open(2) says of
 * our own root.
 */
int file_finder_new(const char *path, int root, struct file_finder **ret);
void file_finder_free(struct file_finder *f); /* NULL is fine */
DEFINE_CLEANUP(struct file_finder *, file_finder_free)

/* Files that are not to be had here are asked of @d, which is borrowed; NULL: of nobody. */
void file_finder_use_debuginfod(struct file_finder *f, struct debuginfod_files *d);

/* Valid until @f is freed. */
const struct sym_file_source *file_finder_source(struct file_finder *f);

#endif
