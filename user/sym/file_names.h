/* SPDX-License-Identifier: Apache-2.0 */
/* Names from one ELF file, read in the process that calls. */
#ifndef SYM_FILE_NAMES_H
#define SYM_FILE_NAMES_H

#include <stdbool.h>

#include "sym/file_source.h"
#include "sym/name_table.h"

struct file_reader {
	struct name_table *names;	     /* what results will point to */
	const struct sym_file_source *files; /* opens what else there is of a file; NULL: nothing */
	bool may_map;			     /* elf_file_open_mapped() */
	bool symbols_only;		     /* nothing but the file's own symbol tables */
	uint64_t *debug_left_out;	     /* goes up as symbolizer_debug_left_out() */
};

/* As symbolizer_file(), for results whose vaddr holds the offset. */
int file_names(const struct file_reader *fr, int fd, struct sym_result *results, size_t n);

#endif
