/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of a CPython process, in memory of this one. That real interpreters are read is shown by
 * tests/e2e/test_python.py.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctx/python_process.h"
#include "leak_check.h"
#include "sparse_elf.h"

#define SEGMENTS 1024
#define SEGMENT	 (8u << 20)
#define NAME	 3 /* word of a type */

static uint64_t *data;
static struct python_file file = { .node_names = { 0x11, 0x22, 0x33 } };
static struct python_process self;

static void set_up(void)
{
	samples_init();
	data = mmap(NULL, SEGMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self = (struct python_process){ .pid = getpid(), .bias = (uintptr_t)data };
}

static void clean_up(void)
{
	munmap(data, SEGMENT);
	samples_fini();
	leak_check();
}

TestSuite(python_process, .init = set_up, .fini = clean_up);

static void put_type(size_t at, int which)
{
	data[at + NAME] = self.bias + file.node_names[which];
}

/* A file that says of its @n segments that each of them is all of the data, or @last. */
static struct elf_file *open_file(size_t n, uint64_t last)
{
	static Elf64_Phdr ph[SEGMENTS];

	sparse_header("python", n, 0);
	for (size_t i = 0; i < n; i++)
		ph[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_flags = PF_R | PF_W,
				      .p_vaddr = i + 1 == n ? last : 4096,
				      .p_memsz = SEGMENT - (i + 1 == n ? last : 4096) };
	patch("python", sizeof(Elf64_Ehdr), ph, n * sizeof(ph[0]));
	return sparse_open("python");
}

Test(python_process, nodes_in_any_segment)
{
	struct elf_file *ef = open_file(2, 0);
	uint64_t found[PYTHON_NODES];

	put_type(8, 0);
	put_type(SEGMENT / 16, 1);
	put_type(SEGMENT / 8 - 8, 2);
	cr_assert(zero(int, python_find_nodes(ef, &file, &self, found)));
	cr_assert(eq(u64, found[0], (uintptr_t)(data + 8)));
	cr_assert(eq(u64, found[1], (uintptr_t)(data + SEGMENT / 16)));
	cr_assert(eq(u64, found[2], (uintptr_t)(data + SEGMENT / 8 - 8)));
	elf_file_close(ef);
}

/* 8 GiB to be looked through, and what is looked for is at the end. */
Test(python_process, segments_without_end)
{
	struct elf_file *ef = open_file(SEGMENTS, 0);
	uint64_t found[PYTHON_NODES];

	for (int i = 0; i < PYTHON_NODES; i++)
		put_type(8 * i, i);
	cr_assert(eq(int, python_find_nodes(ef, &file, &self, found), -ENOTSUP));
	elf_file_close(ef);
}

Test(python_process, nodes_that_are_still_there)
{
	uint64_t nodes[PYTHON_NODES];

	for (int i = 0; i < PYTHON_NODES; i++) {
		put_type(8 * i, i);
		nodes[i] = (uintptr_t)(data + 8 * i);
	}
	cr_assert(python_are_nodes(&file, &self, nodes));
	data[8 + NAME]++;
	cr_assert(not(python_are_nodes(&file, &self, nodes)));
	nodes[1] = 16;
	cr_assert(not(python_are_nodes(&file, &self, nodes)), "not to be read");
}
