/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_unwind.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>

#include "elf_samples.h"
#include "leak_check.h"

static void fini(void)
{
	samples_fini();
	leak_check();
}

TestSuite(elf_unwind, .init = samples_init, .fini = fini);

static struct elf_file *open_sample(const char *name)
{
	int fd = sample_open(name);
	struct elf_file *ef;

	cr_assert_eq(elf_file_open_fd(fd, &ef), 0);
	close(fd);
	return ef;
}

static void expect_section(const char *name, const struct elf_span *span)
{
	const char *line = first_line("readelf -SW f.so | sed 's/^.*] *//' | grep '^%s '", name);
	uint64_t addr, off, size;

	cr_assert_eq(sscanf(line, "%*s %*s %" SCNx64 " %" SCNx64 " %" SCNx64, &addr, &off, &size),
		     3);
	cr_assert_eq(span->off, off, "%s", name);
	cr_assert_eq(span->vaddr, addr, "%s", name);
	cr_assert_eq(span->size, size, "%s", name);
}

static void make_sample(void)
{
	sample_write("f.c", "int f(int x) { return x; }\n");
	sh("gcc -shared -nostdlib -fPIC f.c -o f.so");
}

Test(elf_unwind, sections_as_readelf_has_them)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(elf_file_closep) struct elf_file *bare = NULL;
	struct elf_unwind u;

	make_sample();
	sh("cp f.so bare.so");
	ef = open_sample("f.so");
	elf_unwind_find(ef, &u);
	expect_section(".eh_frame", &u.eh_frame);
	expect_section(".eh_frame_hdr", &u.hdr);
	cr_assert_eq(u.debug_frame.size, 0);
	cr_assert_eq(elf_file_machine(ef), EM_X86_64);

	drop_sections("bare.so");
	bare = open_sample("bare.so");
	elf_unwind_find(bare, &u);
	cr_assert_eq(u.eh_frame.size, 0);
	expect_section(".eh_frame_hdr", &u.hdr); /* by its segment */
}

/* In a file of debug information headers describe what is in the other file. */
Test(elf_unwind, files_of_debug_information_have_none)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_unwind u;

	make_sample();
	sh("objcopy --only-keep-debug f.so f.debug");
	ef = open_sample("f.debug");
	elf_unwind_find(ef, &u);
	cr_assert_eq(u.eh_frame.size, 0);
	cr_assert_eq(u.hdr.size, 0);
}

Test(elf_unwind, addresses_of_segments)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_span span;
	struct elf_unwind u;
	uint8_t version;

	make_sample();
	ef = open_sample("f.so");
	elf_unwind_find(ef, &u);
	cr_assert_eq(elf_span_at(ef, u.hdr.vaddr, &span), 0);
	cr_assert_eq(span.off, u.hdr.off);
	cr_assert_eq(span.vaddr, u.hdr.vaddr);
	cr_assert_geq(span.size, u.hdr.size);
	cr_assert_eq(elf_span_at(ef, 1ULL << 40, &span), -EBADMSG);

	cr_assert_eq(elf_span_read(ef, u.hdr.off, &version, 1), 0);
	cr_assert_eq(version, 1);
	cr_assert_eq(elf_span_read(ef, 1ULL << 40, &version, 1), -EBADMSG);
}

struct segment {
	uint64_t off, vaddr, filesz;
};

/* An ELF file of executable segments alone. */
static size_t write_elf(uint8_t *buf, const struct segment *segments, size_t n)
{
	Elf64_Ehdr *eh = (Elf64_Ehdr *)buf;
	Elf64_Phdr *ph = (Elf64_Phdr *)(eh + 1);

	memset(buf, 0, 65536);
	memcpy(eh->e_ident, "\177ELF\2\1\1", 7);
	eh->e_type = ET_DYN;
	eh->e_machine = EM_X86_64;
	eh->e_version = EV_CURRENT;
	eh->e_ehsize = sizeof(*eh);
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(*ph);
	eh->e_phnum = n;
	for (size_t i = 0; i < n; i++)
		ph[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
				      .p_flags = PF_R | PF_X,
				      .p_offset = segments[i].off,
				      .p_vaddr = segments[i].vaddr,
				      .p_filesz = segments[i].filesz };
	return 65536;
}

