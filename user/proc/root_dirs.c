/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/root_dirs.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

static int read_key(int folder, const char *path, struct root_key *ret)
{
	struct statx st;

	if (statx(folder, path, *path ? 0 : AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &st) < 0)
		return -errno;
	*ret = (struct root_key){
		.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
		.ino = st.stx_ino,
		.mnt_id = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0,
	};
	return 0;
}

static bool is_same(const struct root_key *a, const struct root_key *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->mnt_id == b->mnt_id;
}

static struct root_dir *find(const struct root_dirs *t, const struct root_key *key)
{
	for (size_t i = 0; i < t->list.n; i++)
		if (is_same(&t->list.data[i]->key, key))
			return t->list.data[i];
	return NULL;
}

static int add(struct root_dirs *t, int fd, const struct root_key *key, struct root_dir **ret)
{
	CLEANUP(freep) struct root_dir *root = calloc(1, sizeof(*root));
	int r = root ? vec_push(&t->list, root) : -ENOMEM;

	if (r < 0)
		return r;
	*root = (struct root_dir){ .fd = fd, .key = *key };
	*ret = TAKE_PTR(root);
	return 0;
}

int root_dirs_get(struct root_dirs *t, pid_t pid, struct root_dir **ret)
{
	CLEANUP(closep) int fd = -1;
	struct root_key key, ours;
	struct root_dir *root;
	char path[32];
	int r;

	*ret = NULL;
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = read_key(fd, "", &key);
	if (r == 0)
		r = read_key(AT_FDCWD, "/", &ours);
	if (r < 0 || is_same(&key, &ours))
		return r;
	root = find(t, &key);
	if (!root) {
		r = add(t, fd, &key, &root);
		if (r < 0)
			return r;
		fd = -1;
	}
	root->n_users++;
	*ret = root;
	return 0;
}

static void root_dir_free(struct root_dir *root)
{
	close(root->fd);
	free(root);
}

void root_dirs_put(struct root_dirs *t, struct root_dir *root)
{
	size_t i = 0;

	if (!root || --root->n_users)
		return;
	while (t->list.data[i] != root)
		i++;
	t->list.data[i] = t->list.data[--t->list.n];
	root_dir_free(root);
}

void root_dirs_clear(struct root_dirs *t)
{
	for (size_t i = 0; i < t->list.n; i++)
		root_dir_free(t->list.data[i]);
	vec_free(&t->list);
}
