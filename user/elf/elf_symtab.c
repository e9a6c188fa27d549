/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_symtab.h"

#include <string.h>

#include "elf/elf_image.h"

/* Strings are read in steps of this size: most names end in the first. */
#define NAME_STEP 128

/* Of a chain of hashes, one per symbol; the longest .dynsym of real files has under a million. */
#define CHAIN_MAX (4ull << 20)

/* Symbols of one bucket that are looked at. */
#define LOOKUP_MAX 4096

static uint64_t clip(struct elf_file *ef, uint64_t off, uint64_t len)
{
	uint64_t there = off < ef->size ? ef->size - off : 0;

	return len < there ? len : there;
}

static int from_section(struct elf_file *ef, uint32_t type, struct elf_symtab *ret)
{
	Elf64_Shdr sh, strings;

	for (size_t i = 1; elf_image_section(ef, i, &sh) == 0; i++) {
		if (sh.sh_type != type || sh.sh_entsize != sizeof(Elf64_Sym))
			continue;
		if (elf_image_section(ef, sh.sh_link, &strings) < 0 ||
		    strings.sh_type != SHT_STRTAB)
			continue;
		*ret = (struct elf_symtab){
			.ef = ef,
			.syms_off = sh.sh_offset,
			.n_syms = clip(ef, sh.sh_offset, sh.sh_size) / sizeof(Elf64_Sym),
			.strs_off = strings.sh_offset,
			.strs_size = clip(ef, strings.sh_offset, strings.sh_size),
		};
		return 0;
	}
	return -ENOENT;
}

/* DT_HASH: its second word is the number of symbols. */
static int count_by_hash(struct elf_file *ef, uint64_t vaddr, uint64_t *ret)
{
	uint64_t off, avail;
	uint32_t head[2];
	int r;

	r = elf_image_vaddr_to_offset(ef, vaddr, &off, &avail);
	if (r == 0)
		r = elf_image_read(ef, off, head, sizeof(head));
	if (r < 0)
		return r;
	*ret = head[1];
	return 0;
}

/* DT_GNU_HASH. */
struct gnu_hash {
	uint32_t n_buckets, first, bloom_words, shift;
};

/* *@ret_off: of what follows the head. */
static int read_gnu_hash(struct elf_file *ef, uint64_t vaddr, struct gnu_hash *ret,
			 uint64_t *ret_off)
{
	uint64_t avail;
	int r = elf_image_vaddr_to_offset(ef, vaddr, ret_off, &avail);

	if (r == 0)
		r = elf_image_read(ef, *ret_off, ret, sizeof(*ret));
	*ret_off += sizeof(*ret);
	return r;
}

/* The last symbol ends the chain of the bucket that starts furthest. */
static int count_by_gnu_hash(struct elf_file *ef, uint64_t vaddr, uint64_t *ret)
{
	struct gnu_hash head;
	uint64_t off, last = 0;
	struct elf_window w;
	const uint32_t *v;
	int r = read_gnu_hash(ef, vaddr, &head, &off);

	if (r < 0)
		return r;

	off += (uint64_t)head.bloom_words * 8;
	elf_window_init(&w, ef, off, (uint64_t)head.n_buckets * 4, 4);
	while ((v = elf_window_next(&w)))
		last = *v > last ? *v : last;
	if (last < head.first) { /* nothing is exported */
		*ret = head.first;
		return 0;
	}

	off += (uint64_t)head.n_buckets * 4 + (last - head.first) * 4;
	elf_window_init(&w, ef, off, CHAIN_MAX * 4, 4);
	while ((v = elf_window_next(&w))) {
		last++;
		if (*v & 1)
			break;
	}
	*ret = last;
	return 0;
}

static int from_dynamic(struct elf_file *ef, struct elf_symtab *ret)
{
	struct elf_symtab st = { .ef = ef };
	uint64_t sym_room, str_room;
	struct elf_dynamic dyn;
	int r;

	r = elf_image_dynamic(ef, &dyn);
	if (r < 0)
		return r;
	if (!dyn.symtab || !dyn.strtab ||
	    elf_image_vaddr_to_offset(ef, dyn.symtab, &st.syms_off, &sym_room) < 0 ||
	    elf_image_vaddr_to_offset(ef, dyn.strtab, &st.strs_off, &str_room) < 0)
		return -ENOENT;

	if ((!dyn.gnu_hash || count_by_gnu_hash(ef, dyn.gnu_hash, &st.n_syms) < 0) &&
	    (!dyn.hash || count_by_hash(ef, dyn.hash, &st.n_syms) < 0))
		return -ENOENT;

	sym_room = clip(ef, st.syms_off, sym_room) / sizeof(Elf64_Sym);
	if (st.n_syms > sym_room)
		st.n_syms = sym_room;
	st.strs_size = clip(ef, st.strs_off, dyn.strsz < str_room ? dyn.strsz : str_room);
	*ret = st;
	return 0;
}

