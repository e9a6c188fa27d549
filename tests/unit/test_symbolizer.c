/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbolizer.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "elf_samples.h"
#include "leak_check.h"
#include "sym/file_finder.h"

#define LIBC	  "/lib/x86_64-linux-gnu/libc.so.6"
#define LIBSTDCXX "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
#define TRUTH_MAX 65536

static struct symbolizer *s;

static void init(void)
{
	samples_init();
	cr_assert_eq(symbolizer_new(&s), 0);
}

static void fini(void)
{
	symbolizer_free(s);
	samples_fini();
	leak_check();
}

TestSuite(symbolizer, .init = init, .fini = fini);

/* Names addresses of a file as a process of ours would have it mapped. */
static int name_offsets(const char *file, const uint64_t *offsets, size_t n, struct sym_result *res)
{
	CLEANUP(closep) int fd = sample_open(file);
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;

	cr_assert_eq(file_finder_new(sample(file), -1, &finder), 0);
	return symbolizer_file(s, fd, file_finder_source(finder), offsets, n, res);
}

/* Names one ELF virtual address; the samples are small, so that address - @bias is the offset. */
static struct sym_result at(const char *file, uint64_t vaddr, uint64_t bias)
{
	struct sym_result res;
	uint64_t offset = vaddr - bias;

	cr_assert_eq(name_offsets(file, &offset, 1, &res), 0, "%s", file);
	cr_assert_eq(res.vaddr, vaddr);
	return res;
}

static const char *name_at(const char *file, uint64_t vaddr)
{
	struct sym_result res = at(file, vaddr, 0);

	return res.n_frames ? res.frames[0].function : NULL;
}

static void assert_name(const char *file, uint64_t vaddr, const char *expected)
{
	const char *got = name_at(file, vaddr);

	cr_assert(got && strcmp(got, expected) == 0, "%s 0x%" PRIx64 ": %s, not %s", file, vaddr,
		  got ? got : "(none)", expected);
}

static void assert_no_name(const char *file, uint64_t vaddr)
{
	const char *got = name_at(file, vaddr);

	cr_assert_null(got, "%s 0x%" PRIx64 ": %s", file, vaddr, got);
}

/* --- whole files against elfutils ---------------------------------------------------------- */

struct truth {
	uint64_t offset, vaddr;
	uint64_t start; /* of the symbol that elfutils finds there, 0: none */
};

struct truths {
	struct truth *t;
	size_t n;
};

static void truths_free(struct truths *t)
{
	free(t->t);
}

/* Every @step-th address of the executable segments. */
static void sample_addresses(const char *file, size_t step, struct truths *ts)
{
	uint64_t off, vaddr, size;
	char line[4096];
	FILE *p;

	snprintf(line, sizeof(line), "readelf -lW %s | grep '^ *LOAD.* R E '", file);
	p = popen(line, "r");
	ts->t = calloc(TRUTH_MAX, sizeof(*ts->t));
	while (fgets(line, sizeof(line), p)) {
		cr_assert_eq(sscanf(line, " LOAD %" SCNx64 " %" SCNx64 " %*x %" SCNx64, &off,
				    &vaddr, &size),
			     3);
		for (uint64_t d = 0; d < size && ts->n < TRUTH_MAX; d += step)
			ts->t[ts->n++] = (struct truth){ .offset = off + d, .vaddr = vaddr + d };
	}
	pclose(p);
	cr_assert_gt(ts->n, 0);
}

/* "name+0x12" or "name", with or without " inlined at …"; "??" and "(section)" are no symbols. */
static void parse_symbol(const char *line, struct truth *t)
{
	const char *plus = strrchr(line, '+');

	if (line[0] == '?' || line[0] == '(')
		return;
	t->start = t->vaddr - (plus ? strtoull(plus + 1, NULL, 16) : 0);
}

