/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug files from debuginfod servers, by build id, kept in a folder of bounded size. Bounded in
 * time, too: a server that hangs costs what the limits say, once a period.
 */
#ifndef SYM_DEBUGINFOD_FILES_H
#define SYM_DEBUGINFOD_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct debuginfod_limits {
	uint64_t file_bytes;	 /* of one file; larger ones are left at the server */
	unsigned stall_seconds;	 /* without a byte, or for the first one */
	unsigned total_seconds;	 /* of all waiting in a period */
	unsigned period_seconds; /* 0: one without end */
	uint64_t cache_bytes;	 /* of the folder; the files used least recently go first */
};

#define DEBUGINFOD_LIMITS_DEFAULT                                                                  \
	((struct debuginfod_limits){                                                               \
		.file_bytes = 2ULL << 30,                                                          \
		.stall_seconds = 10,                                                               \
		.total_seconds = 120,                                                              \
		.period_seconds = 1800,                                                            \
		.cache_bytes = 4ULL << 30,                                                         \
	})

struct debuginfod_totals {
	uint64_t found;	  /* files that a server or the folder had */
	uint64_t missing; /* that no server has */
	uint64_t failed;  /* that were not to be had: timeout, too large, no connection */
	int error;	  /* negative errno of the last failure */
};

struct debuginfod_files;

/*
 * @urls: of servers, separated by spaces; @folder is made if it is not there. Sets libdebuginfod's
 * environment variables, so there may be no other thread yet, and only one object at a time.
 * -ENOPKG: there is no libdebuginfod; -ENOMEM, or what mkdir(2) says of the folder.
 */
int debuginfod_files_new(const char *urls, const char *folder,
			 const struct debuginfod_limits *limits, struct debuginfod_files **ret);
void debuginfod_files_free(struct debuginfod_files *d); /* NULL is fine */
DEFINE_CLEANUP(struct debuginfod_files *, debuginfod_files_free)

/*
 * The debug file of the ELF file with this build id: a descriptor, which the caller closes. Nobody
 * has checked what is in it. -ENOENT: no server has it. -ETIMEDOUT: the time is used up, or the
 * server was silent for too long; -EFBIG; what else libdebuginfod says.
 */
int debuginfod_files_open(struct debuginfod_files *d, const uint8_t *build_id, size_t len);

/* Is there time left? A hash of the servers that would be asked; 0: none would be. */
uint64_t debuginfod_files_asked(struct debuginfod_files *d);

struct debuginfod_totals debuginfod_files_totals(const struct debuginfod_files *d);

/* Asks for an end of waiting, from a signal handler or another thread: what follows fails. */
void debuginfod_files_cancel(struct debuginfod_files *d);

#endif
