/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a Go program of aarch64 keeps labels, from its instructions; and of programs that are
 * compiled here, beside what their debug information and their linker say.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ctx/go_labels.h"
#include "elf/elf_go.h"
#include "go_program.h"
#include "leak_check.h"
#include "unwind/go_code.h"

TestSuite(go_labels_a64, .fini = leak_check);

/* --- instructions, as Go 1.22 and 1.26 have made them, or the linker of them --------------------
 */

#define ADRP_LOW     0xf0000cbb /* adrp x27, 0x226000 from 0x8f000 */
#define LDRSB_761    0x399d8760 /* ldrsb x0, [x27, #0x761] */
#define CBZ	     0xb4000080
#define MRS	     0xd53bd040
#define MOVZ_16	     0xd280021b
#define LDR_G	     0xf87b681c
#define RET	     0xd65f03c0
#define ISCGO	     0x226761
#define LOAD_G_VADDR 0x8f6a0

static int find_g(const uint32_t *insn, size_t n, struct go_labels *ret)
{
	*ret = (struct go_labels){ .got_vaddr = 1 };
	return go_labels_find_g_a64((const uint8_t *)insn, n * 4, LOAD_G_VADDR, ret);
}

#define FIND_G(gl, ...)                                                                            \
	find_g((const uint32_t[]){ __VA_ARGS__ },                                                  \
	       sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t), gl)

Test(go_labels_a64, g_at_an_offset_that_the_linker_knew)
{
	struct go_labels gl;

	cr_assert(zero(int, FIND_G(&gl, ADRP_LOW, LDRSB_761, CBZ, MRS, MOVZ_16, LDR_G, RET)));
	cr_assert(eq(u64, gl.iscgo_vaddr, ISCGO));
	cr_assert(eq(i64, gl.var.g_off, 16));
	cr_assert(zero(u64, gl.got_vaddr));
	/* adrp, add, ldrsb with 0 */
	cr_assert(zero(
		int, FIND_G(&gl, ADRP_LOW, 0x911d877b, 0x39800360, CBZ, MRS, MOVZ_16, LDR_G, RET)));
	cr_assert(eq(u64, gl.iscgo_vaddr, ISCGO));
	cr_assert(eq(i64, gl.var.g_off, 16));
}

/* movz x27, #1, lsl 16; movk x27, #0x18 */
Test(go_labels_a64, g_at_an_offset_in_two_parts)
{
	struct go_labels gl;

	cr_assert(zero(int, FIND_G(&gl, ADRP_LOW, LDRSB_761, CBZ, MRS, 0xd2a0003b, 0xf280031b,
				   LDR_G, RET)));
	cr_assert(eq(i64, gl.var.g_off, 0x10018));
	cr_assert(zero(u64, gl.got_vaddr));
}

/* adrp x27, 0x8e000 (backwards); ldr x27, [x27, #0xff8] */
Test(go_labels_a64, g_by_the_got)
{
	struct go_labels gl;

	cr_assert(zero(int, FIND_G(&gl, ADRP_LOW, LDRSB_761, CBZ, MRS, 0xf0fffffb, 0xf947ff7b,
				   LDR_G, RET)));
	cr_assert(eq(u64, gl.got_vaddr, 0x8eff8));
}

/* Each instruction that is looked at is another one, or is not there. */
Test(go_labels_a64, g_in_a_way_that_is_not_known)
{
	static const uint32_t good[] = { ADRP_LOW, LDRSB_761, CBZ, MRS, MOVZ_16, LDR_G, RET, RET };
	struct go_labels gl;

	for (size_t i = 0; i < 6; i++) {
		uint32_t bad[8];

		memcpy(bad, good, sizeof(bad));
		bad[i] ^= i == 2 ? 1 << 24 : 1; /* cbnz; another register or operand */
		cr_assert(eq(int, find_g(bad, 8, &gl), -ENOTSUP), "%zu", i);
		cr_assert(eq(int, find_g(good, i, &gl), -ENOTSUP), "%zu", i);
	}
	cr_assert(zero(int, find_g(good, 6, &gl)));
}

