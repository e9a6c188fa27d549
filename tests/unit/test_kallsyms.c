/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/kallsyms.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "leak_check.h"
#include "sym/symbolizer.h"

TestSuite(kallsyms, .fini = leak_check);

/* A small kernel, not in order, as modules and BPF programs are not. */
static const char *const text = "0000000000000000 A fixed_percpu_data\n"
				"ffffffff81000000 T _stext\n"
				"ffffffff81000000 T _text\n"
				"ffffffff81000100 T __x64_sys_read\n"
				"ffffffff81000100 T ksys_read\n"
				"ffffffff81000200 t helper\n"
				"ffffffff81000200 t __helper\n"
				"ffffffff81000300 W weak_one\n"
				"ffffffff81000380 d odd_data_in_text\n"
				"ffffffff81000400 t last_of_text\n"
				"ffffffff81000800 T _etext\n"
				"ffffffff82000000 R rodata\n"
				"ffffffff83000000 T _sinittext\n"
				"ffffffff83000000 T start_kernel\n"
				"ffffffff83000100 T _einittext\n"
				"ffffffff83000200 b other\n"
				"ffffffff81000280 T __ia32_sys_getpid\n"
				"ffffffff81000280 T __x64_sys_getpid\n"
				"ffffffffc0400000 t late_fn\t[xfs]\n"
				"ffffffffc0002000 t other_fn\t[ext4]\n"
				"ffffffffc0000000 t mod_fn\t[ext4]\n"
				"ffffffffc0000100 T mod_exported\t[ext4]\n"
				"ffffffffc0001000 d mod_data\t[ext4]\n"
				"ffffffffc0800000 t bpf_prog_6deef7357e7b4530_oncpu_sample\t[bpf]\n"
				"not a symbol line\n"
				"ffffffffc0840040 t bpf_trampoline_6442533930\t[bpf]\n"
				"ffffffffc0880000 t ftrace_trampoline\t[__builtin__ftrace]\n"
				"ffffffffc0900000 t _ZN4rust3mod4funcEv\t[rust_mod]\n"
				"ffffffffc0a00000 t short_fn\t[ext]\n"
				"ffffffffc0b00000 t init_of_ext4\t[ext4]\n";

/* ext4 ends with a page, xfs is larger than any function; of rust_mod the address is hidden. */
static const char *const modules = "ext4 12288 1 - Live 0xffffffffc0000000\n"
				   "ext 4096 0 - Live 0xffffffffc0a00000 (OE)\n"
				   "no module line\n"
				   "huge 18446744073709551615 0 - Live 0xffffffffc0a00000\n"
				   "xfs 2097152 2 ext4,ext, Live 0xffffffffc0400000\n"
				   "rust_mod 4096 0 - Live 0x0000000000000000\n";

static void read_modules(struct kallsyms *k, const char *text_of_modules)
{
	FILE *f = fmemopen((char *)text_of_modules, strlen(text_of_modules), "r");

	cr_assert_eq(kallsyms_read_modules(k, f), 0);
	fclose(f);
}

static int resolve(const char *symbols, const uint64_t *addrs, size_t n, struct sym_result *results,
		   struct name_table *names)
{
	CLEANUP(kallsyms_freep) struct kallsyms *k = NULL;
	struct sym_batch b;
	FILE *f = fmemopen((char *)symbols, strlen(symbols), "r");
	int r;

	cr_assert_eq(sym_batch_init(&b, names, n), 0);
	for (size_t i = 0; i < n; i++) {
		results[i] = (struct sym_result){ .vaddr = addrs[i] };
		b.queries[b.n++] = (struct sym_query){ .vaddr = addrs[i], .res = &results[i] };
	}
	sym_batch_sort(&b);
	r = kallsyms_read(f, &k);
	if (r == 0 && symbols == text)
		read_modules(k, modules);
	if (r == 0)
		r = kallsyms_answer(k, &b);
	sym_batch_clear(&b);
	fclose(f);
	return r;
}

