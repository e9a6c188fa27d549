/* SPDX-License-Identifier: Apache-2.0 */
#include "view/source_text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "app/source_search.h"
#include "command.h"
#include "leak_check.h"

static char *folder;

static void set_up(void)
{
	folder = command_make_folder();
	cr_assert(zero(int, chdir(folder)));
}

static void tear_down(void)
{
	cr_assert(zero(int, chdir("/")));
	command_remove_folder(folder);
	leak_check();
}

TestSuite(source_text, .init = set_up, .fini = tear_down, .timeout = 20);
/* .fini = leak_check is part of tear_down. */

static void write_text(const char *path, const char *text)
{
	command_write_file(path, text, strlen(text));
}

static void assert_line(const struct source_text *st, uint32_t n, const char *want)
{
	char *line = NULL;

	cr_assert(zero(int, source_text_line(st, n, &line)));
	cr_expect(eq(str, line, (char *)want), "line %u", n);
	free(line);
}

Test(source_text, lines)
{
	struct source_text *st;

	write_text("a.c", "one\n\ttab\nx\ty\r\n\nlast");
	cr_assert(zero(int, source_text_open("a.c", &st)));
	cr_expect(eq(u32, source_text_lines(st), 5));
	cr_expect(gt(i64, source_text_time(st), 1600000000000000000));
	assert_line(st, 0, "");
	assert_line(st, 1, "one");
	assert_line(st, 2, "        tab");
	assert_line(st, 3, "x       y");
	assert_line(st, 4, "");
	assert_line(st, 5, "last");
	assert_line(st, 6, "");
	assert_line(st, UINT32_MAX, "");
	source_text_free(st);

	write_text("empty", "");
	cr_assert(zero(int, source_text_open("empty", &st)));
	cr_expect(eq(u32, source_text_lines(st), 0));
	assert_line(st, 1, "");
	source_text_free(st);
}

Test(source_text, what_a_terminal_would_obey_is_shown_as_a_mark)
{
	static const char hostile[] = "\x1b]0;title\x07\0\xff\xc3|\x7f\xe2\x80\xaeover\n\tü\tx";
	struct source_text *st;

	command_write_file("a.c", hostile, sizeof(hostile) - 1);
	cr_assert(zero(int, source_text_open("a.c", &st)));
	assert_line(st, 1, "\uFFFD]0;title\uFFFD\uFFFD\uFFFD\uFFFD|\uFFFD\uFFFDover");
	assert_line(st, 2, "        ü       x");
	source_text_free(st);
}

