/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_go.h"

#include <criterion/criterion.h>

#include "leak_check.h"
#include "sparse_elf.h"

static void fini(void)
{
	samples_fini();
	leak_check();
}

/* Without a limit, zeros would be searched for hours. */
TestSuite(elf_go, .init = samples_init, .fini = fini, .timeout = 30);

#define SEGMENTS 32

/* No sections; each segment is all of the file, and the dynamic section says the same of .rela. */
static struct elf_file *make_sparse(void)
{
	const Elf64_Dyn dyn[] = { { DT_RELA, { 65536 } }, { DT_RELASZ, { SPARSE_SIZE } } };
	Elf64_Phdr ph[SEGMENTS] = {
		{ .p_type = PT_DYNAMIC, .p_offset = 8192, .p_filesz = sizeof(dyn) }
	};

	for (size_t i = 1; i < SEGMENTS; i++)
		ph[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_flags = PF_R | PF_W,
				      .p_filesz = SPARSE_SIZE };
	sparse_header("f", SEGMENTS, 0);
	patch("f", 64, ph, sizeof(ph));
	patch("f", 8192, dyn, sizeof(dyn));
	return sparse_open("f");
}

Test(elf_go, gives_up_a_search_without_end)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = make_sparse();
	struct elf_go go;

	cr_assert_eq(elf_go_find(ef, &go), -ENODATA);
}

Test(elf_go, finds_a_table_far_inside)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = make_sparse();
	const uint64_t at = 200 << 20;
	struct elf_go go;

	patch("f", at, "\xf1\xff\xff\xff\0\0\1\x8", 8);
	cr_assert_eq(elf_go_find(ef, &go), 0);
	cr_assert_eq(go.pclntab.off, at);
	cr_assert_eq(go.pclntab.size, SPARSE_SIZE - at);
}

Test(elf_go, gives_up_guesses_without_end)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = make_sparse();
	const struct elf_go go = { .pclntab = { .off = 1 << 20, .vaddr = 0x123456 } };
	uint64_t text;

	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(elf_go_text(ef, &go, i, &text), 0);
		cr_assert_eq(text, 0);
	}
	cr_assert_eq(elf_go_text(ef, &go, 4, &text), -ENOENT);
}

Test(elf_go, finds_the_module_that_has_the_table)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = make_sparse();
	const struct elf_go go = { .pclntab = { .off = 1 << 20, .vaddr = 0x123456 } };
	const uint64_t module = 100 << 20, begin = 0x401000;
	uint64_t text;

	patch("f", module, &go.pclntab.vaddr, 8);
	patch("f", module + 176, &begin, 8);
	cr_assert_eq(elf_go_text(ef, &go, 2, &text), 0);
	cr_assert_eq(text, begin);
}