static void ask_elfutils(const char *file, struct truths *ts)
{
	char cmd[512], line[65536];
	FILE *f = fopen(sample("addresses"), "w");

	for (size_t i = 0; i < ts->n; i++)
		fprintf(f, "0x%" PRIx64 "\n", ts->t[i].vaddr);
	fclose(f);

	snprintf(cmd, sizeof(cmd), "eu-addr2line -S -e %s < %s", file, sample("addresses"));
	f = popen(cmd, "r");
	for (size_t i = 0; i < ts->n; i++) {
		cr_assert_not_null(fgets(line, sizeof(line), f));
		parse_symbol(line, &ts->t[i]);
		cr_assert_not_null(fgets(line, sizeof(line), f));
	}
	pclose(f);
}

static bool is_stub(const struct sym_result *res)
{
	return res->n_frames && strstr(res->frames[0].function, "@plt");
}

static void compare_with_elfutils(const char *name, size_t step, double min_named)
{
	CLEANUP(truths_free) struct truths ts = { 0 };
	CLEANUP(freep) uint64_t *offsets = NULL;
	CLEANUP(freep) struct sym_result *res = NULL;
	const char *file = sample(name);
	size_t named = 0;

	sample_addresses(file, step, &ts);
	ask_elfutils(file, &ts);
	offsets = calloc(ts.n, sizeof(*offsets));
	res = calloc(ts.n, sizeof(*res));
	for (size_t i = 0; i < ts.n; i++)
		offsets[i] = ts.t[i].offset;
	cr_assert_eq(name_offsets(name, offsets, ts.n, res), 0);

	for (size_t i = 0; i < ts.n; i++) {
		const struct truth *t = &ts.t[i];

		cr_assert_eq(res[i].vaddr, t->vaddr);
		cr_assert_eq(res[i].n_frames != 0, res[i].start != 0);
		if (is_stub(&res[i]) && !t->start)
			continue; /* elfutils does not name them */
		cr_assert_eq(res[i].start, t->start,
			     "%s 0x%" PRIx64 ": symbol at 0x%" PRIx64 ", elfutils 0x%" PRIx64, name,
			     t->vaddr, res[i].start, t->start);
		named += res[i].start != 0;
	}
	cr_assert_geq((double)named / ts.n, min_named, "%s: only %zu of %zu", name, named, ts.n);
}

static const char *const cxx_source =
	"#include <map>\n#include <string>\n#include <vector>\n"
	"namespace shop { template <typename T> struct cart { T total(T a, const T &b) const; };\n"
	"template <typename T> __attribute__((noinline)) T cart<T>::total(T a, const T &b) const"
	" { return a + b; }\n"
	"template struct cart<long>; template struct cart<std::string>; }\n"
	"namespace { __attribute__((noinline)) int hidden(int x) { return x * 7; } }\n"
	"int main(int c, char **v) { std::map<std::string, std::vector<int>> m;\n"
	" m[v[0]].push_back(hidden(c));\n"
	" return m.size() + shop::cart<long>().total(c, c); }\n";

Test(symbolizer, agrees_with_elfutils_on_libraries)
{
	compare_with_elfutils(LIBC, 997, 0.5);
	compare_with_elfutils(LIBSTDCXX, 997, 0.5);
}

Test(symbolizer, agrees_with_elfutils_on_programs, .timeout = 120)
{
	sample_write("prog.cc", cxx_source);
	sample_write("prog.c", "#include <stdio.h>\nint main(void) { return printf(\"x\"); }\n");
	sh("g++ -O1 -g prog.cc -o cxx && strip -g cxx -o cxx_symtab && strip cxx -o cxx_stripped");
	sh("gcc -static prog.c -o static && gcc -static-pie -g prog.c -o static_pie");
	compare_with_elfutils("cxx", 13, 0.8);
	compare_with_elfutils("cxx_symtab", 13, 0.8);
	compare_with_elfutils("cxx_stripped", 13, 0);
	compare_with_elfutils("static", 97, 0.9);
	compare_with_elfutils("static_pie", 97, 0.9);
	compare_with_elfutils("/usr/bin/gdb", 4999, 0);
}

