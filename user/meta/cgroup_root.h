/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where our cgroup namespace begins in that of the host: as an unprivileged container, which
 * Kubernetes gives one of its own, we see other processes' cgroups only from there.
 */
#ifndef META_CGROUP_ROOT_H
#define META_CGROUP_ROOT_H

/*
 * The path of our namespace's root below the mount of cgroup v2 that the first process of our PID
 * namespace sees, in fresh memory: "/kubepods.slice/…". "": it is the same one, or that cannot be
 * told: there is no cgroup v2, or no right to look. Looks at all folders there. NULL: no memory.
 */
char *cgroup_root(void);

#endif
