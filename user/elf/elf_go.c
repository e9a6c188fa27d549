/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_go.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf_image.h"

/* $GOROOT/src/runtime/symtab.go: pcHeader, and moduledata of Go 1.16 and later. */
#define TEXT_IN_HEADER 24
#define TEXT_IN_MODULE 176

/* Words in writable data that may be the begin of runtime.firstmoduledata. */
#define MODULES_MAX 8

/* Magic numbers of all versions in their first byte; then ff ff ff 00 00, quantum, pointer size. */
static bool is_header(const uint8_t *p)
{
	static const uint8_t rest[] = { 0xff, 0xff, 0xff, 0, 0 };

	return (p[0] == 0xfb || p[0] == 0xfa || p[0] == 0xf0 || p[0] == 0xf1) &&
	       memcmp(p + 1, rest, sizeof(rest)) == 0 && (p[6] == 1 || p[6] == 4) && p[7] == 8;
}

static bool has_header(struct elf_file *ef, uint64_t off)
{
	uint8_t head[8];

	return elf_image_read(ef, off, head, sizeof(head)) == 0 && is_header(head);
}

/* @size bytes at @off end with the file. */
static struct elf_span span_of(struct elf_file *ef, uint64_t off, uint64_t size, uint64_t vaddr)
{
	uint64_t there = off < ef->size ? ef->size - off : 0;

	return (struct elf_span){ off, size < there ? size : there, vaddr };
}

/* --- the table -------------------------------------------------------------------------------- */

static int find_section(struct elf_file *ef, const char *name, struct elf_go *ret)
{
	Elf64_Shdr sh;

	if (elf_image_section_by_name(ef, name, &sh) < 0 || sh.sh_type == SHT_NOBITS ||
	    !has_header(ef, sh.sh_offset))
		return -ENODATA;
	ret->pclntab = span_of(ef, sh.sh_offset, sh.sh_size, sh.sh_addr);
	return 0;
}

/* Of @bytes, as many as are left; these are used up. */
static uint64_t use(uint64_t *left, uint64_t bytes)
{
	if (bytes > *left)
		bytes = *left;
	*left -= bytes;
	return bytes;
}

/* The table is aligned to 8 bytes at least. */
static int search_span(struct elf_file *ef, const struct elf_span *in, uint64_t *left,
		       struct elf_go *ret)
{
	struct elf_window w;
	const uint8_t *p;

	elf_window_init(&w, ef, in->off, use(left, in->size), 8);
	for (uint64_t at = 0; (p = elf_window_next(&w)); at += 8) {
		if (!is_header(p))
			continue;
		ret->pclntab = span_of(ef, in->off + at, in->size - at, in->vaddr + at);
		return 0;
	}
	return -ENODATA;
}

/* A thousand segments may each be all of a sparse file: what counts is their sum. */
static int search_segments(struct elf_file *ef, struct elf_go *ret)
{
	uint64_t left = ELF_WINDOW_MAX;

	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];
		struct elf_span in = span_of(ef, ph->p_offset, ph->p_filesz, ph->p_vaddr);

		if (ph->p_type == PT_LOAD && !(ph->p_flags & PF_X) && in.off % 8 == 0 &&
		    search_span(ef, &in, &left, ret) == 0)
			return 0;
	}
	return -ENODATA;
}

static bool has_section(struct elf_file *ef, const char *name)
{
	Elf64_Shdr sh;

	return elf_image_section_by_name(ef, name, &sh) == 0;
}

int elf_go_find(struct elf_file *ef, struct elf_go *ret)
{
	struct elf_go go;

	if (elf_image_is_debug_only(ef))
		return -ENODATA;
	if (find_section(ef, ".gopclntab", &go) < 0 &&
	    find_section(ef, ".data.rel.ro.gopclntab", &go) < 0) {
		if (ef->n_sections && !has_section(ef, ".go.buildinfo") &&
		    !has_section(ef, ".note.go.buildid"))
			return -ENODATA;
		if (search_segments(ef, &go) < 0)
			return -ENODATA;
	}
	*ret = go;
	return 0;
}

/* --- the code --------------------------------------------------------------------------------- */

