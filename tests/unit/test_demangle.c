/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "sym/name_fold.h"

TestSuite(demangle, .fini = leak_check);

#define SIZE 1024

static const char *of(const char *name)
{
	static char buf[SIZE];

	memset(buf, 'x', sizeof(buf));
	demangle(name, buf, sizeof(buf));
	return buf;
}

/* A Rust crate without a name: that is what it is called, but nobody could see it. */
Test(demangle, names_that_would_be_empty_stay)
{
	char buf[SIZE];

	for (enum demangle_style style = DEMANGLE_FULL; style <= DEMANGLE_NONE; style++) {
		cr_assert_eq(demangle_styled("_RCs4697_0", style, buf, sizeof(buf)), false);
		cr_assert_str_eq(buf, "_RCs4697_0");
	}
}

/* What c++filt and rustfilt print for the same names. */
Test(demangle, readable_forms)
{
	static const char *const pairs[][2] = {
		{ "main", "main" },
		{ "", "" },
		{ "_Zebra", "_Zebra" },
		{ "_ZN4shop4cart5totalEi", "shop::cart::total(int)" },
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_ZN3foo3barEv.part.0", "foo::bar() [clone .part.0]" },
		{ "_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write" },
		{ "_ZN4core3fmt5write17h0123456789abcdefE.llvm.1234567890", "core::fmt::write" },
		{ "_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str"
		  "17h0123456789abcdefE",
		  "<alloc::string::String as core::fmt::Write>::write_str" },
		{ "_RINvC0a1fTllETB7_B7_ETTB7_B7_E", "_RINvC0a1fTllETB7_B7_ETTB7_B7_E" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
		{ "_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar" },
		{ "_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
		  "utf8_idents::საჭმელად_გემრიელი_სადილი" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_assert_str_eq(of(pairs[i][0]), pairs[i][1]);
}

static const char *styled(const char *name, enum demangle_style style)
{
	static char buf[SIZE];

	memset(buf, 'x', sizeof(buf));
	demangle_styled(name, style, buf, sizeof(buf));
	return buf;
}

/* What the language's own description of its ABI says (dlang.org/spec/abi.html). */
Test(demangle, names_of_d)
{
	static const char *const pairs[][2] = {
		{ "_D3foo3barFiZv", "foo.bar(int)" },
		{ "_D3std5stdio4File5writeMFAyaZv", "std.stdio.File.write(immutable(char)[])" },
		/* Qj: nine back, to C3bar3Foo */
		{ "_D3bar3fooFC3bar3FooQjZv", "bar.foo(bar.Foo, bar.Foo)" },
		{ "_D3foo3barFC3foo3FooZv", "foo.bar(foo.Foo)" },
		{ "_Dmain", "_Dmain" }, /* C linkage: not a mangled name */
		{ "_D", "_D" },
		{ "_D9foo", "_D9foo" },
		{ "_D3fooQ", "_D3fooQ" },
		{ "_D3fooQzzzzz", "_D3fooQzzzzz" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(of(pairs[i][0]), pairs[i][1]);
	cr_expect_str_eq(styled("_D3foo3barFiZv", DEMANGLE_SIMPLE), "foo.bar()");
}

/* Each of its types repeats the one before twice: refused before it is begun. */
Test(demangle, exponential_d_names_are_left_alone, .timeout = 5)
{
	char name[1024] = "_D1fFHii";
	size_t last = strlen("_D1fF"), here;

	for (int i = 0; i < 40; i++) {
		char arg[32];

		here = strlen(name);
		/* "H" and two references, at here + 1 and behind that. */
		snprintf(arg, sizeof(arg), "HQ%cQ%c", (char)('a' + here + 1 - last),
			 (char)('a' + here + 3 - last));
		strcat(name, arg);
		last = here;
	}
	strcat(name, "Zv");
	cr_expect_str_eq(of(name), name);
}

Test(demangle, deep_d_names_are_left_alone, .timeout = 5)
{
	static char name[1 << 20];

	memset(name, 'A', sizeof(name) - 1);
	memcpy(name, "_D1fF", 5);
	cr_expect_eq(strncmp(of(name), "_D1fFAAAA", 9), 0);
}

Test(demangle, arguments_are_folded)
{
	static const char *const pairs[][2] = {
		{ "main", "main" },
		{ "_ZN4shop4cart5totalEi", "shop::cart::total()" },
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<>::push_back()" },
		{ "_ZN3foo3barEv.part.0", "foo::bar() [clone .part.0]" },
		{ "_ZNK3foo3barEv", "foo::bar() const" },
		{ "_ZN12_GLOBAL__N_13fooIiEEvT_", "(anonymous namespace)::foo<>()" },
		{ "_ZN3fooclEi", "foo::operator()()" },
		{ "_ZlsIiE1fT_", "operator<< <>()" },
		{ "_ZltIiE1fT_", "operator< <>()" },
		{ "_ZN3fooptEv", "foo::operator->()" },
		{ "_ZZ4mainENKUliE_clEi", "main::{lambda()#1}::operator()() const" },
		{ "_ZN1AIXgtLi3ELi2EEE1fEv", "A<>::f()" },
		{ "_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write" },
		{ "_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str"
		  "17h0123456789abcdefE",
		  "<alloc::string::String as core::fmt::Write>::write_str" },
		{ "_ZN61_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..fmt..Debug$GT$3fmt"
		  "17h0123456789abcdefE.llvm.77",
		  "<alloc::vec::Vec<> as core::fmt::Debug>::fmt" },
		{ "_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar" },
		{ "_RINvCs1234_7mycrate3foolE", "mycrate::foo::<>" },
		{ "_Zebra(int)", "_Zebra(int)" },
		/* of debug information, which has no arguments of functions */
		{ "twice<long unsigned int>", "twice<>" },
		{ "call<void (*)(int)>", "call<>" },
		{ "drop_in_place<alloc::vec::Vec<u8>>", "drop_in_place<>" },
		{ "operator<", "operator<" },
		{ "<init>", "<init>" },
		{ "a>", "a>" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(styled(pairs[i][0], DEMANGLE_SIMPLE), pairs[i][1]);
}

/* Go's names have brackets, and are not mangled. Swift's are left to its own tool. */
Test(demangle, names_of_other_languages_stay)
{
	static const char *const names[] = { "main.(*Server).Handle", "main.Map[go.shape.int]",
					     "$s4main3fooyyF", "fn(a)<b>" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (int style = DEMANGLE_FULL; style <= DEMANGLE_NONE; style++)
			cr_expect_str_eq(styled(names[i], style), names[i]);
}

Test(demangle, styles)
{
	enum demangle_style style = DEMANGLE_FULL;
	char buf[64];

	cr_assert_eq(demangle_style_parse("simple", &style), 0);
	cr_assert_eq(style, DEMANGLE_SIMPLE);
	cr_assert_eq(demangle_style_parse("none", &style), 0);
	cr_assert_eq(style, DEMANGLE_NONE);
	cr_assert_eq(demangle_style_parse("NONE", &style), -EINVAL);
	cr_assert(demangle_styled("_Z1fv", DEMANGLE_FULL, buf, sizeof(buf)));
	cr_assert(demangle_styled("_Z1fv", DEMANGLE_SIMPLE, buf, sizeof(buf)));
	cr_assert(!demangle_styled("_Z1fv", DEMANGLE_NONE, buf, sizeof(buf)));
	cr_assert(!demangle_styled("_Zebra", DEMANGLE_FULL, buf, sizeof(buf)));
	cr_expect_str_eq(styled("_Z1fv", DEMANGLE_NONE), "_Z1fv");
	cr_expect_str_eq(styled("a\1\xff.llvm.1", DEMANGLE_NONE), "a??.llvm.1");
}

static void append_pairs(char *name, int n)
{
	for (int i = 1; i < n; i++) {
		char arg[32];

		snprintf(arg, sizeof(arg), "S_IS%c_S%c_E", i < 10 ? '0' + i : 'A' + i - 10,
			 i < 10 ? '0' + i : 'A' + i - 10);
		strcat(name, arg);
	}
}

/* What was cut inside of brackets is closed, and the cut is shown. */
Test(demangle, exponential_names_fold_to_a_few_letters, .timeout = 5)
{
	char name[1024] = "_Z1fSt4pairIiiES_IS0_S0_E";

	append_pairs(name, 30);
	cr_expect_str_eq(styled(name, DEMANGLE_SIMPLE), "f(…");
}

/* A loop on any bytes: brackets that do not match neither crash nor grow. */
Test(demangle, folding_unmatched_brackets)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ ")", ")" },
		{ ">>>", ">>>" },
		{ "f(", "f(" },
		{ "f<(", "f<" },
		{ "f(<)", "f()" },
		{ "f<(>)>", "f<>" },
		{ "(a)(b)", "()()" },
		{ "operator", "operator" },
		{ "operator<", "operator<" },
		{ "a->b", "a->b" },
		{ "f(a->b)", "f()" },
		{ "<a<b> as c>::d", "<a<> as c>::d" },
	};
	static char deep[100001];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char buf[64];

		snprintf(buf, sizeof(buf), "%s", pairs[i][0]);
		name_fold(buf);
		cr_expect_str_eq(buf, pairs[i][1]);
	}
	memset(deep, '(', sizeof(deep) - 1);
	name_fold(deep);
	cr_expect_str_eq(deep, "(");
}

Test(demangle, long_names_are_cut_visibly)
{
	char name[5000];
	const char *out;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	out = of(name);
	cr_assert_eq(strlen(out), SIZE - 1);
	cr_assert_str_eq(out + SIZE - 1 - 3, "…");

	name[SIZE - 1] = '\0'; /* just fits */
	cr_assert_str_eq(of(name), name);
}

/* Each template argument repeats the one before twice: 2^40 bytes from 300. */
Test(demangle, exponential_names_end_soon, .timeout = 5)
{
	char name[1024] = "_Z1fSt4pairIiiES_IS0_S0_E";
	const char *out;

	for (int i = 1; i < 30; i++) {
		char arg[32];

		snprintf(arg, sizeof(arg), "S_IS%c_S%c_E", i < 10 ? '0' + i : 'A' + i - 10,
			 i < 10 ? '0' + i : 'A' + i - 10);
		strcat(name, arg);
	}
	out = of(name);
	cr_assert_eq(strlen(out), SIZE - 1);
	cr_assert_str_eq(out + SIZE - 1 - 3, "…");
	cr_assert_eq(strncmp(out, "f(std::pair<int, int>", 21), 0, "%s", out);
}

/* "B" and an offset behind "_R": "_" is 0, "0_" 1, and so on in base 62. */
static void back_reference(size_t offset, char *out, size_t size)
{
	static const char digits[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = offset - 1;

	if (n < 62)
		snprintf(out, size, "B%c_", digits[n]);
	else
		snprintf(out, size, "B%c%c_", digits[n / 62], digits[n % 62]);
}

/* The same with back references of Rust's: each tuple holds the one before twice. */
Test(demangle, exponential_rust_names_end_soon, .timeout = 5)
{
	char name[1024] = "_RINvC1a1f";
	size_t last = strlen(name);

	strcat(name, "TllE");
	for (int i = 0; i < 40; i++) {
		size_t here = strlen(name);
		char ref[8], arg[32];

		back_reference(last - 2, ref, sizeof(ref));
		snprintf(arg, sizeof(arg), "T%s%sE", ref, ref);
		strcat(name, arg);
		last = here;
	}
	strcat(name, "E");
	cr_assert_eq(strlen(of(name)), SIZE - 1, "%s", of(name));
	cr_assert_eq(strncmp(of(name), "a::f::<(i32, i32), ((i32, i32), (i32", 36), 0, "%s",
		     of(name));
}

/* Output fills up just before an identifier in punycode: the memory it is decoded in must not leak.
 */
Test(demangle, cut_before_punycode)
{
	for (int pad = 1; pad < 100; pad++) {
		char name[8192];
		int n = snprintf(name, sizeof(name), "_RINvC1a%d_%0*d", pad, pad, 0);

		for (int i = 0; i < 20; i++)
			n += snprintf(
				name + n, sizeof(name) - n,
				"NtCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y");
		strcat(name, "E");
		cr_assert_gt(strlen(of(name)), SIZE - 6, "%s", of(name));
	}
}

Test(demangle, the_result_is_text_whatever_the_name_holds)
{
	cr_assert_str_eq(of("a\1b\x7f"), "a?b?");
	cr_assert_str_eq(of("a\xff\xc3"), "a??");
	cr_assert_str_eq(of("gr\xc3\xbc\xc3\x9f"), "grüß");
	cr_assert_str_eq(of("\xed\xa0\x80"), "???"); /* a surrogate */
	cr_assert_str_eq(of("\xc0\xaf"), "??");	     /* overlong */
}

Test(demangle, a_cut_keeps_sequences_whole)
{
	char buf[12];

	demangle("aaaaaaa\xc3\xbc\xc3\xbc", buf, sizeof(buf)); /* 11 bytes: fits */
	cr_assert_str_eq(buf, "aaaaaaaüü");
	demangle("aaaaaaa\xc3\xbc\xc3\xbc!", buf, sizeof(buf));
	cr_assert_str_eq(buf, "aaaaaaa…");
	demangle("aaaaaa\xc3\xbc\xc3\xbc!!", buf, sizeof(buf));
	cr_assert_str_eq(buf, "aaaaaaü…");
}
