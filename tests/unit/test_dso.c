/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/dso.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "leak_check.h"
#include "proc/process.h"

static char dir[] = "/tmp/test_dsoXXXXXX";
static struct dso_table table;

static void set_up(void)
{
	cr_assert(ne(ptr, mkdtemp(dir), NULL));
	cr_assert(zero(int, chdir(dir)));
	cr_assert(zero(int, dso_table_init(&table)));
}

static void tear_down(void)
{
	char cmd[64];

	dso_table_clear(&table);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cr_assert(zero(int, system(cmd)));
	leak_check();
}

TestSuite(dso, .init = set_up, .fini = tear_down);

static struct dso *get(const char *path, dev_t dev, ino_t ino)
{
	struct dso *dso;

	cr_assert(zero(int, dso_table_get(&table, &(struct dso_key){ path, dev, ino }, &dso)));
	return dso;
}

/* A file in the test's folder of one page that begins with @text; its full name is in @path. */
static struct dso *make_file(const char *name, const char *text, char *path)
{
	CLEANUP(closep) int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0700);
	struct stat st;

	cr_assert(ge(int, fd, 0));
	cr_assert(zero(int, ftruncate(fd, 4096)));
	cr_assert(eq(int, pwrite(fd, text, strlen(text), 0), strlen(text)));
	cr_assert(zero(int, fstat(fd, &st)));
	sprintf(path, "%s/%s", dir, name);
	return get(path, st.st_dev, st.st_ino);
}

static void assert_content(const struct dso *dso, const char *want)
{
	char buf[64] = "";

	cr_assert(ge(int, dso->fd, 0));
	cr_assert(ge(int, pread(dso->fd, buf, sizeof(buf) - 1, 0), 1));
	cr_assert(eq(str, buf, (char *)want));
}

static uint64_t map(const char *name)
{
	CLEANUP(closep) int fd = open(name, O_RDONLY);
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);

	cr_assert(ne(ptr, p, MAP_FAILED));
	return (uintptr_t)p;
}

/* --- table ------------------------------------------------------------------------------------ */

Test(dso, one_object_per_path_device_and_inode)
{
	struct dso *a = get("/x", 1, 2);

	cr_assert(eq(ptr, get("/x", 1, 2), a));
	cr_assert(ne(ptr, get("/y", 1, 2), a));
	cr_assert(ne(ptr, get("/x", 2, 2), a));
	cr_assert(ne(ptr, get("/x", 1, 3), a));
	for (size_t i = 0; i < table.n; i++)
		cr_assert(eq(uint, table.dsos[i]->id, i));
}

Test(dso, path_is_copied)
{
	char path[] = "/abc";
	struct dso *a = get(path, 0, 0);

	path[1] = 'z';
	cr_assert(eq(str, a->path, "/abc"));
}

Test(dso, objects_stay_where_they_are_as_the_table_grows)
{
	struct dso *first = get("/0", 0, 0);
	char path[16];

	for (int i = 0; i < 1000; i++) {
		sprintf(path, "/%d", i);
		get(path, 0, 0);
	}
	cr_assert(eq(ptr, get("/0", 0, 0), first));
	cr_assert(eq(sz, table.n, 1002));
}

