/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders of the spool, seen from both of its sides: inside of spool.c and spool_queue.c.
 *
 *   DIR/tmp       profiles that are being written
 *   DIR/kept      profiles that are not ready to be sent
 *   DIR/queue/X   endpoint X's: hard links to profiles, and their progress
 *   DIR/damaged   what could not be read, the newest SPOOL_DAMAGED_MAX files
 *
 * No lock is held while anything is read or written. Every change of a queue is one rename(2),
 * link(2) or unlink(2), which happens or does not, and happens once: a file that is whole appears
 * by link, who renames it has claimed it, who removes it counts its samples.
 */
#ifndef EXPORT_SPOOL_DIR_H
#define EXPORT_SPOOL_DIR_H

#include <dirent.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "export/delivery_stats.h"
#include "export/spool_file.h"

#define SPOOL_DAMAGED_MAX 16

struct spool_dir {
	int root, tmp, kept, queues, damaged; /* -1: not open */
};
#define SPOOL_DIR_CLOSED                                                                           \
	{                                                                                          \
		-1, -1, -1, -1, -1                                                                 \
	}

/*
 * Makes what is missing, readable for us only. -EPERM: it belongs to somebody else, or others may
 * write to it; otherwise what mkdir(2) and open(2) say.
 */
int spool_dir_open(const char *path, struct spool_dir *ret);

/* The folder of what is kept, for who writes. The same errors. */
int spool_dir_open_kept(struct spool_dir *d);

void spool_dir_close(struct spool_dir *d); /* its fields become -1 */

/* The folder of a queue, which is made. The same errors; -EINVAL: @name cannot be one. */
int spool_dir_queue(const struct spool_dir *d, const char *name, int *ret_fd);

/*
 * A stream of its own over the folder @fd, whose own one would go on where the last one ended; the
 * caller closes it. What opendir(3) says.
 */
int spool_dir_stream(int fd, DIR **ret);

/* All files of a queue, sorted by their numbers; of equal ones the profile is before its progress.
 */
struct spool_list {
	VEC(struct spool_name) names;
};

/* Files of other names are set aside on the way. -ENOMEM or what opendir(3) says. */
int spool_dir_list(const struct spool_dir *d, int queue, const char *name,
		   struct delivery_stats *stats, struct spool_list *ret);
void spool_list_clear(struct spool_list *l);

/* Sum of what is not accounted for in the profiles of a list. */
uint64_t spool_list_samples(int queue, const struct spool_list *l);

/* To DIR/damaged; what is too many there goes. @file is a name in folder @queue of queue @name. */
int spool_dir_set_aside(const struct spool_dir *d, int queue, const char *name, const char *file);

/* Removes what was set aside. True if there was something. */
bool spool_dir_drop_damaged(const struct spool_dir *d);

/* From one kind of name to another; -ENOENT: somebody else was faster. */
int spool_rename(int queue, const struct spool_name *from, enum spool_kind to);
int spool_unlink(int queue, const struct spool_name *name);

/*
 * The progress of the profile @name, whose header has @id; empty if there is none, or it is
 * damaged. -ENOMEM, what open(2) and read(2) say. *ret must be cleared.
 */
int spool_progress_load(int queue, const struct spool_name *name, uint64_t id,
			struct spool_progress *ret);

/* The same, of the id that is in the profile's own header. */
int spool_progress_of(int queue, const struct spool_name *name, struct spool_progress *ret);

/* All of a file. -EFBIG, -ENOMEM, what open(2) says; -EBADMSG: it is no plain file. */
int spool_dir_load(int folder, const char *file, size_t max, uint8_t **ret, size_t *ret_len);
int spool_load(int queue, const struct spool_name *name, size_t max, uint8_t **ret,
	       size_t *ret_len);

#endif
