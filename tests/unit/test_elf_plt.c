/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs of files made by hand; tests/e2e/test_plt_names.py has real ones. */
#include "elf/elf_plt.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "leak_check.h"

#define CODE 0x1000

TestSuite(elf_plt, .fini = leak_check);

static uint8_t bytes[0x2000];

/* A file whose only segment has @len bytes of @code at CODE. */
static struct elf_file *file_of(uint16_t machine, const void *code, size_t len)
{
	Elf64_Ehdr eh = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_type = ET_DYN,
			  .e_machine = machine,
			  .e_version = EV_CURRENT,
			  .e_phoff = sizeof(eh),
			  .e_ehsize = sizeof(eh),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 1 };
	Elf64_Phdr ph = { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_filesz = sizeof(bytes),
			  .p_memsz = sizeof(bytes) };
	struct elf_file *ef;

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &eh, sizeof(eh));
	memcpy(bytes + sizeof(eh), &ph, sizeof(ph));
	memcpy(bytes + CODE, code, len);
	cr_assert(zero(int, elf_file_open_memory(bytes, sizeof(bytes), &ef)));
	return ef;
}

static void assert_stub(struct elf_file *ef, uint64_t vaddr, uint64_t start, uint64_t slot)
{
	struct elf_plt_stub stub;

	cr_assert(zero(int, elf_plt_stub_at(ef, vaddr, &stub)), "0x%lx", vaddr);
	cr_assert(eq(u64, stub.start, start));
	cr_assert(eq(u64, stub.slot, slot));
}

Test(elf_plt, forms_of_x86_64)
{
	static const uint8_t code[64] = {
		/* push, jmp: what all lazy ones lead to */
		0xff, 0x35, 1, 0, 0, 0, 0xff, 0x25, 2, 0, 0, 0, 0x0f, 0x1f, 0x40, 0,
		/* jmp *0x2000(%rip); push; jmp */
		0xff, 0x25, 0, 0x20, 0, 0, 0x68, 0, 0, 0, 0, 0xe9, 0xe0, 0xff, 0xff, 0xff,
		/* endbr64; bnd jmp *-0x10(%rip) */
		0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0xf0, 0xff, 0xff, 0xff, 0x0f, 0x1f, 0x44,
		0, 0,
		/* two of .plt.got */
		0xff, 0x25, 0x10, 0, 0, 0, 0x66, 0x90, 0xff, 0x25, 0x20, 0, 0, 0, 0x66, 0x90
	};
	CLEANUP(elf_file_closep) struct elf_file *ef = file_of(EM_X86_64, code, sizeof(code));
	struct elf_plt_stub stub;

	for (uint64_t i = 0; i < 16; i++) {
		cr_assert(eq(int, elf_plt_stub_at(ef, CODE + i, &stub), -ENODATA));
		assert_stub(ef, CODE + 16 + i, CODE + 16, CODE + 16 + 6 + 0x2000);
		assert_stub(ef, CODE + 32 + i, CODE + 32, CODE + 32 + 11 - 0x10);
	}
	assert_stub(ef, CODE + 55, CODE + 48, CODE + 48 + 6 + 0x10);
	assert_stub(ef, CODE + 56, CODE + 56, CODE + 56 + 6 + 0x20);
	cr_assert(eq(int, elf_plt_stub_at(ef, 0x10000, &stub), -ENODATA));
}

Test(elf_plt, forms_of_aarch64)
{
	static const uint32_t code[] = {
		0x90000090, /* adrp x16, 0x11000 */
		0xf9400a11, /* ldr x17, [x16, #16] */
		0x91004210, /* add x16, x16, #16 */
		0xd61f0220, /* br x17 */
		0xd503245f, /* bti c */
		0xf0fffff0, /* adrp x16, 0 */
		0xf9400611, /* ldr x17, [x16, #8] */
		0x91002210, /* add x16, x16, #8 */
		0xd61f0220, /* br x17 */
		0xd503201f, /* nop */
	};
	CLEANUP(elf_file_closep) struct elf_file *ef = file_of(EM_AARCH64, code, sizeof(code));

	for (uint64_t i = 0; i < 16; i++)
		assert_stub(ef, CODE + i, CODE, 0x11010);
	for (uint64_t i = 16; i < 40; i++)
		assert_stub(ef, CODE + i, CODE + 16, 8);
}
