/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_file.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <sys/stat.h>

#include "base/parse.h"
#include "elf/elf_image.h"
#include "elf/elf_symtab.h"
#include "elf_samples.h"
#include "leak_check.h"
#include "resident.h"

#define LIBC  "/lib/x86_64-linux-gnu/libc.so.6"
#define VAR   "otel_thread_ctx_v1"
#define RELOC "readelf -rW%s %s | awk '/ %s .*" VAR "/ {print $1; exit}'"

static void fini(void)
{
	samples_fini();
	leak_check();
}

TestSuite(elf_file, .init = samples_init, .fini = fini);

static struct elf_file *open_sample(const char *name)
{
	CLEANUP(closep) int fd = sample_open(name);
	struct elf_file *ef = NULL;

	cr_assert_eq(elf_file_open_fd(fd, &ef), 0, "%s", name);
	return ef;
}

static int open_result(const char *name)
{
	CLEANUP(closep) int fd = open(sample(name), O_RDONLY | O_CLOEXEC);
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;

	return elf_file_open_fd(fd, &ef);
}

static void write_tls_sources(void)
{
	sample_write("tls.c", "__thread long decoy[3] = {1, 2, 3};\n"
			      "__thread void *" VAR ";\n"
			      "__thread char other;\n"
			      "void *get(void) { return " VAR "; }\n"
			      "long get_decoy(void) { return decoy[1] + other; }\n");
	sample_write("main.c", "__thread long before = 1;\n"
			       "__thread void *" VAR ";\n"
			       "int main(void) { return " VAR " != 0; }\n");
}

Test(elf_file, build_id_is_what_readelf_says)
{
	const char *const files[] = { LIBC, "/usr/bin/gdb", "plain" };

	sample_write("main.c", "int main(void) { return 0; }\n");
	sh("gcc main.c -o plain -Wl,--build-id=0x0123456789abcdef01234567");

	for (size_t i = 0; i < 3; i++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = open_sample(files[i]);
		const uint8_t *id;
		char hex[129];
		size_t len;

		cr_assert_eq(elf_file_build_id(ef, &id, &len), 0);
		format_hex(id, len, hex);
		cr_assert_str_eq(hex, first_line("readelf -nW %s | sed -n 's/.*Build ID: //p'",
						 sample(files[i])));
	}
}

/* Of files that are longer than both pieces, than one, and shorter. */
Test(elf_file, htlhash_is_what_coreutils_say)
{
	const char *const files[] = { LIBC, "middle", "short" };

	sh("head -c 6000 " LIBC " > middle; head -c 200 " LIBC " > short");
	for (size_t i = 0; i < 3; i++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = open_sample(files[i]);
		const char *f = sample(files[i]);
		char hex[ELF_HTLHASH_SIZE];

		cr_assert_eq(elf_file_htlhash(ef, hex), 0);
		cr_assert_str_eq(hex, first_line("(head -c 4096 %s; tail -c 4096 %s; "
						 "perl -e 'print pack(\"Q>\", -s shift)' %s) | "
						 "sha256sum | cut -c-32",
						 f, f, f));
	}
}

Test(elf_file, build_id_is_found_without_sections_and_may_be_absent)
{
	CLEANUP(elf_file_closep) struct elf_file *bare = NULL;
	CLEANUP(elf_file_closep) struct elf_file *none = NULL;
	const uint8_t *id;
	size_t len;

	sample_write("main.c", "int main(void) { return 0; }\n");
	sh("gcc main.c -o bare -Wl,--build-id=0xabcd && gcc main.c -o none -Wl,--build-id=none");
	drop_sections("bare");

	bare = open_sample("bare");
	cr_assert_eq(elf_file_build_id(bare, &id, &len), 0);
	cr_assert_eq(len, 2);
	cr_assert_arr_eq(id, "\xab\xcd", 2);

	none = open_sample("none");
	cr_assert_eq(elf_file_build_id(none, &id, &len), -ENODATA);
}