static int find_offset(const uint32_t *insn, size_t n, uint16_t *ret)
{
	return go_labels_find_offset_a64((const uint8_t *)insn, n * 4, ret);
}

Test(go_labels_a64, offset_with_a_write_barrier)
{
	/* str x28, [sp, #16]; ldr x1, [x28, #352]; stp x0, x1, [x25]; ldr x1, [sp, #16]; str x0,
	 * [x1, #352] */
	static const uint32_t code[] = { 0xf9000bfc, 0xf940b381, 0xa9000720, 0xf9400be1,
					 0xf900b020 };
	uint16_t off = 0;

	cr_assert(zero(int, find_offset(code, 5, &off)));
	cr_assert(eq(u16, off, 352));
}

Test(go_labels_a64, offset_that_is_not_clear)
{
	/* str x0, [x1, #16], [x1, #352], [x28, #344]; [sp, #352] */
	static const uint32_t low[] = { 0xf9000820 }, two[] = { 0xf900b020, 0xf900af80 },
			      same[] = { 0xf900b020, 0xf900b380 }, sp[] = { 0xf900b3e0 };
	uint16_t off = 0;

	cr_assert(eq(int, find_offset(low, 1, &off), -ENOTSUP));
	cr_assert(eq(int, find_offset(two, 2, &off), -ENOTSUP));
	cr_assert(eq(int, find_offset(sp, 1, &off), -ENOTSUP));
	cr_assert(eq(int, go_labels_find_offset_a64((const uint8_t *)same, 3, &off), -ENOTSUP));
	cr_assert(zero(int, find_offset(same, 2, &off)));
	cr_assert(eq(u16, off, 352));
}

/* ldr x8, [x28, #48]; ldr x4, [x8]; ldr x4, [x8, #72] */
Test(go_labels_a64, goroutine_of_a_thread)
{
	static const uint32_t code[] = { 0xf9401b88, 0xf9400104, 0xf9402504 };

	cr_assert(eq(u16, go_curg_a64((const uint8_t *)code, 12), 184));
	cr_assert(zero(u16, go_curg_a64((const uint8_t *)code, 11)));
}

Test(go_labels_a64, place_in_a_process)
{
	struct {
		int64_t got[3];
		uint8_t iscgo[2];
	} there = { { 16, 0, -8 }, { 0, 1 } };
	struct go_labels gl = { .var = { .g_off = 16, .labels = 352 },
				.iscgo_vaddr = (uintptr_t)&there.iscgo[0] - 0x1000 };
	struct go_var var;

	cr_assert(zero(int, go_labels_locate(&gl, getpid(), 0x1000, &var)));
	cr_assert(eq(u32, var.g_in_reg, 1));
	cr_assert(eq(u16, var.labels, 352));
	gl.iscgo_vaddr++;
	cr_assert(zero(int, go_labels_locate(&gl, getpid(), 0x1000, &var)));
	cr_assert(zero(u32, var.g_in_reg));
	cr_assert(eq(i64, var.g_off, 16));
	gl.var.g_off = 0;
	for (size_t i = 0; i < 3; i++) {
		static const int outcome[] = { 0, -EAGAIN, -EBADMSG };

		gl.got_vaddr = (uintptr_t)&there.got[i] - 0x1000;
		cr_assert(eq(int, go_labels_locate(&gl, getpid(), 0x1000, &var), outcome[i]));
	}
	cr_assert(eq(i64, var.g_off, 16));
	gl.iscgo_vaddr = 8;
	cr_assert(eq(int, go_labels_locate(&gl, getpid(), 0, &var), -EFAULT));
}

/* --- programs --------------------------------------------------------------------------------- */