static int text_in_header(struct elf_file *ef, const struct elf_go *go, uint64_t *ret)
{
	uint64_t text;

	if (elf_image_read(ef, go->pclntab.off + TEXT_IN_HEADER, &text, sizeof(text)) < 0 || !text)
		return -ENODATA;
	*ret = text;
	return 0;
}

static int text_section(struct elf_file *ef, uint64_t *ret)
{
	Elf64_Shdr sh;

	if (elf_image_section_by_name(ef, ".text", &sh) < 0)
		return -ENODATA;
	*ret = sh.sh_addr;
	return 0;
}

/* By the first word of runtime.firstmoduledata, which is the table's address. */
static int word_in_module(struct elf_file *ef, const struct elf_go *go, unsigned word,
			  uint64_t *ret)
{
	uint64_t left = ELF_WINDOW_MAX;
	struct elf_window w;
	const uint8_t *p;
	unsigned n = 0;

	for (size_t i = 0; i < ef->n_phdrs; i++) {
		const Elf64_Phdr *ph = &ef->phdrs[i];
		struct elf_span in = span_of(ef, ph->p_offset, ph->p_filesz, ph->p_vaddr);

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_W))
			continue;
		elf_window_init(&w, ef, in.off, use(&left, in.size), 8);
		for (uint64_t at = in.off; n < MODULES_MAX && (p = elf_window_next(&w)); at += 8) {
			if (memcmp(p, &go->pclntab.vaddr, 8) != 0)
				continue;
			n++;
			if (elf_image_read(ef, at + word, ret, sizeof(*ret)) == 0 && *ret)
				return 0;
		}
	}
	return -ENODATA;
}

static bool is_relative(const struct elf_file *ef, const Elf64_Rela *rela)
{
	uint32_t type = ELF64_R_TYPE(rela->r_info);

	return ef->ehdr.e_machine == EM_X86_64 ? type == R_X86_64_RELATIVE
					       : type == R_AARCH64_RELATIVE;
}

/* Where relocations put the address @value; up to @max such places. */
static size_t find_relocated(struct elf_file *ef, const struct elf_span *rela, uint64_t value,
			     uint64_t *places, size_t max)
{
	struct elf_window w;
	const Elf64_Rela *r;
	size_t n = 0;

	elf_window_init(&w, ef, rela->off, rela->size, sizeof(*r));
	while (n < max && (r = elf_window_next(&w)))
		if (is_relative(ef, r) && (uint64_t)r->r_addend == value)
			places[n++] = r->r_offset;
	return n;
}

static int find_addend(struct elf_file *ef, const struct elf_span *rela, const uint64_t *places,
		       size_t n, uint64_t *ret)
{
	struct elf_window w;
	const Elf64_Rela *r;

	elf_window_init(&w, ef, rela->off, rela->size, sizeof(*r));
	while ((r = elf_window_next(&w)))
		for (size_t i = 0; is_relative(ef, r) && i < n; i++)
			if (r->r_offset == places[i]) {
				*ret = r->r_addend;
				return 0;
			}
	return -ENODATA;
}

/* Of a PIE: its addresses are 0 in the file. */
static int word_by_relocation(struct elf_file *ef, const struct elf_go *go, unsigned word,
			      uint64_t *ret)
{
	uint64_t places[MODULES_MAX], off, avail;
	struct elf_dynamic dyn;
	struct elf_span rela;
	size_t n;

	if (elf_image_dynamic(ef, &dyn) < 0 || !dyn.rela ||
	    elf_image_vaddr_to_offset(ef, dyn.rela, &off, &avail) < 0)
		return -ENODATA;
	rela = span_of(ef, off, dyn.relasz < avail ? dyn.relasz : avail, dyn.rela);
	n = find_relocated(ef, &rela, go->pclntab.vaddr, places, MODULES_MAX);
	for (size_t i = 0; i < n; i++)
		places[i] += word;
	return n ? find_addend(ef, &rela, places, n, ret) : -ENODATA;
}