Test(symbolizer, agrees_with_elfutils_on_rust, .timeout = 120)
{
	if (system("command -v rustc > /dev/null") != 0)
		return; /* its manglings are tested without the compiler, in test_demangle.c */

	sample_write("prog.rs", "use std::collections::HashMap;\n"
				"#[inline(never)] fn price(x: &HashMap<String, u64>) -> u64 "
				"{ x.values().sum() }\n"
				"fn main() { let mut m = HashMap::new();\n"
				" m.insert(std::env::args().next().unwrap(), 3);\n"
				" println!(\"{}\", price(&m)); }\n");
	sh("rustc -O prog.rs -o rust && rustc -O -C symbol-mangling-version=v0 prog.rs -o rust_v0");
	compare_with_elfutils("rust", 13, 0.9);
	compare_with_elfutils("rust_v0", 13, 0.9);
}

/* --- names --------------------------------------------------------------------------------- */

/* The one symbol of @file whose name matches; its address, too. */
static uint64_t find_symbol(const char *file, const char *pattern, char *name, size_t size)
{
	snprintf(name, size, "%s", first_line("nm %s | grep -o '%s' | head -1", file, pattern));
	return nm_value(file, name);
}

#define CART_TOTAL "_ZNK4shop4cartIl.*"

Test(symbolizer, cxx_names_are_those_of_cxxfilt)
{
	char name[256], expected[256];
	uint64_t where;

	sample_write("prog.cc", cxx_source);
	sh("g++ -O1 -Wl,-z,noseparate-code prog.cc -o cxx");
	where = find_symbol("cxx", CART_TOTAL, name, sizeof(name));
	snprintf(expected, sizeof(expected), "%s", first_line("c++filt '%s'", name));
	assert_name("cxx", where, expected);
	assert_name("cxx", where, "shop::cart<long>::total(long, long const&) const");
	cr_assert_str_eq(at("cxx", where, 0).frames[0].linkage, name);
	where = find_symbol("cxx", "_ZN12_GLOBAL__N_16hidd.*", name, sizeof(name));
	assert_name("cxx", where, "(anonymous namespace)::hidden(int)");
}

static const char *const asm_source = ".text\n"
				      ".macro fn name size\n"
				      ".type \\name, @function\n \\name:\n .fill 16, 1, 0x90\n"
				      " .size \\name, \\size\n.endm\n"
				      ".globl first, strong, __under\n .weak weak, plain\n"
				      "first: .fill 8, 1, 0x90\n" /* 0: untyped, no size */
				      "fn sized 16\n"		  /* 8 */
				      ".fill 16, 1, 0x90\n"	  /* 24: a gap */
				      "fn short 4\n"		  /* 40: 12 bytes are nobody's */
				      "strong:\n weak:\n"
				      "fn local_alias 16\n" /* 56 */
				      ".type strong, @function\n .size strong, 16\n"
				      ".type weak, @function\n .size weak, 16\n"
				      "__under:\n plain:\n"
				      "fn __local 16\n" /* 72 */
				      ".type __under, @function\n .size __under, 16\n"
				      ".type plain, @function\n .size plain, 16\n"
				      ".type outer, @function\n"
				      "outer: .fill 8, 1, 0x90\n" /* 88 */
				      "label: .fill 4, 1, 0x90\n" /* 96 */
				      "fn inner 8\n"		  /* 100 */
				      ".fill 4, 1, 0x90\n"	  /* 116 */
				      ".size outer, 40\n"	  /* to 128 */
				      ".set not_code, 8\n"	  /* absolute */
				      "last: .fill 8, 1, 0x90\n"  /* 120 */
				      ".section .other, \"ax\"\n"
				      ".fill 16, 1, 0x90\n" /* nothing before it here */
				      "in_other: .fill 16, 1, 0x90\n";