Test(elf_file, offsets_become_addresses_as_the_segments_say)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = open_sample(LIBC);
	uint64_t off, vaddr, size, got;
	char line[256];
	size_t n = 0;
	FILE *p = popen("readelf -lW " LIBC " | grep '^ *LOAD'", "r");

	while (fgets(line, sizeof(line), p)) {
		cr_assert_eq(sscanf(line, " LOAD %" SCNx64 " %" SCNx64 " %*x %" SCNx64, &off,
				    &vaddr, &size),
			     3);
		for (uint64_t d = 0; d < size; d += size / 7 + 1) {
			cr_assert_eq(elf_file_offset_to_vaddr(ef, off + d, &got), 0);
			cr_assert_eq(got, vaddr + d);
		}
		cr_assert_eq(elf_file_offset_to_vaddr(ef, off + size - 1, &got), 0);
		cr_assert_eq(got, vaddr + size - 1);
		n++;
	}
	pclose(p);
	cr_assert_geq(n, 4);
	cr_assert_eq(elf_file_offset_to_vaddr(ef, off + size, &got), -ENOENT);
	cr_assert_eq(elf_file_offset_to_vaddr(ef, UINT64_MAX, &got), -ENOENT);
}

/* Header of the executable segment, which is made to begin @by bytes later, as lld lets it. */
static Elf64_Phdr shift_code_segment(const char *name, uint64_t by)
{
	CLEANUP(closep) int fd = open(sample(name), O_RDWR | O_CLOEXEC);
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	off_t at;

	cr_assert_eq(pread(fd, &eh, sizeof(eh), 0), sizeof(eh));
	at = eh.e_phoff - sizeof(ph);
	do {
		at += sizeof(ph);
		cr_assert_eq(pread(fd, &ph, sizeof(ph), at), sizeof(ph));
	} while (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X));
	cr_assert_eq(ph.p_offset % 4096, 0);
	ph.p_offset += by;
	ph.p_vaddr += by + 4096; /* another distance than the others' */
	ph.p_filesz -= by;
	ph.p_memsz -= by;
	cr_assert_eq(pwrite(fd, &ph, sizeof(ph), at), sizeof(ph));
	return ph;
}

/* A mapping of code begins with a page, of which another segment may have the first bytes. */
Test(elf_file, code_that_does_not_begin_with_a_page)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	uint64_t got;
	Elf64_Phdr ph;

	write_tls_sources();
	sh("gcc -shared -fPIC -Wl,-z,separate-code tls.c -o lib.so");
	ph = shift_code_segment("lib.so", 32);
	ef = open_sample("lib.so");
	cr_assert_eq(elf_file_offset_to_vaddr(ef, ph.p_offset, &got), 0);
	cr_assert_eq(got, ph.p_vaddr);
	cr_assert_eq(elf_file_offset_to_vaddr(ef, ph.p_offset - 32, &got), 0);
	cr_assert_eq(got, ph.p_vaddr - 32);
	cr_assert_eq(elf_file_offset_to_vaddr(ef, 0, &got), 0);
	cr_assert_eq(got, 0);
}

Test(elf_file, tells_programs_from_libraries)
{
	static const struct {
		const char *name, *flags;
		bool executable;
	} kinds[] = {
		{ "pie", "-pie", true },
		{ "fixed", "-no-pie", true },
		{ "static", "-static", true },
		{ "static_pie", "-static-pie", true },
		{ "lib.so", "-shared -fPIC", false },
	};

	sample_write("main.c", "int main(void) { return 0; }\n");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
		const char *entry;

		sh("gcc %s main.c -o %s", kinds[i].flags, kinds[i].name);
		ef = open_sample(kinds[i].name);
		cr_assert_eq(elf_file_is_executable(ef), kinds[i].executable, "%s", kinds[i].name);
		entry = first_line("readelf -h %s | awk '/Entry point/ {print $4}'", kinds[i].name);
		cr_assert_eq(elf_file_entry(ef), strtoull(entry, NULL, 16));
	}
}

