/* SPDX-License-Identifier: Apache-2.0 */
#include "app/distribution.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <unistd.h>

#include "leak_check.h"

TestSuite(distribution, .fini = leak_check);

static const char elfutils[] = "https://debuginfod.elfutils.org";

Test(distribution, server_by_the_words_of_os_release)
{
	static const struct {
		const char *text, *url;
	} cases[] = {
		{ "ID=debian", "https://debuginfod.debian.net" },
		{ "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n", "https://debuginfod.ubuntu.com" },
		{ "ID_LIKE=debian\nID=\"fedora\"\n", "https://debuginfod.fedoraproject.org" },
		{ "ID='opensuse-tumbleweed'\n", "https://debuginfod.opensuse.org" },
		{ "ID=mint\nID_LIKE=\"ubuntu debian\"", "https://debuginfod.ubuntu.com" },
		{ "ID=own\nID_LIKE=\"one arch\"\n", "https://debuginfod.archlinux.org" },
		/* Neither part of a word, nor another line. */
		{ "ID=debian2\nID_LIKE=debia\n", elfutils },
		{ "ID=\ndebian\n", elfutils },
		{ "VERSION_ID=debian\n# ID=debian\n", elfutils },
		{ "ID=\"", elfutils },
		{ "\n\n", elfutils },
		{ "", elfutils },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert(eq(str, (char *)distribution_debuginfod_of(cases[i].text),
			     (char *)cases[i].url),
			  "%s", cases[i].text);
}

Test(distribution, of_a_process)
{
	const char *ours = distribution_debuginfod(getpid());

	/* The tests run on Debian. */
	cr_assert(eq(str, (char *)ours, "https://debuginfod.debian.net"));
	cr_assert(eq(str, (char *)distribution_debuginfod(0x7fffffff), (char *)elfutils));
}