Test(symbolizer, gaps_aliases_and_assembly)
{
	uint64_t text, other;

	sample_write("code.s", asm_source);
	sh("gcc -nostdlib -shared -Wl,-z,noseparate-code code.s -o code.so");
	text = nm_value("code.so", "first");
	other = nm_value("code.so", "in_other") - 16;

	assert_name("code.so", text, "first");
	assert_name("code.so", text + 7, "first");
	assert_name("code.so", text + 8, "sized");
	assert_name("code.so", text + 23, "sized");
	assert_no_name("code.so", text + 24); /* no stretching over the gap */
	assert_no_name("code.so", text + 39);
	assert_name("code.so", text + 43, "short");
	assert_no_name("code.so", text + 44);
	assert_name("code.so", text + 56, "strong");
	assert_name("code.so", text + 80, "plain"); /* weak, as C libraries make public names */
	assert_name("code.so", text + 88, "outer");
	assert_name("code.so", text + 97, "outer"); /* a label is no function */
	assert_name("code.so", text + 100, "inner");
	assert_name("code.so", text + 109, "outer"); /* behind inner's 8 bytes */
	assert_name("code.so", text + 127, "outer"); /* and not "last", which has no size */
	assert_no_name("code.so", other);	     /* "last" ends with its section */
	assert_no_name("code.so", other + 15);
	assert_name("code.so", other + 16, "in_other");
	assert_name("code.so", other + 31, "in_other");
}

Test(symbolizer, an_address_has_the_same_name_alone_and_among_others)
{
	enum { N = 160 };
	uint64_t text, other, offsets[N];
	struct sym_result together[N];

	sample_write("code.s", asm_source);
	sh("gcc -nostdlib -shared -Wl,-z,noseparate-code code.s -o code.so");
	text = nm_value("code.so", "first");
	other = nm_value("code.so", "in_other") - 16;
	for (int i = 0; i < N; i++)
		offsets[i] = i < 128 ? text + i : other + i - 128;

	cr_assert_eq(name_offsets("code.so", offsets, N, together), 0);
	for (int i = 0; i < N; i++) {
		struct sym_result alone = at("code.so", offsets[i], 0);

		cr_assert_eq(together[i].n_frames, alone.n_frames, "%d", i);
		cr_assert_eq(together[i].start, alone.start, "%d", i);
		if (alone.n_frames)
			cr_assert_str_eq(together[i].frames[0].function, alone.frames[0].function);
	}
}

Test(symbolizer, start_is_the_symbols_first_byte_and_offsets_become_addresses)
{
	struct sym_result res;
	uint64_t main_at, bias;

	sample_write("prog.c", "int main(void) { return 0; }\n");
	sh("gcc -no-pie -Wl,-z,noseparate-code prog.c -o prog");
	main_at = nm_value("prog", "main");
	bias = 0x400000;
	res = at("prog", main_at + 2, bias);
	cr_assert_eq(res.start, main_at);
	cr_assert_eq(res.n_frames, 1);
	cr_assert_str_eq(res.frames[0].function, "main");
	cr_assert_eq(res.frames[0].line, 0);
}

Test(symbolizer, names_live_as_long_as_the_symbolizer_and_are_kept_once)
{
	struct sym_result a, b;
	uint64_t main_at;

	sample_write("prog.c", "int main(void) { return 0; }\n");
	sh("gcc -Wl,-z,noseparate-code prog.c -o prog");
	main_at = nm_value("prog", "main");
	a = at("prog", main_at, 0);
	b = at("prog", main_at + 1, 0);
	sh("rm prog");
	cr_assert_eq(a.frames, b.frames);
	cr_assert_str_eq(a.frames[0].function, "main");
}

