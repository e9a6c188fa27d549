/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are compiled here, with each way to reach a thread-local variable, say themselves
 * how far theirs lies from the thread pointer.
 */
#include "ctx/thread_ctx_finder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ctx/tls_model.h"
#include "leak_check.h"
#include "proc/maps.h"

static char dir[] = "/tmp/test_tlsXXXXXX";

/* pad[] comes first and has other values: an offset that is not 0 and not the only one. */
static const char var_c[] = "__thread char otel_pad[PAD] __attribute__((aligned(ALIGN))) = { 1 };\n"
			    "__thread void *otel_thread_ctx_v1;\n"
			    "static __thread long own;\n"
			    "void *own_addr(void) { return &own; }\n"
			    "void *ctx_addr(void) { return &otel_thread_ctx_v1; }\n"
			    "char *pad_addr(void) { return otel_pad; }\n";

/* Without a reference of its own: no relocation. */
static const char var_only_c[] = "__thread void *otel_thread_ctx_v1;\n"
				 "void *ctx_addr(void) { return 0; }\n";

static const char hidden_c[] =
	"__attribute__((visibility(\"hidden\"))) __thread void *otel_thread_ctx_v1;\n"
	"void *ctx_addr(void) { return &otel_thread_ctx_v1; }\n";

/* Exported, but local-dynamic: the relocation is for the module and names nothing. */
static const char protected_c[] =
	"__attribute__((visibility(\"protected\"))) __thread void *otel_thread_ctx_v1;\n"
	"void *ctx_addr(void) { return &otel_thread_ctx_v1; }\n";

static const char other_c[] = "__thread void *x_otel_thread_ctx_v1, *otel_thread_ctx_v11;\n"
			      "void *ctx_addr(void) { return (char *)&x_otel_thread_ctx_v1 +\n"
			      "\t(long)&otel_thread_ctx_v11; }\n";

static const char wide_c[] = "__thread char otel_thread_ctx_v1[16];\n"
			     "void *ctx_addr(void) { return otel_thread_ctx_v1; }\n";

static const char main_c[] = "#include <stdio.h>\n"
			     "#include <unistd.h>\n"
			     "#ifdef DLOPEN\n"
			     "#include <dlfcn.h>\n"
			     "#endif\n"
			     "void *ctx_addr(void);\n"
			     "static void *tp(void)\n"
			     "{\n"
			     "#ifdef __x86_64__\n"
			     "	void *p;\n"
			     "	__asm__(\"mov %%fs:0, %0\" : \"=r\"(p));\n"
			     "	return p;\n"
			     "#else\n"
			     "	return __builtin_thread_pointer();\n"
			     "#endif\n"
			     "}\n"
			     "int main(void)\n"
			     "{\n"
			     "	char c;\n"
			     "#ifdef DLOPEN\n"
			     "	void *lib = dlopen(DLOPEN, RTLD_NOW);\n"
			     "	void *(*fn)(void) = (void *(*)(void))dlsym(lib, \"ctx_addr\");\n"
			     "#else\n"
			     "	void *(*fn)(void) = ctx_addr;\n"
			     "#endif\n"
			     "	printf(\"%ld\\n\", (long)((char *)fn() - (char *)tp()));\n"
			     "	fflush(stdout);\n"
			     "	return (int)read(0, &c, 1);\n"
			     "}\n";

static void write_source(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert(ne(ptr, f, NULL));
	fputs(text, f);
	fclose(f);
}

static void make_dir(void)
{
	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	write_source("main.c", main_c);
	write_source("var.c", var_c);
	write_source("var_only.c", var_only_c);
	write_source("hidden.c", hidden_c);
	write_source("protected.c", protected_c);
	write_source("other.c", other_c);
	write_source("wide.c", wide_c);
}

static void remove_dir(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	cr_assert(zero(int, system(cmd)));
	leak_check();
}

TestSuite(thread_ctx_finder, .init = make_dir, .fini = remove_dir);

/* Runs a command in the folder of sources. */
static void __attribute__((format(printf, 1, 2))) build(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n = snprintf(cmd, sizeof(cmd), "cd '%s' && ", dir);

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - n, fmt, ap);
	va_end(ap);
	cr_assert(zero(int, system(cmd)), "%s", cmd);
}