static char dir[] = "/tmp/test_go_a64XXXXXX";

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

TestSuite(go_program_a64, .init = make_dir, .fini = remove_dir, .timeout = 600);

/* Of @member of the struct @of; -1: not there. */
static int64_t member_offset(Dwarf_Die *of, const char *member)
{
	Dwarf_Attribute attr;
	Dwarf_Die child;
	Dwarf_Word off;

	if (dwarf_child(of, &child) != 0)
		return -1;
	do {
		if (dwarf_diename(&child) && !strcmp(dwarf_diename(&child), member) &&
		    dwarf_attr(&child, DW_AT_data_member_location, &attr) &&
		    dwarf_formudata(&attr, &off) == 0)
			return (int64_t)off;
	} while (dwarf_siblingof(&child, &child) == 0);
	return -1;
}

static int64_t offset_in_unit(Dwarf_Die *unit, const char *name, const char *member)
{
	Dwarf_Die die;

	if (dwarf_child(unit, &die) != 0)
		return -1;
	do {
		if (dwarf_tag(&die) == DW_TAG_structure_type && dwarf_diename(&die) &&
		    !strcmp(dwarf_diename(&die), name))
			return member_offset(&die, member);
	} while (dwarf_siblingof(&die, &die) == 0);
	return -1;
}

