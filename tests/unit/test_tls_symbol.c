/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are compiled here, with each way to reach a thread-local variable, say themselves
 * where theirs lies, in each of their threads.
 */
#include "ctx/tls_symbol.h"

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
#include "proc/remote_mem.h"
#include "shared/tls_addr.h"

#define VAR "otel_thread_ctx_v1"

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

/* The library reaches its variable by a name that it does not export. */
static const char bound_c[] =
	"__thread char otel_pad[PAD] __attribute__((aligned(ALIGN))) = { 1 };\n"
	"__thread void *otel_thread_ctx_v1;\n"
	"extern __thread void *own __attribute__((\n"
	"\talias(\"otel_thread_ctx_v1\"), visibility(\"hidden\")));\n"
	"void *ctx_addr(void) { return &own; }\n"
	"char *pad_addr(void) { return otel_pad; }\n";

static const char other_c[] = "__thread void *x_otel_thread_ctx_v1, *otel_thread_ctx_v11;\n"
			      "void *ctx_addr(void) { return (char *)&x_otel_thread_ctx_v1 +\n"
			      "\t(long)&otel_thread_ctx_v11; }\n";

static const char wide_c[] = "__thread char otel_thread_ctx_v1[16];\n"
			     "void *ctx_addr(void) { return otel_thread_ctx_v1; }\n";

/*
 * Three threads: the main one, one from before the library is opened, and one from after it. The
 * last one to be told of, from before, never uses the variable.
 */
static const char main_c[] = "#include <pthread.h>\n"
			     "#include <stdio.h>\n"
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
			     "static void *(*fn)(void);\n"
			     "static pthread_barrier_t opened, told;\n"
			     "static void *use(void *arg)\n"
			     "{\n"
			     "	if (arg)\n"
			     "		pthread_barrier_wait(&opened);\n"
			     "	printf(\"%ld %ld\\n\", (long)tp(), (long)fn());\n"
			     "	fflush(stdout);\n"
			     "	pthread_barrier_wait(&told);\n"
			     "	pause();\n"
			     "	return 0;\n"
			     "}\n"
			     "static void *idle(void *arg)\n"
			     "{\n"
			     "	*(long *)arg = (long)tp();\n"
			     "	pthread_barrier_wait(&opened);\n"
			     "	pause();\n"
			     "	return 0;\n"
			     "}\n"
			     "int main(void)\n"
			     "{\n"
			     "	pthread_t before, after, lazy;\n"
			     "	long lazy_tp;\n"
			     "	char c;\n"
			     "	pthread_barrier_init(&opened, 0, 3);\n"
			     "	pthread_barrier_init(&told, 0, 3);\n"
			     "	pthread_create(&before, 0, use, &c);\n"
			     "	pthread_create(&lazy, 0, idle, &lazy_tp);\n"
			     "#ifdef DLOPEN\n"
			     "	void *lib = dlopen(DLOPEN, RTLD_NOW);\n"
			     "	fn = (void *(*)(void))dlsym(lib, \"ctx_addr\");\n"
			     "#else\n"
			     "	fn = ctx_addr;\n"
			     "#endif\n"
			     "	pthread_barrier_wait(&opened);\n"
			     "	pthread_create(&after, 0, use, 0);\n"
			     "	printf(\"%ld %ld\\n\", (long)tp(), (long)fn());\n"
			     "	fflush(stdout);\n"
			     "	pthread_barrier_wait(&told);\n"
			     "	printf(\"%ld 0\\n\", lazy_tp);\n"
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
	write_source("bound.c", bound_c);
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

TestSuite(tls_symbol, .init = make_dir, .fini = remove_dir);

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

#define THREADS 4 /* the last one has not used the variable */

struct program {
	pid_t pid;
	int in; /* closing it ends the program */
	struct {
		uint64_t tp, addr;
	} threads[THREADS]; /* what it says */
};

static void start(const char *tunables, struct program *ret)
{
	int in[2], out[2];
	char path[64], line[128];
	FILE *says;

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
	says = fdopen(out[0], "r");
	for (int i = 0; i < THREADS; i++) {
		char *end;

		cr_assert(ne(ptr, fgets(line, sizeof(line), says), NULL));
		ret->threads[i].tp = strtoull(line, &end, 10);
		ret->threads[i].addr = strtoull(end, NULL, 10);
		cr_assert(ne(u64, ret->threads[i].tp, 0));
	}
	fclose(says);
	ret->in = in[1];
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
	return tls_symbol_find(ef, VAR, 8, strcmp(file, "prog") == 0, ret);
}

