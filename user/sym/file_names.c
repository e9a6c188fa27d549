/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/file_names.h"

#include "elf/debug_file.h"
#include "elf/elf_file.h"
#include "sym/dwarf_names.h"
#include "sym/elf_names.h"
#include "sym/sym_batch.h"

static int open_by_build_id(void *arg, const uint8_t *id, size_t len, unsigned nth)
{
	const struct sym_file_source *files = arg;
	const struct sym_file_wanted wanted = {
		.kind = SYM_FILE_BUILD_ID,
		.build_id = id,
		.build_id_len = len,
	};

	return files->open(files->arg, &wanted, nth);
}

static int open_by_link(void *arg, const char *name, uint32_t crc, unsigned nth)
{
	const struct sym_file_source *files = arg;
	const struct sym_file_wanted wanted = {
		.kind = SYM_FILE_DEBUG_LINK,
		.name = name,
		.crc = crc,
	};

	return files->open(files->arg, &wanted, nth);
}

static int open_debug(struct elf_file *ef, const struct sym_file_source *files,
		      struct elf_file **ret)
{
	const struct debug_file_opener opener = { open_by_build_id, open_by_link, (void *)files };

	return files ? debug_file_open_by(ef, &opener, ret) : -ENOENT;
}

/* Where the debug file stands in the line: its symbols, then DWARF of the file, then of it. */
static int name_from_file(const struct file_reader *fr, int fd, struct elf_file *ef,
			  struct sym_batch *b)
{
	CLEANUP(elf_file_closep) struct elf_file *debug = NULL, *own = NULL;
	const struct sym_file_source *files = fr->files;
	int r;

	if (elf_names_needs_debug_file(ef) && open_debug(ef, files, &debug) < 0)
		debug = NULL;
	r = elf_names_answer(ef, debug, b);
	if (r < 0)
		return r;

	/* Where it unpacks sections, libelf writes to the headers. */
	r = elf_file_open_fd(fd, &own);
	if (r == 0)
		r = dwarf_names_answer(own, b);
	if (r == -ENODATA && (debug || open_debug(ef, files, &debug) == 0))
		r = dwarf_names_answer(debug, b);
	return r == -ENODATA ? 0 : r;
}

int file_names(const struct file_reader *fr, int fd, struct sym_result *results, size_t n)
{
	CLEANUP(sym_batch_clear) struct sym_batch b = { 0 };
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r;

	r = fr->may_map ? elf_file_open_mapped(fd, &ef) : elf_file_open_fd(fd, &ef);
	if (r == 0)
		r = sym_batch_init(&b, fr->names, n);
	if (r < 0)
		return r;

	sym_batch_add(&b, ef, results, n);
	return name_from_file(fr, fd, ef, &b);
}