Test(dso, kinds)
{
	static const struct {
		const char *path;
		enum dso_kind kind;
	} cases[] = {
		{ "/usr/bin/x", DSO_FILE }, { "/memfd:x (deleted)", DSO_FILE },
		{ "[vdso]", DSO_VDSO },	    { "//anon", DSO_ANON },
		{ "[heap]", DSO_ANON },	    { "[stack]", DSO_ANON },
		{ "[vsyscall]", DSO_ANON }, { "[anon:jit]", DSO_ANON },
		{ "", DSO_ANON },	    { "anon_inode:[perf_event]", DSO_ANON },
		{ "/dev/zero", DSO_FILE },  { "/memfd:doublemapper (deleted)", DSO_ANON },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert(eq(int, get(cases[i].path, 0, i)->kind, cases[i].kind), "%s",
			  cases[i].path);
	cr_assert(eq(int, table.dsos[DSO_ID_KERNEL]->kind, DSO_KERNEL));
	cr_assert(eq(int, table.dsos[DSO_ID_UNKNOWN]->kind, DSO_UNKNOWN));
}

Test(dso, name_is_the_last_component)
{
	cr_assert(eq(str, get("/usr/lib/libc.so.6", 0, 0)->name, "libc.so.6"));
	cr_assert(eq(str, get("[vdso]", 0, 0)->name, "[vdso]"));
	cr_assert(eq(str, get("/", 0, 0)->name, "/"));
	cr_assert(eq(str, get("/x/", 0, 0)->name, "/x/"));
	cr_assert(eq(str, get("/usr/sbin/nginx (deleted)", 0, 0)->name, "nginx"));
	cr_assert(eq(str, get("/memfd:x (deleted)", 0, 0)->name, "memfd:x"));
	cr_assert(eq(str, get(" (deleted)", 0, 0)->name, " (deleted)"));
}

/* --- opening ---------------------------------------------------------------------------------- */

Test(dso, opened_by_its_mapping)
{
	char path[64];
	struct dso *dso = make_file("f", "content", path);
	uint64_t at = map("f");
	int fd = dso_open(dso, getpid(), at, at + 4096);

	cr_assert(ge(int, fd, 0));
	cr_assert(eq(int, dso->fd, fd));
	cr_assert(zero(int, dso->error));
	assert_content(dso, "content");
	cr_assert(eq(int, fcntl(fd, F_GETFD), FD_CLOEXEC));
	cr_assert(eq(int, fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY));
	cr_assert(eq(int, dso_open(dso, getpid(), 0, 0), fd), "open already");
}

Test(dso, deleted_file_by_its_mapping)
{
	char path[64];
	struct dso *dso = make_file("f", "content", path);
	uint64_t at = map("f");

	unlink("f");
	cr_assert(ge(int, dso_open(dso, getpid(), at, at + 4096), 0));
	assert_content(dso, "content");
}

/* As a package upgrade does it: the mapping still leads to what the process runs. */
Test(dso, replaced_file_by_its_mapping)
{
	char path[64];
	struct dso *dso = make_file("f", "old", path);
	uint64_t at = map("f");

	make_file("new", "new", path);
	cr_assert(zero(int, rename("new", "f")));
	cr_assert(ge(int, dso_open(dso, getpid(), at, at + 4096), 0));
	assert_content(dso, "old");
}

/* The process unmapped it, or is gone: then the path is all there is. */
Test(dso, by_path_only_the_same_inode)
{
	char path[64];
	struct dso *dso = make_file("f", "old", path);

	make_file("new", "new", path);
	cr_assert(zero(int, rename("new", "f")));
	cr_assert(eq(int, dso_open(dso, getpid(), 0, 4096), -ESTALE));
	cr_assert(eq(int, dso->error, -ESTALE));
	cr_assert(eq(int, dso->fd, -1));
}

Test(dso, by_path_when_the_process_is_gone)
{
	char path[64];
	struct dso *dso = make_file("f", "content", path);
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	cr_assert(eq(int, waitpid(pid, NULL, 0), pid));
	cr_assert(ge(int, dso_open(dso, pid, 0x1000, 0x2000), 0));
	assert_content(dso, "content");
}

/* Another file came to the same addresses since: that of an exec'd program, or a plugin. */
Test(dso, mapping_that_is_another_files_by_now)
{
	char path[64];
	struct dso *dso = make_file("first", "first", path);
	struct dso *gone = make_file("gone", "gone", path);
	uint64_t at;

	make_file("second", "second", path);
	unlink("gone");
	at = map("second");
	cr_assert(ge(int, dso_open(dso, getpid(), at, at + 4096), 0));
	assert_content(dso, "first");
	cr_assert(lt(int, dso_open(gone, getpid(), at, at + 4096), 0));
	cr_assert(eq(int, gone->fd, -1));
}

Test(dso, what_is_no_regular_file_is_never_opened)
{
	struct dso *fifo, *device;
	struct stat st;
	char path[64];

	cr_assert(zero(int, mkfifo("fifo", 0600)));
	cr_assert(zero(int, stat("fifo", &st)));
	sprintf(path, "%s/fifo", dir);
	fifo = get(path, st.st_dev, st.st_ino);
	alarm(5); /* opening a FIFO without writer would wait for ever */
	cr_assert(eq(int, dso_open(fifo, getpid(), 0, 4096), -ENOTSUP));

	cr_assert(zero(int, stat("/dev/null", &st)));
	device = get("/dev/null", st.st_dev, st.st_ino);
	cr_assert(eq(int, dso_open(device, getpid(), 0, 4096), -ENOTSUP));
	alarm(0);
}

Test(dso, kinds_without_a_file)
{
	static const char *const paths[] = { "[vdso]", "//anon", "[heap]" };

	for (int i = 0; i < 3; i++)
		cr_assert(eq(int, dso_open(get(paths[i], 0, 0), getpid(), 0, 4096), -ENOTSUP));
	cr_assert(eq(int, dso_open(table.dsos[DSO_ID_KERNEL], getpid(), 0, 4096), -ENOTSUP));
	cr_assert(eq(int, dso_open(table.dsos[DSO_ID_UNKNOWN], getpid(), 0, 4096), -ENOTSUP));
}

#define NO_PID 4194305 /* above PID_MAX_LIMIT: from here on no such process can be */

Test(dso, attempts_are_limited)
{
	struct dso *dso = get("/none/at/all", 1, 1);
	char path[64];
	struct dso *late;

	for (int i = 0; i < 20; i++)
		cr_assert(eq(int, dso_open(dso, NO_PID + i, 0, 4096), -ENOENT));
	cr_assert(eq(uint, dso->attempts, DSO_ATTEMPTS_MAX));
	cr_assert(not(dso_may_open(dso)));

	/* One that comes within reach by way of another process is opened then. */
	late = make_file("late", "x", path);
	cr_assert(zero(int, rename("late", "away")));
	cr_assert(eq(int, dso_open(late, NO_PID, 0, 4096), -ENOENT));
	cr_assert(zero(int, rename("away", "late")));
	cr_assert(dso_may_open(late));
	cr_assert(ge(int, dso_open(late, getpid(), 0, 4096), 0));
	cr_assert(zero(int, late->error));
	cr_assert(not(dso_may_open(late)), "it is open");
}

/* Each frame of its samples asks. */
Test(dso, a_process_that_is_gone_does_not_use_up_the_attempts)
{
	char path[64];
	struct dso *dso = make_file("f", "x", path);

	cr_assert(zero(int, rename("f", "away")));
	for (int i = 0; i < 100; i++)
		cr_assert(eq(int, dso_open(dso, NO_PID + i % 2, 0, 4096), -ENOENT));
	cr_assert(eq(uint, dso->attempts, 2));
	cr_assert(zero(int, rename("away", "f")));
	cr_assert(eq(int, dso_open(dso, NO_PID, 0, 4096), -ENOENT), "its files do not come back");
	cr_assert(ge(int, dso_open(dso, getpid(), 0, 4096), 0));
}

Test(dso, what_is_no_regular_file_is_so_for_everyone)
{
	struct dso *device;
	struct stat st;

	cr_assert(zero(int, stat("/dev/null", &st)));
	device = get("/dev/null", st.st_dev, st.st_ino);
	cr_assert(eq(int, dso_open(device, getpid(), 0, 4096), -ENOTSUP));
	cr_assert(not(dso_may_open(device)));
	/* A folder at the path that a container has a file at says nothing. */
	device = get("/dev", st.st_dev, st.st_ino);
	cr_assert(eq(int, dso_open(device, NO_PID, 0, 4096), -ESTALE));
	cr_assert(dso_may_open(device));
	cr_assert(not(dso_may_open(get("[vdso]", 0, 0))));
}

/* --- other mount namespaces ------------------------------------------------------------------- */

struct container {
	pid_t pid;
	int fd;
	struct {
		uint64_t at;
		dev_t dev;
		ino_t ino;
	} file;
};

static int mount_tmpfs(const char *path)
{
	return mkdir(path, 0700) < 0 ? -1 : mount("tmpfs", path, "tmpfs", 0, NULL);
}

/* As an image has it: the file lies in the lower layer, which is another file system. */
static int mount_overlay(void)
{
	char path[64];

	if (mount_tmpfs("lower") < 0 || mount_tmpfs("layers") < 0 || mkdir("layers/u", 0700) < 0 ||
	    mkdir("layers/w", 0700) < 0 || mkdir("box", 0700) < 0 ||
	    !make_file("lower/f", "inside", path))
		return -1;
	return mount("overlay", "box", "overlay", 0,
		     "lowerdir=lower,upperdir=layers/u,workdir=layers/w");
}

/* In its own mount namespace, "box" holds a file that nobody outside sees. */
static void run_container(int fd, bool overlay, const char *root)
{
	struct container c = { 0 };
	char path[64];
	struct stat st;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    (overlay ? mount_overlay() : mount_tmpfs("box")) < 0)
		_exit(1);
	if (!overlay)
		make_file("box/f", "inside", path);
	c.file.at = map("box/f");
	if (stat("box/f", &st) < 0)
		_exit(1);
	c.file.dev = st.st_dev;
	c.file.ino = st.st_ino;
	if (root && chroot(root) < 0)
		_exit(1);
	if (write(fd, &c.file, sizeof(c.file)) != sizeof(c.file))
		_exit(1);
	pause();
}