Test(elf_file, finds_the_tls_symbol_with_and_without_sections)
{
	static const char *const styles[] = { "gnu", "sysv", "both" };

	write_tls_sources();
	for (size_t i = 0; i < 3; i++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
		CLEANUP(elf_file_closep) struct elf_file *bare = NULL;
		struct elf_symbol sym = { 0 }, again = { 0 };

		sh("gcc -shared -fPIC -Wl,--hash-style=%s tls.c -o lib.so && strip lib.so -o "
		   "bare.so",
		   styles[i]);
		drop_sections("bare.so");
		ef = open_sample("lib.so");
		cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, false, &sym), 0);
		cr_assert_eq(sym.value, nm_value("lib.so", VAR));
		cr_assert_eq(sym.size, 8);

		bare = open_sample("bare.so");
		cr_assert_eq(elf_file_find_tls_symbol(bare, VAR, false, &again), 0, "%s",
			     styles[i]);
		cr_assert_eq(again.value, sym.value);
		cr_assert_eq(again.size, 8);
	}
}

Test(elf_file, a_program_keeps_the_tls_symbol_in_symtab_only)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(elf_file_closep) struct elf_file *stripped = NULL;
	struct elf_symbol sym;

	write_tls_sources();
	sh("gcc main.c -o prog && strip prog -o stripped");
	ef = open_sample("prog");
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, false, &sym), -ENOENT);
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, true, &sym), 0);
	cr_assert_eq(sym.value, nm_value("prog", VAR));

	stripped = open_sample("stripped");
	cr_assert_eq(elf_file_find_tls_symbol(stripped, VAR, true, &sym), -ENOENT);
}

Test(elf_file, tls_names_are_compared_whole_and_without_version)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_symbol sym;

	sample_write("names.c", "__thread long " VAR "_not, _ZTH18" VAR ", not_" VAR ";\n"
				"void *" VAR "; /* no thread-local */\n");
	sample_write("versioned.c", "__thread long impl = 1;\n"
				    "__asm__(\".symver impl, " VAR "@@V_1\");\n");
	sample_write("map", "V_1 { global: *; };\n");
	sh("gcc -shared -fPIC names.c -o names.so");
	sh("gcc -shared -fPIC versioned.c -Wl,--version-script=map -o versioned.so");

	ef = open_sample("names.so");
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, true, &sym), -ENOENT);
	elf_file_close(TAKE_PTR(ef));

	/* In .symtab alone the version is part of the name. */
	ef = open_sample("versioned.so");
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, false, &sym), 0);
	elf_file_close(TAKE_PTR(ef));
}

Test(elf_file, an_undefined_tls_symbol_is_none)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_tls_reloc reloc;
	struct elf_symbol sym;

	sample_write("user.c", "extern __thread void *" VAR "; __thread int own;\n"
			       "void *get(void) { return own ? 0 : " VAR "; }\n");
	sh("gcc -shared -fPIC user.c -o user.so");
	ef = open_sample("user.so");
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, true, &sym), -ENOENT);
	cr_assert_eq(elf_file_find_tls_reloc(ef, VAR, &reloc), 0);
}

/* Without sections readelf has to be told to look at the dynamic section. */
static void check_reloc(const char *file, enum elf_tls_reloc_kind kind, const char *readelf_name)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = open_sample(file);
	struct elf_tls_reloc reloc;

	cr_assert_eq(elf_file_find_tls_reloc(ef, VAR, &reloc), 0, "%s", file);
	cr_assert_eq(reloc.kind, kind, "%s", file);
	cr_assert_not(reloc.is_own);
	cr_assert_eq(reloc.addend, 0);
	cr_assert_eq(reloc.got_vaddr,
		     strtoull(first_line(RELOC, strcmp(file, "bare.so") ? "" : "D", sample(file),
					 readelf_name),
			      NULL, 16),
		     "%s", file);
}

Test(elf_file, finds_the_relocation_of_each_tls_model)
{
	write_tls_sources();
	sh("gcc -O1 -shared -fPIC -mtls-dialect=gnu2 tls.c -o desc.so");
	sh("gcc -O1 -shared -fPIC -mtls-dialect=gnu2 -Wl,-z,lazy tls.c -o lazy.so");
	sh("gcc -O1 -shared -fPIC -mtls-dialect=gnu tls.c -o gd.so");
	sh("gcc -O1 -shared -fPIC -ftls-model=initial-exec tls.c -o ie.so");
	sh("cp desc.so bare.so && strip desc.so -o stripped.so");
	drop_sections("bare.so");

	check_reloc("desc.so", ELF_TLS_RELOC_DESC, "R_X86_64_TLSDESC");
	check_reloc("lazy.so", ELF_TLS_RELOC_DESC, "R_X86_64_TLSDESC");
	check_reloc("stripped.so", ELF_TLS_RELOC_DESC, "R_X86_64_TLSDESC");
	check_reloc("bare.so", ELF_TLS_RELOC_DESC, "R_X86_64_TLSDESC");
	check_reloc("gd.so", ELF_TLS_RELOC_DTPMOD, "R_X86_64_DTPMOD64");
	check_reloc("ie.so", ELF_TLS_RELOC_TPOFF, "R_X86_64_TPOFF64");
}

