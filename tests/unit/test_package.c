/* SPDX-License-Identifier: Apache-2.0 */
#include "app/package.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "leak_check.h"

TestSuite(package, .fini = leak_check);

static char buf[256];

Test(package, of_debian)
{
	cr_assert(zero(int, package_debug_remedy("/usr/bin/sleep", buf, sizeof(buf))));
	cr_assert(eq(str, buf, "apt install coreutils-dbgsym"));
	cr_assert(zero(int,
		       package_debug_remedy("/lib/x86_64-linux-gnu/libc.so.6", buf, sizeof(buf))));
	cr_assert(eq(str, buf, "apt install libc6-dbg"));
}

Test(package, of_none)
{
	cr_assert(lt(int, package_debug_remedy("/nowhere/at all; rm -rf x", buf, sizeof(buf)), 0));
	cr_assert(lt(int, package_debug_remedy("", buf, sizeof(buf)), 0));
}
