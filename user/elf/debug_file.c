/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_file.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/parse.h"
#include "elf/elf_image.h"
#include "elf/elf_symtab.h"

#define DEBUG_ROOT "/usr/lib/debug"

/* A checksum means reading the whole file; what can be checked by build id may be larger. */
#define CHECKSUM_MAX (1ULL << 31)

struct debug_link {
	char name[NAME_MAX + 1];
	uint32_t crc;
};

/*
 * A device or a pipe behind a name that a foreign file chose must not hold us up. A link often
 * carries the stripped file's own name, so what has nothing to tell is passed over.
 */
static int open_candidate(const char *path, struct elf_file **ret)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_symtab st;
	GElf_Shdr sh;
	int r;

	if (fd < 0)
		return -errno;
	r = elf_file_open_fd(fd, &ef);
	if (r < 0)
		return r;
	if (elf_symtab_find(ef, ELF_SYMTAB_FULL, &st) < 0 &&
	    elf_image_section_by_name(ef, ".debug_info", &sh) < 0)
		return -ENOENT;

	*ret = TAKE_PTR(ef);
	return 0;
}

static bool same_build_id(struct elf_file *a, struct elf_file *b, bool *ret_known)
{
	const uint8_t *id_a, *id_b;
	size_t len_a, len_b;

	*ret_known = elf_file_build_id(a, &id_a, &len_a) == 0 &&
		     elf_file_build_id(b, &id_b, &len_b) == 0;
	return *ret_known && len_a == len_b && memcmp(id_a, id_b, len_a) == 0;
}

static bool has_crc(struct elf_file *ef, uint32_t crc)
{
	uint8_t buf[32768];
	uint32_t sum = 0;

	if (ef->size > CHECKSUM_MAX)
		return false;
	for (uint64_t off = 0; off < ef->size;) {
		size_t n = ef->size - off < sizeof(buf) ? ef->size - off : sizeof(buf);

		if (elf_image_read(ef, off, buf, n) < 0)
			return false;
		sum = crc32(sum, buf, n);
		off += n;
	}
	return sum == crc;
}

static int by_build_id(struct elf_file *ef, struct elf_file **ret)
{
	CLEANUP(elf_file_closep) struct elf_file *found = NULL;
	char hex[2 * ELF_BUILD_ID_MAX + 1], path[PATH_MAX];
	const uint8_t *id;
	size_t len;
	bool known;
	int r;

	r = elf_file_build_id(ef, &id, &len);
	if (r < 0 || len < 2)
		return -ENOENT;

	format_hex(id, len, hex);
	snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%.2s/%s.debug", hex, hex + 2);
	r = open_candidate(path, &found);
	if (r < 0)
		return r;
	if (!same_build_id(ef, found, &known))
		return -ENOENT;

	*ret = TAKE_PTR(found);
	return 0;
}

/* The section is a file name, zeros up to a multiple of four, and the checksum. */
static int read_link(struct elf_file *ef, struct debug_link *ret)
{
	char buf[NAME_MAX + 1 + 8];
	GElf_Shdr sh;
	size_t len;

	if (elf_image_section_by_name(ef, ".gnu_debuglink", &sh) < 0 || sh.sh_size > sizeof(buf) ||
	    elf_image_read(ef, sh.sh_offset, buf, sh.sh_size) < 0)
		return -ENOENT;

	len = strnlen(buf, sh.sh_size);
	if (len == 0 || len > NAME_MAX || ((len + 4) & ~3UL) + 4 > sh.sh_size ||
	    memchr(buf, '/', len))
		return -ENOENT;

	memcpy(ret->name, buf, len);
	ret->name[len] = '\0';
	memcpy(&ret->crc, buf + ((len + 4) & ~3UL), sizeof(ret->crc));
	return 0;
}

static int try_link(struct elf_file *ef, const struct debug_link *link, const char *path,
		    struct elf_file **ret)
{
	CLEANUP(elf_file_closep) struct elf_file *found = NULL;
	bool known;
	int r;

	r = open_candidate(path, &found);
	if (r < 0)
		return r;
	if (!same_build_id(ef, found, &known) && (known || !has_crc(found, link->crc)))
		return -ENOENT;

	*ret = TAKE_PTR(found);
	return 0;
}

static int by_link(struct elf_file *ef, const char *path, struct elf_file **ret)
{
	static const char *const layouts[][2] = {
		{ "", "" },
		{ "", ".debug/" },
		{ DEBUG_ROOT, "" },
	};
	struct debug_link link;
	const char *slash;

	if (!path || path[0] != '/' || read_link(ef, &link) < 0)
		return -ENOENT;

	slash = strrchr(path, '/');
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		char candidate[PATH_MAX];
		int n = snprintf(candidate, sizeof(candidate), "%s%.*s%s%s", layouts[i][0],
				 (int)(slash - path + 1), path, layouts[i][1], link.name);

		if (n < (int)sizeof(candidate) && try_link(ef, &link, candidate, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

int debug_file_open(struct elf_file *ef, const char *path, struct elf_file **ret)
{
	if (by_build_id(ef, ret) == 0 || by_link(ef, path, ret) == 0)
		return 0;
	return -ENOENT;
}

/* How many bytes a section has when it is unpacked; UINT64_MAX if that cannot be told. */
static uint64_t unpacked_size(struct elf_file *ef, const GElf_Shdr *sh)
{
	Elf64_Chdr ch;

	if (sh->sh_type == SHT_NOBITS)
		return 0;
	if (!(sh->sh_flags & SHF_COMPRESSED))
		return sh->sh_size;
	if (elf_image_read(ef, sh->sh_offset, &ch, sizeof(ch)) < 0)
		return UINT64_MAX;
	return ch.ch_size;
}

bool debug_info_is_usable(struct elf_file *ef, uint64_t max)
{
	static const char *const elsewhere[] = { ".gnu_debugaltlink", ".debug_sup",
						 ".zdebug_info" };
	uint64_t sum = 0;
	GElf_Shdr sh;

	if (elf_image_section_by_name(ef, ".debug_info", &sh) < 0 || sh.sh_type == SHT_NOBITS)
		return false;
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (elf_image_section_by_name(ef, elsewhere[i], &sh) == 0)
			return false;

	for (size_t i = 1; elf_image_section(ef, i, &sh) == 0; i++) {
		uint64_t size = sh.sh_flags & SHF_ALLOC ? 0 : unpacked_size(ef, &sh);

		if (size > max - sum)
			return false;
		sum += size;
	}
	return true;
}

struct Elf *debug_info_handle(struct elf_file *ef)
{
	return ef->elf;
}