Test(elf_file, a_descriptor_is_preferred_over_a_module_number)
{
	sample_write("var.c", "__thread void *" VAR ";\n");
	sample_write("a.c", "extern __thread void *" VAR "; void *a(void) { return " VAR "; }\n");
	sample_write("b.c", "extern __thread void *" VAR "; void *b(void) { return " VAR "; }\n");
	sh("gcc -O1 -c -fPIC -mtls-dialect=gnu2 a.c && gcc -O1 -c -fPIC -mtls-dialect=gnu b.c");
	sh("gcc -shared -fPIC var.c a.o b.o -o both.so");
	cr_assert_neq(first_line(RELOC, "", sample("both.so"), "R_X86_64_DTPMOD64")[0], '\0');
	check_reloc("both.so", ELF_TLS_RELOC_DESC, "R_X86_64_TLSDESC");
}

Test(elf_file, reads_aarch64_files)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_symbol sym;

	write_tls_sources();
	sh("aarch64-linux-gnu-gcc -O1 -shared -fPIC -nostdlib tls.c -o desc.so");
	sh("aarch64-linux-gnu-gcc -O1 -shared -fPIC -nostdlib -mtls-dialect=trad tls.c -o gd.so");
	sh("aarch64-linux-gnu-gcc -O1 -shared -fPIC -nostdlib -ftls-model=initial-exec tls.c -o "
	   "ie.so");
	check_reloc("desc.so", ELF_TLS_RELOC_DESC, "R_AARCH64_TLSDESC");
	check_reloc("gd.so", ELF_TLS_RELOC_DTPMOD, "R_AARCH64_TLS_DTPMOD64");
	check_reloc("ie.so", ELF_TLS_RELOC_TPOFF, "R_AARCH64_TLS_TPREL64");

	ef = open_sample("desc.so");
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, false, &sym), 0);
	cr_assert_eq(sym.value, nm_value("desc.so", VAR));
}

/* Where the segment begins, and how far behind that: whatever the relocation is for. */
Test(elf_file, private_and_local_relocations_name_nothing)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_tls_reloc reloc;

	sample_write("hidden.c", "static __thread long pad[5] = { 1 };\n"
				 "__attribute__((visibility(\"hidden\"))) __thread void *" VAR ";\n"
				 "void *get(void) { return " VAR "; }\n"
				 "long *get_pad(void) { return pad; }\n");
	sh("gcc -O1 -shared -fPIC -mtls-dialect=gnu2 -c hidden.c && "
	   "ld -shared hidden.o -o hidden.so");
	ef = open_sample("hidden.so");
	cr_assert_eq(elf_file_find_tls_reloc(ef, VAR, &reloc), 0);
	cr_assert(reloc.is_own);
	cr_assert_eq(reloc.kind, ELF_TLS_RELOC_DESC);
	cr_assert(reloc.addend == 0 || reloc.addend == 40);
}

Test(elf_file, file_without_thread_local_relocations)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_tls_reloc reloc;

	sample_write("none.c", "__thread void *" VAR ";\nint get(void) { return 1; }\n");
	sh("gcc -O1 -shared -fPIC none.c -o none.so");
	ef = open_sample("none.so");
	cr_assert_eq(elf_file_find_tls_reloc(ef, VAR, &reloc), -ENOENT);
}

