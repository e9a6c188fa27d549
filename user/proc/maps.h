/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/maps: reading the text and walking its lines. The text is foreign. Never logs. */
#ifndef PROC_MAPS_H
#define PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct map_entry {
	uint64_t start, end; /* end > start */
	uint64_t offset;     /* in the file, bytes */
	dev_t dev;
	ino_t ino; /* 0: no file */
	bool read, write, exec, shared;
	const char *path; /* in the walked text, as the kernel wrote it; no NUL behind it */
	size_t path_len;  /* 0: anonymous */
};

/* A walk over @len bytes of text: { .buf = text, .len = len } stands before the first line. */
struct maps_cursor {
	const char *buf;
	size_t len;
	size_t pos;
	size_t n_malformed; /* lines that were skipped */
};

/*
 * The next mapping; false at the end, with *ret untouched. Lines not of the kernel's form are
 * skipped and counted, a last one without its newline among them (it may be cut anywhere).
 */
bool maps_next(struct maps_cursor *c, struct map_entry *ret);

/*
 * Is the path marked " (deleted)"? That is the file's state, or its real name: only a look at the
 * inode tells.
 */
bool map_entry_is_deleted(const struct map_entry *e);

/*
 * The path as a string of its own (the caller frees), "" for none, with newlines in their own form
 * again; " (deleted)" stays. The kernel writes a newline as \012 and leaves a backslash alone, so a
 * file that has those four characters in its name comes out wrong. -ENOMEM.
 */
int map_entry_path(const struct map_entry *e, char **ret);

/*
 * The text of process @pid (the caller frees; a NUL follows it). Empty for kernel threads and
 * zombies. -ESRCH: no such process; -EFBIG: longer than @max bytes; otherwise what open(2) and
 * read(2) say.
 */
int maps_read(pid_t pid, size_t max, char **ret, size_t *ret_len);

#endif
