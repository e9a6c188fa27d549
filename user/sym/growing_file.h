/* SPDX-License-Identifier: Apache-2.0 */
/* A foreign file that is read as it grows, up to a limit. Never logs. */
#ifndef SYM_GROWING_FILE_H
#define SYM_GROWING_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROWING_FILE_KEPT 64

struct growing_file {
	int fd; /* owned; -1: none */
	uint64_t pos;
	uint64_t left;			 /* bytes that we are willing to read, all in all */
	uint8_t kept[GROWING_FILE_KEPT]; /* the last bytes before pos */
	size_t n_kept;
};

void growing_file_begin(struct growing_file *f, int fd, uint64_t left);
void growing_file_close(struct growing_file *f);

/* Was it written anew, so that what comes is not what follows? Then it is read from its begin. */
bool growing_file_restart_if_new(struct growing_file *f);

/*
 * Gives up to @max of the bytes that have come since to @fn, until that returns an error, which is
 * returned. 0: all has been read; 1: there is more; -EFBIG: more than one was willing to read;
 * otherwise what read(2) says.
 */
typedef int (*growing_file_fn)(void *arg, const void *bytes, size_t n);
int growing_file_read(struct growing_file *f, size_t max, growing_file_fn fn, void *arg);

#endif