/* One line of 16 MiB, of tabs, and of two-byte letters: bounded, and cut at a whole letter. */
Test(source_text, long_lines)
{
	size_t size = 16 << 20;
	char *text = malloc(size), *line;
	struct source_text *st;

	memset(text, '\t', size);
	command_write_file("a.c", text, size);
	cr_assert(zero(int, source_text_open("a.c", &st)));
	cr_assert(zero(int, source_text_line(st, 1, &line)));
	cr_expect(lt(sz, strlen(line), 2100));
	free(line);
	source_text_free(st);

	for (size_t i = 0; i < size; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	command_write_file("a.c", text, size);
	cr_assert(zero(int, source_text_open("a.c", &st)));
	cr_assert(zero(int, source_text_line(st, 1, &line)));
	cr_expect(lt(sz, strlen(line), 6200));
	free(line);
	source_text_free(st);

	command_write_file("a.c", text, size);
	free(command_output("echo >> a.c"));
	cr_expect(eq(int, source_text_open("a.c", &st), -EFBIG));
	free(text);
}

/* None of these may be waited for, or be opened. */
Test(source_text, what_is_no_regular_file)
{
	struct source_text *st = NULL;

	cr_assert(zero(int, mkfifo("fifo", 0600)));
	cr_assert(zero(int, symlink("fifo", "link")));
	cr_assert(zero(int, symlink("loop", "loop")));
	cr_expect(eq(int, source_text_open("fifo", &st), -ENOTSUP));
	cr_expect(eq(int, source_text_open("link", &st), -ENOTSUP));
	cr_expect(eq(int, source_text_open("/dev/zero", &st), -ENOTSUP));
	cr_expect(eq(int, source_text_open("/dev/tty", &st), -ENOTSUP));
	cr_expect(eq(int, source_text_open("/dev/stdin", &st), -ENOTSUP));
	cr_expect(eq(int, source_text_open(".", &st), -EISDIR));
	cr_expect(eq(int, source_text_open("loop", &st), -ELOOP));
	cr_expect(eq(int, source_text_open("none", &st), -ENOENT));
	cr_expect(eq(int, source_text_open("", &st), -ENOENT));
	/* Regular by name, and a read would wait for the next message. */
	if (source_text_open("/proc/kmsg", &st) == 0)
		source_text_free(st);
}

/* --- search ----------------------------------------------------------------------------------- */

static void assert_found(const struct source_search *s, const char *file, const char *want)
{
	struct source_text *st = NULL;

	cr_assert(zero(int, source_search_open(s, file, &st)), "%s", file);
	assert_line(st, 1, want);
	source_text_free(st);
}

Test(source_text, folders_are_searched_for_the_longest_end_of_a_path)
{
	struct source_search s = { .dirs = "none::low:high" };
	struct source_text *st = NULL;

	free(command_output("mkdir -p low/lib high/lib"));
	write_text("low/a.c", "low");
	write_text("low/lib/a.c", "low lib");
	write_text("high/b.c", "high");
	write_text("secret", "secret");
	assert_found(&s, "/build/src/lib/a.c", "low lib");
	assert_found(&s, "/build/src/other/a.c", "low");
	assert_found(&s, "a.c", "low");
	assert_found(&s, "//build///b.c", "high");
	assert_found(&s, "../x/../b.c", "high");
	/* Not out of the folders. */
	cr_expect(eq(int, source_search_open(&s, "/x/../../secret", &st), -ENOENT));
	cr_expect(eq(int, source_search_open(&s, "/x/lib", &st), -ENOENT));
	cr_expect(eq(int, source_search_open(&s, "", &st), -ENOENT));
	s.dirs = NULL;
	cr_expect(eq(int, source_search_open(&s, "/build/b.c", &st), -ENOENT));
	assert_found(&s, "high/b.c", "high");
}

Test(source_text, prefixes_are_replaced)
{
	struct source_search s = { 0 };
	struct source_text *st = NULL;
	static char deep[1 << 20];

	free(command_output("mkdir -p here/lib"));
	write_text("here/lib/a.c", "mapped");
	cr_expect(eq(int, source_search_add_map(&s, "nothing"), -EINVAL));
	cr_expect(eq(int, source_search_add_map(&s, "=x"), -EINVAL));
	cr_assert(zero(int, source_search_add_map(&s, "/build=here")));
	cr_assert(zero(int, source_search_add_map(&s, "/slash/=here/")));
	cr_assert(zero(int, source_search_add_map(&s, "/gone/=")));
	cr_assert(zero(int, source_search_add_map(&s, "/whole.c=here/lib/a.c")));
	assert_found(&s, "/build/lib/a.c", "mapped");
	assert_found(&s, "/slash/lib/a.c", "mapped");
	assert_found(&s, "/gone/here/lib/a.c", "mapped");
	assert_found(&s, "/whole.c", "mapped");
	cr_expect(eq(int, source_search_open(&s, "/builder/lib/a.c", &st), -ENOENT));
	memset(deep, '/', sizeof(deep) - 1);
	s.dirs = "here";
	cr_expect(eq(int, source_search_open(&s, deep, &st), -ENAMETOOLONG));
	memset(deep, 'a', sizeof(deep) - 1);
	cr_expect(eq(int, source_search_open(&s, deep, &st), -ENAMETOOLONG));
	for (size_t i = 0; i + 2 < sizeof(deep); i += 2)
		memcpy(deep + i, "a/", 2);
	cr_expect(eq(int, source_search_open(&s, deep, &st), -ENAMETOOLONG));
	for (int i = 4; i < SOURCE_MAPS_MAX; i++)
		cr_assert(zero(int, source_search_add_map(&s, "a=b")));
	cr_expect(eq(int, source_search_add_map(&s, "a=b"), -ENOSPC));
}