Test(symbolizer, files_without_section_headers_still_have_dynamic_symbols)
{
	sample_write("lib.c", "int visible(int x) { return x + 1; }\n");
	sh("gcc -O1 -shared -fPIC -Wl,-z,noseparate-code lib.c -o lib.so && cp lib.so bare.so");
	drop_sections("bare.so");
	assert_name("bare.so", nm_value("lib.so", "visible"), "visible");
}

Test(symbolizer, mapping_symbols_of_aarch64_are_no_names)
{
	sample_write("lib.c",
		     "static int quiet(int x) { return x * 3; }\n"
		     "int (*volatile f)(int) = quiet;\nint loud(int x) { return f(x); }\n");
	sample_write("code.s", ".text\n.globl bare\nbare: nop\n nop\n .word 1\n nop\n");
	sh("aarch64-linux-gnu-gcc -O1 -shared -nostdlib -fPIC -Wl,-z,noseparate-code lib.c code.s "
	   "-o a.so");
	cr_assert_gt(atoi(first_line("readelf -sW a.so | grep -c ' \\$[xd]'")), 1);
	assert_name("a.so", nm_value("a.so", "quiet") + 4, "quiet");
	assert_name("a.so", nm_value("a.so", "bare"), "bare");
	assert_name("a.so", nm_value("a.so", "bare") + 12, "bare");
}

/* --- separate debug files and DWARF -------------------------------------------------------- */

#define LIB_SOURCE                                                                                 \
	"static __attribute__((noinline)) int quiet(int x) { return x * 3; }\n"                    \
	"int loud(int x) { return quiet(x) + quiet(x + 1); }\n"

/* lib.so, stripped, and its debug file full.debug; both have @flags. */
static uint64_t make_split(const char *flags)
{
	uint64_t quiet;

	sample_write("lib.c", LIB_SOURCE);
	sh("gcc -g -O1 -shared -fPIC -Wl,-z,noseparate-code %s lib.c -o full.so", flags);
	sh("objcopy --only-keep-debug full.so full.debug && strip full.so -o lib.so");
	quiet = nm_value("full.so", "quiet");
	assert_no_name("lib.so", quiet);
	return quiet;
}

Test(symbolizer, a_debug_link_is_followed_in_the_three_folders)
{
	uint64_t quiet = make_split("");
	char root[512];

	sh("objcopy --add-gnu-debuglink=full.debug lib.so");
	assert_name("lib.so", quiet, "quiet");

	sh("mkdir .debug && mv full.debug .debug/");
	assert_name("lib.so", quiet, "quiet");

	snprintf(root, sizeof(root), "/usr/lib/debug%s", samples_dir);
	sh("mkdir -p %s && mv .debug/full.debug %s/", root, root);
	assert_name("lib.so", quiet, "quiet");
	sh("rm -r %s", root);
	assert_no_name("lib.so", quiet);
}

Test(symbolizer, a_debug_link_without_build_id_is_checked_by_its_checksum)
{
	uint64_t quiet = make_split("-Wl,--build-id=none");

	sh("objcopy --add-gnu-debuglink=full.debug lib.so");
	assert_name("lib.so", quiet, "quiet");
	sh("printf x >> full.debug");
	assert_no_name("lib.so", quiet);
}

Test(symbolizer, a_debug_file_of_another_build_is_not_believed)
{
	uint64_t quiet = make_split("-Wl,--build-id=0x0123");

	sh("gcc -g -O1 -shared -fPIC -Wl,-z,noseparate-code -Wl,--build-id=0x0124 lib.c -o "
	   "other.so");
	cr_assert_eq(nm_value("other.so", "quiet"), quiet);
	sh("objcopy --only-keep-debug other.so full.debug");
	sh("objcopy --add-gnu-debuglink=full.debug lib.so");
	assert_no_name("lib.so", quiet);
}

Test(symbolizer, a_debug_link_of_the_same_name_is_looked_for_elsewhere)
{
	uint64_t quiet = make_split("");

	sh("mkdir .debug && mv full.debug .debug/lib.so");
	sh("objcopy --add-gnu-debuglink=.debug/lib.so lib.so");
	assert_name("lib.so", quiet, "quiet");
}

