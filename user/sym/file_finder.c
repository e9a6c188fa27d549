/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/file_finder.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/parse.h"

#define DEBUG_ROOT "/usr/lib/debug"

#define ROOTS_MAX	 2
#define NAMES_MAX	 5 /* candidates for one file below one root */
#define BUILD_ID_LEN_MAX 64

struct file_finder {
	int roots[ROOTS_MAX]; /* the last one is ours */
	size_t n_roots;
	char *path;			  /* of the mapped file; NULL: unknown */
	char debug_path[PATH_MAX];	  /* of the debug file that was opened last; "": none */
	struct debuginfod_files *servers; /* NULL: none */
	struct sym_file_source source;
};

/* Where a file may be, below any root. */
struct names {
	char name[NAMES_MAX][PATH_MAX];
	size_t n;
};

/* What does not fit is no path. */
__attribute__((format(printf, 2, 3))) static void add(struct names *names, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(names->name[names->n], PATH_MAX, fmt, ap);
	va_end(ap);
	if (n > 0 && n < PATH_MAX && names->n + 1 < NAMES_MAX)
		names->n++;
}

/* Length of the path up to its last slash, with it. */
static int folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (int)(slash - path + 1) : 0;
}

static const char *last_part(const char *path)
{
	return path + folder_len(path);
}

/* "/usr/lib/debug/.build-id/ab/cdef….debug" */
static void add_by_build_id(struct names *names, const struct sym_file_wanted *w)
{
	char hex[2 * BUILD_ID_LEN_MAX + 1];

	if (!w->build_id || w->build_id_len < 2 || w->build_id_len > BUILD_ID_LEN_MAX)
		return;
	format_hex(w->build_id, w->build_id_len, hex);
	add(names, DEBUG_ROOT "/.build-id/%.2s/%s.debug", hex, hex + 2);
}

static void add_by_link(struct names *names, const char *path, const char *name)
{
	int len = path ? folder_len(path) : 0;

	if (len == 0 || !name || !*name || strchr(name, '/'))
		return;
	add(names, "%.*s%s", len, path, name);
	add(names, "%.*s.debug/%s", len, path, name);
	add(names, DEBUG_ROOT "%.*s%s", len, path, name);
}

/* The name is relative to the folder of the file that it stands in: the debug file, mostly. */
static void add_alt(struct names *names, const struct file_finder *f,
		    const struct sym_file_wanted *w)
{
	const char *name = w->name;

	if (name && name[0] == '/') {
		add(names, "%s", name);
	} else if (name) {
		if (f->debug_path[0])
			add(names, "%.*s%s", folder_len(f->debug_path), f->debug_path, name);
		if (f->path)
			add(names, "%.*s%s", folder_len(f->path), f->path, name);
		add(names, DEBUG_ROOT "/.dwz/%s", last_part(name));
	}
	add_by_build_id(names, w);
}

/* Where the compiler left it, else beside the program. */
static void add_dwo(struct names *names, const struct file_finder *f,
		    const struct sym_file_wanted *w)
{
	if (!w->name || !*w->name)
		return;
	if (w->name[0] == '/')
		add(names, "%s", w->name);
	else if (w->comp_dir && w->comp_dir[0] == '/')
		add(names, "%s/%s", w->comp_dir, w->name);
	if (!f->path)
		return;
	if (w->name[0] != '/')
		add(names, "%.*s%s", folder_len(f->path), f->path, w->name);
	add(names, "%.*s%s", folder_len(f->path), f->path, last_part(w->name));
}

static void add_dwp(struct names *names, const struct file_finder *f)
{
	if (f->path)
		add(names, "%s.dwp", f->path);
	if (f->debug_path[0])
		add(names, "%s.dwp", f->debug_path);
}