Test(elf_file, interpreter)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(elf_file_closep) struct elf_file *fixed = NULL;
	char path[64];

	sample_write("main.c", "int main(void) { return 0; }\n");
	sh("gcc main.c -o prog -Wl,--dynamic-linker,/lib/ld-of-somebody.so.3");
	sh("gcc -static main.c -o fixed");
	ef = open_sample("prog");
	cr_assert_eq(elf_file_interpreter(ef, path, sizeof(path)), 0);
	cr_assert_str_eq(path, "/lib/ld-of-somebody.so.3");
	cr_assert_eq(elf_file_interpreter(ef, path, strlen("/lib/ld-of-somebody.so.3")), -EBADMSG);
	fixed = open_sample("fixed");
	cr_assert_eq(elf_file_interpreter(fixed, path, sizeof(path)), -ENOENT);
}

/* File offset of the header of the PT_TLS segment: the headers start at 64, 56 bytes each. */
static off_t tls_header(const char *name)
{
	return 64 + 56 * (atoi(first_line("readelf -lW %s | grep -A99 'Type  ' | grep -n TLS",
					  sample(name))) -
			  2);
}

Test(elf_file, tls_segment_is_what_readelf_says_and_absurd_ones_are_refused)
{
	const uint64_t three = 3, huge = 1ULL << 32;
	struct elf_tls_segment tls;
	struct elf_file *ef;
	uint64_t vaddr, memsz, align;

	write_tls_sources();
	sh("gcc -shared -fPIC tls.c -o lib.so && cp lib.so align.so && cp lib.so memsz.so");
	cr_assert_eq(sscanf(first_line("readelf -lW lib.so | grep '^ *TLS'"),
			    " TLS %*x %" SCNx64 " %*x %*x %" SCNx64 " R %" SCNx64, &vaddr, &memsz,
			    &align),
		     3);
	ef = open_sample("lib.so");
	cr_assert_eq(elf_file_tls_segment(ef, &tls), 0);
	cr_assert_eq(tls.vaddr, vaddr);
	cr_assert_eq(tls.memsz, memsz);
	cr_assert_eq(tls.align, align);
	elf_file_close(ef);

	patch("align.so", tls_header("align.so") + 48, &three, 8);
	ef = open_sample("align.so");
	cr_assert_eq(elf_file_tls_segment(ef, &tls), -EBADMSG);
	elf_file_close(ef);

	patch("memsz.so", tls_header("memsz.so") + 40, &huge, 8);
	ef = open_sample("memsz.so");
	cr_assert_eq(elf_file_tls_segment(ef, &tls), -EBADMSG);
	elf_file_close(ef);

	ef = open_sample("/usr/bin/gdb");
	elf_file_close(ef);
	sh("gcc -shared -fPIC -xc /dev/null -o none.so");
	ef = open_sample("none.so");
	cr_assert_eq(elf_file_tls_segment(ef, &tls), -ENOENT);
	elf_file_close(ef);
}

Test(elf_file, what_is_not_ours_is_refused)
{
	sample_write("text",
		     "#!/bin/sh\necho a text that is longer than an ELF header is, by far\n");
	sample_write("empty", "");
	sample_write("short", "\177ELF\002\001\001");
	sh("mkdir folder && mkfifo pipe && gcc -xc -c /dev/null -o ok.o");
	sh("cp ok.o elf32.o && cp ok.o big_endian.o && ar rcs archive.a ok.o");
	patch("elf32.o", EI_CLASS, "\1", 1);
	patch("big_endian.o", EI_DATA, "\2", 1);

	cr_assert_eq(open_result("ok.o"), 0);
	cr_assert_eq(open_result("text"), -ENOEXEC);
	cr_assert_eq(open_result("empty"), -ENOEXEC);
	cr_assert_eq(open_result("short"), -ENOEXEC);
	cr_assert_eq(open_result("folder"), -ENOEXEC);
	cr_assert_eq(open_result("/dev/zero"), -ENOEXEC);
	cr_assert_eq(open_result("elf32.o"), -ENOEXEC);
	cr_assert_eq(open_result("big_endian.o"), -ENOEXEC);
	cr_assert_eq(open_result("archive.a"), -ENOEXEC);
	cr_assert_eq(open_result("no such file"), -EBADF);
}