Test(symbolizer, a_debug_file_is_found_by_build_id)
{
	char id[32], dir[128];
	uint64_t quiet;

	snprintf(id, sizeof(id), "f0%012xabcd", getpid());
	snprintf(dir, sizeof(dir), "-Wl,--build-id=0x%s", id);
	quiet = make_split(dir);
	snprintf(dir, sizeof(dir), "/usr/lib/debug/.build-id/f0");
	sh("mkdir -p %s && cp full.debug %s/%s.debug", dir, dir, id + 2);
	assert_name("lib.so", quiet, "quiet");
	sh("rm %s/%s.debug && rmdir --ignore-fail-on-non-empty %s", dir, id + 2, dir);
	assert_no_name("lib.so", quiet);
}

Test(symbolizer, a_debug_link_to_a_pipe_does_not_hold_us_up, .timeout = 20)
{
	uint64_t quiet = make_split("");

	sh("objcopy --add-gnu-debuglink=full.debug lib.so && rm full.debug && mkfifo full.debug");
	assert_no_name("lib.so", quiet);
}

Test(symbolizer, dwarf_names_code_whose_symbols_are_gone)
{
	static const char *const flags[] = { "-gdwarf-5", "-gdwarf-4", "-gz=zlib" };

	for (size_t i = 0; i < 3; i++) {
		uint64_t quiet, loud;

		sample_write("lib.c", LIB_SOURCE);
		sh("gcc -g -O1 -shared -fPIC -Wl,-z,noseparate-code %s lib.c -o full.so", flags[i]);
		quiet = nm_value("full.so", "quiet");
		loud = nm_value("full.so", "loud");
		sh("objcopy -N quiet full.so partly.so && strip full.so -o lib.so");
		cr_assert_eq(first_line("nm partly.so | grep quiet")[0], '\0');
		assert_name("partly.so", quiet, "quiet");
		assert_name("partly.so", loud, "loud");
		cr_assert_eq(at("partly.so", quiet + 2, 0).start, quiet);

		sh("objcopy --only-keep-debug partly.so partly.debug");
		sh("objcopy --add-gnu-debuglink=partly.debug lib.so");
		assert_name("lib.so", quiet, "quiet");
	}
}

Test(symbolizer, dwarf_gives_the_linker_name_of_cxx_functions)
{
	uint64_t where;
	char name[256];

	sample_write("prog.cc", cxx_source);
	sh("g++ -g -O1 -Wl,-z,noseparate-code prog.cc -o cxx");
	where = find_symbol("cxx", CART_TOTAL, name, sizeof(name));
	sh("objcopy -N %s cxx", name);
	assert_name("cxx", where, "shop::cart<long>::total(long, long const&) const");
}

/* As Fedora makes it: the functions that .dynsym does not have, packed. */
Test(symbolizer, mini_debug_info_names_functions_that_are_not_exported)
{
	uint64_t quiet;

	sample_write("lib.c", LIB_SOURCE);
	sh("gcc -O1 -shared -fPIC -Wl,-z,noseparate-code lib.c -o full.so");
	quiet = nm_value("full.so", "quiet");
	sh("echo quiet > keep && objcopy -S --keep-symbols=keep full.so mini && xz mini");
	sh("strip full.so -o lib.so && objcopy --add-section .gnu_debugdata=mini.xz lib.so");
	assert_name("lib.so", quiet, "quiet");
	assert_name("lib.so", nm_value("full.so", "loud"), "loud");

	sh("truncate -s -8 mini.xz && objcopy --update-section .gnu_debugdata=mini.xz lib.so");
	assert_no_name("lib.so", quiet);
}

