/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "leak_check.h"

TestSuite(maps, .fini = leak_check);

#define WALK(text)                                                                                 \
	{                                                                                          \
		.buf = (text), .len = strlen(text)                                                 \
	}

static void assert_path(const struct map_entry *e, const char *want)
{
	cr_assert(eq(sz, e->path_len, strlen(want)));
	cr_assert(eq(int, memcmp(e->path, want, e->path_len), 0), "%.*s", (int)e->path_len,
		  e->path);
}

static void assert_perms(const struct map_entry *e, const char *want)
{
	char perms[] = { e->read ? 'r' : '-', e->write ? 'w' : '-', e->exec ? 'x' : '-',
			 e->shared ? 's' : 'p', '\0' };

	cr_assert(eq(str, perms, (char *)want));
}

Test(maps, fields_of_each_kind_of_line)
{
	struct maps_cursor c = WALK(
		"00400000-004c9000 r-xp 00002000 fd:01 1835024                            /bin/a "
		"b\n"
		"7f0000001000-7f0000002000 rw-s 00000000 103:02 18446744073709551615 /dev/shm/x\n"
		"7ffd12345000-7ffd12366000 rw-p 00000000 00:00 0                          [stack]\n"
		"7ffd12400000-7ffd12401000 ---p 00000000 00:00 0 \n"
		"7ffd12500000-7ffd12501000 ---p 00000000 00:00 0\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  "
		"[vsyscall]\n");
	struct map_entry e;

	cr_assert(maps_next(&c, &e));
	cr_assert(eq(u64, e.start, 0x400000));
	cr_assert(eq(u64, e.end, 0x4c9000));
	cr_assert(eq(u64, e.offset, 0x2000));
	cr_assert(eq(ulong, e.dev, makedev(0xfd, 1)));
	cr_assert(eq(ulong, e.ino, 1835024));
	assert_perms(&e, "r-xp");
	assert_path(&e, "/bin/a b");

	cr_assert(maps_next(&c, &e));
	assert_perms(&e, "rw-s");
	cr_assert(eq(ulong, e.dev, makedev(0x103, 2)));
	cr_assert(eq(ulong, e.ino, UINT64_MAX));
	assert_path(&e, "/dev/shm/x");

	cr_assert(maps_next(&c, &e));
	assert_path(&e, "[stack]");
	cr_assert(maps_next(&c, &e));
	assert_path(&e, "");
	cr_assert(maps_next(&c, &e));
	assert_path(&e, "");

	cr_assert(maps_next(&c, &e));
	cr_assert(eq(u64, e.end, 0xffffffffff601000));
	assert_perms(&e, "--xp");

	cr_assert(not(maps_next(&c, &e)));
	cr_assert(not(maps_next(&c, &e)));
	cr_assert(zero(sz, c.n_malformed));
}

Test(maps, malformed_lines_are_skipped_and_counted)
{
	static const char good[] = "1000-2000 r--p 00000000 00:00 7 /x\n";
	static const char *const bad[] = {
		"\n",
		"garbage\n",
		"1000-1000 r--p 00000000 00:00 7 /empty\n",
		"2000-1000 r--p 00000000 00:00 7 /backwards\n",
		"-2000 r--p 00000000 00:00 7 /x\n",
		"1000- r--p 00000000 00:00 7 /x\n",
		"1000 2000 r--p 00000000 00:00 7 /x\n",
		"0x1000-2000 r--p 00000000 00:00 7 /x\n",
		"1000-2000 r-?p 00000000 00:00 7 /x\n",
		"1000-2000 r-- 00000000 00:00 7 /x\n",
		"1000-2000 r--p\n",
		"1000-2000 r--p 00000000 00 7 /x\n",
		"1000-2000 r--p 00000000 00:00 7a /x\n",
		"1000-2000 r--p 00000000 00:00 18446744073709551616 /x\n",
		"1000-10000000000000000 r--p 00000000 00:00 7 /x\n",
		"1000-2000 r--p 00000000 100000000:00 7 /x\n",
		"1000-2000 r--p 00000000 00:00 7 /cut",
	};
	char text[256];
	struct map_entry e;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct maps_cursor c = { .buf = text };

		c.len = snprintf(text, sizeof(text), "%s%s", good, bad[i]);
		cr_assert(maps_next(&c, &e), "%s", bad[i]);
		cr_assert(eq(ulong, e.ino, 7));
		cr_assert(not(maps_next(&c, &e)), "%s", bad[i]);
		cr_assert(eq(sz, c.n_malformed, 1), "%s", bad[i]);

		c = (struct maps_cursor){ .buf = text };
		c.len = snprintf(text, sizeof(text), "%s%s%s", bad[i], i + 1 < 17 ? "" : "\n",
				 good);
		while (maps_next(&c, &e))
			;
		cr_assert(eq(ulong, e.ino, 7), "goes on after: %s", bad[i]);
	}
}

Test(maps, nul_in_a_path_is_malformed)
{
	static const char text[] = "1000-2000 r--p 00000000 00:00 7 /a\0b\n";
	struct maps_cursor c = { .buf = text, .len = sizeof(text) - 1 };
	struct map_entry e;

	cr_assert(not(maps_next(&c, &e)));
	cr_assert(eq(sz, c.n_malformed, 1));
}