Test(kallsyms, names_reach_as_far_as_documented)
{
	static const struct {
		uint64_t addr;
		const char *name;
		uint64_t start;
	} cases[] = {
		{ 0x10, NULL, 0 },
		{ 0xffffffff80ffffff, NULL, 0 },
		{ 0xffffffff81000000, "stext", 0xffffffff81000000 },
		{ 0xffffffff81000150, "ksys_read", 0xffffffff81000100 },
		{ 0xffffffff81000200, "helper", 0xffffffff81000200 },
		{ 0xffffffff810003ff, "weak_one", 0xffffffff81000300 },
		{ 0xffffffff810007ff, "last_of_text", 0xffffffff81000400 },
		{ 0xffffffff81000800, NULL, 0 }, /* past _etext */
		{ 0xffffffff81000290, "__x64_sys_getpid", 0xffffffff81000280 },
		{ 0xffffffff830000ff, "start_kernel", 0xffffffff83000000 },
		{ 0xffffffff83000100, NULL, 0 }, /* past _einittext */
		{ 0xffffffff82000010, NULL, 0 },
		{ 0xffffffffc00000ff, "mod_fn [ext4]", 0xffffffffc0000000 },
		{ 0xffffffffc0000fff, "mod_exported [ext4]", 0xffffffffc0000100 },
		{ 0xffffffffc0001000, NULL, 0 }, /* data */
		{ 0xffffffffc0002010, "other_fn [ext4]", 0xffffffffc0002000 },
		{ 0xffffffffc0002fff, "other_fn [ext4]", 0xffffffffc0002000 },
		{ 0xffffffffc0003000, NULL, 0 }, /* past its module */
		{ 0xffffffffc0400000, "late_fn [xfs]", 0xffffffffc0400000 },
		{ 0xffffffffc05fffff, "late_fn [xfs]", 0xffffffffc0400000 },
		{ 0xffffffffc0600000, NULL, 0 }, /* likewise */
		{ 0xffffffffc0800123, "bpf_prog_6deef7357e7b4530_oncpu_sample [bpf]",
		  0xffffffffc0800000 },
		{ 0xffffffffc081ffff, "bpf_prog_6deef7357e7b4530_oncpu_sample [bpf]",
		  0xffffffffc0800000 },
		{ 0xffffffffc0820000, NULL, 0 }, /* 128 KiB on */
		{ 0xffffffffc0840041, "bpf_trampoline_6442533930 [bpf]", 0xffffffffc0840040 },
		{ 0xffffffffc0860040, NULL, 0 },
		{ 0xffffffffc089ffff, "ftrace_trampoline [__builtin__ftrace]", 0xffffffffc0880000 },
		{ 0xffffffffc08a0000, NULL, 0 },
		{ 0xffffffffc0900001, "rust::mod::func() [rust_mod]", 0xffffffffc0900000 },
		{ 0xffffffffc09fffff, "rust::mod::func() [rust_mod]", 0xffffffffc0900000 },
		{ 0xffffffffc0a00fff, "short_fn [ext]", 0xffffffffc0a00000 },
		{ 0xffffffffc0a01000, NULL, 0 },
		{ 0xffffffffc0bfffff, "init_of_ext4 [ext4]", 0xffffffffc0b00000 },
		{ 0xffffffffc0c00000, NULL, 0 }, /* 1 MiB on: it is not where its module says */
		{ UINT64_MAX, NULL, 0 },
	};
	enum { N = sizeof(cases) / sizeof(cases[0]) };
	struct sym_result results[N];
	struct name_table names = { 0 };
	uint64_t addrs[N];

	for (size_t i = 0; i < N; i++) /* in no order */
		addrs[(i * 8) % N] = cases[i].addr;
	cr_assert_eq(resolve(text, addrs, N, results, &names), 0);

	for (size_t i = 0; i < N; i++) {
		const struct sym_result *res = &results[(i * 8) % N];

		cr_assert_eq(res->vaddr, cases[i].addr);
		cr_assert_eq(res->n_frames, cases[i].name != NULL, "0x%" PRIx64, res->vaddr);
		if (!cases[i].name)
			continue;
		/* _text and _stext are as good as each other. */
		cr_assert_not_null(strstr(res->frames[0].function, cases[i].name),
				   "0x%" PRIx64 ": %s", res->vaddr, res->frames[0].function);
		cr_assert_eq(res->start, cases[i].start);
	}
	name_table_clear(&names);
}

