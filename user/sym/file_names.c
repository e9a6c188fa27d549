/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/file_names.h"

#include "elf/debug_link.h"
#include "sym/debug_files.h"
#include "sym/dwarf_names.h"
#include "sym/elf_names.h"
#include "sym/go_names.h"
#include "sym/plt_names.h"
#include "sym/sym_batch.h"

/* Memory for debug information: what is compressed counts unpacked, mapped files do not count. */
#define DEBUG_MEMORY_MAX	(24ULL << 20)
#define DEBUG_MEMORY_MAPPED_MAX (192ULL << 20)

/* One file with what belongs to it. */
struct file_set {
	struct elf_file *ef;
	struct elf_file *debug; /* NULL: none, or not needed */
	struct elf_file *mini;	/* .gnu_debugdata */
	uint8_t *mini_mem;
};

static void file_set_clear(struct file_set *fs)
{
	elf_file_close(fs->debug);
	elf_file_close(fs->mini);
	free(fs->mini_mem);
}

/* A debug file has all that the small one in .gnu_debugdata has, and more. */
static int file_set_open(struct file_set *fs, const struct sym_file_source *files)
{
	bool few_symbols = elf_names_needs_debug_file(fs->ef);
	int r = 0;

	if (few_symbols || !debug_file_has_dwarf(fs->ef))
		r = debug_files_open_debug(files, fs->ef, &fs->debug);
	if (r == -ENOMEM)
		return r;
	if (few_symbols && (!fs->debug || elf_names_needs_debug_file(fs->debug)))
		r = mini_debug_open(fs->ef, &fs->mini_mem, &fs->mini);
	return r == -ENOMEM ? r : 0;
}

static int name_from_dwarf(const struct file_reader *fr, const struct file_set *fs,
			   struct sym_batch *b)
{
	struct debug_budget budget = { .may_map = fr->may_map,
				       .left = fr->may_map ? DEBUG_MEMORY_MAPPED_MAX
							   : DEBUG_MEMORY_MAX };
	const struct dwarf_names_input in = {
		.code = fs->ef,
		.debug = debug_file_has_dwarf(fs->ef) ? fs->ef : fs->debug,
		.source = fr->files,
		.budget = &budget,
	};
	int r = in.debug ? dwarf_names_answer(&in, b) : 0;

	if (r == -ENOMEM)
		return r;
	*fr->debug_left_out += r == -EFBIG || r == -EBADMSG;
	return 0;
}

/*
 * Symbols, then what they are silent of: stubs; then DWARF, which knows inlined calls and lines.
 * What Go knows of itself comes last: it is in stripped programs, too.
 */
static int name_from_file(const struct file_reader *fr, struct elf_file *ef, struct sym_batch *b)
{
	CLEANUP(file_set_clear) struct file_set fs = { .ef = ef };
	int r = fr->symbols_only ? 0 : file_set_open(&fs, fr->files);

	if (r == 0)
		r = elf_names_answer(ef, fs.debug, fs.mini, b);
	if (r == 0)
		r = plt_names_answer(ef, b);
	if (fr->symbols_only)
		return r;
	if (r == 0)
		r = name_from_dwarf(fr, &fs, b);
	if (r == 0)
		r = go_names_answer(ef, b);
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
	return name_from_file(fr, ef, &b);
}
