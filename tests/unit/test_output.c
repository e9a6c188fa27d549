/* SPDX-License-Identifier: Apache-2.0 */
#include "app/output.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "command.h"
#include "leak_check.h"
#include "profile_fixture.h"

TestSuite(output, .fini = leak_check);

Test(output, format_by_name)
{
	enum output_format f;

	cr_assert(zero(int, output_format_parse("pprof", &f)));
	cr_expect(eq(int, f, OUTPUT_PPROF_GZ));
	cr_assert(zero(int, output_format_parse("html", &f)));
	cr_expect(eq(int, f, OUTPUT_HTML));
	cr_expect(eq(int, output_format_parse("HTML5", &f), -EINVAL));
	cr_expect(eq(int, output_format_parse("", &f), -EINVAL));
}

Test(output, format_by_end_of_path)
{
	static const struct {
		const char *path;
		enum output_format want;
	} known[] = {
		{ "a.pb.gz", OUTPUT_PPROF_GZ }, { "/x.html/a.pb", OUTPUT_PPROF },
		{ "a.folded", OUTPUT_FOLDED },	{ "dir/a.b.html", OUTPUT_HTML },
		{ ".txt", OUTPUT_TEXT },
	};
	static const char *const unknown[] = {
		"", "pb", "a.gz", "a.html/", "a.json", "a.pb.gz.tmp"
	};
	enum output_format f;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		cr_assert(zero(int, output_format_of_path(known[i].path, &f)), "%s", known[i].path);
		cr_expect(eq(int, f, known[i].want), "%s", known[i].path);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		cr_expect(eq(int, output_format_of_path(unknown[i], &f), -EINVAL), "%s",
			  unknown[i]);
}

/* What a file of each format begins with. */
Test(output, all_formats_are_written)
{
	static const struct {
		enum output_format fmt;
		const char *begin;
	} formats[] = {
		{ OUTPUT_PPROF_GZ, "\x1f\x8b" },    { OUTPUT_PPROF, "\x0a" },
		{ OUTPUT_FOLDED, "cat;main;[cat" }, { OUTPUT_HTML, "<!DOCTYPE html>" },
		{ OUTPUT_TEXT, "CPU time 1.00 s" },
	};
	struct pprof *p = fixture_shop();
	char *dir = command_make_folder();

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct atomic_file *f;
		char path[80], *bytes;
		size_t len;

		snprintf(path, sizeof(path), "%s/%zu", dir, i);
		cr_assert(zero(int, atomic_file_open(path, &f)));
		cr_assert(zero(int, output_write(f, formats[i].fmt, p, "a title")));
		cr_assert(zero(int, atomic_file_commit(f)));
		atomic_file_close(f);
		cr_assert(zero(int, read_whole_file(path, 1 << 24, &bytes, &len)));
		cr_expect(strncmp(bytes, formats[i].begin, strlen(formats[i].begin)) == 0);
		free(bytes);
	}
	command_remove_folder(dir);
	pprof_free(p);
}

Test(output, the_errno_of_the_file_is_kept)
{
	static const enum output_format formats[] = { OUTPUT_PPROF_GZ, OUTPUT_FOLDED, OUTPUT_HTML,
						      OUTPUT_TEXT };
	struct pprof *p = fixture_shop();

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct atomic_file *f;

		cr_assert(zero(int, atomic_file_open("/dev/full", &f)));
		cr_expect(eq(int, output_write(f, formats[i], p, ""), -ENOSPC));
		atomic_file_close(f);
	}
	pprof_free(p);
}