static enum tls_libc libc_of_prog(void)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = -1;
	char path[64];

	file_path(path, "prog");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	return tls_libc_of(ef);
}

static int locate(const struct program *p, const char *file, const struct tls_symbol *ts,
		  struct tls_var *ret)
{
	struct tls_process where = { .pid = p->pid, .libc = libc_of_prog() };
	char path[64];

	file_path(path, file);
	where.bias = bias_of(p->pid, path);
	return tls_symbol_locate(ts, &where, ret);
}

struct ctx_memory {
	pid_t pid;
};

static long ctx_read(struct ctx_memory *mem, void *dst, __u32 len, __u64 addr)
{
	return remote_mem_read(mem->pid, addr, dst, len);
}

/* Each thread's variable is where the thread itself says. */
static void assert_addresses(const struct program *p, const struct tls_var *var)
{
	struct ctx_memory mem = { p->pid };
	__u64 addr = 0;

	for (int i = 0; i < THREADS; i++) {
		enum tls_found found = tls_addr(&mem, var, p->threads[i].tp, &addr);

		if (p->threads[i].addr) {
			cr_assert(eq(int, found, TLS_FOUND), "thread %d", i);
			cr_assert(eq(u64, addr, p->threads[i].addr), "thread %d", i);
		} else if (found == TLS_FOUND) {
			__u64 value = 1;

			cr_assert(zero(int, ctx_read(&mem, &value, sizeof(value), addr)));
			cr_assert(zero(u64, value), "in a thread that has not used it");
		} else {
			cr_assert(eq(int, found, TLS_NOT_ALLOCATED));
		}
	}
}

/* The variable of @file, reached by @access, is of @model, and where the running program says. */
static void assert_located(const char *file, enum tls_access access, enum tls_model model,
			   const char *tunables)
{
	struct tls_symbol ts = { 0 };
	struct tls_var var = { 0 };
	struct program p;

	cr_assert(zero(int, find(file, &ts)));
	cr_assert(eq(int, ts.access, access));
	start(tunables, &p);
	cr_assert(zero(int, locate(&p, file, &ts, &var)));
	cr_assert(eq(int, var.model, model));
	assert_addresses(&p, &var);
	finish(&p);
}

static void assert_found(const char *file, enum tls_access access, const char *tunables)
{
	assert_located(file, access, TLS_MODEL_STATIC, tunables);
}

/* --- the program itself ---------------------------------------------------------------------- */

#define PADS "-DPAD=40 -DALIGN=8"