/* What may be kept until the next boot. */
Test(kallsyms, the_kernel_proper_is_fixed)
{
	static const struct {
		uint64_t addr;
		bool fixed;
	} cases[] = {
		{ 0x10, false },
		{ 0xffffffff80ffffff, false },
		{ 0xffffffff81000000, true },
		{ 0xffffffff810007ff, true },
		{ 0xffffffff81000800, false },
		{ 0xffffffff83000000, true },
		{ 0xffffffff83000100, false },
		{ 0xffffffffc0000000, false },
		{ 0xffffffffc0800000, false },
	};
	FILE *f = fmemopen((char *)text, strlen(text), "r");
	CLEANUP(kallsyms_freep) struct kallsyms *k = NULL;

	cr_assert_eq(kallsyms_read(f, &k), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(kallsyms_is_fixed(k, cases[i].addr), cases[i].fixed, "0x%" PRIx64,
			     cases[i].addr);
	fclose(f);
}

/* Where the text does not say it, by data between, and no further than 1 MiB. */
Test(kallsyms, end_of_a_kernel_that_does_not_say_it)
{
	static const uint64_t addrs[] = { 0x100fff, 0x101001, 0x300fff, 0x400000 };
	struct sym_result results[4];
	struct name_table names = { 0 };

	cr_assert_eq(resolve("100000 T one\n101000 D data\n300000 t two\n300000 T two_global\n",
			     addrs, 4, results, &names),
		     0);
	cr_assert_str_eq(results[0].frames[0].function, "one");
	cr_assert_eq(results[1].n_frames, 0);
	cr_assert_str_eq(results[2].frames[0].function, "two_global");
	cr_assert_eq(results[3].n_frames, 0);
	name_table_clear(&names);
}

Test(kallsyms, aliases_in_modules)
{
	static const uint64_t addr = 0xffffffffc0000010;
	struct name_table names = { 0 };
	struct sym_result res;

	cr_assert_eq(resolve("ffffffffc0000000 t __inner\t[m]\nffffffffc0000000 d data\t[m]\n"
			     "ffffffffc0000000 T outer\t[m]\n",
			     &addr, 1, &res, &names),
		     0);
	cr_assert_str_eq(res.frames[0].function, "outer [m]");
	name_table_clear(&names);
}

Test(kallsyms, hidden_addresses_are_reported)
{
	static const char *const hidden = "0000000000000000 T _stext\n0000000000000000 t read\n";
	uint64_t addr = 0xffffffff81000000;
	struct name_table names = { 0 };
	struct sym_result res;

	cr_assert_eq(resolve(hidden, &addr, 1, &res, &names), -EPERM);
	cr_assert_eq(res.n_frames, 0);
}

Test(kallsyms, names_of_modules_can_be_shown)
{
	static const uint64_t addrs[] = { 0xffffffffc0000001, 0xffffffffc0001001 };
	struct sym_result results[2];
	struct name_table names = { 0 };

	cr_assert_eq(resolve("ffffffffc0000000 t one\t[a\033b\xff]\n"
			     "ffffffffc0001000 t two\t[\xc3\xa9]\n",
			     addrs, 2, results, &names),
		     0);
	cr_assert_str_eq(results[0].frames[0].function, "one [a?b?]");
	cr_assert_str_eq(results[1].frames[0].function, "two [\xc3\xa9]");
	name_table_clear(&names);
}

Test(kallsyms, overlong_and_odd_lines_do_no_harm)
{
	struct name_table names = { 0 };
	struct sym_result results[3];
	uint64_t addrs[] = { 0x2000, 0x3000, 0x4000 };
	char *lines = NULL;
	size_t len;
	FILE *f = open_memstream(&lines, &len);

	fprintf(f, "1000 T _stext\n2000 t ");
	for (int i = 0; i < 5000; i++)
		fputc('a', f);
	fprintf(f, "\t[m]\n\n \n1000\n1000 t\n1000 t \n123456789012345678901 t big\n"
		   "3000 t fn\t[a_module_with_a_name_that_is_longer_than_any_that_the_kernel_takes"
		   "_and_then_some_more]\n4000 t last\n5000 T _etext");
	fclose(f);

	cr_assert_eq(resolve(lines, addrs, 3, results, &names), 0);
	cr_assert_eq(strncmp(results[0].frames[0].function, "aaaa", 4), 0);
	cr_assert_eq(strncmp(results[1].frames[0].function, "fn [a_module", 12), 0);
	cr_assert_str_eq(results[2].frames[0].function, "last");
	name_table_clear(&names);
	free(lines);
}

/* --- the running kernel -------------------------------------------------------------------- */

#define WANTED_MAX 2000

struct wanted {
	size_t n;
	uint64_t addrs[WANTED_MAX];
};

/* Every 97th function of the running kernel, modules and BPF included. */
static void read_wanted(struct wanted *w)
{
	FILE *f = popen("grep ' [tTwW] ' /proc/kallsyms | awk 'NR % 97 == 1 {print $1}'", "r");

	while (w->n < WANTED_MAX && fscanf(f, "%" SCNx64, &w->addrs[w->n]) == 1)
		w->n++;
	pclose(f);
	cr_assert_gt(w->n, 100);
	cr_assert_neq(w->addrs[w->n - 1], 0, "this test needs CAP_SYSLOG");
}

/* Is "name" or "name\t[module]" a function at @addr? */
static bool kernel_has(const char *lines, uint64_t addr, const char *name)
{
	char line[700], plain[600];
	char *space;

	snprintf(plain, sizeof(plain), "%s", name);
	space = strstr(plain, " [");
	if (space)
		*space = '\t';
	for (const char *types = "tTwW"; *types; types++) {
		snprintf(line, sizeof(line), "\n%016" PRIx64 " %c %s\n", addr, *types, plain);
		if (strstr(lines, line))
			return true;
	}
	return false;
}

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "r"), *out;
	char buf[65536], *all = NULL;
	size_t len, n;

	out = open_memstream(&all, &len);
	fputc('\n', out);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		fwrite(buf, 1, n, out);
	fclose(f);
	fclose(out);
	return all;
}

