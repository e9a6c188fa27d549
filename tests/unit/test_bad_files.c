/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/bad_files.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "leak_check.h"

TestSuite(bad_files, .fini = leak_check);

static int file_with(const char *text)
{
	int fd = memfd_create("file", 0);

	cr_assert(gt(int, dprintf(fd, "%s", text), 0));
	return fd;
}

static int n_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* It is not open for ever: nobody could unmount what it is on. */
static void assert_known(uint64_t kept_ns, bool copy)
{
	struct bad_files bf = { .kept_ns = kept_ns };
	int bad = file_with("bad"), same = file_with("bad"), other = file_with("fine"), before;

	before = n_open();
	cr_assert(zero(int, bad_files_add(&bf, bad, "swells", false)));
	cr_expect(ne(ptr, (void *)bad_files_find(&bf, bad), NULL));
	cr_expect(eq(int, bad_files_find(&bf, same) != NULL, copy));
	cr_expect(eq(ptr, (void *)bad_files_find(&bf, other), NULL));
	cr_expect(eq(int, n_open(), before + copy));
	bad_files_clear(&bf);
	close(bad);
	close(same);
	close(other);
}

Test(bad_files, copies_are_known_for_a_while)
{
	assert_known(0, true);
	assert_known(1, false);
}