Test(tls_symbol, position_independent_program)
{
	build("gcc -O1 -fPIE -pie " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(tls_symbol, program_at_a_fixed_address)
{
	build("gcc -O1 -fno-pie -no-pie " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(tls_symbol, static_programs)
{
	build("gcc -O1 -static " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
	build("gcc -O1 -static-pie -fPIE " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(tls_symbol, static_program_with_musl)
{
	build("musl-gcc -O1 -static " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
}

Test(tls_symbol, program_with_an_aligned_segment)
{
	static const int aligns[] = { 16, 64, 256, 4096 };

	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		build("gcc -O1 -DPAD=3 -DALIGN=%d main.c var.c -o prog", aligns[i]);
		assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
		build("gcc -O1 -static -DPAD=300 -DALIGN=%d main.c var.c -o prog", aligns[i]);
		assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
	}
}

Test(tls_symbol, program_of_objects_made_for_a_library)
{
	build("gcc -O1 -fPIC -rdynamic " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_INITIAL_EXEC, NULL);
	build("musl-gcc -O1 -fPIC -rdynamic " PADS " main.c var.c -o prog");
	assert_found("prog", TLS_ACCESS_INITIAL_EXEC, NULL);
}

Test(tls_symbol, stripped_program_has_what_it_exports)
{
	struct tls_symbol ts;

	build("gcc -O1 -rdynamic " PADS " main.c var.c -o prog && strip prog");
	assert_found("prog", TLS_ACCESS_LOCAL_EXEC, NULL);
	build("gcc -O1 " PADS " main.c var.c -o prog && strip prog");
	cr_assert(eq(int, find("prog", &ts), -ENOENT));
}

/* --- libraries that the program is linked with ----------------------------------------------- */

#define LIB(how)	  "gcc -O1 -fPIC -shared " how " " PADS " var.c -o lib.so"
#define PROG_WITH_LIB	  " && gcc -pthread -O1 main.c -o prog -L. -l:lib.so -Wl,-rpath,'$ORIGIN'"
#define PROG_THAT_DLOPENS " && gcc -pthread -O1 -DDLOPEN=\"\\\"$PWD/lib.so\\\"\" main.c -o prog"

Test(tls_symbol, library_with_descriptors)
{
	build(LIB("-mtls-dialect=gnu2") PROG_WITH_LIB);
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

Test(tls_symbol, library_with_descriptors_bound_lazily)
{
	build(LIB("-mtls-dialect=gnu2 -Wl,-z,lazy") PROG_WITH_LIB);
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

Test(tls_symbol, library_with_initial_exec)
{
	build(LIB("-ftls-model=initial-exec") PROG_WITH_LIB);
	assert_found("lib.so", TLS_ACCESS_INITIAL_EXEC, NULL);
}

Test(tls_symbol, library_with_module_and_offset)
{
	build(LIB("-mtls-dialect=gnu") PROG_WITH_LIB);
	assert_located("lib.so", TLS_ACCESS_GENERAL, TLS_MODEL_GLIBC, NULL);
	build("musl-gcc -O1 -fPIC -shared -mtls-dialect=gnu " PADS " var.c -o lib.so && "
	      "musl-gcc -pthread -O1 main.c -o prog -L. -l:lib.so -Wl,-rpath,'$ORIGIN'");
	assert_located("lib.so", TLS_ACCESS_GENERAL, TLS_MODEL_MUSL, NULL);
}

Test(tls_symbol, library_with_musl)
{
	build("musl-gcc -O1 -fPIC -shared -mtls-dialect=gnu2 " PADS " var.c -o lib.so && "
	      "musl-gcc -pthread -O1 main.c -o prog -L. -l:lib.so -Wl,-rpath,'$ORIGIN'");
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

/* --- libraries that are opened later --------------------------------------------------------- */

Test(tls_symbol, opened_library_in_the_surplus_of_static_tls)
{
	build(LIB("-mtls-dialect=gnu2") PROG_THAT_DLOPENS);
	assert_found("lib.so", TLS_ACCESS_DESC, NULL);
}

Test(tls_symbol, opened_library_in_dynamic_tls)
{
	build(LIB("-mtls-dialect=gnu2") PROG_THAT_DLOPENS);
	assert_located("lib.so", TLS_ACCESS_DESC, TLS_MODEL_GLIBC,
		       "glibc.rtld.optional_static_tls=0");
}

Test(tls_symbol, opened_library_too_large_for_the_surplus)
{
	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 -DPAD=4096 -DALIGN=64 var.c "
	      "-o lib.so" PROG_THAT_DLOPENS);
	assert_located("lib.so", TLS_ACCESS_DESC, TLS_MODEL_GLIBC, NULL);
}

Test(tls_symbol, opened_library_with_module_and_offset)
{
	build(LIB("-mtls-dialect=gnu") PROG_THAT_DLOPENS);
	assert_located("lib.so", TLS_ACCESS_GENERAL, TLS_MODEL_GLIBC, NULL);
}

Test(tls_symbol, opened_library_with_musl)
{
	static const char *const dialects[] = { "gnu2", "gnu" };

	for (int i = 0; i < 2; i++) {
		build("musl-gcc -O1 -fPIC -shared -mtls-dialect=%s " PADS " var.c -o lib.so && "
		      "musl-gcc -pthread -O1 -DDLOPEN=\"\\\"$PWD/lib.so\\\"\" main.c -o prog",
		      dialects[i]);
		assert_located("lib.so", i ? TLS_ACCESS_GENERAL : TLS_ACCESS_DESC, TLS_MODEL_MUSL,
			       NULL);
	}
}

/* The relocation that tells where the library's storage is names nothing. */
Test(tls_symbol, library_that_binds_the_variable_itself)
{
	static const struct {
		const char *how;
		enum tls_access access;
		enum tls_model opened;
	} cases[] = {
		{ "-mtls-dialect=gnu2", TLS_ACCESS_DESC, TLS_MODEL_STATIC },
		{ "-mtls-dialect=gnu", TLS_ACCESS_MODULE, TLS_MODEL_GLIBC },
		{ "-ftls-model=local-dynamic -mtls-dialect=gnu", TLS_ACCESS_MODULE,
		  TLS_MODEL_GLIBC },
		{ "-ftls-model=initial-exec", TLS_ACCESS_INITIAL_EXEC, TLS_MODEL_STATIC },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build("gcc -O1 -fPIC -shared %s " PADS " bound.c -o lib.so" PROG_WITH_LIB,
		      cases[i].how);
		assert_located("lib.so", cases[i].access, cases[i].opened, NULL);
		build("gcc -O1 -fPIC -shared %s " PADS " bound.c -o lib.so" PROG_THAT_DLOPENS,
		      cases[i].how);
		assert_located("lib.so", cases[i].access, cases[i].opened, NULL);
	}
	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 " PADS
	      " bound.c -o lib.so" PROG_THAT_DLOPENS);
	assert_located("lib.so", TLS_ACCESS_DESC, TLS_MODEL_GLIBC,
		       "glibc.rtld.optional_static_tls=0");
}

/* Each has a copy of the writer: the first one's is that of both. */
Test(tls_symbol, second_library_with_the_variable)
{
	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu -DPAD=8 -DALIGN=8 var.c -o first.so && "
	      "gcc -O1 -fPIC -shared -mtls-dialect=gnu -DPAD=80 -DALIGN=8 var.c -o lib.so && "
	      "gcc -pthread -O1 main.c -o prog -L. -Wl,--no-as-needed -l:first.so -l:lib.so "
	      "-Wl,-rpath,'$ORIGIN'");
	assert_located("first.so", TLS_ACCESS_GENERAL, TLS_MODEL_GLIBC, NULL);
	assert_located("lib.so", TLS_ACCESS_GENERAL, TLS_MODEL_GLIBC, NULL);
}

Test(tls_symbol, program_that_asks_for_another_dynamic_linker)
{
	build("cp /lib64/ld-linux-x86-64.so.2 ld-mine.so && " LIB("-mtls-dialect=gnu") PROG_WITH_LIB
	      " -Wl,--dynamic-linker,$PWD/ld-mine.so");
	cr_assert(eq(int, libc_of_prog(), TLS_LIBC_UNKNOWN));
	build("gcc -O1 -static " PADS " main.c var.c -o prog");
	cr_assert(eq(int, libc_of_prog(), TLS_LIBC_UNKNOWN));
}

Test(tls_symbol, opened_library_with_initial_exec)
{
	build(LIB("-ftls-model=initial-exec") PROG_THAT_DLOPENS);
	assert_found("lib.so", TLS_ACCESS_INITIAL_EXEC, NULL);
}

/* --- files that do not do -------------------------------------------------------------------- */

Test(tls_symbol, library_that_does_not_export_it)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 hidden.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOENT));
	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 other.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOENT));
}

Test(tls_symbol, library_that_only_uses_it)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 -xc - -o lib.so <<END\n"
	      "extern __thread void *otel_thread_ctx_v1; static __thread long own;\n"
	      "void *ctx_addr(void) { own++; return &otel_thread_ctx_v1; }\nEND\n");
	cr_assert(eq(int, find("lib.so", &ts), -ENOENT));
}