/* --- a program at work ----------------------------------------------------------------------- */

struct program {
	pid_t pid;
	int in;	     /* closing it ends the program */
	long tp_off; /* what it says */
};

static void start(const char *tunables, struct program *ret)
{
	int in[2], out[2];
	char path[64], line[32] = "";

	snprintf(path, sizeof(path), "%s/prog", dir);
	cr_assert(zero(int, pipe2(in, O_CLOEXEC)));
	cr_assert(zero(int, pipe2(out, O_CLOEXEC)));
	ret->pid = fork();
	if (ret->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		if (tunables)
			setenv("GLIBC_TUNABLES", tunables, 1);
		execl(path, path, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	cr_assert(gt(long, read(out[0], line, sizeof(line) - 1), 0));
	close(out[0]);
	ret->in = in[1];
	ret->tp_off = strtol(line, NULL, 10);
	cr_assert(ne(long, ret->tp_off, 0));
}

static void finish(struct program *p)
{
	close(p->in);
	cr_assert(eq(int, waitpid(p->pid, NULL, 0), p->pid));
}

static void file_path(char path[64], const char *file)
{
	snprintf(path, 64, "%s/%s", dir, file);
}

/* Virtual address of the first segment, from the program headers; the mapping starts at its page.
 */
static uint64_t first_vaddr(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph;

	cr_assert(eq(long, pread(fd, &eh, sizeof(eh), 0), sizeof(eh)));
	for (int i = 0; i < eh.e_phnum; i++) {
		cr_assert(eq(long, pread(fd, &ph, sizeof(ph), eh.e_phoff + i * sizeof(ph)),
			     sizeof(ph)));
		if (ph.p_type == PT_LOAD)
			return ph.p_vaddr & ~0xfffull;
	}
	cr_fatal("%s has no segment", path);
}

static uint64_t bias_of(pid_t pid, const char *path)
{
	CLEANUP(freep) char *text = NULL;
	struct maps_cursor c = { 0 };
	struct map_entry e;

	cr_assert(zero(int, maps_read(pid, 1 << 24, &text, &c.len)));
	c.buf = text;
	while (maps_next(&c, &e))
		if (e.path_len == strlen(path) && memcmp(e.path, path, e.path_len) == 0)
			return e.start - first_vaddr(path);
	cr_fatal("%s is not mapped", path);
}

/* --- find and locate ------------------------------------------------------------------------- */

static int find(const char *file, struct tls_symbol *ret)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = -1;
	char path[64];

	file_path(path, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(ge(int, fd, 0));
	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	return tls_symbol_find(ef, strcmp(file, "prog") == 0, ret);
}

static int locate(const struct program *p, const char *file, const struct tls_symbol *ts,
		  struct tls_var *ret)
{
	char path[64];

	file_path(path, file);
	return tls_symbol_locate(ts, p->pid, bias_of(p->pid, path), ret);
}

/* The variable of @file, reached by @access, is where the running program says. */
static void assert_found(const char *file, enum tls_access access, const char *tunables)
{
	struct tls_symbol ts = { 0 };
	struct tls_var var = { 0 };
	struct program p;

	cr_assert(zero(int, find(file, &ts)));
	cr_assert(eq(int, ts.access, access));
	start(tunables, &p);
	cr_assert(zero(int, locate(&p, file, &ts, &var)));
	cr_assert(eq(int, var.model, TLS_MODEL_STATIC));
	cr_assert(eq(i64, var.tp_off, p.tp_off));
	finish(&p);
}

static void assert_not_supported(const char *file, enum tls_access access, const char *tunables)
{
	struct tls_symbol ts = { 0 };
	struct tls_var var = { .tp_off = 4242 };
	struct program p;

	cr_assert(zero(int, find(file, &ts)));
	cr_assert(eq(int, ts.access, access));
	start(tunables, &p);
	cr_assert(eq(int, locate(&p, file, &ts, &var), -ENOTSUP));
	cr_assert(eq(i64, var.tp_off, 4242));
	finish(&p);
}

/* --- the program itself ---------------------------------------------------------------------- */

#define PADS "-DPAD=40 -DALIGN=8"

Test(thread_ctx_finder, position_independent_program)
{
	build("gcc -O1 -fPIE -pie " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(thread_ctx_finder, program_at_a_fixed_address)
{
	build("gcc -O1 -fno-pie -no-pie " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(thread_ctx_finder, static_programs)
{
	build("gcc -O1 -static " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
	build("gcc -O1 -static-pie -fPIE " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(thread_ctx_finder, static_program_with_musl)
{
	build("musl-gcc -O1 -static " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(thread_ctx_finder, program_with_an_aligned_segment)
{
	static const int aligns[] = { 16, 64, 256, 4096 };

	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		build("gcc -O1 -DPAD=3 -DALIGN=%d main.c var.c -o prog", aligns[i]);
		assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
		build("gcc -O1 -static -DPAD=300 -DALIGN=%d main.c var.c -o prog", aligns[i]);
		assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
	}
}

Test(thread_ctx_finder, program_of_objects_made_for_a_library)
{
	build("gcc -O1 -fPIC -rdynamic " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_INITIAL_EXEC, NULL);
	build("musl-gcc -O1 -fPIC -rdynamic " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_INITIAL_EXEC, NULL);
}

Test(thread_ctx_finder, stripped_program_has_what_it_exports)
{
	struct tls_symbol ts;

	build("gcc -O1 -rdynamic " PADS " main.c var.c -o prog && strip prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
	build("gcc -O1 " PADS " main.c var.c -o prog && strip prog");
	cr_assert(eq(int, find("prog", &ts), -ENOENT));
}

/* --- libraries that the program is linked with ----------------------------------------------- */

#define LIB(how)	  "gcc -O1 -fPIC -shared " how " " PADS " var.c -o lib.so"
#define PROG_WITH_LIB	  " && gcc -O1 main.c -o prog -L. -l:lib.so -Wl,-rpath,'$ORIGIN'"
#define PROG_THAT_DLOPENS " && gcc -O1 -DDLOPEN=\"\\\"$PWD/lib.so\\\"\" main.c -o prog"

Test(thread_ctx_finder, library_with_descriptors)
{
	build(LIB("-mtls-dialect=gnu2") PROG_WITH_LIB);
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

Test(thread_ctx_finder, library_with_descriptors_bound_lazily)
{
	build(LIB("-mtls-dialect=gnu2 -Wl,-z,lazy") PROG_WITH_LIB);
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

Test(thread_ctx_finder, library_with_initial_exec)
{
	build(LIB("-ftls-model=initial-exec") PROG_WITH_LIB);
	assert_found("lib.so", TLS_ACCESS_INITIAL_EXEC, NULL);
}

Test(thread_ctx_finder, library_with_module_and_offset)
{
	build(LIB("-mtls-dialect=gnu") PROG_WITH_LIB);
	assert_not_supported("lib.so", TLS_ACCESS_GENERAL, NULL);
}

Test(thread_ctx_finder, library_with_musl)
{
	build("musl-gcc -O1 -fPIC -shared -mtls-dialect=gnu2 " PADS " var.c -o lib.so && "
	      "musl-gcc -O1 main.c -o prog -L. -l:lib.so -Wl,-rpath,'$ORIGIN'");
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

/* --- libraries that are opened later --------------------------------------------------------- */

Test(thread_ctx_finder, opened_library_in_the_surplus_of_static_tls)
{
	build(LIB("-mtls-dialect=gnu2") PROG_THAT_DLOPENS);
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

Test(thread_ctx_finder, opened_library_in_dynamic_tls)
{
	build(LIB("-mtls-dialect=gnu2") PROG_THAT_DLOPENS);
	assert_not_supported("lib.so", TLS_ACCESS_DESC, "glibc.rtld.optional_static_tls=0");
}

Test(thread_ctx_finder, opened_library_with_initial_exec)
{
	build(LIB("-ftls-model=initial-exec") PROG_THAT_DLOPENS);
	assert_found("lib.so", TLS_ACCESS_INITIAL_EXEC, NULL);
}

/* --- files that do not do -------------------------------------------------------------------- */

Test(thread_ctx_finder, library_that_does_not_export_it)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 hidden.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOENT));
	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 other.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOENT));
}

Test(thread_ctx_finder, library_that_only_uses_it)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 -xc - -o lib.so <<END\n"
	      "extern __thread void *otel_thread_ctx_v1; static __thread long own;\n"
	      "void *ctx_addr(void) { own++; return &otel_thread_ctx_v1; }\nEND\n");
	cr_assert(eq(int, find("lib.so", &ts), -ENOENT));
}

Test(thread_ctx_finder, library_without_a_relocation_for_it)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared var_only.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOTSUP));
	build("gcc -O1 -fPIC -shared -ftls-model=local-dynamic protected.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOTSUP));
}

Test(thread_ctx_finder, variable_that_is_no_pointer)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 wide.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -EBADMSG));
	build("gcc -O1 main.c wide.c -o prog");
	cr_assert(eq(int, find("prog", &ts), -EBADMSG));
}

Test(thread_ctx_finder, process_or_library_that_is_gone)
{
	struct tls_symbol ts;
	struct tls_var var;
	struct program p;
	char path[64];
	uint64_t bias;

	build(LIB("-mtls-dialect=gnu2") PROG_WITH_LIB);
	cr_assert(zero(int, find("lib.so", &ts)));
	start(NULL, &p);
	file_path(path, "lib.so");
	bias = bias_of(p.pid, path);
	cr_assert(eq(int, tls_symbol_locate(&ts, p.pid, 4096, &var), -EFAULT));
	finish(&p);
	cr_assert(eq(int, tls_symbol_locate(&ts, p.pid, bias, &var), -ESRCH));
}

/* --- what stands in a GOT -------------------------------------------------------------------- */

/* @words, in the memory of this process, as the slot of a symbol. */
static int locate_words(enum tls_access access, const uint64_t words[2], struct tls_var *ret)
{
	struct tls_symbol ts = { .access = access, .got_vaddr = (uintptr_t)words };

	return tls_symbol_locate(&ts, getpid(), 0, ret);
}

#ifdef __x86_64__
Test(thread_ctx_finder, words_of_initial_exec)
{
	struct tls_var var = { 0 };

	cr_assert(zero(int, locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ -72, 0 }, &var)));
	cr_assert(eq(i64, var.tp_off, -72));
	cr_assert(eq(int, -EAGAIN,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ 0, 0 }, &var)));
	cr_assert(eq(int, -EBADMSG,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ 72, 0 }, &var)));
	cr_assert(eq(int, -EBADMSG,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ -4, 0 }, &var)));
	cr_assert(eq(int, -EBADMSG,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ 1ull << 63, 0 }, &var)));
	cr_assert(eq(i64, var.tp_off, -72));
}