static struct map_entry entry_of_path(const char *path)
{
	return (struct map_entry){ .path = path, .path_len = strlen(path) };
}

Test(maps, deleted_mark)
{
	struct map_entry e = entry_of_path("/memfd:x (deleted)");

	cr_assert(map_entry_is_deleted(&e));
	e = entry_of_path("/x (deleted)y");
	cr_assert(not(map_entry_is_deleted(&e)));
	e = entry_of_path("");
	cr_assert(not(map_entry_is_deleted(&e)));
}

Test(maps, path_is_unescaped)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "/a", "/a" },
		{ "\\012", "\n" },
		{ "/a\\012b\\012", "/a\nb\n" },
		{ "/a\\011\\01", "/a\\011\\01" },
		{ "/a\\\\012 (deleted)", "/a\\\n (deleted)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(freep) char *path = NULL;
		struct map_entry e = entry_of_path(cases[i][0]);

		cr_assert(zero(int, map_entry_path(&e, &path)));
		cr_assert(eq(str, path, (char *)cases[i][1]));
	}
}

/* sscanf(3), on the format that proc(5) documents, is the other reader. */
static void compare_line(const char *line, const struct map_entry *e)
{
	unsigned long start, end, offset, ino;
	unsigned major, minor;
	char perms[5];
	int name = 0;

	cr_assert(eq(int, 7,
		     sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, perms, &offset,
			    &major, &minor, &ino, &name)));
	cr_assert(eq(u64, e->start, start));
	cr_assert(eq(u64, e->end, end));
	cr_assert(eq(u64, e->offset, offset));
	cr_assert(eq(ulong, e->dev, makedev(major, minor)));
	cr_assert(eq(ulong, e->ino, ino));
	assert_perms(e, perms);
	assert_path(e, line + name);
}

Test(maps, own_process_as_sscanf_reads_it)
{
	CLEANUP(freep) char *text = NULL, *copy = NULL;
	char *save = NULL, *line;
	struct maps_cursor c = { 0 };
	struct map_entry e;
	size_t n = 0;

	cr_assert(zero(int, maps_read(getpid(), 1 << 24, &text, &c.len)));
	copy = strdup(text);
	c.buf = text;
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		cr_assert(maps_next(&c, &e));
		compare_line(line, &e);
	}
	cr_assert(not(maps_next(&c, &e)));
	cr_assert(zero(sz, c.n_malformed));
	cr_assert(gt(sz, n, 20));
}

/* The entry of the mapping at @addr; its path lies in *ret_text. */
static struct map_entry own_entry(const void *addr, char **ret_text)
{
	struct maps_cursor c = { 0 };
	struct map_entry e;

	cr_assert(zero(int, maps_read(getpid(), 1 << 24, ret_text, &c.len)));
	c.buf = *ret_text;
	while (maps_next(&c, &e))
		if (e.start == (uintptr_t)addr)
			return e;
	cr_fatal("mapping not found");
}

Test(maps, file_with_a_newline_in_its_name_that_is_deleted)
{
	CLEANUP(freep) char *text = NULL, *path = NULL;
	char dir[] = "/tmp/test_mapsXXXXXX", file[64], want[96];
	CLEANUP(closep) int fd = -1;
	struct map_entry e;
	struct stat st;
	void *p;

	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	snprintf(file, sizeof(file), "%s/a\nb c", dir);
	fd = open(file, O_RDWR | O_CREAT, 0600);
	cr_assert(zero(int, ftruncate(fd, 8192)));
	cr_assert(zero(int, fstat(fd, &st)));
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	cr_assert(ne(ptr, p, MAP_FAILED));
	unlink(file);
	rmdir(dir);

	e = own_entry(p, &text);
	cr_assert(eq(u64, e.end - e.start, 4096));
	cr_assert(eq(u64, e.offset, 4096));
	cr_assert(eq(ulong, e.ino, st.st_ino));
	cr_assert(map_entry_is_deleted(&e));
	assert_perms(&e, "r--s");
	cr_assert(zero(int, map_entry_path(&e, &path)));
	snprintf(want, sizeof(want), "%s (deleted)", file);
	cr_assert(eq(str, path, want));
}

Test(maps, read_is_bounded)
{
	char *text = NULL;
	size_t len = 0;

	cr_assert(eq(int, maps_read(getpid(), 100, &text, &len), -EFBIG));
	cr_assert(zero(ptr, text));
}

Test(maps, read_of_a_process_that_is_gone)
{
	CLEANUP(freep) char *zombie = NULL;
	char *text = NULL;
	size_t len = 0;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert(zero(int, waitid(P_PID, pid, &info, WEXITED | WNOWAIT)));
	cr_assert(zero(int, maps_read(pid, 1 << 20, &zombie, &len)));
	cr_assert(zero(sz, len));

	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
	cr_assert(eq(int, maps_read(pid, 1 << 20, &text, &len), -ESRCH));
}