Test(tls_symbol, library_without_a_relocation_for_it)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared var_only.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -ENOTSUP));
}

Test(tls_symbol, variable_that_is_no_pointer)
{
	struct tls_symbol ts;

	build("gcc -O1 -fPIC -shared -mtls-dialect=gnu2 wide.c -o lib.so");
	cr_assert(eq(int, find("lib.so", &ts), -EBADMSG));
	build("gcc -O1 main.c wide.c -o prog");
	cr_assert(eq(int, find("prog", &ts), -EBADMSG));
}

Test(tls_symbol, process_or_library_that_is_gone)
{
	struct tls_symbol ts;
	struct tls_var var;
	struct tls_process where;
	struct program p;
	char path[64];
	uint64_t bias;

	build(LIB("-mtls-dialect=gnu2") PROG_WITH_LIB);
	cr_assert(zero(int, find("lib.so", &ts)));
	start(NULL, &p);
	file_path(path, "lib.so");
	bias = bias_of(p.pid, path);
	where = (struct tls_process){ p.pid, 4096, TLS_LIBC_GLIBC };
	cr_assert(eq(int, tls_symbol_locate(&ts, &where, &var), -EFAULT));
	finish(&p);
	where.bias = bias;
	cr_assert(eq(int, tls_symbol_locate(&ts, &where, &var), -ESRCH));
}