/* Their number and that of the names are in the first header then; readelf knows the id. */
Test(elf_file, more_sections_than_a_header_can_count)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	const uint8_t *id;
	size_t len;

	sh("{ seq -f '.section .text.f%%.0f,\"ax\"; nop' 65400;"
	   " echo '.section .note.gnu.build-id,\"a\",@note; .long 4,3,3;"
	   " .asciz \"GNU\"; .byte 7,8,9,0'; } > many.s && gcc -c many.s -o many.o");
	cr_assert_gt(atol(first_line("readelf -SW %s | grep -c ' .text.f'", sample("many.o"))),
		     65399);

	ef = open_sample("many.o");
	cr_assert_eq(elf_file_build_id(ef, &id, &len), 0);
	cr_assert_eq(len, 3);
	cr_assert_arr_eq(id, "\7\10\11", 3);
}

/* Entries of a size that is not ours: nothing is read at wrong places. */
Test(elf_file, headers_of_another_size_are_not_read)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_symtab table;
	uint64_t vaddr;

	sample_write("main.c", "int main(void) { return 0; }\n");
	sh("gcc main.c -o segments -Wl,--build-id=0xabcd && cp segments sections");
	patch("segments", 0x36, "\x20", 1);
	cr_assert_eq(open_result("segments"), -ENOEXEC);

	patch("sections", 0x3a, "\x20", 1);
	ef = open_sample("sections");
	cr_assert_eq(elf_file_offset_to_vaddr(ef, 0, &vaddr), 0);
	cr_assert_eq(elf_symtab_find(ef, ELF_SYMTAB_FULL, &table), -ENOENT);
}

Test(elf_file, an_object_has_no_segments)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_tls_segment tls;
	uint64_t vaddr;
	char name[64];

	sh("echo 'int a;' | gcc -xc -c - -o none.o");
	ef = open_sample("none.o");
	cr_assert_eq(elf_file_tls_segment(ef, &tls), -ENOENT);
	cr_assert_eq(elf_file_interpreter(ef, name, sizeof(name)), -ENOENT);
	cr_assert_eq(elf_file_offset_to_vaddr(ef, 0, &vaddr), -ENOENT);
	cr_assert_eq(elf_file_code_offset(ef), 0);
}

/* 16 million sections in a sparse file of 1 GiB, whose headers alone are gigabytes. */
Test(elf_file, a_huge_number_of_sections_is_refused)
{
	const uint64_t shoff = 4096, n = 16ULL << 20;

	sh("gcc -xc -c /dev/null -o many.o && truncate -s 2G many.o");
	patch("many.o", 0x28, &shoff, 8);
	patch("many.o", 0x3c, "\0\0", 2);
	patch("many.o", shoff + 32, &n, 8);
	cr_assert_eq(open_result("many.o"), -ENOEXEC);
}

Test(elf_file, memory_and_file_say_the_same)
{
	CLEANUP(elf_file_closep) struct elf_file *a = NULL;
	CLEANUP(elf_file_closep) struct elf_file *b = NULL;
	struct elf_symbol x = { 0 }, y = { 1, 1 };
	char buf[65536];
	ssize_t len;
	int fd;

	write_tls_sources();
	sh("gcc -shared -fPIC tls.c -o lib.so");
	fd = sample_open("lib.so");
	len = read(fd, buf, sizeof(buf));
	close(fd);

	a = open_sample("lib.so");
	cr_assert_eq(elf_file_open_memory(buf, len, &b), 0);
	cr_assert_eq(elf_file_find_tls_symbol(a, VAR, true, &x), 0);
	cr_assert_eq(elf_file_find_tls_symbol(b, VAR, true, &y), 0);
	cr_assert_eq(x.value, y.value);
	cr_assert_eq(elf_file_entry(a), elf_file_entry(b));

	elf_file_close(TAKE_PTR(b));
	fd = sample_open("lib.so");
	cr_assert_eq(elf_file_open_mapped(fd, &b), 0);
	close(fd);
	cr_assert_eq(elf_file_find_tls_symbol(b, VAR, true, &y), 0);
	cr_assert_eq(x.value, y.value);
}

