/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include "base/cleanup.h"

/* Copies of what it gets, out of the way of where it gets it. -1: none. */
struct copies {
	int fds[SPAWN_FDS_MAX];
};

static void copies_clear(struct copies *c)
{
	for (size_t i = 0; i < SPAWN_FDS_MAX; i++)
		closep(&c->fds[i]);
}

static int copy(const struct spawn_options *opt, struct copies *ret)
{
	for (size_t i = 0; i < opt->n_fds; i++) {
		if (opt->fds[i] < 0)
			continue;
		ret->fds[i] = fcntl(opt->fds[i], F_DUPFD_CLOEXEC, SPAWN_FDS_MAX);
		if (ret->fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int add_action(posix_spawn_file_actions_t *actions, int to, int wanted, int copy)
{
	if (wanted == SPAWN_SAME)
		return 0;
	if (wanted == SPAWN_NULL)
		return posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDWR, 0);
	return posix_spawn_file_actions_adddup2(actions, copy, to);
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct spawn_options *opt,
		       const struct copies *copies)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < opt->n_fds; i++)
		r = add_action(actions, (int)i, opt->fds[i], copies->fds[i]);
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, (int)opt->n_fds);
}

static int set_attributes(posix_spawnattr_t *attr, bool apart)
{
	short flags = POSIX_SPAWN_SETSIGMASK;
	sigset_t blocked, all;
	int r;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGHUP);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attr, &blocked);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attr, &all);
	if (r == 0)
		r = posix_spawnattr_setpgroup(attr, 0);
	if (apart)
		flags |= POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
	return r ? r : posix_spawnattr_setflags(attr, flags);
}

static int start(const struct spawn_options *opt, const struct copies *copies, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r == 0) {
		r = add_actions(&actions, opt, copies);
		if (r == 0)
			r = set_attributes(&attr, opt->apart);
		if (r == 0)
			r = posix_spawn(ret, opt->program, &actions, &attr, opt->argv, opt->envp);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int spawn(const struct spawn_options *opt, pid_t *ret)
{
	CLEANUP(copies_clear) struct copies copies = { .fds = { [0 ... SPAWN_FDS_MAX - 1] = -1 } };
	int r = opt->n_fds > SPAWN_FDS_MAX ? -EINVAL : copy(opt, &copies);

	return r < 0 ? r : start(opt, &copies, ret);
}