/* What the program's debug information says. */
static int64_t truth_of_offset(const char *name, const char *member)
{
	Dwarf_CU *cu = NULL;
	int64_t found = -1;
	char path[64];
	Dwarf_Die unit;
	Dwarf *dw;
	int fd;

	snprintf(path, sizeof(path), "%s/prog", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	dw = dwarf_begin(fd, DWARF_C_READ);
	cr_assert(ne(ptr, dw, NULL));
	while (found < 0 && dwarf_get_units(dw, cu, &cu, NULL, NULL, &unit, NULL) == 0)
		found = offset_in_unit(&unit, name, member);
	dwarf_end(dw);
	close(fd);
	return found;
}

/* The number at the begin of the line in which @name comes third, as @tool says. */
static uint64_t truth_of(const char *tool, const char *name)
{
	unsigned long value = 0;
	char cmd[192], of[96];
	FILE *f;

	snprintf(of, sizeof(of), tool, dir);
	snprintf(cmd, sizeof(cmd), "%s | awk '$3 == \"%s\" { print $1; exit }'", of, name);
	f = popen(cmd, "r");
	cr_assert(eq(int, fscanf(f, "%lx", &value), 1), "%s", name);
	pclose(f);
	return value;
}

#define TCB 16 /* bytes between the thread pointer and the program's TLS segment */

static const char *const releases[] = { "auto",	     "go1.21.13", "go1.22.12",
					"go1.23.12", "go1.24.13", "go1.25.9" };

#define ENV "GOTOOLCHAIN=%s GOARCH=arm64 CGO_ENABLED=%d CC=aarch64-linux-gnu-gcc"

static const char *env_of(const char *release, int cgo)
{
	static char env[128];

	snprintf(env, sizeof(env), ENV, release, cgo);
	return env;
}

Test(go_program_a64, of_each_release)
{
	for (size_t i = 0; i < sizeof(releases) / sizeof(releases[0]); i++) {
		CLEANUP(elf_file_closep)
		struct elf_file *ef =
			go_program_build(dir, env_of(releases[i], 0), GO_WITH_LABELS, "");
		struct go_labels gl = { 0 };
		unsigned int minor = 0;

		cr_assert(zero(int, elf_go_version(ef, &minor)));
		cr_assert(zero(int, go_labels_find(ef, &gl)), "%s", releases[i]);
		cr_assert(eq(i64, gl.var.labels, truth_of_offset("runtime.g", "labels")), "%s",
			  releases[i]);
		cr_assert(eq(i64, gl.var.curg, truth_of_offset("runtime.m", "curg")), "%s",
			  releases[i]);
		cr_assert(eq(u64, gl.iscgo_vaddr, truth_of("nm %s/prog", "runtime.iscgo")), "%s",
			  releases[i]);
		cr_assert(eq(u32, gl.var.form, minor < 24 ? GO_LABELS_MAP : GO_LABELS_SLICE));
	}
}

#define CGO_BODY                                                                                   \
	"package main\n// __thread long before[8]; long *f(void) { return before; }\nimport "      \
	"\"C\"\n"                                                                                  \
	"import (\"context\"; \"runtime/pprof\")\nfunc main() { "                                  \
	"pprof.Do(context.Background(), pprof.Labels(\"a\", \"b\"), func(context.Context) "        \
	"{ C.f() }) }\n"

/* With variables of C in TLS, too: where g is there is up to the linker. */
Test(go_program_a64, however_it_is_linked)
{
	static const struct {
		int cgo;
		const char *options;
	} ways[] = {
		{ 0, "-buildmode=pie" },
		{ 1, "" },
		{ 1, "-buildmode=pie" },
		{ 1, "-ldflags=\"-linkmode=external -extldflags=-static\"" },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		CLEANUP(elf_file_closep)
		struct elf_file *ef =
			go_program_build(dir, env_of("auto", ways[i].cgo),
					 ways[i].cgo ? CGO_BODY : GO_WITH_LABELS, ways[i].options);
		struct go_labels gl = { 0 };

		cr_assert(zero(int, go_labels_find(ef, &gl)), "%s", ways[i].options);
		cr_assert(eq(i64, gl.var.labels, truth_of_offset("runtime.g", "labels")));
		cr_assert(eq(u64, gl.iscgo_vaddr, truth_of("nm %s/prog", "runtime.iscgo")));
		cr_assert(zero(u64, gl.got_vaddr));
		if (ways[i].cgo)
			cr_assert(eq(i64, gl.var.g_off,
				     TCB + truth_of("nm %s/prog", "runtime.tls_g")));
	}
}

/* As a library it learns the place from the dynamic linker. */
Test(go_program_a64, that_is_a_library)
{
	CLEANUP(elf_file_closep)
	struct elf_file *ef =
		go_program_build(dir, env_of("auto", 1), CGO_BODY, "-buildmode=c-shared");
	struct go_labels gl = { 0 };

	cr_assert(zero(int, go_labels_find(ef, &gl)));
	cr_assert(eq(u64, gl.got_vaddr, truth_of("readelf -rW %s/prog", "R_AARCH64_TLS_TPREL64")));
}

Test(go_program_a64, stripped)
{
	for (int cgo = 0; cgo < 2; cgo++) {
		struct go_labels whole = { 0 }, stripped = { 0 };
		const char *body = cgo ? CGO_BODY : GO_WITH_LABELS;
		struct elf_file *ef = go_program_build(dir, env_of("auto", cgo), body, "");

		cr_assert(zero(int, go_labels_find(ef, &whole)));
		elf_file_close(ef);
		ef = go_program_build(dir, env_of("auto", cgo), body, "-ldflags=\"-s -w\"");
		cr_assert(zero(int, go_labels_find(ef, &stripped)));
		elf_file_close(ef);
		cr_assert(eq(u16, stripped.var.labels, whole.var.labels));
		cr_assert(eq(u16, stripped.var.curg, whole.var.curg));
		cr_assert(eq(i64, stripped.var.g_off, whole.var.g_off));
		cr_assert(ne(u64, stripped.iscgo_vaddr, 0));
	}
}

Test(go_program_a64, that_does_not_set_labels)
{
	CLEANUP(elf_file_closep)
	struct elf_file *ef =
		go_program_build(dir, env_of("auto", 0), "package main\nfunc main() {}\n", "");
	struct go_labels gl;

	cr_assert(eq(int, go_labels_find(ef, &gl), -ENOENT));
}