/* --- what stands in a GOT -------------------------------------------------------------------- */

/* @words, in the memory of this process, as the slot of a symbol. */
static int locate_words(enum tls_access access, const uint64_t words[2], struct tls_var *ret)
{
	struct tls_symbol ts = { .access = access, .got_vaddr = (uintptr_t)words };
	struct tls_process where = { getpid(), 0, TLS_LIBC_GLIBC };

	return tls_symbol_locate(&ts, &where, ret);
}

#ifdef __x86_64__
Test(tls_symbol, words_of_initial_exec)
{
	struct tls_var var = { 0 };

	cr_assert(zero(int, locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ -72, 0 }, &var)));
	cr_assert(eq(i64, var.off, -72));
	cr_assert(eq(int, -EAGAIN,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ 0, 0 }, &var)));
	cr_assert(eq(int, -EBADMSG,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ 72, 0 }, &var)));
	cr_assert(eq(int, -EBADMSG,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ -4, 0 }, &var)));
	cr_assert(eq(int, -EBADMSG,
		     locate_words(TLS_ACCESS_INITIAL_EXEC, (uint64_t[]){ 1ull << 63, 0 }, &var)));
	cr_assert(eq(i64, var.off, -72));
}

Test(tls_symbol, words_of_a_descriptor)
{
	/* r_info: symbol 5, R_X86_64_TLSDESC */
	const uint64_t index[] = { 3, 16, 7 }, relocation[] = { 0x3fd8, 5ull << 32 | 36, 0 };
	const struct {
		uint64_t words[2];
		int want;
	} cases[] = {
		{ { 1, -152 }, 0 },	{ { 0, -152 }, -EAGAIN },
		{ { 0, 0 }, -EAGAIN },	{ { 1, (uintptr_t)relocation }, -EAGAIN },
		{ { 1, 16 }, -EAGAIN }, { { 1, 1ull << 63 }, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_var var = { 0 };

		cr_assert(
			eq(int, locate_words(TLS_ACCESS_DESC, cases[i].words, &var), cases[i].want),
			"case %zu", i);
		cr_assert(eq(i64, var.off, cases[i].want == 0 ? -152 : 0));
	}
	{
		struct tls_var var = { 0 };
		const uint64_t words[] = { 1, (uintptr_t)index };

		cr_assert(zero(int, locate_words(TLS_ACCESS_DESC, words, &var)));
		cr_assert(eq(int, var.model, TLS_MODEL_GLIBC));
		cr_assert(eq(u32, var.module, 3));
		cr_assert(eq(i64, var.off, 16));
		cr_assert(eq(u64, var.generation, 7));
	}
}
#endif

/* The relocation of a descriptor that is bound lazily, for the library's own storage. */
Test(tls_symbol, descriptor_that_leads_to_its_relocation)
{
	uint64_t rela[] = { 0x3fd8, 36, 16 }, words[] = { 1, (uintptr_t)rela };
	struct tls_symbol ts = { .access = TLS_ACCESS_DESC, .got_vaddr = 0x3fd8 };
	struct tls_process where = { getpid(), (uintptr_t)words - 0x3fd8, TLS_LIBC_GLIBC };
	struct tls_var var = { 0 };

	cr_assert(eq(int, tls_symbol_locate(&ts, &where, &var), -EAGAIN));
	rela[0] = 2;
	cr_assert(zero(int, tls_symbol_locate(&ts, &where, &var)));
}

Test(tls_symbol, words_of_a_module)
{
	static const struct {
		uint64_t words[2];
		int want;
	} cases[] = {
		{ { 3, 16 }, 0 },
		{ { 0, 16 }, -EAGAIN },
		{ { 65536, 16 }, -EAGAIN },
		{ { 3, 1ull << 31 }, -EAGAIN },
	};
	struct tls_var var = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert(eq(int, locate_words(TLS_ACCESS_GENERAL, cases[i].words, &var),
			     cases[i].want),
			  "case %zu", i);
	cr_assert(eq(u32, var.module, 3));
	cr_assert(eq(i64, var.off, 16));
	cr_assert(zero(u64, var.generation));
	cr_assert(eq(int, tls_var_dynamic(TLS_LIBC_UNKNOWN, 3, 16, 0, &var), -ENOTSUP));
}

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
	cr_assert(zero(int, elf_file_find_tls_symbol(ef, VAR, true, &sym)));
	cr_assert(zero(int, elf_file_tls_segment(ef, &seg)));
	cr_assert(eq(i64, tls_local_exec_offset(TLS_ARCH_AARCH64, &seg, sym.value),
		     compiled_offset(code, read_text(file, code, 64))));
}