/* @root: a folder that is the root of its process; NULL: as ours */
static struct container start(bool overlay, const char *root)
{
	struct container c;
	int fds[2];

	cr_assert(zero(int, pipe(fds)));
	c.pid = fork();
	if (c.pid == 0)
		run_container(fds[1], overlay, root);
	close(fds[1]); /* or a container that cannot be made is waited for */
	cr_assert(eq(int, read(fds[0], &c.file, sizeof(c.file)), sizeof(c.file)));
	close(fds[0]);
	return c;
}

static struct container start_container(bool overlay)
{
	return start(overlay, NULL);
}

static struct container start_container_at(const char *root)
{
	return start(false, root);
}

static void stop_container(const struct container *c)
{
	kill(c->pid, SIGKILL);
	cr_assert(eq(int, waitpid(c->pid, NULL, 0), c->pid));
}

Test(dso, in_another_mount_namespace_by_mapping_and_by_root)
{
	struct container c = start_container(false);
	char path[64], alias[70];
	struct dso *by_mapping, *by_root;

	sprintf(path, "%s/box/f", dir);
	sprintf(alias, "%s/./box/f", dir);
	cr_assert(ne(int, access(path, F_OK), 0));
	by_mapping = get(path, c.file.dev, c.file.ino);
	cr_assert(ge(int, dso_open(by_mapping, c.pid, c.file.at, c.file.at + 4096), 0));
	assert_content(by_mapping, "inside");

	by_root = get(alias, c.file.dev, c.file.ino);
	cr_assert(ge(int, dso_open(by_root, c.pid, 0x1000, 0x2000), 0));
	assert_content(by_root, "inside");
	stop_container(&c);
}