/* 1 GB that packs to a few hundred kB. */
Test(symbolizer, mini_debug_info_is_bounded, .timeout = 60)
{
	struct rusage before, after;
	uint64_t quiet = make_split("");

	sh("head -c 1G /dev/zero | xz -0 > mini.xz");
	sh("objcopy --add-section .gnu_debugdata=mini.xz lib.so");
	getrusage(RUSAGE_SELF, &before);
	assert_no_name("lib.so", quiet);
	getrusage(RUSAGE_SELF, &after);
	cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 200000);
}

Test(symbolizer, debuginfod_is_never_asked)
{
	CLEANUP(closep) int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	struct pollfd pfd = { .fd = server, .events = POLLIN };
	uint64_t quiet = make_split("");
	char url[64];

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(server, (struct sockaddr *)&addr, len), 0);
	cr_assert_eq(listen(server, 5), 0);
	cr_assert_eq(getsockname(server, (struct sockaddr *)&addr, &len), 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(addr.sin_port));
	setenv("DEBUGINFOD_URLS", url, 1);
	setenv("DEBUGINFOD_TIMEOUT", "1", 1);

	assert_no_name("lib.so", quiet);
	cr_assert_eq(poll(&pfd, 1, 200), 0, "somebody asked");
}

/* --- the vDSO, errors, cost ---------------------------------------------------------------- */

Test(symbolizer, names_the_vdso_as_the_dynamic_linker_does)
{
	const char *const names[] = { "__vdso_clock_gettime", "__vdso_getcpu" };
	void *lib = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);

	cr_assert_not_null(lib);
	for (size_t i = 0; i < 2; i++) {
		uint64_t addr = (uintptr_t)dlsym(lib, names[i]);
		uint64_t offset = addr - getauxval(AT_SYSINFO_EHDR);
		struct sym_result res;

		cr_assert_neq(addr, 0);
		cr_assert_eq(symbolizer_vdso(s, &offset, 1, &res), 0);
		cr_assert_eq(res.start, offset);
		cr_assert_str_eq(res.frames[0].function, names[i] + strlen("__vdso_"));
	}
	dlclose(lib);
}

Test(symbolizer, what_is_no_elf_file_is_said_so)
{
	uint64_t offsets[2] = { 5, 1000 };
	struct sym_result res[2];
	int fd;

	sample_write("text", "this is text, and more of it than an ELF header would take: yes\n");
	fd = sample_open("text");
	cr_assert_eq(symbolizer_file(s, fd, NULL, offsets, 2, res), -ENOEXEC);
	close(fd);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(res[i].vaddr, offsets[i]);
		cr_assert_eq(res[i].n_frames, 0);
		cr_assert_eq(res[i].start, 0);
	}
	cr_assert_eq(symbolizer_file(s, -1, NULL, offsets, 2, res), -EBADF);
}

Test(symbolizer, offsets_outside_any_segment_have_no_name)
{
	uint64_t offset = 1ULL << 40;
	struct sym_result res;

	cr_assert_eq(name_offsets(LIBC, &offset, 1, &res), 0);
	cr_assert_eq(res.n_frames, 0);
	cr_assert_eq(res.vaddr, offset);
	cr_assert_eq(name_offsets(LIBC, NULL, 0, NULL), 0);
}

/* File offset of the section header of .symtab. */
static off_t symtab_header(const char *file)
{
	const char *index = first_line(
		"readelf -SW %s | sed -n 's/.*\\[ *\\([0-9]*\\)\\] .symtab.*/\\1/p'", file);
	off_t i = atoi(index);
	const char *table = first_line(
		"readelf -hW %s | sed -n 's/.*Start of section.*: *\\([0-9]*\\).*/\\1/p'", file);

	cr_assert_gt(i, 0);
	return atoi(table) + i * 64;
}

