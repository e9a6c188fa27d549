/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/code_starts.h"

#include <criterion/criterion.h>

#include "elf/elf_symtab.h"
#include "leak_check.h"
#include "sparse_elf.h"

static void fini(void)
{
	samples_fini();
	leak_check();
}

/* Without a limit, zeros would be walked through for an hour. */
TestSuite(code_starts, .init = samples_init, .fini = fini, .timeout = 30);

#define SYMS (1 << 20) /* offset in the file */

static const Elf64_Sym f = { .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			     .st_shndx = 1,
			     .st_value = 0x1010 };

/* Says that all that follows on SYMS is the table of symbols. */
static struct elf_file *make_symtab(void)
{
	const Elf64_Shdr sections[] = { { .sh_type = SHT_NULL },
					{ .sh_type = SHT_SYMTAB,
					  .sh_offset = SYMS,
					  .sh_size = SPARSE_SIZE,
					  .sh_link = 2,
					  .sh_entsize = sizeof(Elf64_Sym) },
					{ .sh_type = SHT_STRTAB, .sh_offset = 512, .sh_size = 1 } };

	sparse_header("f", 0, 3);
	patch("f", 4096, sections, sizeof(sections));
	return sparse_open("f");
}

/* The largest files have 2 million. */
Test(code_starts, walks_as_many_symbols_as_there_may_be)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = make_symtab();
	CLEANUP(code_starts_clear) struct code_starts starts = { 0 };

	patch("f", SYMS + 4000000 * sizeof(f), &f, sizeof(f));
	cr_assert_eq(code_starts_find(ef, 0x1000, 0x2000, &starts), 0);
	cr_assert_eq(starts.at.n, 1);
	cr_assert_eq(starts.at.data[0], 0x10);
}

/* The chain of hashes does not end. */
Test(code_starts, ends_where_the_hash_table_does_not)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(code_starts_clear) struct code_starts starts = { 0 };
	const Elf64_Dyn dyn[] = { { DT_SYMTAB, { SYMS } },
				  { DT_STRTAB, { 512 } },
				  { DT_GNU_HASH, { 12288 } } };
	const Elf64_Phdr ph[] = {
		{ .p_type = PT_DYNAMIC, .p_offset = 8192, .p_filesz = sizeof(dyn) },
		{ .p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = SPARSE_SIZE },
	};
	const uint32_t hash[] = { 1, 1, 0, 0, 1 };

	sparse_header("f", 2, 0);
	patch("f", 64, ph, sizeof(ph));
	patch("f", 8192, dyn, sizeof(dyn));
	patch("f", 12288, hash, sizeof(hash));
	patch("f", SYMS + sizeof(f), &f, sizeof(f));
	ef = sparse_open("f");
	cr_assert_eq(code_starts_find(ef, 0x1000, 0x2000, &starts), 0);
	cr_assert_eq(starts.at.n, 1);
}

static int count(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym)
{
	++*(uint64_t *)arg;
	return 0;
}

/* Whoever looks for a name walks through all of a table. */
Test(code_starts, tables_end_somewhere)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = make_symtab();
	struct elf_symtab st;
	uint64_t n = 0;

	cr_assert_eq(elf_symtab_find(ef, ELF_SYMTAB_FULL, &st), 0);
	cr_assert_eq(elf_symtab_walk(&st, count, &n), 0);
	cr_assert_geq(n, 8 << 20);
}
