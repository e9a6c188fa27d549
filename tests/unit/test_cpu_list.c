/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cpu_list.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "leak_check.h"

TestSuite(cpu_list, .fini = leak_check);

#define N 10

static void assert_list(const char *text, const char *want)
{
	bool online[N + 1];
	char got[N + 1] = "";

	memset(online, true, sizeof(online));
	cr_assert(zero(int, cpu_list_parse(text, online, N)), "'%s'", text);
	for (int i = 0; i < N; i++)
		got[i] = online[i] ? '1' : '0';
	cr_assert(eq(str, got, (char *)want), "'%s'", text);
	cr_assert(online[N], "wrote behind the end");
}

Test(cpu_list, as_the_kernel_writes_them)
{
	assert_list("0\n", "1000000000");
	assert_list("0-3\n", "1111000000");
	assert_list("0,2-3,7\n", "1011000100");
	assert_list("1-1", "0100000000");
	assert_list("9\n", "0000000001");
	assert_list("\n", "0000000000");
	assert_list("", "0000000000");
}

Test(cpu_list, cpus_beyond_the_array_are_left_out)
{
	assert_list("8-4095\n", "0000000011");
	assert_list("0,10,8191\n", "1000000000");
}

Test(cpu_list, what_the_kernel_never_writes)
{
	static const char *const bad[] = { "x",
					   "-",
					   "-1",
					   "1-",
					   "3-1",
					   "1--2",
					   "1-2-3",
					   "1,,2",
					   ",1",
					   "1 2",
					   "0x1",
					   "1.5",
					   "8192",
					   "0-8192",
					   "99999999999999999999",
					   "0-99999999999999999999" };
	bool online[N];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert(eq(int, cpu_list_parse(bad[i], online, N), -EINVAL), "'%s'", bad[i]);
}

Test(cpu_list, online_ones_as_libc_counts_them)
{
	static bool online[CPU_LIST_MAX];
	long n = 0;

	cr_assert(zero(int, cpu_list_online(online, CPU_LIST_MAX)));
	for (int i = 0; i < CPU_LIST_MAX; i++)
		n += online[i];
	cr_assert(eq(long, n, sysconf(_SC_NPROCESSORS_ONLN)));
}