static uint8_t image[65536] __attribute__((aligned(8)));

static size_t code_segments(const struct segment *segments, size_t n, struct elf_span *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(freep) struct elf_span *spans = NULL;
	size_t found = 0;

	cr_assert_eq(elf_file_open_memory(image, write_elf(image, segments, n), &ef), 0);
	cr_assert_eq(elf_code_segments(ef, &spans, &found), 0);
	memcpy(ret, spans, found * sizeof(*spans));
	return found;
}

static void expect_span(const struct elf_span *s, uint64_t off, uint64_t size, uint64_t vaddr)
{
	cr_assert_eq(s->off, off);
	cr_assert_eq(s->size, size);
	cr_assert_eq(s->vaddr, vaddr);
}

Test(elf_unwind, code_segments_are_sorted_and_disjoint)
{
	const struct segment segments[] = {
		{ 0x4000, 0x404000, 0x1000 }, { 0x1000, 0x101000, 0x2000 },
		{ 0x2000, 0x202000, 0x1800 }, /* its first half has an owner */
		{ 0x1800, 0x301800, 0x0800 }, /* all of it */
		{ 0x6000, 0x606000, 0 },
	};
	struct elf_span spans[8];

	cr_assert_eq(code_segments(segments, 5, spans), 3);
	expect_span(&spans[0], 0x1000, 0x2000, 0x101000);
	expect_span(&spans[1], 0x3000, 0x800, 0x203000);
	expect_span(&spans[2], 0x4000, 0x1000, 0x404000);
}

/* What readelf says of a section of mixed.so: file offset and size. */
static void section_of(const char *name, uint64_t *ret_off, uint64_t *ret_size)
{
	const char *line =
		first_line("readelf -SW mixed.so | sed 's/^.*] *//' | grep '^%s '", name);

	cr_assert_eq(sscanf(line, "%*s %*s %*x %" SCNx64 " %" SCNx64, ret_off, ret_size), 2);
}

Test(elf_unwind, data_at_the_ends_of_a_code_segment_is_left_out)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(elf_file_closep) struct elf_file *bare = NULL;
	CLEANUP(freep) struct elf_span *spans = NULL;
	CLEANUP(freep) struct elf_span *whole = NULL;
	uint64_t first, first_size, last, last_size, constants, size;
	size_t n;

	sample_write("f.c", "const char constants[20000] = { 1 };\n"
			    "__attribute__((section(\".init\"))) void first(void) { }\n"
			    "int f(int x) { return x; }\n"
			    "__attribute__((section(\".fini\"))) void last(void) { }\n");
	sh("gcc -shared -nostdlib -fPIC -Wl,-z,noseparate-code f.c -o mixed.so");
	section_of(".init", &first, &first_size);
	section_of(".fini", &last, &last_size);
	section_of(".rodata", &constants, &size);
	cr_assert_lt(first, last);
	cr_assert_lt(last, constants);

	ef = open_sample("mixed.so");
	cr_assert_eq(elf_code_segments(ef, &spans, &n), 0);
	cr_assert_eq(n, 1);
	expect_span(&spans[0], first, last + last_size - first, first);

	drop_sections("mixed.so");
	bare = open_sample("mixed.so");
	cr_assert_eq(elf_code_segments(bare, &whole, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_eq(whole[0].off, 0);
	cr_assert_geq(whole[0].size, constants + size); /* nothing tells them apart */
}

Test(elf_unwind, code_segments_end_with_the_file)
{
	const struct segment segments[] = {
		{ 0xf000, 0x10f000, UINT64_MAX - 0x200000 },
		{ 0x20000, 0x220000, 0x1000 },
		{ 0x1000, UINT64_MAX - 0x100, 0x1000 }, /* wraps around */
	};
	struct elf_span spans[8];

	cr_assert_eq(code_segments(segments, 3, spans), 1);
	expect_span(&spans[0], 0xf000, 0x1000, 0x10f000);
}
