/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files in and out. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/*
 * Reads all of @path into a fresh buffer (the caller frees), with a NUL behind it that *ret_len
 * does not count. -EFBIG if it is longer than @max bytes, otherwise what open(2) and read(2) say.
 */
int read_whole_file(const char *path, size_t max, char **ret, size_t *ret_len);
int read_whole_fd(int fd, size_t max, char **ret, size_t *ret_len);

/* Writes all bytes, retrying short writes and EINTR. */
int write_whole_fd(int fd, const void *buf, size_t len);

/*
 * A file that appears under its name only when it is whole: bytes go to a temporary name in the
 * same folder; commit renames it over @path. Standard output ("-") and anything that is no regular
 * file (a device, a pipe) is written in place. Closing without commit removes the temporary file
 * and leaves an existing @path as it was.
 */
#define ATOMIC_FILE_PREFIX ".spanprof-" /* of the temporary name */
struct atomic_file;

/* What open(2) says of the folder; -EISDIR if @path is a folder. */
int atomic_file_open(const char *path, struct atomic_file **ret);
/* The same for a file of our own: whatever is at @path, a link or a pipe, too, is replaced by it.
 */
int atomic_file_replace(const char *path, struct atomic_file **ret);
int atomic_file_write(struct atomic_file *f, const void *buf, size_t len);
int atomic_file_commit(struct atomic_file *f);
void atomic_file_close(struct atomic_file *f); /* NULL is fine */
DEFINE_CLEANUP(struct atomic_file *, atomic_file_close)

/*
 * A file of no folder, in memory, which exec(2) closes and nobody can execute. @name is what
 * /proc/PID/maps calls it. It may be sealed.
 */
int memory_file_new(const char *name, int *ret_fd);

/* The one number that a file of /proc or /sys holds; @otherwise if it cannot be read. */
uint64_t read_number_file(const char *path, uint64_t otherwise);

#endif
