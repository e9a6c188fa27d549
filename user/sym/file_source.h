/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files besides the one at hand that its names are in: debug files, split units, supplementary
 * files. Who reads names never opens a path: the names come from foreign files, and the reader may
 * be a process that can open nothing. It asks, and whoever may opens.
 */
#ifndef SYM_FILE_SOURCE_H
#define SYM_FILE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

enum sym_file_kind {
	SYM_FILE_BUILD_ID,   /* the debug file of an ELF file: build_id */
	SYM_FILE_DEBUG_LINK, /* .gnu_debuglink: name, crc */
	SYM_FILE_FETCHED,    /* as BUILD_ID, from a server: for what is not to be had here */
	SYM_FILE_ALT_LINK,   /* .gnu_debugaltlink, DWARF 5's .debug_sup: name, build_id */
	SYM_FILE_DWO,	     /* a split unit: name, comp_dir */
	SYM_FILE_DWP,	     /* the package of all split units: beside the file at hand */
	SYM_FILE_KINDS,
};

/* All strings may hold anything but NUL, whole paths too. */
struct sym_file_wanted {
	enum sym_file_kind kind;
	const uint8_t *build_id; /* NULL: not known */
	size_t build_id_len;
	const char *name;     /* as the file at hand names it; NULL: it does not */
	const char *comp_dir; /* for relative names; NULL: not known */
	uint32_t crc;
};

struct sym_file_source {
	/*
	 * Opens a regular file for reading. The caller closes it, and checks that it is the right
	 * one. @nth counts candidates from 0, as the first may be the wrong one: -ENOENT ends them.
	 */
	int (*open)(void *arg, const struct sym_file_wanted *wanted, unsigned nth);
	/* Which servers are asked now for SYM_FILE_FETCHED, as a hash; 0: none. NULL: none. */
	uint64_t (*servers)(void *arg);
	void *arg;
};

#endif
