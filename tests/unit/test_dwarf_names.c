/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions, inlined calls, files and lines, byte by byte against addr2line or llvm-symbolizer, for
 * every form in which compilers and distributions leave DWARF.
 */
#include <criterion/criterion.h>
#include <sys/resource.h>

#include "base/vec.h"
#include "elf_samples.h"
#include "leak_check.h"
#include "sym/file_finder.h"
#include "sym/symbolizer.h"

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

TestSuite(dwarf_names, .init = init, .fini = fini, .timeout = 60);

/* Calls inlined into each other, in several ranges, in blocks, twice in one line. */
static const char *const c_source =
	"#include \"part.h\"\n"
	"extern int sink(int);\n"
	"static inline int leaf(int x) { int s = 0;\n"
	" for (int i = 0; i < x; i++)\n  s += i * x ^ s >> 3;\n return s; }\n"
	"static inline int middle(int x) { if (__builtin_expect(x > 9, 0)) sink(x);\n"
	" { int y = leaf(x); if (y & 1)\n y += leaf(x + 7); return y; } }\n"
	"int outer(int a, int b) {\n"
	" int r = middle(a) + middle(b);\n"
	" return part(r) + leaf(b); }\n"
	"int other(int a) { return middle(a) * 3; }\n"
	"int plain(int a) { return sink(a) + 1; }\n"
	"__attribute__((section(\".text.far\"))) int far_away(int a) { return leaf(a); }\n";

static const char *const part_source = "static inline int part(int x) {\n"
				       " volatile int v = x;\n"
				       " return v * 3; }\n";

static const char *const cxx_source =
	"#include <map>\n#include <string>\n#include <vector>\n"
	"namespace shop { struct cart { std::map<int, std::string> m; int total(int); };\n"
	"int cart::total(int x) { m[x] += \"abc\"; int n = 0;\n"
	" for (auto &[k, v] : m) n += k * (int)v.size(); return n; }\n"
	"template <int N> struct deep { static int run(std::vector<int> &v) { int n = 0;\n"
	" for (int x : v) n += x * N; v.push_back(n); return n ^ deep<N - 1>::run(v); } };\n"
	"template <> struct deep<0> { static int run(std::vector<int> &v) { return v[0]; } }; }\n"
	"int deepest(std::vector<int> &v) { return shop::deep<4>::run(v); }\n";

static void write_sources(void)
{
	sample_write("inl.c", c_source);
	sample_write("part.h", part_source);
	sample_write("inl.cc", cxx_source);
}

#define SHARED "-O2 -g -shared -fPIC -Wl,-z,noseparate-code"

/* --- truth ---------------------------------------------------------------------------------- */

struct addresses {
	uint64_t *data;
	size_t n, cap;
};

static void addresses_free(struct addresses *a)
{
	free(a->data);
}

/* Every @step-th byte of the functions that nm knows. */
static void list_addresses(const char *file, unsigned step, struct addresses *ret)
{
	char line[8192];
	FILE *p;

	snprintf(line, sizeof(line), "nm -S --defined-only %s | grep -i ' [tw] ' | sort -u",
		 sample(file));
	p = popen(line, "r");
	while (fgets(line, sizeof(line), p)) {
		uint64_t start, size;
		char type;

		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %c", &start, &size, &type) != 3)
			continue;
		for (uint64_t i = 0; i < size; i += step)
			cr_assert_eq(vec_push(ret, start + i), 0);
	}
	pclose(p);
	cr_assert_gt(ret->n, 10);
}

static void ask_for(const struct addresses *a)
{
	FILE *f = fopen(sample("addresses"), "w");

	for (size_t i = 0; i < a->n; i++)
		fprintf(f, "0x%016" PRIx64 "\n", a->data[i]);
	fclose(f);
}

/* "function\nfile:line\n" of each frame; what only addr2line adds is taken away. */
static void read_answer(FILE *p, char *next, char *text, size_t size)
{
	text[0] = '\0';
	for (unsigned n = 0; fgets(next, 8192, p) && strncmp(next, "0x", 2) != 0; n++) {
		char *discriminator = strstr(next, " (discriminator");
		size_t len = strlen(text);

		if (discriminator)
			strcpy(discriminator, "\n");
		if (n % 2 == 1 && strlen(next) > 2 && strcmp(strrchr(next, ':'), ":?\n") == 0)
			strcpy(strrchr(next, ':'), ":0\n");
		snprintf(text + len, size - len, "%s", next);
	}
}

