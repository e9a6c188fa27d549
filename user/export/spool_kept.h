/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of profiles that are not ready to be sent, inside of spool.c:
 *
 *   NUMBER.kept    whole
 *   NUMBER.tried   a later process has begun to read it
 *
 * Who dies of a profile does not die of it again: one that was tried is set aside.
 */
#ifndef EXPORT_SPOOL_KEPT_H
#define EXPORT_SPOOL_KEPT_H

#include "export/spool_dir.h"

/* The name of a new one. */
void spool_kept_format(uint64_t number, char ret[SPOOL_FILE_NAME]);

/* The highest number in use; 0: none is. What opendir(3) says. */
int spool_kept_last(const struct spool_dir *d, uint64_t *ret);

/*
 * The whole file of the lowest number, which is tried from now on; the caller frees it. -ENODATA:
 * there is none. -EBADMSG: this one was tried before, cannot be read, or is not whole: it has been
 * set aside, and the next call gives the next one. -ENOMEM: it was not tried. What opendir(3),
 * rename(2) and unlink(2) say: the folder cannot be changed.
 */
int spool_kept_take(const struct spool_dir *d, struct spool_header *ret, uint8_t **ret_file,
		    uint64_t *ret_number);

/* It is gone, tried or not; 0: nothing. What unlink(2) says. */
int spool_kept_remove(const struct spool_dir *d, uint64_t number);

#endif