Test(elf_file, a_mapped_file_does_not_stay_in_memory)
{
	const size_t size = 64 << 20, step = 32 << 10;
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	static char buf[32 << 10];
	size_t before, most = 0;
	int fd;

	write_tls_sources();
	sh("gcc -shared -fPIC tls.c -o lib.so && truncate -s 64M lib.so");
	fd = sample_open("lib.so");
	cr_assert_eq(elf_file_open_mapped(fd, &ef), 0);
	close(fd);
	before = resident();
	for (size_t at = 0; at < size; at += step) {
		cr_assert_eq(elf_image_read(ef, at, buf, step), 0);
		most = resident() > most ? resident() : most;
	}
	cr_assert_lt(most, before + size / 8);
	cr_assert_eq(elf_image_read(ef, 1, buf, 3), 0);
	cr_assert_eq(memcmp(buf, "ELF", 3), 0);
}

Test(elf_file, only_elf_files_are_mapped)
{
	struct elf_file *ef;
	int fd;

	sample_write("empty", "");
	fd = sample_open("empty");
	cr_assert_eq(elf_file_open_mapped(fd, &ef), -ENOEXEC);
	close(fd);
	sample_write("text", "This is text, and more of it than an ELF header would take: yes.\n");
	fd = sample_open("text");
	cr_assert_eq(elf_file_open_mapped(fd, &ef), -ENOEXEC);
	close(fd);
	cr_assert_eq(elf_file_open_mapped(-1, &ef), -EBADF);
}

Test(elf_file, a_file_truncated_while_open_gives_errors)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_tls_reloc reloc;
	struct elf_symbol sym;
	const uint8_t *id;
	size_t len;

	write_tls_sources();
	sh("gcc -shared -fPIC tls.c -o lib.so");
	ef = open_sample("lib.so");
	cr_assert_eq(truncate(sample("lib.so"), 100), 0);

	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, true, &sym), -ENOENT);
	cr_assert_eq(elf_file_find_tls_reloc(ef, VAR, &reloc), -ENOENT);
	cr_assert_eq(elf_file_build_id(ef, &id, &len), -ENODATA);
}

Test(elf_file, the_descriptor_stays_the_callers)
{
	int fd = sample_open(LIBC);
	struct elf_file *ef = NULL;

	cr_assert_eq(elf_file_open_fd(fd, &ef), 0);
	elf_file_close(ef);
	cr_assert_eq(close(fd), 0);
	elf_file_close(NULL);
}

/* --- by hash ---------------------------------------------------------------------------------- */

struct looked_up {
	size_t n, n_undefined;
};

static int look_up(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym)
{
	struct looked_up *l = arg;
	char name[512];
	Elf64_Sym found;
	int r;

	if (elf_symtab_name(st, sym->st_name, name, sizeof(name)) <= 0)
		return 0;
	r = elf_symtab_lookup(st, name, &found);
	if (sym->st_shndx == SHN_UNDEF) {
		l->n_undefined++;
		cr_assert_eq(r, -ENOENT, "%s", name);
		return 0;
	}
	l->n++;
	cr_assert_eq(r, 0, "%s", name);
	cr_assert(elf_symtab_name_is(st, found.st_name, name), "%s", name);
	return 0;
}

/* Each symbol that a walk meets is found by its name. */
Test(elf_file, exported_symbols_by_hash)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = open_sample(LIBC);
	struct looked_up l = { 0 };
	struct elf_symtab st;
	Elf64_Sym sym;

	cr_assert_eq(elf_symtab_find(ef, ELF_SYMTAB_DYNAMIC, &st), 0);
	cr_assert_eq(elf_symtab_walk(&st, look_up, &l), 0);
	cr_assert_gt(l.n, 2000);
	cr_assert_gt(l.n_undefined, 5);
	cr_assert_eq(elf_symtab_lookup(&st, "no_such_symbol", &sym), -ENOENT);
	cr_assert_eq(elf_symtab_lookup(&st, "", &sym), -ENOENT);
}

Test(elf_file, exported_symbols_without_gnu_hash)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct elf_symtab st;
	struct elf_symbol sym;
	Elf64_Sym found;

	write_tls_sources();
	sh("gcc -shared -fPIC -Wl,--hash-style=sysv tls.c -o lib.so");
	ef = open_sample("lib.so");
	cr_assert_eq(elf_symtab_find(ef, ELF_SYMTAB_DYNAMIC, &st), 0);
	cr_assert_eq(elf_symtab_lookup(&st, VAR, &found), -ENODATA);
	cr_assert_eq(elf_file_find_tls_symbol(ef, VAR, false, &sym), 0);
}