static void write_answer(const struct sym_result *res, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < res->n_frames; i++) {
		const struct sym_frame *f = &res->frames[i];
		size_t len = strlen(text);

		snprintf(text + len, size - len, "%s\n%s:%u\n", f->function,
			 f->file ? f->file : "??", f->line);
	}
}

static int name_offsets(const char *file, bool with_files, const uint64_t *offsets, size_t n,
			struct sym_result *res)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	CLEANUP(closep) int fd = sample_open(file);

	cr_assert_eq(file_finder_new(sample(file), -1, &finder), 0);
	return symbolizer_file(s, fd, with_files ? file_finder_source(finder) : NULL, offsets, n,
			       res);
}

/* Names go through c++filt, as LLVM does not know all that GCC writes. */
#define ADDR2LINE "addr2line -afi"
#define LLVM	  "llvm-symbolizer --output-style=GNU -afi --no-demangle"

/* What @tool says of every @step-th byte of the functions of a file. */
struct truth {
	const char *tool;
	const char *file; /* that the tool can read */
	unsigned step;
	struct addresses addresses;
	char **texts;
};

static void truth_read(struct truth *t)
{
	char cmd[512], next[8192] = "", text[65536];
	FILE *p;

	list_addresses(t->file, t->step, &t->addresses);
	ask_for(&t->addresses);
	snprintf(cmd, sizeof(cmd), "%s -e %s < %s | c++filt", t->tool, sample(t->file),
		 sample("addresses"));
	t->texts = calloc(t->addresses.n, sizeof(*t->texts));
	p = popen(cmd, "r");
	cr_assert_not_null(fgets(next, sizeof(next), p));
	for (size_t i = 0; i < t->addresses.n; i++) {
		read_answer(p, next, text, sizeof(text));
		t->texts[i] = strdup(text);
	}
	pclose(p);
}

static void truth_free(struct truth *t)
{
	for (size_t i = 0; i < t->addresses.n; i++)
		free(t->texts[i]);
	free(t->texts);
	addresses_free(&t->addresses);
}

static void assert_same(const char *file, const struct truth *t)
{
	const struct addresses *a = &t->addresses;
	struct sym_result *res = calloc(a->n, sizeof(*res));
	char ours[65536];
	size_t deepest = 0;

	cr_assert_eq(name_offsets(file, true, a->data, a->n, res), 0);
	for (size_t i = 0; i < a->n; i++) {
		write_answer(&res[i], ours, sizeof(ours));
		cr_assert_str_eq(ours, t->texts[i], "%s 0x%" PRIx64 ":\n%snot\n%s", file,
				 a->data[i], ours, t->texts[i]);
		if (res[i].n_frames > deepest)
			deepest = res[i].n_frames;
	}
	cr_assert_geq(deepest, 3, "nothing was inlined");
	free(res);
}

static void compare(const char *file, const char *tool)
{
	CLEANUP(truth_free) struct truth t = { .tool = tool, .file = file, .step = 1 };

	truth_read(&t);
	assert_same(file, &t);
}

/* --- compilers ------------------------------------------------------------------------------ */

Test(dwarf_names, inlined_calls_of_gcc_are_those_of_addr2line)
{
	static const char *const flags[] = { "-gdwarf-4", "-gdwarf-5", "-gdwarf-3",
					     "-gdwarf-4 -fdebug-types-section", "-gz=zlib" };

	write_sources();
	for (size_t i = 0; i < 5; i++) {
		sh("gcc " SHARED " %s inl.c -o lib.so", flags[i]);
		compare("lib.so", ADDR2LINE);
	}
}

Test(dwarf_names, inlined_calls_of_clang_are_those_of_llvm_symbolizer)
{
	static const char *const flags[] = { "-gdwarf-4", "-gdwarf-5", "-gline-tables-only",
					     "-gdwarf-5 -gdwarf64", "-gdwarf-4 -gdwarf-aranges" };

	write_sources();
	for (size_t i = 0; i < 5; i++) {
		sh("clang " SHARED " %s inl.c -o lib.so", flags[i]);
		compare("lib.so", LLVM);
	}
}

