/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"

TestSuite(demangle, .fini = leak_check);

#define SIZE 1024

static const char *of(const char *name)
{
	static char buf[SIZE];

	memset(buf, 'x', sizeof(buf));
	demangle(name, buf, sizeof(buf));
	return buf;
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
