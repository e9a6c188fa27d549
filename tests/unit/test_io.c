/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "leak_check.h"

static char dir[] = "/tmp/test_ioXXXXXX";

static void make_dir(void)
{
	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	cr_assert(zero(int, chdir(dir)));
}

static void remove_dir(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cr_assert(zero(int, system(cmd)));
	leak_check();
}

TestSuite(io, .init = make_dir, .fini = remove_dir);

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(ne(ptr, f, NULL));
	fputs(text, f);
	cr_assert(zero(int, fclose(f)));
}

static void assert_content(const char *path, const char *want)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;

	cr_assert(zero(int, read_whole_file(path, 1 << 20, &text, &len)), "%s", path);
	cr_assert(eq(str, text, (char *)want));
}

/* Files in the test's folder: nothing temporary may stay behind. */
static int count_files(void)
{
	DIR *d = opendir(".");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

/* Opens, writes "new", commits if told so, closes. The first failure. */
static int replace(const char *path, bool commit)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;
	int r = atomic_file_open(path, &f);

	if (r == 0)
		r = atomic_file_write(f, "new", 3);
	if (r == 0 && commit)
		r = atomic_file_commit(f);
	return r;
}

/* --- reading ---------------------------------------------------------------------------------- */

Test(io, reads_all_sizes_around_the_buffer)
{
	static const size_t sizes[] = { 0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 100000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CLEANUP(freep) char *text = NULL, *want = calloc(1, sizes[i] + 1);
		size_t len = 99;

		memset(want, 'a' + i, sizes[i]);
		put("f", want);
		cr_assert(zero(int, read_whole_file("f", sizes[i], &text, &len)));
		cr_assert(eq(sz, len, sizes[i]));
		cr_assert(zero(int, memcmp(text, want, len + 1)));
	}
}

Test(io, longer_than_the_limit)
{
	char *text = NULL;
	size_t len = 99;

	put("f", "12345");
	cr_assert(eq(int, read_whole_file("f", 4, &text, &len), -EFBIG));
	cr_assert(eq(int, read_whole_file("/dev/zero", 1 << 20, &text, &len), -EFBIG));
	cr_assert(zero(ptr, text));
	cr_assert(eq(sz, len, 99));
}

Test(io, what_cannot_be_read)
{
	char *text = NULL;
	size_t len;

	cr_assert(eq(int, read_whole_file("none", 10, &text, &len), -ENOENT));
	cr_assert(eq(int, read_whole_file(".", 10, &text, &len), -EISDIR));
	cr_assert(eq(int, read_whole_fd(-1, 10, &text, &len), -EBADF));
}

Test(io, bytes_that_trickle_in)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;
	int fds[2];

	cr_assert(zero(int, pipe(fds)));
	if (fork() == 0) {
		for (int i = 0; i < 5; i++) {
			cr_assert(eq(int, write(fds[1], "abc", 3), 3));
			usleep(1000);
		}
		_exit(0);
	}
	close(fds[1]);
	cr_assert(zero(int, read_whole_fd(fds[0], 100, &text, &len)));
	cr_assert(eq(str, text, (char *)"abcabcabcabcabc"));
	close(fds[0]);
	wait(NULL);
}

static void on_alarm(int sig)
{
}

/* A pipe that is full again and again, and a signal in between. */
Test(io, write_goes_on_after_short_writes_and_signals)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	static char sent[1 << 20];
	CLEANUP(freep) char *got = NULL;
	size_t len;
	int fds[2], back[2];
	pid_t pid;

	memset(sent, 'x', sizeof(sent));
	cr_assert(zero(int, pipe(fds)));
	cr_assert(zero(int, pipe(back)));
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		sigaction(SIGALRM, &sa, NULL);
		ualarm(1000, 1000);
		_exit(write_whole_fd(fds[1], sent, sizeof(sent)) != 0);
	}
	close(fds[1]);
	usleep(20000);
	cr_assert(zero(int, read_whole_fd(fds[0], 2 << 20, &got, &len)));
	cr_assert(eq(sz, len, sizeof(sent)));
	cr_assert(eq(int, waitpid(pid, &back[0], 0), pid));
	cr_assert(zero(int, back[0]));
	close(fds[0]);
}

/* --- atomic_file ------------------------------------------------------------------------------ */

Test(io, new_file_appears_when_committed)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;

	cr_assert(zero(int, atomic_file_open("f", &f)));
	cr_assert(zero(int, atomic_file_write(f, "ne", 2)));
	cr_assert(zero(int, atomic_file_write(f, "w", 1)));
	cr_assert(ne(int, access("f", F_OK), 0));
	cr_assert(zero(int, atomic_file_commit(f)));
	assert_content("f", "new");
	cr_assert(eq(int, count_files(), 1));
}

Test(io, file_that_is_not_committed_leaves_nothing)
{
	cr_assert(zero(int, replace("f", false)));
	cr_assert(zero(int, count_files()));

	put("f", "old");
	cr_assert(zero(int, replace("f", false)));
	assert_content("f", "old");
	cr_assert(eq(int, count_files(), 1));
}