Test(dwarf_names, functions_in_sections_of_their_own)
{
	write_sources();
	sh("gcc " SHARED " -ffunction-sections inl.c -o lib.so");
	compare("lib.so", ADDR2LINE);
	sh("clang " SHARED " -ffunction-sections inl.c -o lib.so");
	compare("lib.so", LLVM);
}

/* A type unit stands between a method and its declaration. */
Test(dwarf_names, cxx_with_and_without_type_units)
{
	static const char *const flags[] = { "-gdwarf-5", "-gdwarf-4 -fdebug-types-section" };

	write_sources();
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(truth_free)
		struct truth t = { .tool = LLVM, .file = "lib.so", .step = 7 };

		sh("g++ " SHARED " -fno-ipa-sra -fno-partial-inlining "
		   "-fno-reorder-blocks-and-partition %s inl.cc -o lib.so",
		   flags[i]);
		truth_read(&t);
		assert_same("lib.so", &t);
		sh("g++ " SHARED " -fno-ipa-sra -fno-partial-inlining "
		   "-fno-reorder-blocks-and-partition %s -fdebug-types-section inl.cc -o types.so",
		   flags[i]);
		assert_same("types.so", &t);
	}
}

/* Functions inside functions: GCC's own, in C. */
Test(dwarf_names, nested_functions_are_found)
{
	struct sym_result res;
	uint64_t inner;

	sample_write("inl.c", "extern int sink(int (*)(int));\n"
			      "int outer(int a) { int inner(int b) {\n"
			      " return a * b + 1; }\n"
			      " return sink(inner); }\n");
	sh("gcc " SHARED " inl.c -o lib.so 2> /dev/null");
	inner = nm_value("lib.so", "inner.0");
	sh("objcopy -N inner.0 lib.so");
	cr_assert_eq(name_offsets("lib.so", true, &inner, 1, &res), 0);
	cr_assert_eq(res.n_frames, 1);
	cr_assert_str_eq(res.frames[0].function, "inner");
	cr_assert(res.frames[0].line == 2 || res.frames[0].line == 3);
	cr_assert_eq(res.start, inner);
}

/* --- sections ------------------------------------------------------------------------------- */

Test(dwarf_names, compressed_sections_of_each_kind)
{
	static const char *const kinds[] = { "zlib-gnu", "zlib-gabi", "zstd" };
	CLEANUP(truth_free) struct truth t = { .tool = ADDR2LINE, .file = "lib.so", .step = 1 };

	write_sources();
	/* Small sections are not compressed: strings of names make them larger. */
	sh("gcc " SHARED " -include stdlib.h -include stdio.h -include math.h -g3 inl.c -o lib.so");
	truth_read(&t);
	for (size_t i = 0; i < 3; i++) {
		sh("objcopy --compress-debug-sections=%s lib.so packed.so", kinds[i]);
		sh("readelf -SW packed.so | grep -q '%s'",
		   i == 0 ? "zdebug_info" : "debug_info.* C ");
		assert_same("packed.so", &t);
	}
}

Test(dwarf_names, a_compressed_section_that_claims_too_much_is_left_alone)
{
	const uint64_t size = 1ULL << 40;
	struct sym_result res;
	uint64_t outer;
	off_t at;

	write_sources();
	sh("gcc " SHARED " -gz=zlib inl.c -o lib.so");
	outer = nm_value("lib.so", "outer");
	at = strtoull(first_line("readelf -SW lib.so | sed -n 's/.*debug_info *PROGBITS *[0-9a-f]* "
				 "*\\([0-9a-f]*\\).*/\\1/p'"),
		      NULL, 16);
	cr_assert_neq(at, 0);
	patch("lib.so", at + 8, &size, sizeof(size));
	cr_assert_eq(name_offsets("lib.so", true, &outer, 1, &res), 0);
	cr_assert_eq(res.n_frames, 1);
	cr_assert_str_eq(res.frames[0].function, "outer");
	cr_assert_eq(symbolizer_take_counts(s).debug_left_out, 1);
}

/* --- split units ---------------------------------------------------------------------------- */

struct split_case {
	const char *compiler, *dwarf, *package;
};