static void list_names(const struct file_finder *f, const struct sym_file_wanted *w,
		       struct names *ret)
{
	ret->n = 0;
	switch (w->kind) {
	case SYM_FILE_BUILD_ID:
		add_by_build_id(ret, w);
		break;
	case SYM_FILE_DEBUG_LINK:
		add_by_link(ret, f->path, w->name);
		break;
	case SYM_FILE_ALT_LINK:
		add_alt(ret, f, w);
		break;
	case SYM_FILE_DWO:
		add_dwo(ret, f, w);
		break;
	case SYM_FILE_DWP:
		add_dwp(ret, f);
		break;
	default:
		break;
	}
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Memory of processes and of the kernel is a regular file there, and some begin as ELF files do. */
static bool is_of_the_kernel(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true;
	switch (fs.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case BPF_FS_MAGIC:
	case EFIVARFS_MAGIC:
	case PSTOREFS_MAGIC:
		return true;
	default:
		return false;
	}
}

static bool is_elf(int fd)
{
	char magic[SELFMAG];

	return pread(fd, magic, SELFMAG, 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/*
 * A name may lead anywhere and to anything: the kernel keeps it below @root, and what it leads to
 * is looked at before it is opened, as opening a device or a pipe would have effects of its own.
 * Strangers choose it, and who reads the file is not to see what only we may read: an ELF file it
 * must be.
 */
static int open_below(int root, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	CLEANUP(closep) int fd = syscall(SYS_openat2, root, name, &how, sizeof(how));
	CLEANUP(closep) int real = -1;
	char self[64];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || is_of_the_kernel(fd))
		return -ENOTSUP;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	real = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (real < 0)
		return -errno;
	return is_elf(real) ? TAKE_FD(real) : -ENOEXEC;
}

static bool is_debug_file(enum sym_file_kind kind)
{
	return kind == SYM_FILE_BUILD_ID || kind == SYM_FILE_DEBUG_LINK;
}

static int fetch(const struct file_finder *f, const struct sym_file_wanted *wanted, unsigned nth)
{
	if (nth || !f->servers || !wanted->build_id)
		return -ENOENT;
	return debuginfod_files_open(f->servers, wanted->build_id, wanted->build_id_len);
}

/* Candidates are counted over those that exist, so that who asks sees no gaps. */
static int find(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	struct file_finder *f = arg;
	CLEANUP(freep) struct names *names = malloc(sizeof(*names));
	unsigned seen = 0;

	if (wanted->kind == SYM_FILE_FETCHED)
		return fetch(f, wanted, nth);
	if (!names)
		return -ENOMEM;
	list_names(f, wanted, names);
	for (size_t i = 0; i < f->n_roots * names->n; i++) {
		const char *name = names->name[i % names->n];
		int fd = open_below(f->roots[i / names->n], name);

		if (fd < 0)
			continue;
		if (seen++ < nth) {
			close(fd);
			continue;
		}
		if (is_debug_file(wanted->kind))
			snprintf(f->debug_path, sizeof(f->debug_path), "%s", name);
		return fd;
	}
	return -ENOENT;
}

static uint64_t servers(void *arg)
{
	const struct file_finder *f = arg;

	return f->servers ? debuginfod_files_asked(f->servers) : 0;
}

int file_finder_new(const char *path, int root, struct file_finder **ret)
{
	CLEANUP(file_finder_freep) struct file_finder *f = calloc(1, sizeof(*f));
	int ours;

	if (!f)
		return -ENOMEM;
	ours = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ours < 0)
		return -errno;
	if (root >= 0)
		f->roots[f->n_roots++] = root;
	f->roots[f->n_roots++] = ours;
	f->source = (struct sym_file_source){ find, servers, f };
	if (path && path[0] == '/') {
		f->path = strdup(path);
		if (!f->path)
			return -ENOMEM;
	}
	*ret = TAKE_PTR(f);
	return 0;
}

void file_finder_free(struct file_finder *f)
{
	if (!f)
		return;
	if (f->n_roots)
		close(f->roots[f->n_roots - 1]);
	free(f->path);
	free(f);
}

void file_finder_use_debuginfod(struct file_finder *f, struct debuginfod_files *d)
{
	f->servers = d;
}

const struct sym_file_source *file_finder_source(struct file_finder *f)
{
	return &f->source;
}
