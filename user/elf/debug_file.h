/* SPDX-License-Identifier: Apache-2.0 */
/* Separate files of debug information, as distributions ship them. Local files only. */
#ifndef ELF_DEBUG_FILE_H
#define ELF_DEBUG_FILE_H

#include "elf/elf_file.h"

/*
 * Opens the file that holds what was stripped from @ef: by build id below /usr/lib/debug/.build-id,
 * then by .gnu_debuglink beside @path (what the process called the file; NULL: unknown), in .debug/
 * there, and in the same folder below /usr/lib/debug. A candidate must have the same build id, or,
 * if one of the two has none, the checksum that the link names. -ENOENT if there is none.
 */
int debug_file_open(struct elf_file *ef, const char *path, struct elf_file **ret);

/* Who opens candidates: the @nth, from 0. -ENOENT ends them. */
struct debug_file_opener {
	int (*by_build_id)(void *arg, const uint8_t *id, size_t len, unsigned nth);
	int (*by_link)(void *arg, const char *name, uint32_t crc, unsigned nth);
	void *arg;
};

/* The same by way of @opener. */
int debug_file_open_by(struct elf_file *ef, const struct debug_file_opener *opener,
		       struct elf_file **ret);

/* Those of debug_file_open(), for a file that the process called @path. */
int debug_file_candidate_by_build_id(const uint8_t *id, size_t len, unsigned nth);
int debug_file_candidate_by_link(const char *path, const char *name, unsigned nth);

/*
 * May libdw be let loose on the debug information of @ef? It reads all of it at once, and follows
 * references to other files by names that a foreign file chose. Only if there is some, not more
 * than @max bytes of it when unpacked, none in the old compressed form, and no such reference.
 */
bool debug_info_is_usable(struct elf_file *ef, uint64_t max);

/* libelf's handle, for libdw; borrowed. */
struct Elf;
struct Elf *debug_info_handle(struct elf_file *ef);

#endif
