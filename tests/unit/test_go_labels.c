/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Go program keeps labels, from its instructions; and of a program that is compiled here.
 */
#include "ctx/go_labels.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "elf/elf_go.h"
#include "go_program.h"
#include "leak_check.h"

TestSuite(go_labels, .fini = leak_check);

/* --- instructions, as compilers of Go 1.22 and 1.26 have made them ------------------------------
 */

Test(go_labels, g_at_an_address_that_the_linker_knew)
{
	static const uint8_t code[] = { 0x64, 0x48, 0x8b, 0x3c, 0x25, 0xa8, 0xff, 0xff,
					0xff, 0x48, 0x8b, 0x5f, 0x30, 0x90, 0x90, 0x90 };
	struct go_labels gl = { .got_vaddr = 1 };

	cr_assert(zero(int, go_labels_find_g_x86(code, sizeof(code), 0x401000, &gl)));
	cr_assert(eq(i64, gl.var.g_off, -88));
	cr_assert(zero(u64, gl.got_vaddr));
}

Test(go_labels, g_by_a_register)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff, 0x64,
					0x48, 0x8b, 0x39, 0x48, 0x8b, 0x5f, 0x30, 0x90 };
	struct go_labels gl = { 0 };

	cr_assert(zero(int, go_labels_find_g_x86(code, sizeof(code), 0x401000, &gl)));
	cr_assert(eq(i64, gl.var.g_off, -8));
	cr_assert(zero(u64, gl.got_vaddr));
}

Test(go_labels, g_by_the_got)
{
	static const uint8_t code[] = { 0x48, 0x8b, 0x0d, 0x00, 0x10, 0x00, 0x00, 0x64,
					0x48, 0x8b, 0x39, 0x48, 0x8b, 0x5f, 0x30, 0x90 };
	struct go_labels gl = { 0 };

	cr_assert(zero(int, go_labels_find_g_x86(code, sizeof(code), 0x401000, &gl)));
	cr_assert(eq(u64, gl.got_vaddr, 0x402007));
}

Test(go_labels, g_in_a_way_that_is_not_known)
{
	static const uint8_t codes[][16] = {
		{ 0x64, 0x48, 0x8b, 0x3c, 0x24 }, /* by rsp */
		{ 0x48, 0xc7, 0xc2, 0xf8, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x39 },
		{ 0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff, 0x65, 0x48, 0x8b, 0x39 }, /* gs */
		{ 0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x3a },
		{ 0 },
	};
	struct go_labels gl;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		cr_assert(eq(int, go_labels_find_g_x86(codes[i], 16, 0, &gl), -ENOTSUP), "%zu", i);
	cr_assert(eq(int, go_labels_find_g_x86(codes[0], 15, 0, &gl), -ENOTSUP));
}

Test(go_labels, offset_with_a_write_barrier)
{
	/* mov 0x160(%r14), %rcx; call; mov %rax, (%r11); mov %rcx, 8(%r11); mov (%rsp), %rcx; mov
	 * %rax, 0x160(%rcx) */
	static const uint8_t code[] = {
		0x49, 0x8b, 0x8e, 0x60, 0x01, 0x00, 0x00, 0xe8, 0x79, 0x56,
		0x00, 0x00, 0x49, 0x89, 0x03, 0x49, 0x89, 0x4b, 0x08, 0x48,
		0x8b, 0x0c, 0x24, 0x48, 0x89, 0x81, 0x60, 0x01, 0x00, 0x00
	};
	uint16_t off = 0;

	cr_assert(zero(int, go_labels_find_offset_x86(code, sizeof(code), &off)));
	cr_assert(eq(u16, off, 352));
}

Test(go_labels, offset_that_is_not_clear)
{
	static const uint8_t none[] = { 0x48, 0x89, 0x81, 0x10, 0x00, 0x00, 0x00 },
			     odd[] = { 0x48, 0x89, 0x81, 0x61, 0x01, 0x00, 0x00 },
			     two[] = { 0x48, 0x89, 0x81, 0x60, 0x01, 0x00, 0x00,
				       0x49, 0x89, 0x86, 0x68, 0x01, 0x00, 0x00 },
			     same[] = { 0x48, 0x89, 0x81, 0x60, 0x01, 0x00, 0x00,
					0x49, 0x89, 0x86, 0x60, 0x01, 0x00, 0x00 };
	uint16_t off = 0;

	cr_assert(eq(int, go_labels_find_offset_x86(none, sizeof(none), &off), -ENOTSUP));
	cr_assert(eq(int, go_labels_find_offset_x86(odd, sizeof(odd), &off), -ENOTSUP));
	cr_assert(eq(int, go_labels_find_offset_x86(two, sizeof(two), &off), -ENOTSUP));
	cr_assert(eq(int, go_labels_find_offset_x86(two, 6, &off), -ENOTSUP));
	cr_assert(zero(int, go_labels_find_offset_x86(same, sizeof(same), &off)));
}

