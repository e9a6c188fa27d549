/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a sym_file_source for the files that belong to an ELF file, and believes only the right
 * ones. */
#ifndef SYM_DEBUG_FILES_H
#define SYM_DEBUG_FILES_H

#include "elf/elf_file.h"
#include "sym/file_source.h"

/*
 * @source may be NULL: no files. All are -ENOENT if there is none. What was stripped from @ef, by
 * build id, then by .gnu_debuglink.
 */
int debug_files_open_debug(const struct sym_file_source *source, struct elf_file *ef,
			   struct elf_file **ret);

/* The supplementary file that @ef refers to. */
int debug_files_open_alt(const struct sym_file_source *source, struct elf_file *ef,
			 struct elf_file **ret);

/* Candidate number @nth. Whether it is the right one, only its units tell. */
int debug_files_open_split(const struct sym_file_source *source,
			   const struct sym_file_wanted *wanted, unsigned nth,
			   struct elf_file **ret);

#endif