Test(thread_ctx_finder, words_of_a_descriptor)
{
	/* r_info: symbol 5, R_X86_64_TLSDESC */
	const uint64_t index[] = { 3, 16 }, relocation[] = { 0x3fd8, 5ull << 32 | 36 };
	const struct {
		uint64_t words[2];
		int want;
	} cases[] = {
		{ { 1, -152 }, 0 },
		{ { 0, -152 }, -EAGAIN },
		{ { 0, 0 }, -EAGAIN },
		{ { 1, (uintptr_t)index }, -ENOTSUP },
		{ { 1, (uintptr_t)relocation }, -EAGAIN },
		{ { 1, 16 }, -EAGAIN },
		{ { 1, 1ull << 63 }, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_var var = { 0 };

		cr_assert(
			eq(int, locate_words(TLS_ACCESS_DESC, cases[i].words, &var), cases[i].want),
			"case %zu", i);
		cr_assert(eq(i64, var.tp_off, cases[i].want == 0 ? -152 : 0));
	}
}
#endif

/* --- aarch64 --------------------------------------------------------------------------------- */

/*
 * The constant that the linker compiled into get(): add x0, x0, #hi, lsl #12; add x0, x0, #lo,
 * which follow mrs x0, tpidr_el0.
 */
static int64_t compiled_offset(const uint32_t *code, size_t n)
{
	for (size_t i = 0; i + 2 < n; i++)
		if ((code[i] & 0xffffffe0) == 0xd53bd040)
			return (int64_t)(code[i + 1] >> 10 & 0xfff) << 12 |
			       (code[i + 2] >> 10 & 0xfff);
	return -1;
}

/* The words of .text of @file. */
static size_t read_text(const char *file, uint32_t *ret, size_t max)
{
	char path[64];
	FILE *f;
	size_t n;

	build("aarch64-linux-gnu-objcopy -O binary -j .text %s text", file);
	file_path(path, "text");
	f = fopen(path, "r");
	n = fread(ret, sizeof(*ret), max, f);
	fclose(f);
	return n;
}

static void assert_aarch64_offset(const char *file)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = -1;
	struct elf_tls_segment seg;
	struct elf_symbol sym;
	uint32_t code[64];
	char path[64];

	file_path(path, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	cr_assert(zero(int, elf_file_find_tls_symbol(ef, THREAD_CTX_SYMBOL, true, &sym)));
	cr_assert(zero(int, elf_file_tls_segment(ef, &seg)));
	cr_assert(eq(i64, tls_local_exec_offset(TLS_ARCH_AARCH64, &seg, sym.value),
		     compiled_offset(code, read_text(file, code, 64))));
}

Test(thread_ctx_finder, aarch64_offset_is_the_one_that_its_linker_compiles_in)
{
	static const int pads[] = { 1, 40, 5000, 70000 }, aligns[] = { 1, 8, 16, 32, 64, 4096 };

	write_source("get.c", "__thread char pad[PAD] __attribute__((aligned(ALIGN))) = { 1 };\n"
			      "__thread void *otel_thread_ctx_v1;\n"
			      "void *_start(void) { return &otel_thread_ctx_v1; }\n"
			      "char *keep(void) { return pad; }\n");
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			build("aarch64-linux-gnu-gcc -O1 -nostdlib -static -DPAD=%d -DALIGN=%d "
			      "get.c -o a64",
			      pads[i], aligns[j]);
			assert_aarch64_offset("a64");
		}
	}
}