Test(dso, in_a_container_image)
{
	struct container c = start_container(true);
	char path[64];
	struct dso *dso;

	sprintf(path, "%s/box/f", dir);
	dso = get(path, c.file.dev, c.file.ino);
	cr_assert(ge(int, dso_open(dso, c.pid, c.file.at, c.file.at + 4096), 0));
	assert_content(dso, "inside");
	stop_container(&c);
}

static ino_t inode_below(int root, const char *path) /* 0: it is not there */
{
	struct stat st = { 0 };

	(void)fstatat(root, path + 1, &st, 0);
	return st.st_ino;
}

static int n_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void ignore_gone(void *ctx, const struct dso *dso)
{
}

/* What is mounted below a root goes with the last process of its namespace; the root does not. */
static void assert_root_outlives(bool chroots)
{
	struct container c = start_container_at(chroots ? "box" : NULL);
	const char *inside = chroots ? "/f" : "/box/f";
	char path[64], alias[70];
	struct dso *first, *second;
	int open_before;

	sprintf(path, "%s%s", chroots ? "" : dir, inside);
	sprintf(alias, "%s/.%s", chroots ? "" : dir, inside);
	open_before = n_open();
	first = get(path, c.file.dev, c.file.ino);
	second = get(alias, c.file.dev, c.file.ino);
	cr_assert(ge(int, dso_open(first, c.pid, c.file.at, c.file.at + 4096), 0));
	cr_assert(ge(int, dso_open(second, c.pid, c.file.at, c.file.at + 4096), 0));
	cr_assert(ge(int, dso_root(first), 0));
	cr_assert(eq(int, dso_root(first), dso_root(second)));
	cr_assert(eq(int, n_open(), open_before + 3), "two files and one root");
	cr_assert(eq(u64, inode_below(dso_root(first), path), c.file.ino));
	stop_container(&c);
	cr_assert(eq(u64, inode_below(dso_root(first), path), chroots ? c.file.ino : 0));

	dso_table_new_round(&table, 0);
	dso_use(&table, first);
	dso_table_sweep(&table, 1, ignore_gone, NULL);
	cr_assert(eq(int, n_open(), open_before + 2));
	dso_table_new_round(&table, 0);
	dso_table_sweep(&table, 1, ignore_gone, NULL);
	cr_assert(eq(int, n_open(), open_before), "with the last of its files");
}