Test(tls_symbol, aarch64_offset_is_the_one_that_its_linker_compiles_in)
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

Test(tls_symbol, aarch64_resolver_of_static_tls)
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

static bool read_value(int fd, uint64_t at, void *buf, size_t len)
{
	return pread(fd, buf, len, (off_t)at) == (ssize_t)len;
}

/* glibc says how long its struct pthread is, and its pthread_self() must agree. */
Test(tls_symbol, aarch64_pthread_self_of_glibc)
{
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(closep) int fd = open("/usr/aarch64-linux-gnu/lib/libc.so.6", O_RDONLY);
	uint32_t code[TLS_SELF_CODE], size;
	struct elf_symbol sym;
	int32_t self;

	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	cr_assert(eq(int, elf_file_find_object(ef, "pthread_self", &sym), -ENOENT));
	cr_assert(zero(int, elf_file_find_function(ef, "pthread_self", &sym)));
	cr_assert(read_value(fd, sym.value, code, sizeof(code)));
	cr_assert(zero(int, elf_file_find_object(ef, "_thread_db_sizeof_pthread", &sym)));
	cr_assert(read_value(fd, sym.value, &size, sizeof(size)));
	cr_assert(zero(int, tls_self_offset(code, &self)));
	cr_assert(eq(i32, self, -(int32_t)size));
}

#define A64_MRS 0xd53bd040 /* mrs x0, tpidr_el0 */
#define A64_SUB 0xd1032000 /* sub x0, x0, #200 */

Test(tls_symbol, aarch64_pthread_self)
{
	const uint32_t plain[] = { A64_MRS, A64_SUB, A64_RET, A64_STP_FP },
		       bti[] = { A64_BTI_C, A64_MRS, A64_SUB, A64_RET },
		       no_ret[] = { A64_MRS, A64_SUB, A64_NOP, A64_RET },
		       x1[] = { A64_MRS, A64_SUB | 1, A64_RET, 0 },
		       pages[] = { A64_MRS, A64_SUB | 1 << 22, A64_RET, 0 },
		       add[] = { A64_MRS, A64_SUB ^ 1 << 30, A64_RET, 0 },
		       load[] = { A64_LDR, A64_SUB, A64_RET, 0 };
	const uint32_t *const others[] = { no_ret, x1, pages, add, load };
	int32_t self = 0;

	cr_assert(zero(int, tls_self_offset(plain, &self)));
	cr_assert(eq(i32, self, -200));
	self = 0;
	cr_assert(zero(int, tls_self_offset(bti, &self)));
	cr_assert(eq(i32, self, -200));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		cr_assert(eq(int, tls_self_offset(others[i], &self), -ENOTSUP), "%zu", i);
}

Test(tls_symbol, offsets_that_static_tls_can_have)
{
	struct tls_var var = { 0 };

	cr_assert(zero(int, tls_var_static(TLS_ARCH_AARCH64, 16, &var)));
	cr_assert(eq(i64, var.off, 16));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_AARCH64, -8, &var), -EBADMSG));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_AARCH64, 1ll << 31, &var), -EBADMSG));
	cr_assert(zero(int, tls_var_static(TLS_ARCH_X86_64, -8, &var)));
	cr_assert(zero(int, tls_var_static(TLS_ARCH_X86_64, INT32_MIN, &var)));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_X86_64, INT32_MIN - 1ll, &var), -EBADMSG));
	cr_assert(eq(int, tls_var_static(TLS_ARCH_X86_64, 0, &var), -EBADMSG));
}
