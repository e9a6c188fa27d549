/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/tls_symbol.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "ctx/tls_model.h"

/* Does the variable lie inside a TLS segment of a believable size? */
static bool is_sane(const struct elf_symbol *sym, uint64_t len, const struct elf_tls_segment *seg)
{
	return sym->size == len && seg->memsz >= len && seg->memsz <= INT32_MAX &&
	       sym->value <= seg->memsz - len && seg->align <= INT32_MAX;
}

static int segment_of(struct elf_file *ef, const struct elf_symbol *sym, size_t size,
		      struct elf_tls_segment *ret)
{
	int r = elf_file_tls_segment(ef, ret);

	/* A TLS symbol without a TLS segment. */
	if (r == -ENOENT)
		return -EBADMSG;
	if (r < 0)
		return r;
	if (ret->align == 0)
		ret->align = 1;
	return is_sane(sym, size ? size : sym->size, ret) ? 0 : -EBADMSG;
}

static enum tls_access access_of(const struct elf_tls_reloc *rel)
{
	switch (rel->kind) {
	case ELF_TLS_RELOC_DESC:
		return TLS_ACCESS_DESC;
	case ELF_TLS_RELOC_TPOFF:
		return TLS_ACCESS_INITIAL_EXEC;
	default:
		return rel->is_own ? TLS_ACCESS_MODULE : TLS_ACCESS_GENERAL;
	}
}

/* How far the variable lies behind what the relocation is for. */
static int64_t offset_of(const struct elf_tls_reloc *rel, uint64_t value)
{
	if (!rel->is_own)
		return 0;
	/* A module's number says nothing of an offset. */
	return rel->kind == ELF_TLS_RELOC_DTPMOD ? (int64_t)value : (int64_t)(value - rel->addend);
}

/*
 * The relocation that names the variable says which one the code uses, this file's or that of a
 * library before it. Where none does, the linker knew that it is this file's, and any relocation of
 * its own storage tells where that is. The program itself has its offsets compiled in, but for what
 * was linked of objects made for libraries.
 */
int tls_symbol_find(struct elf_file *ef, const char *name, size_t size, bool is_main,
		    struct tls_symbol *ret)
{
	struct elf_tls_segment seg;
	struct elf_tls_reloc rel;
	struct elf_symbol sym;
	int r;

	r = elf_file_find_tls_symbol(ef, name, is_main || !size, &sym);
	if (r < 0)
		return r;
	r = segment_of(ef, &sym, size, &seg);
	if (r < 0)
		return r;
	r = elf_file_find_tls_reloc(ef, name, &rel);
	if (r < 0 && r != -ENOENT)
		return r;

	if (is_main && (r < 0 || rel.is_own || rel.kind != ELF_TLS_RELOC_TPOFF)) {
		*ret = (struct tls_symbol){
			.access = TLS_ACCESS_LOCAL_EXEC,
			.off = tls_local_exec_offset(TLS_ARCH_HOST, &seg, sym.value),
		};
		return 0;
	}
	if (r < 0)
		return -ENOTSUP; /* only the dynamic linker knows */
	if (!rel.is_own && rel.addend != 0)
		return -ENOTSUP; /* some other place in the same object */

	*ret = (struct tls_symbol){
		.access = access_of(&rel),
		.got_vaddr = rel.got_vaddr,
		.off = offset_of(&rel, sym.value),
	};
	return 0;
}

int tls_symbol_locate(const struct tls_symbol *ts, const struct tls_process *p, struct tls_var *ret)
{
	switch (ts->access) {
	case TLS_ACCESS_LOCAL_EXEC:
		return tls_local_exec_locate(ts, p, ret);
	case TLS_ACCESS_INITIAL_EXEC:
		return tls_initial_exec_locate(ts, p, ret);
	case TLS_ACCESS_DESC:
		return tls_desc_locate(ts, p, ret);
	case TLS_ACCESS_GENERAL:
	case TLS_ACCESS_MODULE:
		return tls_module_locate(ts, p, ret);
	}
	return -ENOTSUP;
}

/* glibc's is called ld-linux-x86-64.so.2, ld-linux-aarch64.so.1, musl's ld-musl-x86_64.so.1… */
enum tls_libc tls_libc_of(struct elf_file *exe)
{
	char path[PATH_MAX];
	const char *name;

	if (elf_file_interpreter(exe, path, sizeof(path)) < 0)
		return TLS_LIBC_UNKNOWN;
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	if (strncmp(name, "ld-linux", 8) == 0)
		return TLS_LIBC_GLIBC;
	return strncmp(name, "ld-musl", 7) == 0 ? TLS_LIBC_MUSL : TLS_LIBC_UNKNOWN;
}