static const struct split_case split_cases[] = {
	{ "gcc", "-gdwarf-4", "dwp -e lib.so -o lib.so.dwp" },
	{ "gcc", "-gdwarf-5", NULL }, /* dwp knows no DWARF 5, LLVM 14's never ends */
	{ "clang", "-gdwarf-4", "dwp -e lib.so -o lib.so.dwp" },
	{ "clang", "-gdwarf-5", "llvm-dwp -e lib.so -o lib.so.dwp" },
	{ "gcc", "-gdwarf-4 -fdebug-types-section", "dwp -e lib.so -o lib.so.dwp" },
};

/* Two units, as a package is for several. */
static void compile_split(const struct split_case *c, const char *more)
{
	sh("rm -f *.dwo *.dwp");
	sh("%s -O2 -g -fPIC %s -gsplit-dwarf %s -c inl.c -o inl.o", c->compiler, c->dwarf, more);
	sh("%s -O2 -g -fPIC %s -gsplit-dwarf %s -c two.c -o two.o", c->compiler, c->dwarf, more);
	sh("%s -shared -Wl,-z,noseparate-code inl.o two.o -o lib.so", c->compiler);
	sh("test -f inl.dwo -a -f two.dwo");
}

static void write_split_sources(void)
{
	write_sources();
	sample_write("two.c", "static inline int third(int x) { return x * x * 7 + 1; }\n"
			      "static inline int second(int x) { return third(x) ^ third(~x); }\n"
			      "int first(int x) { return second(x) + 5; }\n");
}

static void split_and_package(const struct split_case *c, const char *more)
{
	CLEANUP(truth_free) struct truth t = { .tool = LLVM, .file = "lib.so", .step = 1 };

	compile_split(c, more);
	truth_read(&t);
	assert_same("lib.so", &t);
	if (!c->package)
		return;
	sh("%s && rm *.dwo", c->package);
	assert_same("lib.so", &t);
}

Test(dwarf_names, split_units_and_their_packages)
{
	write_split_sources();
	for (size_t i = 0; i < sizeof(split_cases) / sizeof(split_cases[0]); i++) {
		split_and_package(&split_cases[i], "");
		split_and_package(&split_cases[i], "-ffunction-sections");
	}
}

Test(dwarf_names, compressed_split_units)
{
	CLEANUP(truth_free) struct truth t = { .tool = LLVM, .file = "lib.so", .step = 1 };

	write_split_sources();
	compile_split(&split_cases[1], "");
	truth_read(&t);
	sh("for f in *.dwo; do objcopy --compress-debug-sections=zlib-gabi $f; done");
	assert_same("lib.so", &t);
}

/* Names of files are the file's own: a reader that is given none opens none. */
Test(dwarf_names, no_file_is_opened_but_what_is_given)
{
	struct sym_result res;
	uint64_t first;

	write_split_sources();
	for (size_t i = 0; i < sizeof(split_cases) / sizeof(split_cases[0]); i++) {
		compile_split(&split_cases[i], "");
		first = nm_value("lib.so", "first");
		cr_assert_eq(name_offsets("lib.so", true, &first, 1, &res), 0);
		cr_assert_gt(res.n_frames, 1);
		cr_assert_eq(name_offsets("lib.so", false, &first, 1, &res), 0);
		cr_assert_eq(res.n_frames, 1);
		cr_assert_str_eq(res.frames[0].function, "first");
		cr_assert_gt(res.frames[0].line, 0, "the skeleton has lines");
	}
}

Test(dwarf_names, split_units_of_another_build_are_not_believed)
{
	struct sym_result res;
	uint64_t first;

	write_split_sources();
	for (size_t i = 0; i < 4; i++) {
		compile_split(&split_cases[i], "");
		first = nm_value("lib.so", "first");
		sh("cp inl.dwo two.dwo");
		cr_assert_eq(name_offsets("lib.so", true, &first, 1, &res), 0);
		cr_assert_eq(res.n_frames, 1);
	}
}

/* --- other files ---------------------------------------------------------------------------- */

static void strip_to_debug_file(void)
{
	sh("objcopy --only-keep-debug lib.so lib.debug && strip lib.so -o stripped.so && "
	   "objcopy --add-gnu-debuglink=lib.debug stripped.so");
}

Test(dwarf_names, a_separate_debug_file)
{
	CLEANUP(truth_free) struct truth t = { .tool = ADDR2LINE, .file = "lib.so", .step = 1 };

	write_sources();
	sh("gcc " SHARED " inl.c -o lib.so");
	truth_read(&t);
	strip_to_debug_file();
	assert_same("stripped.so", &t);
}

