/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/file_finder.h"

#include <criterion/criterion.h>
#include <fcntl.h>

#include "elf_samples.h"
#include "leak_check.h"

static struct file_finder *finder;
static int root = -1;

static void init(void)
{
	samples_init();
	sh("mkdir -p root/opt root/usr/lib/debug/.build-id/ab root/usr/lib/debug/opt opt");
}

static void fini(void)
{
	file_finder_free(finder);
	closep(&root);
	samples_fini();
	leak_check();
}

TestSuite(file_finder, .init = init, .fini = fini, .timeout = 30);

/* Of a process, the folder "root" of the samples. */
static void open_root(void)
{
	root = open(sample("root"), O_PATH | O_DIRECTORY);
	cr_assert_geq(root, 0);
}

/* What the @nth candidate holds, up to its newline; NULL: there is none. */
static const char *content(const struct sym_file_wanted *w, unsigned nth)
{
	static char buf[64];
	const struct sym_file_source *source = file_finder_source(finder);
	CLEANUP(closep) int fd = source->open(source->arg, w, nth);
	ssize_t n;

	if (fd < 0) {
		cr_assert_eq(fd, -ENOENT);
		return NULL;
	}
	n = read(fd, buf, sizeof(buf) - 1);
	cr_assert_geq(n, 0);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	cr_assert_eq(memcmp(buf, "\177ELF", 4), 0);
	return buf + 4;
}

static const uint8_t id[] = { 0xab, 0xcd, 0xef };
static const struct sym_file_wanted by_id = { .kind = SYM_FILE_BUILD_ID,
					      .build_id = id,
					      .build_id_len = 3 };
static const struct sym_file_wanted by_link = { .kind = SYM_FILE_DEBUG_LINK, .name = "a.debug" };

Test(file_finder, the_process_s_root_comes_before_ours)
{
	char path[512];

	open_root();
	sh("printf '\\177ELFtheirs\\n' > root/usr/lib/debug/.build-id/ab/cdef.debug");
	sh("printf '\\177ELFtheirs\\n' > root/opt/a.debug && printf '\\177ELFours\\n' > a.debug");
	snprintf(path, sizeof(path), "%s/prog", samples_dir);
	cr_assert_eq(file_finder_new("/opt/prog", root, &finder), 0);
	cr_assert_str_eq(content(&by_id, 0), "theirs");
	cr_assert_str_eq(content(&by_link, 0), "theirs");
	cr_assert_null(content(&by_link, 1));
	file_finder_free(finder);

	cr_assert_eq(file_finder_new(path, root, &finder), 0);
	cr_assert_str_eq(content(&by_link, 0), "ours");
}

Test(file_finder, no_link_leads_out_of_a_root)
{
	open_root();
	sh("printf '\\177ELFsecret\\n' > secret");
	sh("ln -s ../../../../../../../../../..%s/secret root/opt/a.debug", samples_dir);
	sh("ln -s %s/secret root/usr/lib/debug/.build-id/ab/cdef.debug", samples_dir);
	sh("ln -s /proc/self/root%s/secret root/usr/lib/debug/opt/a.debug", samples_dir);
	cr_assert_eq(file_finder_new("/opt/prog", root, &finder), 0);
	cr_assert_null(content(&by_link, 0));
	cr_assert_null(content(&by_id, 0));

	/* Within it, it does, from the root's own begin. */
	sh("printf '\\177ELFinside\\n' > root/inside && ln -sf /inside root/opt/a.debug");
	cr_assert_str_eq(content(&by_link, 0), "inside");
}

Test(file_finder, nothing_but_regular_files_is_opened)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/prog", samples_dir);
	sh("mkfifo a.debug && mkdir -p .debug/a.debug");
	cr_assert_eq(file_finder_new(path, -1, &finder), 0);
	cr_assert_null(content(&by_link, 0));
}

Test(file_finder, candidates_are_counted_over_those_that_exist)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/prog", samples_dir);
	sh("mkdir .debug && printf '\\177ELFsecond\\n' > .debug/a.debug");
	cr_assert_eq(file_finder_new(path, -1, &finder), 0);
	cr_assert_str_eq(content(&by_link, 0), "second");
	cr_assert_null(content(&by_link, 1));
	sh("printf '\\177ELFfirst\\n' > a.debug");
	cr_assert_str_eq(content(&by_link, 0), "first");
	cr_assert_str_eq(content(&by_link, 1), "second");
}

Test(file_finder, names_of_split_units_and_supplementary_files)
{
	struct sym_file_wanted dwo = { .kind = SYM_FILE_DWO, .name = "obj/x.dwo" };
	struct sym_file_wanted dwp = { .kind = SYM_FILE_DWP };
	struct sym_file_wanted alt = { .kind = SYM_FILE_ALT_LINK, .name = "../common" };
	char path[512];

	snprintf(path, sizeof(path), "%s/opt/prog", samples_dir);
	sh("mkdir -p build/obj && printf '\\177ELFbuilt\\n' > build/obj/x.dwo && printf "
	   "'\\177ELFbeside\\n' > opt/x.dwo");
	sh("printf '\\177ELFpackage\\n' > opt/prog.dwp && printf '\\177ELFcommon\\n' > common");
	cr_assert_eq(file_finder_new(path, -1, &finder), 0);
	cr_assert_str_eq(content(&dwo, 0), "beside");
	dwo.comp_dir = sample("build");
	cr_assert_str_eq(content(&dwo, 0), "built");
	cr_assert_str_eq(content(&dwo, 1), "beside");
	cr_assert_null(content(&dwo, 2));
	cr_assert_str_eq(content(&dwp, 0), "package");
	cr_assert_str_eq(content(&alt, 0), "common");
}

Test(file_finder, hostile_names_lead_nowhere)
{
	static char longest[9000];
	struct sym_file_wanted w = { .name = longest, .comp_dir = longest };

	memset(longest, 'x', sizeof(longest) - 1);
	cr_assert_eq(file_finder_new("/usr/bin/prog", -1, &finder), 0);
	for (w.kind = 0; w.kind < SYM_FILE_KINDS; w.kind++)
		cr_assert_null(content(&w, 0));
	w.name = "../../etc/passwd";
	w.kind = SYM_FILE_DEBUG_LINK;
	cr_assert_null(content(&w, 0));
}

/* What is open to us is not for a reader of strangers' files, whatever these call it. */
Test(file_finder, only_elf_files_are_handed_on)
{
	struct sym_file_wanted w = { .comp_dir = "/proc/self" };
	static const char *const names[] = {
		"/etc/shadow",
		"/proc/self/mem",
		"/proc/self/environ",
		"/proc/self/exe",
		"/proc/1/maps",
		"/proc/kcore",
		"/sys/kernel/notes",
		"/sys/kernel/btf/vmlinux",
		"/proc/self/root/etc/shadow",
		"mem",
	};

	cr_assert_eq(file_finder_new("/usr/bin/prog", -1, &finder), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		w.name = names[i];
		w.kind = SYM_FILE_DWO;
		cr_expect_null(content(&w, 0), "%s", names[i]);
		w.kind = SYM_FILE_ALT_LINK;
		cr_expect_null(content(&w, 0), "%s", names[i]);
	}
}