int elf_go_text(struct elf_file *ef, const struct elf_go *go, unsigned i, uint64_t *ret)
{
	int r;

	*ret = 0;
	switch (i) {
	case 0:
		r = text_in_header(ef, go, ret);
		break;
	case 1:
		r = text_section(ef, ret);
		break;
	case 2:
		r = word_in_module(ef, go, TEXT_IN_MODULE, ret);
		break;
	case 3:
		r = word_by_relocation(ef, go, TEXT_IN_MODULE, ret);
		break;
	default:
		return -ENOENT;
	}
	/* A guess that cannot be made is one that leads nowhere. */
	return r == -ENODATA ? 0 : r;
}

int elf_go_module_word(struct elf_file *ef, const struct elf_go *go, unsigned off, unsigned i,
		       uint64_t *ret)
{
	int r;

	*ret = 0;
	if (i > 1)
		return -ENOENT;
	r = i ? word_by_relocation(ef, go, off, ret) : word_in_module(ef, go, off, ret);
	return r == -ENODATA ? 0 : r;
}

/* --- build information ------------------------------------------------------------------------ */

/* $GOROOT/src/debug/buildinfo: magic, size of pointers, flags; then two pointers, or strings. */
#define BUILDINFO_MAGIC	  "\xff Go buildinf:"
#define BUILDINFO_FLAGS	  15
#define BUILDINFO_INLINE  2 /* flag: since Go 1.18 */
#define BUILDINFO_VERSION 16
#define BUILDINFO_STRING  32
#define VERSION_MAX	  63 /* bytes; what follows is of no interest */

/* It is a section, or what the data begins with. */
static int find_buildinfo(struct elf_file *ef, uint64_t *ret)
{
	Elf64_Shdr sh;

	if (elf_image_section_by_name(ef, ".go.buildinfo", &sh) == 0) {
		*ret = sh.sh_offset;
		return 0;
	}
	for (size_t i = 0; i < ef->n_phdrs; i++)
		if (ef->phdrs[i].p_type == PT_LOAD && ef->phdrs[i].p_flags & PF_W) {
			*ret = ef->phdrs[i].p_offset;
			return 0;
		}
	return -ENODATA;
}

/* A Go string: address and length. */
static int read_string(struct elf_file *ef, uint64_t vaddr, char *ret, size_t size)
{
	uint64_t header[2], off, avail, len;

	if (elf_image_vaddr_to_offset(ef, vaddr, &off, &avail) < 0 || avail < sizeof(header) ||
	    elf_image_read(ef, off, header, sizeof(header)) < 0)
		return -ENODATA;
	len = header[1] < size - 1 ? header[1] : size - 1;
	if (elf_image_vaddr_to_offset(ef, header[0], &off, &avail) < 0 || avail < len ||
	    elf_image_read(ef, off, ret, len) < 0)
		return -ENODATA;
	ret[len] = '\0';
	return 0;
}

static int read_version(struct elf_file *ef, char ret[VERSION_MAX + 1])
{
	uint8_t head[BUILDINFO_STRING + 1 + VERSION_MAX] = { 0 };
	uint64_t at, vaddr;
	size_t len;

	if (find_buildinfo(ef, &at) < 0 || elf_image_read(ef, at, head, BUILDINFO_STRING + 1) < 0 ||
	    memcmp(head, BUILDINFO_MAGIC, strlen(BUILDINFO_MAGIC)) != 0)
		return -ENODATA;
	if (!(head[BUILDINFO_FLAGS] & BUILDINFO_INLINE)) {
		memcpy(&vaddr, head + BUILDINFO_VERSION, sizeof(vaddr));
		return read_string(ef, vaddr, ret, VERSION_MAX + 1);
	}
	len = head[BUILDINFO_STRING]; /* a varint; versions are shorter than 128 */
	if (len > VERSION_MAX)
		len = VERSION_MAX;
	memset(ret, 0, VERSION_MAX + 1);
	return elf_image_read(ef, at + BUILDINFO_STRING + 1, ret, len) < 0 ? -ENODATA : 0;
}

int elf_go_version(struct elf_file *ef, unsigned int *ret_minor)
{
	char text[VERSION_MAX + 1];
	const char *go;

	if (read_version(ef, text) < 0)
		return -ENODATA;
	go = strstr(text, "go1."); /* also of "devel go1.27-…" */
	if (!go || !isdigit((unsigned char)go[4]))
		return -ENODATA;
	*ret_minor = (unsigned int)strtoul(go + 4, NULL, 10);
	return 0;
}
