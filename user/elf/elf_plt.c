/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_plt.h"

#include <string.h>

#include "base/load.h"
#include "elf/elf_image.h"

#define STUB_MAX 24 /* bytes */

/* --- x86_64: endbr64 or not, bnd or not, jmp *slot(%rip) -------------------------------------- */

static int decode_x86(const uint8_t *code, uint64_t vaddr, struct elf_plt_stub *ret)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t at = memcmp(code, endbr64, sizeof(endbr64)) == 0 ? sizeof(endbr64) : 0;

	if (code[at] == 0xf2)
		at++;
	if (code[at] != 0xff || code[at + 1] != 0x25)
		return -ENODATA;
	ret->start = vaddr;
	ret->slot = vaddr + at + 6 + (uint64_t)(int64_t)(int32_t)load_u32(code + at + 2);
	return 0;
}

/* Stubs have 8 or 16 bytes and begin at multiples of that. */
static int find_x86(struct elf_file *ef, uint64_t vaddr, uint64_t off, struct elf_plt_stub *ret)
{
	uint8_t code[16];

	for (int i = 0; i < 2; i++) {
		uint64_t back = vaddr % 8 + 8 * (uint64_t)i;

		if (back > off || elf_image_read(ef, off - back, code, sizeof(code)) < 0)
			return -ENODATA;
		if (decode_x86(code, vaddr - back, ret) == 0)
			return 0;
	}
	return -ENODATA;
}

/* --- aarch64: bti or not, adrp x16, ldr x17, [x16, …], add, br x17 ---------------------------- */

#define BTI_C 0xd503245f

static int decode_a64(const uint8_t *code, uint64_t vaddr, struct elf_plt_stub *ret)
{
	uint64_t at = load_u32(code) == BTI_C ? 4 : 0;
	uint32_t adrp = load_u32(code + at), ldr = load_u32(code + at + 4);
	uint64_t pages;

	if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211)
		return -ENODATA;
	pages = (adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3);
	if (pages & 1u << 20)
		pages -= 1u << 21;
	ret->start = vaddr;
	ret->slot = ((vaddr + at) & ~0xfffULL) + (pages << 12) + (uint64_t)(ldr >> 10 & 0xfff) * 8;
	return 0;
}

static int find_a64(struct elf_file *ef, uint64_t vaddr, uint64_t off, struct elf_plt_stub *ret)
{
	struct elf_plt_stub found;
	uint8_t code[12];
	bool any = false;

	/* Of two that follow each other, the one with its bti begins first. */
	for (uint64_t back = vaddr % 4; back < STUB_MAX && back <= off; back += 4) {
		if (elf_image_read(ef, off - back, code, sizeof(code)) < 0)
			break;
		if (decode_a64(code, vaddr - back, &found) < 0) {
			if (any)
				break;
			continue;
		}
		*ret = found;
		any = true;
	}
	return any ? 0 : -ENODATA;
}

int elf_plt_stub_at(struct elf_file *ef, uint64_t vaddr, struct elf_plt_stub *ret)
{
	struct elf_plt_stub stub = { 0 };
	uint64_t off, avail;
	int r;

	if (elf_image_vaddr_to_offset(ef, vaddr, &off, &avail) < 0)
		return -ENODATA;
	switch (ef->ehdr.e_machine) {
	case EM_X86_64:
		r = find_x86(ef, vaddr, off, &stub);
		break;
	case EM_AARCH64:
		r = find_a64(ef, vaddr, off, &stub);
		break;
	default:
		return -ENODATA;
	}
	if (r == 0)
		*ret = stub;
	return r;
}

/* --- relocations ------------------------------------------------------------------------------ */

static struct elf_plt_stub *find_slot(struct elf_plt_stub *stubs, size_t n, uint64_t slot)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (stubs[mid].slot < slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && stubs[lo].slot == slot ? &stubs[lo] : NULL;
}

static bool names_function(const struct elf_file *ef, uint64_t info)
{
	uint64_t type = ELF64_R_TYPE(info);

	if (ef->ehdr.e_machine == EM_X86_64)
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
	return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT;
}

static bool has_code(const struct elf_file *ef, uint64_t info)
{
	uint64_t type = ELF64_R_TYPE(info);

	if (ef->ehdr.e_machine == EM_X86_64)
		return type == R_X86_64_IRELATIVE || type == R_X86_64_RELATIVE;
	return type == R_AARCH64_IRELATIVE || type == R_AARCH64_RELATIVE;
}

static void take_relocation(struct elf_file *ef, const Elf64_Rela *rela, struct elf_plt_stub *stubs,
			    size_t n)
{
	struct elf_plt_stub *s = find_slot(stubs, n, rela->r_offset);

	for (; s && s < stubs + n && s->slot == rela->r_offset; s++) {
		if (names_function(ef, rela->r_info))
			s->symbol = ELF64_R_SYM(rela->r_info);
		else if (has_code(ef, rela->r_info))
			s->code = (uint64_t)rela->r_addend;
	}
}

static void walk(struct elf_file *ef, uint64_t off, uint64_t size, struct elf_plt_stub *stubs,
		 size_t n)
{
	struct elf_window w;
	const Elf64_Rela *rela;

	elf_window_init(&w, ef, off, size, sizeof(*rela));
	while ((rela = elf_window_next(&w)))
		take_relocation(ef, rela, stubs, n);
}

static void walk_at(struct elf_file *ef, uint64_t vaddr, uint64_t size, struct elf_plt_stub *stubs,
		    size_t n)
{
	uint64_t off, avail;

	if (vaddr && elf_image_vaddr_to_offset(ef, vaddr, &off, &avail) == 0)
		walk(ef, off, size < avail ? size : avail, stubs, n);
}

void elf_plt_find_targets(struct elf_file *ef, struct elf_plt_stub *stubs, size_t n)
{
	struct elf_dynamic dyn;
	Elf64_Shdr sh;

	if (elf_image_dynamic(ef, &dyn) == 0) {
		walk_at(ef, dyn.rela, dyn.relasz, stubs, n);
		if (dyn.pltrel == DT_RELA)
			walk_at(ef, dyn.jmprel, dyn.pltrelsz, stubs, n);
	} else if (elf_image_section_by_name(ef, ".rela.plt", &sh) == 0) {
		walk(ef, sh.sh_offset, sh.sh_size, stubs, n); /* a static program: ifuncs */
	}
}