int elf_symtab_find(struct elf_file *ef, enum elf_symtab_kind kind, struct elf_symtab *ret)
{
	if (kind == ELF_SYMTAB_FULL)
		return from_section(ef, SHT_SYMTAB, ret);
	if (from_section(ef, SHT_DYNSYM, ret) == 0)
		return 0;
	return from_dynamic(ef, ret);
}

static uint32_t gnu_hash_of(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

/* Of those whose hash is @hash, in the chain of symbols that begins with @first. */
static int search_chain(const struct elf_symtab *st, uint64_t chain_off, uint32_t first,
			const char *name, uint32_t hash, Elf64_Sym *ret)
{
	struct elf_window w;
	const uint32_t *v;

	elf_window_init(&w, st->ef, chain_off, LOOKUP_MAX * sizeof(*v), sizeof(*v));
	for (uint64_t i = first; (v = elf_window_next(&w)); i++) {
		if ((*v | 1) == (hash | 1) && elf_symtab_get(st, i, ret) == 0 &&
		    ret->st_shndx != SHN_UNDEF && elf_symtab_name_is(st, ret->st_name, name))
			return 0;
		if (*v & 1)
			break;
	}
	return -ENOENT;
}

int elf_symtab_lookup(const struct elf_symtab *st, const char *name, Elf64_Sym *ret)
{
	uint32_t hash = gnu_hash_of(name), first;
	struct elf_dynamic dyn;
	struct gnu_hash head;
	uint64_t off;

	if (elf_image_dynamic(st->ef, &dyn) < 0 || !dyn.gnu_hash ||
	    read_gnu_hash(st->ef, dyn.gnu_hash, &head, &off) < 0 || !head.n_buckets)
		return -ENODATA;
	off += (uint64_t)head.bloom_words * 8;
	if (elf_image_read(st->ef, off + 4ull * (hash % head.n_buckets), &first, sizeof(first)) < 0)
		return -ENODATA;
	if (first < head.first)
		return -ENOENT; /* the bucket is empty */
	off += 4ull * head.n_buckets + 4ull * (first - head.first);
	return search_chain(st, off, first, name, hash, ret);
}

int elf_symtab_walk(const struct elf_symtab *st, elf_symtab_fn fn, void *arg)
{
	const Elf64_Sym *sym;
	struct elf_window w;
	int r;

	elf_window_init(&w, st->ef, st->syms_off, st->n_syms * sizeof(*sym), sizeof(*sym));
	while ((sym = elf_window_next(&w))) {
		r = fn(arg, st, sym);
		if (r < 0)
			return r;
	}
	return 0;
}

int elf_symtab_get(const struct elf_symtab *st, uint64_t index, Elf64_Sym *ret)
{
	if (index >= st->n_syms)
		return -EBADMSG;
	return elf_image_read(st->ef, st->syms_off + index * sizeof(*ret), ret, sizeof(*ret));
}

/*
 * "name@VERSION" and "name@@VERSION" come from the linker; "name@plt" is a name of its own, and a
 * leading @ belongs to the name.
 */
static size_t without_version(const char *name, size_t len)
{
	const char *at = len ? memchr(name + 1, '@', len - 1) : NULL;

	return at && strcmp(at, "@plt") != 0 ? (size_t)(at - name) : len;
}

int elf_symtab_name(const struct elf_symtab *st, uint32_t off, char *buf, size_t size)
{
	size_t len = 0;

	if (off >= st->strs_size || size == 0)
		return -EBADMSG;

	while (len < size - 1) {
		uint64_t want = st->strs_size - off - len;
		const char *nul;

		if (want > NAME_STEP)
			want = NAME_STEP;
		if (want > size - 1 - len)
			want = size - 1 - len;
		if (want == 0 ||
		    elf_image_read(st->ef, st->strs_off + off + len, buf + len, want) < 0)
			return -EBADMSG;
		nul = memchr(buf + len, '\0', want);
		if (nul) {
			len = nul - buf;
			break;
		}
		len += want;
	}
	buf[len] = '\0';
	len = without_version(buf, len);
	buf[len] = '\0';
	return len;
}

bool elf_symtab_name_is(const struct elf_symtab *st, uint32_t off, const char *name)
{
	size_t len = strlen(name);
	char buf[256];
	int n;

	if (len + 1 >= sizeof(buf))
		return false;
	n = elf_symtab_name(st, off, buf, sizeof(buf));
	return n == (int)len && memcmp(buf, name, len) == 0;
}