Test(dso, root_of_a_chroot_is_kept)
{
	assert_root_outlives(true);
}

Test(dso, root_of_a_mount_namespace_is_kept)
{
	assert_root_outlives(false);
}

Test(dso, our_root_is_not_kept)
{
	char path[64];
	struct dso *dso = make_file("f", "x", path);

	cr_assert(ge(int, dso_open(dso, getpid(), 0, 4096), 0));
	cr_assert(eq(int, dso_root(dso), -1));
}

/* A file of ours at the path that the container means another one by. */
Test(dso, our_file_is_not_taken_for_the_containers)
{
	struct container c = start_container(false);
	char path[64];
	struct dso *dso;

	stop_container(&c); /* its "box" is left, empty */
	make_file("box/f", "outside", path);
	dso = get(path, c.file.dev, c.file.ino + 1000000);
	cr_assert(eq(int, dso_open(dso, c.pid, c.file.at, c.file.at + 4096), -ESTALE));
}

Test(dso, memory_of_a_process_is_its_own)
{
	struct dso *shared = get("//anon", 0, 0), *a, *b, *again;

	cr_assert(zero(int, dso_table_get_owned(&table, shared, 5, &a)));
	cr_assert(zero(int, dso_table_get_owned(&table, shared, 6, &b)));
	cr_assert(zero(int, dso_table_get_owned(&table, shared, 5, &again)));
	cr_assert(eq(ptr, a, again));
	cr_assert(ne(ptr, a, b));
	cr_assert(ne(ptr, a, shared));
	cr_assert(eq(ptr, get("//anon", 0, 0), shared));
	cr_assert(eq(int, a->kind, DSO_ANON));
	cr_assert(eq(u32, a->owner, 5));
	cr_assert(eq(ptr, table.dsos[a->id], a));
}

/* --- giving back ------------------------------------------------------------------------------ */

static const struct dso *gone[8];
static int n_gone;

static void on_gone(void *ctx, const struct dso *dso)
{
	cr_assert(eq(ptr, ctx, &table));
	gone[n_gone++] = dso;
}

/* A round in which only @used is. */
static void round_with(const struct dso *used)
{
	n_gone = 0;
	dso_table_new_round(&table, 0);
	if (used)
		dso_use(&table, used);
	dso_table_sweep(&table, 2, on_gone, &table);
}

Test(dso, what_nobody_uses_goes_after_its_rounds)
{
	struct dso *a = get("/a", 1, 2), *b = get("/b", 1, 3);
	uint32_t id = a->id;

	round_with(b);
	cr_assert(zero(int, n_gone));
	round_with(b);
	cr_assert(eq(int, n_gone, 1));
	cr_assert(eq(ptr, (void *)gone[0], a));
	cr_assert(eq(ptr, table.dsos[id], NULL));
	cr_assert(eq(ptr, get("/b", 1, 3), b));
	/* Its number is free for another, and the same file is known anew. */
	a = get("/a", 1, 2);
	cr_assert(eq(u32, a->id, id));
	cr_assert(eq(ptr, table.dsos[id], a));
	cr_assert(eq(ptr, get("/a", 1, 2), a));
}

Test(dso, memory_of_a_process_goes_at_once)
{
	struct dso *shared = get("//anon", 0, 0), *own;

	cr_assert(zero(int, dso_table_get_owned(&table, shared, 5, &own)));
	round_with(shared);
	cr_assert(eq(int, n_gone, 1));
	cr_assert(eq(ptr, (void *)gone[0], own));
	cr_assert(zero(int, dso_table_get_owned(&table, shared, 5, &own)));
	round_with(own);
	cr_assert(zero(int, n_gone));
}

Test(dso, the_kernel_stays)
{
	for (int i = 0; i < 5; i++)
		round_with(NULL);
	cr_assert(eq(int, table.dsos[DSO_ID_KERNEL]->kind, DSO_KERNEL));
	cr_assert(eq(int, table.dsos[DSO_ID_UNKNOWN]->kind, DSO_UNKNOWN));
}

Test(dso, a_closed_file_gives_its_descriptor_back)
{
	struct dso *d = get("/bin/sh", 0, 0);
	struct stat st;
	int fd;

	cr_assert(zero(int, stat("/bin/sh", &st)));
	d = get("/bin/sh", st.st_dev, st.st_ino);
	fd = dso_open(d, getpid(), 0, 4096);
	cr_assert(ge(int, fd, 0));
	round_with(NULL);
	round_with(NULL);
	cr_assert(eq(int, fcntl(fd, F_GETFD), -1));
}

