/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/debug_link.h"

#include <string.h>
#include <zlib.h>

#include "elf/elf_symtab.h"
#include "elf/unpack.h"

/* A checksum means reading the whole file; what can be checked by build id may be larger. */
#define CHECKSUM_MAX (1ULL << 31)

/* The symbols of the largest programs have 20 MB. */
#define MINI_DEBUG_MAX (64U << 20)

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

bool debug_link_fits(struct elf_file *ef, struct elf_file *debug, const struct debug_link *link)
{
	bool known;

	if (same_build_id(ef, debug, &known))
		return true;
	return !known && link && has_crc(debug, link->crc);
}

/* Reads a small section; its length, or -ENOENT. */
static ssize_t read_section(struct elf_file *ef, const char *name, void *buf, size_t size)
{
	Elf64_Shdr sh;

	if (elf_image_section_by_name(ef, name, &sh) < 0 || sh.sh_type == SHT_NOBITS ||
	    sh.sh_size > size || elf_image_read(ef, sh.sh_offset, buf, sh.sh_size) < 0)
		return -ENOENT;
	return sh.sh_size;
}

/* The section is a file name, zeros up to a multiple of four, and the checksum. */
int debug_link_read(struct elf_file *ef, struct debug_link *ret)
{
	char buf[NAME_MAX + 1 + 8];
	ssize_t size = read_section(ef, ".gnu_debuglink", buf, sizeof(buf));
	size_t len;

	if (size < 0)
		return -ENOENT;
	len = strnlen(buf, size);
	if (len == 0 || len > NAME_MAX || ((len + 4) & ~3UL) + 4 > (size_t)size ||
	    memchr(buf, '/', len))
		return -ENOENT;

	memcpy(ret->name, buf, len);
	ret->name[len] = '\0';
	memcpy(&ret->crc, buf + ((len + 4) & ~3UL), sizeof(ret->crc));
	return 0;
}

/* --- supplementary files ---------------------------------------------------------------------- */

/* A name, and the build id of the file. */
static int parse_alt_link(const uint8_t *buf, size_t size, struct alt_link *ret)
{
	size_t len = strnlen((const char *)buf, size);

	if (len == 0 || len >= size || len >= sizeof(ret->name) || size - len - 1 == 0 ||
	    size - len - 1 > sizeof(ret->id))
		return -ENOENT;
	memcpy(ret->name, buf, len + 1);
	ret->id_len = size - len - 1;
	memcpy(ret->id, buf + len + 1, ret->id_len);
	return 0;
}

/* Version 5 (2 bytes), is this the supplementary file (1), name, length of the checksum, checksum.
 */
static int parse_debug_sup(const uint8_t *buf, size_t size, bool is_supplementary,
			   struct alt_link *ret)
{
	size_t len, pos;

	if (size < 5 || buf[2] != is_supplementary)
		return -ENOENT;
	len = strnlen((const char *)buf + 3, size - 3);
	pos = 3 + len + 1;
	if (len >= sizeof(ret->name) || pos + 1 > size || buf[pos] == 0 ||
	    buf[pos] > sizeof(ret->id) || buf[pos] != size - pos - 1)
		return -ENOENT;
	memcpy(ret->name, buf + 3, len + 1);
	ret->id_len = buf[pos];
	memcpy(ret->id, buf + pos + 1, ret->id_len);
	return 0;
}

int alt_link_read(struct elf_file *ef, struct alt_link *ret)
{
	uint8_t buf[PATH_MAX + ELF_BUILD_ID_MAX + 8];
	ssize_t size = read_section(ef, ".gnu_debugaltlink", buf, sizeof(buf));

	if (size >= 0)
		return parse_alt_link(buf, size, ret);
	size = read_section(ef, ".debug_sup", buf, sizeof(buf));
	return size < 0 ? -ENOENT : parse_debug_sup(buf, size, false, ret);
}

bool alt_link_fits(const struct alt_link *link, struct elf_file *alt)
{
	uint8_t buf[PATH_MAX + ELF_BUILD_ID_MAX + 8];
	ssize_t size = read_section(alt, ".debug_sup", buf, sizeof(buf));
	struct alt_link own;
	const uint8_t *id;
	size_t len;

	if (size >= 0 && parse_debug_sup(buf, size, true, &own) == 0) {
		id = own.id;
		len = own.id_len;
	} else if (elf_file_build_id(alt, &id, &len) < 0) {
		return false;
	}
	return len == link->id_len && memcmp(id, link->id, len) == 0;
}

/* --- what a file has -------------------------------------------------------------------------- */

bool debug_file_has_dwarf(struct elf_file *ef)
{
	Elf64_Shdr sh;

	return (elf_image_section_by_name(ef, ".debug_info", &sh) == 0 &&
		sh.sh_type != SHT_NOBITS) ||
	       elf_image_section_by_name(ef, ".zdebug_info", &sh) == 0;
}

bool debug_file_is_useful(struct elf_file *ef)
{
	struct elf_symtab st;

	return elf_symtab_find(ef, ELF_SYMTAB_FULL, &st) == 0 || debug_file_has_dwarf(ef);
}

int mini_debug_open(struct elf_file *ef, uint8_t **ret_mem, struct elf_file **ret)
{
	CLEANUP(freep) uint8_t *mem = NULL;
	Elf64_Shdr sh;
	size_t len;
	int r;

	if (elf_image_section_by_name(ef, ".gnu_debugdata", &sh) < 0)
		return -ENOENT;
	r = unpack_xz(&(struct unpack_input){ ef, sh.sh_offset, sh.sh_size }, MINI_DEBUG_MAX, &mem,
		      &len);
	if (r == 0)
		r = elf_file_open_memory(mem, len, ret);
	if (r == 0)
		*ret_mem = TAKE_PTR(mem);
	return r;
}
