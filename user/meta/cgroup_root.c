/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/cgroup_root.h"

#include <ctype.h>
#include <dirent.h>
#include <fts.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"

#define FOLDERS_MAX   200000 /* that are looked at */
#define PROCESSES_MAX 1000

static void fts_closep(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

static bool is_v2(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* Below @root, where systemd mounts it: alone, or beside hierarchies of v1. */
static char *find_mount(const char *root)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path;

		if (asprintf(&path, "%s%s", root, places[i]) < 0)
			return NULL;
		if (is_v2(path))
			return path;
		free(path);
	}
	return NULL;
}

/* The path below @mount of the folder that has this inode. */
static char *find_folder(char *mount, ino_t ino)
{
	char *const paths[] = { mount, NULL };
	CLEANUP(fts_closep) FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	FTSENT *e;

	for (int n = 0; fts && n < FOLDERS_MAX && (e = fts_read(fts));) {
		if (e->fts_info != FTS_D)
			continue;
		if (e->fts_statp->st_ino == ino)
			return strdup(e->fts_path + strlen(mount));
		n++;
	}
	return strdup("");
}

/* Of a process in our PID namespace: of the one that was started first, if we may look at it. */
static char *find_mount_of_others(void)
{
	CLEANUP(closedirp) DIR *proc = opendir("/proc");
	struct dirent *e;

	for (int n = 0; proc && n < PROCESSES_MAX && (e = readdir(proc));) {
		char root[32], *found;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(root, sizeof(root), "/proc/%.10s/root", e->d_name);
		found = find_mount(root);
		if (found)
			return found;
		n++;
	}
	return NULL;
}

char *cgroup_root(void)
{
	CLEANUP(freep) char *ours = find_mount("");
	CLEANUP(freep) char *theirs = ours ? find_mount_of_others() : NULL;
	struct stat a, b;

	if (!ours || !theirs || stat(ours, &a) < 0 || stat(theirs, &b) < 0 || a.st_ino == b.st_ino)
		return strdup("");
	return find_folder(theirs, a.st_ino);
}
