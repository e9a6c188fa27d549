/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/thread_ctx_finder.h"

#include <errno.h>

#include "ctx/tls_model.h"

/* Is the variable a pointer that lies inside a TLS segment of a believable size? */
static bool is_sane(const struct elf_symbol *sym, const struct elf_tls_segment *seg)
{
	const uint64_t len = sizeof(uint64_t);

	return sym->size == len && seg->memsz >= len && seg->memsz <= INT32_MAX &&
	       sym->value <= seg->memsz - len && seg->align <= INT32_MAX;
}

static int segment_of(struct elf_file *ef, const struct elf_symbol *sym,
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
	return is_sane(sym, ret) ? 0 : -EBADMSG;
}

static enum tls_access access_of(enum elf_tls_reloc_kind kind)
{
	switch (kind) {
	case ELF_TLS_RELOC_DESC:
		return TLS_ACCESS_DESC;
	case ELF_TLS_RELOC_TPOFF:
		return TLS_ACCESS_INITIAL_EXEC;
	default:
		return TLS_ACCESS_GENERAL;
	}
}

/*
 * Only a relocation that names the variable will do: a library has others, for its private ones.
 * The program itself keeps one where it was linked of position-independent objects; elsewhere, and
 * for models that the linker could have relaxed, the offset that it compiled in is as good.
 */
int tls_symbol_find(struct elf_file *ef, bool is_main, struct tls_symbol *ret)
{
	struct elf_tls_segment seg;
	struct elf_tls_reloc rel;
	struct elf_symbol sym;
	bool named;
	int r;

	r = elf_file_find_tls_symbol(ef, THREAD_CTX_SYMBOL, is_main, &sym);
	if (r < 0)
		return r;
	r = segment_of(ef, &sym, &seg);
	if (r < 0)
		return r;
	r = elf_file_find_tls_reloc(ef, THREAD_CTX_SYMBOL, &rel);
	if (r < 0 && r != -ENOENT)
		return r;

	named = r == 0 && (!is_main || rel.kind == ELF_TLS_RELOC_TPOFF);
	if (!named && !is_main)
		return -ENOTSUP; /* only the dynamic linker knows */
	if (named && rel.addend != 0)
		return -ENOTSUP; /* some other place in the same object */

	*ret = (struct tls_symbol){
		.access = named ? access_of(rel.kind) : TLS_ACCESS_LOCAL_EXEC,
		.got_vaddr = named ? rel.got_vaddr : 0,
		.tp_off = named ? 0 : tls_local_exec_offset(TLS_ARCH_HOST, &seg, sym.value),
		.sym_value = sym.value,
	};
	return 0;
}

int tls_symbol_locate(const struct tls_symbol *ts, pid_t pid, uint64_t bias, struct tls_var *ret)
{
	switch (ts->access) {
	case TLS_ACCESS_LOCAL_EXEC:
		return tls_local_exec_locate(ts, pid, bias, ret);
	case TLS_ACCESS_INITIAL_EXEC:
		return tls_initial_exec_locate(ts, pid, bias, ret);
	case TLS_ACCESS_DESC:
		return tls_desc_locate(ts, pid, bias, ret);
	default:
		return -ENOTSUP;
	}
}