Test(go_labels, place_in_a_process)
{
	int64_t got[] = { -80, 0, 16, 1ll << 40 };
	struct go_labels gl = { .var = { .g_off = -8, .labels = 352 } };
	struct go_var var;

	cr_assert(zero(int, go_labels_locate(&gl, getpid(), 0, &var)));
	cr_assert(eq(i64, var.g_off, -8));
	gl.got_vaddr = 0x1000;
	cr_assert(zero(int, go_labels_locate(&gl, getpid(), (uintptr_t)&got[0] - 0x1000, &var)));
	cr_assert(eq(i64, var.g_off, -80));
	cr_assert(eq(u16, var.labels, 352));
	cr_assert(eq(int, go_labels_locate(&gl, getpid(), (uintptr_t)&got[1] - 0x1000, &var),
		     -EAGAIN));
	cr_assert(eq(int, go_labels_locate(&gl, getpid(), (uintptr_t)&got[2] - 0x1000, &var),
		     -EBADMSG));
	cr_assert(eq(int, go_labels_locate(&gl, getpid(), (uintptr_t)&got[3] - 0x1000, &var),
		     -EBADMSG));
}

/* --- a program -------------------------------------------------------------------------------- */

static char dir[] = "/tmp/test_goXXXXXX";

static void make_dir(void)
{
	cr_assert(ne(ptr, mkdtemp(dir), NULL));
}

static void remove_dir(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	cr_assert(zero(int, system(cmd)));
	leak_check();
}

TestSuite(go_program, .init = make_dir, .fini = remove_dir, .timeout = 120);

static struct elf_file *build(const char *body, const char *options)
{
	return go_program_build(dir, "CGO_ENABLED=0", body, options);
}

/* What `go version` says. */
static unsigned int release_at_hand(void)
{
	FILE *f = popen("go env GOVERSION", "r");
	unsigned int minor = 0;

	cr_assert(eq(int, fscanf(f, "go1.%u", &minor), 1));
	pclose(f);
	return minor;
}

Test(go_program, that_sets_labels)
{
	static const char *const options[] = { "", "-buildmode=pie", "-ldflags=-s" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = build(GO_WITH_LABELS, options[i]);
		struct go_labels gl = { 0 };
		unsigned int minor = 0;

		cr_assert(zero(int, elf_go_version(ef, &minor)));
		cr_assert(eq(uint, minor, release_at_hand()));
		cr_assert(zero(int, go_labels_find(ef, &gl)), "%s", options[i]);
		cr_assert(eq(i64, gl.var.g_off, -8));
		cr_assert(eq(u32, gl.var.form, GO_LABELS_SLICE));
	}
}

Test(go_program, that_does_not)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = build("package main\nfunc main() {}\n", "");
	struct go_labels gl;

	cr_assert(eq(int, go_labels_find(ef, &gl), -ENOENT));
}

/* The same program, which says that it is of a release that nobody knows. */
Test(go_program, of_an_unknown_release)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	struct go_labels gl;
	unsigned int minor;
	char path[64];
	int fd;

	elf_file_close(build(GO_WITH_LABELS, ""));
	snprintf(path, sizeof(path), "sed -i 's/go1\\.%u\\./go1.99./' %s/prog", release_at_hand(),
		 dir);
	cr_assert(zero(int, system(path)));
	snprintf(path, sizeof(path), "%s/prog", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	close(fd);
	cr_assert(zero(int, elf_go_version(ef, &minor)));
	cr_assert(eq(uint, minor, 99));
	cr_assert(eq(int, go_labels_find(ef, &gl), -ENOTSUP));
}

Test(go_program, that_is_none)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	struct go_labels gl;
	unsigned int minor;

	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	close(fd);
	cr_assert(eq(int, elf_go_version(ef, &minor), -ENODATA));
	cr_assert(eq(int, go_labels_find(ef, &gl), -ENOENT));
}