/* 4 million symbols, 100 MB: what is held is the batch, not the table. */
Test(symbolizer, memory_does_not_grow_with_the_file, .timeout = 60)
{
	const uint64_t off = 1 << 20, size = 24 * (4 << 20);
	struct rusage before, after;
	uint64_t main_at;
	off_t header;

	sample_write("prog.c", "int main(void) { return 0; }\n");
	sh("gcc -Wl,-z,noseparate-code prog.c -o prog");
	main_at = nm_value("prog", "main");
	assert_name("prog", main_at, "main");
	header = symtab_header("prog");
	patch("prog", header + 24, &off, 8);
	patch("prog", header + 32, &size, 8);
	cr_assert_eq(truncate(sample("prog"), off + size), 0);

	getrusage(RUSAGE_SELF, &before);
	assert_no_name("prog", main_at);
	getrusage(RUSAGE_SELF, &after);
	cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 8000, "%ld kB",
		     after.ru_maxrss - before.ru_maxrss);
}

/* --- outermost functions ------------------------------------------------------------------- */

static int is_entry(const char *function, uint64_t start, uint64_t vaddr, uint64_t e_entry)
{
	struct sym_frame frame = { .function = function };
	struct sym_result res = { .vaddr = vaddr, .start = start };

	if (function) {
		res.frames = &frame;
		res.n_frames = 1;
	}
	return symbol_is_entry(&res, e_entry);
}

Test(symbolizer, outermost_functions_are_known)
{
	cr_assert(is_entry("_start", 0x1000, 0x1025, 0x1000));
	cr_assert(is_entry("my_own_entry", 0x1000, 0x1025, 0x1000));
	cr_assert(is_entry("clone3", 0x1000, 0x1025, 0));
	cr_assert(is_entry("__clone3", 0x1000, 0x1025, 0));
	/* The C library's own, with others below them. */
	cr_assert(!is_entry("start_thread", 0x1000, 0x1025, 0x2000));
	cr_assert(!is_entry("__libc_start_call_main", 0x1000, 0x1025, 0x2000));
	cr_assert(is_entry("runtime.goexit.abi0", 0x1000, 0x1025, 0x9000));
	cr_assert(!is_entry("main", 0x1000, 0x1025, 0x2000));
	cr_assert(!is_entry("runtime.systemstack.abi0", 0x1000, 0x1025, 0x2000));
	cr_assert(!is_entry("my_start_thread", 0x1000, 0x1025, 0x2000));
	/* Stripped: the first bytes from the entry on. */
	cr_assert(is_entry(NULL, 0, 0x1025, 0x1000));
	cr_assert(!is_entry(NULL, 0, 0x0fff, 0x1000));
	cr_assert(!is_entry(NULL, 0, 0x1040, 0x1000));
}

/* The last address that a debugger shows of each thread of a program is an entry for us. */
Test(symbolizer, the_outermost_frames_of_a_live_program_are_entries, .timeout = 60)
{
	char line[512], function[256];
	size_t outermost = 0;
	FILE *p;

	sample_write("threads.c", "#include <pthread.h>\n#include <unistd.h>\n"
				  "static void *work(void *a) { pause(); return a; }\n"
				  "int main(void) { pthread_t t; pthread_create(&t, 0, work, 0);\n"
				  " sleep(1); pause(); return 0; }\n");
	sh("gcc threads.c -o threads -pthread");
	snprintf(line, sizeof(line), "%s/threads & pid=$!; sleep 0.5; eu-stack -p $pid; kill $pid",
		 samples_dir);
	p = popen(line, "r");
	function[0] = '\0';
	while (fgets(line, sizeof(line), p)) {
		if (strncmp(line, "TID", 3) == 0 && function[0]) {
			cr_assert(is_entry(function, 1, 2, 0), "%s", function);
			outermost++;
		}
		if (sscanf(line, "#%*d %*s %255s", function) != 1)
			function[0] = '\0';
	}
	cr_assert(is_entry(function, 1, 2, 0), "%s", function);
	pclose(p);
	cr_assert_eq(outermost + 1, 2);
}