/* What two files have in common goes to a third one. */
Test(dwarf_names, supplementary_files_of_dwz)
{
	static const char *const dwz[] = { "dwz -m common.debug", "dwz --dwarf-5 -m common.debug",
					   "dwz -M $PWD/sub/common.debug -m sub/common.debug" };

	write_sources();
	sh("mkdir sub");
	for (size_t i = 0; i < 3; i++) {
		CLEANUP(truth_free)
		struct truth t = { .tool = LLVM, .file = "before.so", .step = 7 };

		sh("g++ " SHARED " -fno-ipa-sra -fno-partial-inlining "
		   "-fno-reorder-blocks-and-partition inl.cc -o lib.so");
		sh("cp lib.so before.so && cp lib.so lib2.so && %s lib.so lib2.so", dwz[i]);
		sh("readelf -SW lib.so | grep -q 'gnu_debugaltlink\\|debug_sup'");
		truth_read(&t);
		assert_same("lib.so", &t);
		strip_to_debug_file();
		assert_same("stripped.so", &t);
	}
}

Test(dwarf_names, a_missing_supplementary_file_leaves_the_symbols)
{
	struct sym_result res;
	uint64_t deepest;

	write_sources();
	sh("g++ " SHARED " inl.cc -o lib.so && cp lib.so lib2.so && dwz -m common.debug lib.so "
	   "lib2.so && rm common.debug");
	deepest = nm_value("lib.so", "_Z7deepestRSt6vectorIiSaIiEE");
	cr_assert_eq(name_offsets("lib.so", true, &deepest, 1, &res), 0);
	cr_assert_geq(res.n_frames, 1);
	cr_assert_str_eq(res.frames[res.n_frames - 1].function,
			 "deepest(std::vector<int, std::allocator<int> >&)");
}

/* --- mapping -------------------------------------------------------------------------------- */

Test(dwarf_names, mapped_files_give_the_same_names)
{
	CLEANUP(truth_free) struct truth t = { .tool = LLVM, .file = "lib.so", .step = 7 };

	write_sources();
	sh("g++ " SHARED " -fno-ipa-sra -fno-partial-inlining -fno-reorder-blocks-and-partition "
	   "inl.cc -o lib.so");
	truth_read(&t);
	symbolizer_allow_mapping(s);
	assert_same("lib.so", &t);
	sh("objcopy --compress-debug-sections=zlib lib.so packed.so");
	assert_same("packed.so", &t);
	sh("g++ -O2 -g -fPIC -gsplit-dwarf -gdwarf-4 -fno-ipa-sra -fno-partial-inlining "
	   "-fno-reorder-blocks-and-partition -c inl.cc -o inl.o && "
	   "g++ -shared -Wl,-z,noseparate-code inl.o -o lib.so");
	assert_same("lib.so", &t);
}

/* 400 MB of debug information in a sparse file. */
Test(dwarf_names, large_debug_information_is_left_alone_where_it_may_not_be_mapped)
{
	const uint64_t size = 400ULL << 20;
	struct rusage before, after;
	struct sym_result res;
	uint64_t outer;
	off_t table, index;

	write_sources();
	sh("gcc " SHARED " inl.c -o lib.so");
	outer = nm_value("lib.so", "outer");
	index = atoi(first_line("readelf -SW lib.so | sed -n 's/.*\\[ *\\([0-9]*\\)\\] "
				".debug_str .*/\\1/p'"));
	table = atoi(first_line("readelf -hW lib.so | sed -n 's/.*Start of section.*: "
				"*\\([0-9]*\\).*/\\1/p'"));
	patch("lib.so", table + index * 64 + 32, &size, sizeof(size));
	sh("truncate -s 500M lib.so");

	getrusage(RUSAGE_SELF, &before);
	cr_assert_eq(name_offsets("lib.so", true, &outer, 1, &res), 0);
	cr_assert_eq(res.n_frames, 1);
	cr_assert_eq(symbolizer_take_counts(s).debug_left_out, 1);
	symbolizer_allow_mapping(s);
	cr_assert_eq(name_offsets("lib.so", true, &outer, 1, &res), 0);
	cr_assert_gt(res.frames[0].line, 0);
	getrusage(RUSAGE_SELF, &after);
	cr_assert_lt(after.ru_maxrss - before.ru_maxrss, 20000);
}