/* aarch64 instructions, from the assembler. */
#define A64_NOP	   0xd503201f
#define A64_BTI_C  0xd503245f
#define A64_LDR	   0xf9400400 /* ldr x0, [x0, #8] */
#define A64_RET	   0xd65f03c0
#define A64_STP_FP 0xa9bf7bfd

Test(thread_ctx_finder, aarch64_resolver_of_static_tls)
{
	const uint32_t plain[] = { A64_LDR, A64_RET, 0, 0 },
		       bti[] = { A64_BTI_C, A64_LDR, A64_RET, 0 },
		       both[] = { A64_BTI_C, A64_NOP, A64_LDR, A64_RET },
		       dynamic[] = { A64_BTI_C, A64_STP_FP, A64_LDR, A64_RET },
		       no_ret[] = { A64_LDR, A64_STP_FP, A64_RET, 0 },
		       nops[] = { A64_NOP, A64_NOP, A64_NOP, A64_LDR };

	cr_assert(tls_desc_resolver_is_static(plain));
	cr_assert(tls_desc_resolver_is_static(bti));
	cr_assert(tls_desc_resolver_is_static(both));
	cr_assert(not(tls_desc_resolver_is_static(dynamic)));
	cr_assert(not(tls_desc_resolver_is_static(no_ret)));
	cr_assert(not(tls_desc_resolver_is_static(nops)));
}

Test(thread_ctx_finder, offsets_that_static_tls_can_have)
{
	struct tls_var var = { 0 };

	cr_assert(zero(int, tls_var_static(TLS_ARCH_AARCH64, 16, &var)));
	cr_assert(eq(i64, var.tp_off, 16));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_AARCH64, -8, &var), -EBADMSG));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_AARCH64, 1ll << 31, &var), -EBADMSG));
	cr_assert(zero(int, tls_var_static(TLS_ARCH_X86_64, -8, &var)));
	cr_assert(zero(int, tls_var_static(TLS_ARCH_X86_64, INT32_MIN, &var)));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_X86_64, INT32_MIN - 1ll, &var), -EBADMSG));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_X86_64, 0, &var), -EBADMSG));
}