Test(kallsyms, functions_of_the_running_kernel_have_their_names, .timeout = 120)
{
	static struct sym_result results[WANTED_MAX];
	static struct wanted w;
	CLEANUP(symbolizer_freep) struct symbolizer *s = NULL;
	CLEANUP(freep) char *lines = read_all("/proc/kallsyms");
	size_t named = 0;

	read_wanted(&w);
	cr_assert_eq(symbolizer_new(&s), 0);
	cr_assert_eq(symbolizer_kernel(s, w.addrs, w.n, results), 0);
	for (size_t i = 0; i < w.n; i++) {
		cr_assert_eq(results[i].vaddr, w.addrs[i]);
		if (!results[i].n_frames) /* start-up code, behind _etext and long gone */
			continue;
		named++;
		cr_assert_eq(results[i].start, w.addrs[i]);
		if (i % 10 == 0)
			cr_assert(kernel_has(lines, w.addrs[i], results[i].frames[0].function),
				  "0x%" PRIx64 ": %s", w.addrs[i], results[i].frames[0].function);
	}
	cr_assert_gt(named * 100, w.n * 90, "%zu of %zu", named, w.n);

	/* Again, from what was kept; then with an address that nobody knows: it is read anew. */
	for (int again = 0; again < 2; again++) {
		static struct sym_result more[WANTED_MAX];
		const char *function = results[0].frames[0].function;

		w.addrs[w.n - 1] = again ? UINT64_MAX - 1 : w.addrs[w.n - 1];
		cr_assert_eq(symbolizer_kernel(s, w.addrs, w.n, more), 0);
		cr_assert_str_eq(more[0].frames[0].function, function);
		for (size_t i = 0; i + 1 < w.n; i++)
			cr_assert_eq(more[i].start, results[i].start);
		cr_assert(!again || more[w.n - 1].n_frames == 0);
	}
}
