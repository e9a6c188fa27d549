/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/debug_files.h"

#include "elf/debug_link.h"

/* Where one file may be: roots and folders are few. */
#define CANDIDATES_MAX 32

static int open_candidate(const struct sym_file_source *source,
			  const struct sym_file_wanted *wanted, unsigned nth, struct elf_file **ret)
{
	CLEANUP(closep) int fd = -1;

	if (!source || nth >= CANDIDATES_MAX)
		return -ENOENT;
	fd = source->open(source->arg, wanted, nth);
	return fd < 0 ? -ENOENT : elf_file_open_fd(fd, ret);
}

/*
 * A link often carries the stripped file's own name, so what has nothing to tell is passed over.
 */
static int open_debug(const struct sym_file_source *source, const struct sym_file_wanted *wanted,
		      struct elf_file *ef, struct elf_file **ret)
{
	const struct debug_link link = { .crc = wanted->crc };
	bool linked = wanted->kind == SYM_FILE_DEBUG_LINK;

	for (unsigned nth = 0;; nth++) {
		CLEANUP(elf_file_closep) struct elf_file *found = NULL;
		int r = open_candidate(source, wanted, nth, &found);

		if (r == -ENOENT || r == -ENOMEM)
			return r;
		if (r < 0 || !debug_file_is_useful(found) ||
		    !debug_link_fits(ef, found, linked ? &link : NULL))
			continue;
		*ret = TAKE_PTR(found);
		return 0;
	}
}

int debug_files_open_debug(const struct sym_file_source *source, struct elf_file *ef,
			   struct elf_file **ret)
{
	struct sym_file_wanted wanted = { .kind = SYM_FILE_BUILD_ID };
	struct debug_link link;
	int r = -ENOENT;

	if (elf_file_build_id(ef, &wanted.build_id, &wanted.build_id_len) == 0)
		r = open_debug(source, &wanted, ef, ret);
	if (r != -ENOENT || debug_link_read(ef, &link) < 0)
		return r;
	wanted.kind = SYM_FILE_DEBUG_LINK;
	wanted.name = link.name;
	wanted.crc = link.crc;
	return open_debug(source, &wanted, ef, ret);
}

int debug_files_open_alt(const struct sym_file_source *source, struct elf_file *ef,
			 struct elf_file **ret)
{
	struct sym_file_wanted wanted = { .kind = SYM_FILE_ALT_LINK };
	struct alt_link link;

	if (alt_link_read(ef, &link) < 0)
		return -ENOENT;
	wanted.name = link.name;
	wanted.build_id = link.id;
	wanted.build_id_len = link.id_len;

	for (unsigned nth = 0;; nth++) {
		CLEANUP(elf_file_closep) struct elf_file *found = NULL;
		int r = open_candidate(source, &wanted, nth, &found);

		if (r == -ENOENT || r == -ENOMEM)
			return r;
		if (r < 0 || !alt_link_fits(&link, found))
			continue;
		*ret = TAKE_PTR(found);
		return 0;
	}
}

int debug_files_open_split(const struct sym_file_source *source,
			   const struct sym_file_wanted *wanted, unsigned nth,
			   struct elf_file **ret)
{
	return open_candidate(source, wanted, nth, ret);
}