static void round_at(uint64_t now_ns, const struct dso *used)
{
	dso_table_new_round(&table, now_ns);
	if (used)
		dso_use(&table, used);
	dso_table_sweep(&table, 100, ignore_gone, NULL);
}

/* Or what it is on could not be unmounted; the next process that has it brings it back. */
Test(dso, a_file_that_nobody_has_mapped_is_closed)
{
	char path[64];
	struct dso *dso = make_file("f", "x", path);
	int before = n_open();

	round_at(1, NULL);
	for (unsigned i = 0; i < DSO_ATTEMPTS_MAX + 1; i++) {
		uint64_t then = 2 + i * 2 * DSO_OPEN_NS;

		cr_assert(ge(int, dso_open(dso, getpid(), 0, 4096), 0));
		round_at(then, dso);
		round_at(then + DSO_OPEN_NS - 1, NULL);
		cr_assert(ge(int, dso->fd, 0));
		round_at(then + DSO_OPEN_NS, NULL);
		cr_assert(eq(int, dso->fd, -1));
		cr_assert(eq(int, n_open(), before));
		cr_assert(dso_may_open(dso));
	}
}

/* --- a file of several containers ------------------------------------------------------------- */

/* Has "ROOT/f" mapped, and "ROOT" as its root. */
static pid_t start_below(const char *root, uint64_t *ret_at)
{
	char path[64];
	int fds[2];
	pid_t pid;

	sprintf(path, "%s/f", root);
	cr_assert(zero(int, pipe(fds)));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*ret_at = map(path);
		if (chroot(root) < 0 || write(fds[1], ret_at, sizeof(*ret_at)) < 0)
			_exit(1);
		pause();
	}
	close(fds[1]);
	cr_assert(eq(int, read(fds[0], ret_at, sizeof(*ret_at)), sizeof(*ret_at)));
	close(fds[0]);
	return pid;
}

static void ignore_process(void *ctx, const struct process *p)
{
}

static void map_in(struct process_table *t, pid_t pid, uint64_t at, const struct stat *st)
{
	const struct mapping_event ev = { at, at + 4096, 0, { "/f", st->st_dev, st->st_ino } };

	cr_assert(zero(int, process_on_mmap(t, pid, &ev)));
}

static ino_t inode_of_root(const struct dso *dso)
{
	struct stat st = { 0 };

	(void)fstat(dso_root(dso), &st);
	return st.st_ino;
}

/* Or its mounts would stay, and block what would remove them, as long as the other one lives. */
Test(dso, a_container_that_is_gone_leaves_its_files_to_another)
{
	struct process_table t;
	struct stat st, root;
	uint64_t at[2];
	char path[64];
	pid_t pids[2];
	struct dso *dso;
	int before;

	cr_assert(zero(int, process_table_init(&t)));
	cr_assert(zero(int, mkdir("one", 0700)));
	cr_assert(zero(int, mkdir("two", 0700)));
	make_file("one/f", "shared", path);
	cr_assert(zero(int, link("one/f", "two/f")));
	cr_assert(zero(int, stat("one/f", &st)));
	cr_assert(zero(int, stat("two", &root)));
	pids[0] = start_below("one", &at[0]);
	pids[1] = start_below("two", &at[1]);
	for (int i = 0; i < 2; i++)
		map_in(&t, pids[i], at[i], &st);
	dso = process_find(&t, pids[0])->maps.data[0].dso;
	cr_assert(eq(ptr, process_find(&t, pids[1])->maps.data[0].dso, dso));
	cr_assert(ge(int, dso_open(dso, pids[0], at[0], at[0] + 4096), 0));
	before = n_open();
	process_table_adopt_dsos(&t);
	cr_assert(ne(u64, inode_of_root(dso), root.st_ino), "its process lives");

	kill(pids[0], SIGKILL);
	waitpid(pids[0], NULL, 0);
	process_on_exit(&t, pids[0], 1);
	process_sweep(&t, 2, ignore_process, NULL);
	process_table_adopt_dsos(&t);
	cr_assert(eq(u64, inode_of_root(dso), root.st_ino));
	assert_content(dso, "shared");
	cr_assert(eq(int, n_open(), before));
	kill(pids[1], SIGKILL);
	waitpid(pids[1], NULL, 0);
	process_table_clear(&t);
}