/* Who has the old file open keeps it whole. */
Test(io, existing_file_is_replaced_not_overwritten)
{
	struct stat before, after;
	CLEANUP(freep) char *text = NULL;
	size_t len;
	int fd;

	put("f", "old content");
	cr_assert(zero(int, stat("f", &before)));
	fd = open("f", O_RDONLY);
	cr_assert(zero(int, replace("f", true)));
	assert_content("f", "new");
	cr_assert(zero(int, stat("f", &after)));
	cr_assert(ne(ulong, before.st_ino, after.st_ino));
	cr_assert(zero(int, read_whole_fd(fd, 100, &text, &len)));
	cr_assert(eq(str, text, (char *)"old content"));
	close(fd);
}

Test(io, mode_is_what_open_would_give)
{
	struct stat st;

	umask(027);
	cr_assert(zero(int, replace("f", true)));
	cr_assert(zero(int, stat("f", &st)));
	cr_assert(eq(int, st.st_mode & 07777, 0640));
}

Test(io, link_stays_and_its_target_is_replaced)
{
	struct stat st;

	cr_assert(zero(int, mkdir("sub", 0700)));
	put("sub/target", "old");
	cr_assert(zero(int, symlink("sub/target", "link")));
	cr_assert(zero(int, replace("link", true)));
	cr_assert(zero(int, lstat("link", &st)));
	cr_assert(eq(int, st.st_mode &S_IFMT, S_IFLNK));
	assert_content("sub/target", "new");
	cr_assert(eq(int, count_files(), 2));
}

Test(io, device_is_written_not_replaced)
{
	struct stat st;

	cr_assert(zero(int, symlink("/dev/null", "null")));
	cr_assert(zero(int, replace("null", true)));
	cr_assert(zero(int, replace("/dev/null", true)));
	cr_assert(zero(int, stat("/dev/null", &st)));
	cr_assert(eq(int, st.st_mode &S_IFMT, S_IFCHR));
	cr_assert(eq(int, count_files(), 1));
	cr_assert(eq(int, replace("/dev/full", true), -ENOSPC));
}

Test(io, fifo_is_written)
{
	CLEANUP(closep) int fd = -1;
	char buf[8] = "";

	cr_assert(zero(int, mkfifo("fifo", 0600)));
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	cr_assert(zero(int, replace("fifo", true)));
	cr_assert(eq(int, read(fd, buf, sizeof(buf)), 3));
	cr_assert(eq(str, buf, (char *)"new"));
}

/* All of this is said before a minute of recording is wasted. */
Test(io, names_that_cannot_be_written)
{
	put("file", "old");
	cr_assert(eq(int, replace("none/f", true), -ENOENT));
	cr_assert(eq(int, replace("file/f", true), -ENOTDIR));
	cr_assert(eq(int, replace(".", true), -EISDIR));
	cr_assert(eq(int, replace("/", true), -EISDIR));
	assert_content("file", "old");
	cr_assert(eq(int, count_files(), 1));
}

/* open(2) says so, rename(2) only when all has been done. */
Test(io, names_that_no_file_can_have_are_refused_at_once)
{
	struct atomic_file *f = NULL;

	cr_assert(eq(int, atomic_file_open("none/", &f), -EISDIR));
	cr_assert(eq(int, atomic_file_open("", &f), -ENOENT));
	cr_assert(zero(int, count_files()));
}

Test(io, name_that_is_as_long_as_it_may_be)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	cr_assert(zero(int, replace(name, true)));
	assert_content(name, "new");
}

/* A tmpfs of two pages, which nobody else sees; it goes with this process. */
static void enter_small_tmpfs(void)
{
	cr_assert(zero(int, unshare(CLONE_NEWNS)));
	cr_assert(zero(int, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)));
	cr_assert(zero(int, mkdir("small", 0700)));
	cr_assert(zero(int, mount("tmpfs", "small", "tmpfs", 0, "size=8k")));
	cr_assert(zero(int, chdir("small")));
}

static void leave_small_tmpfs(void)
{
	cr_assert(zero(int, chdir(dir)));
	cr_assert(zero(int, umount2("small", MNT_DETACH)));
}

Test(io, full_disk_keeps_the_old_file)
{
	static char big[64 * 1024];
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;

	enter_small_tmpfs();
	put("f", "old");
	cr_assert(zero(int, atomic_file_open("f", &f)));
	cr_assert(eq(int, atomic_file_write(f, big, sizeof(big)), -ENOSPC));
	atomic_file_close(TAKE_PTR(f));
	assert_content("f", "old");
	cr_assert(eq(int, count_files(), 1));
	leave_small_tmpfs();
}

Test(io, read_only_file_system)
{
	enter_small_tmpfs();
	put("f", "old");
	cr_assert(zero(int, mount(NULL, ".", NULL, MS_REMOUNT | MS_RDONLY, NULL)));
	cr_assert(eq(int, replace("f", true), -EROFS));
	cr_assert(eq(int, replace("other", true), -EROFS));
	assert_content("f", "old");
	leave_small_tmpfs();
}
