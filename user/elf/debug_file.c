/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_file.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/parse.h"
#include "elf/elf_image.h"
#include "elf/elf_symtab.h"

#define DEBUG_ROOT     "/usr/lib/debug"
#define CANDIDATES_MAX 8

/* A checksum means reading the whole file; what can be checked by build id may be larger. */
#define CHECKSUM_MAX (1ULL << 31)

struct debug_link {
	char name[NAME_MAX + 1];
	uint32_t crc;
};

/* A device or a pipe behind a name that a foreign file chose must not hold us up. */
static int open_regular(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -ENOTSUP;
}

/* A link often carries the stripped file's own name, so what has nothing to tell is passed over. */
static int open_useful(int fd, struct elf_file **ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_symtab st;
	GElf_Shdr sh;
	int r;

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

/* Closes @fd. @link is NULL if it was found by build id. */
static int check(struct elf_file *ef, int fd, const struct debug_link *link, struct elf_file **ret)
{
	CLEANUP(elf_file_closep) struct elf_file *found = NULL;
	bool known;
	int r;

	r = open_useful(fd, &found);
	close(fd);
	if (r < 0)
		return r;
	if (!same_build_id(ef, found, &known) && (known || !link || !has_crc(found, link->crc)))
		return -ENOENT;

	*ret = TAKE_PTR(found);
	return 0;
}

static int by_build_id(struct elf_file *ef, const struct debug_file_opener *opener,
		       struct elf_file **ret)
{
	const uint8_t *id;
	size_t len;

	if (elf_file_build_id(ef, &id, &len) < 0 || len < 2)
		return -ENOENT;
	for (unsigned nth = 0; nth < CANDIDATES_MAX; nth++) {
		int fd = opener->by_build_id(opener->arg, id, len, nth);

		if (fd == -ENOENT)
			break;
		if (fd >= 0 && check(ef, fd, NULL, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

static int by_link(struct elf_file *ef, const struct debug_file_opener *opener,
		   struct elf_file **ret)
{
	struct debug_link link;

	if (read_link(ef, &link) < 0)
		return -ENOENT;
	for (unsigned nth = 0; nth < CANDIDATES_MAX; nth++) {
		int fd = opener->by_link(opener->arg, link.name, link.crc, nth);

		if (fd == -ENOENT)
			break;
		if (fd >= 0 && check(ef, fd, &link, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

int debug_file_open_by(struct elf_file *ef, const struct debug_file_opener *opener,
		       struct elf_file **ret)
{
	return by_build_id(ef, opener, ret) == 0 ? 0 : by_link(ef, opener, ret);
}

/* --- where they are --------------------------------------------------------------------------- */

int debug_file_candidate_by_build_id(const uint8_t *id, size_t len, unsigned nth)
{
	char hex[2 * ELF_BUILD_ID_MAX + 1], path[PATH_MAX];

	if (nth > 0 || len < 2 || len > ELF_BUILD_ID_MAX)
		return -ENOENT;
	format_hex(id, len, hex);
	snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%.2s/%s.debug", hex, hex + 2);
	return open_regular(path);
}

int debug_file_candidate_by_link(const char *path, const char *name, unsigned nth)
{
	static const char *const layouts[][2] = {
		{ "", "" },
		{ "", ".debug/" },
		{ DEBUG_ROOT, "" },
	};
	const char *slash = path ? strrchr(path, '/') : NULL;
	char candidate[PATH_MAX];
	int n, fd;

	if (nth >= sizeof(layouts) / sizeof(layouts[0]) || !slash || path[0] != '/' ||
	    strchr(name, '/'))
		return -ENOENT;
	n = snprintf(candidate, sizeof(candidate), "%s%.*s%s%s", layouts[nth][0],
		     (int)(slash - path + 1), path, layouts[nth][1], name);
	fd = n < (int)sizeof(candidate) ? open_regular(candidate) : -ENAMETOOLONG;
	/* That would end them. */
	return fd == -ENOENT ? -ENODATA : fd;
}

static int open_by_build_id(void *arg, const uint8_t *id, size_t len, unsigned nth)
{
	return debug_file_candidate_by_build_id(id, len, nth);
}

static int open_by_link(void *arg, const char *name, uint32_t crc, unsigned nth)
{
	return debug_file_candidate_by_link(arg, name, nth);
}

int debug_file_open(struct elf_file *ef, const char *path, struct elf_file **ret)
{
	const struct debug_file_opener opener = { open_by_build_id, open_by_link, (char *)path };

	return debug_file_open_by(ef, &opener, ret);
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
