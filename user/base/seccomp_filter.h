/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that a process gives up, of those that its work does not need. */
#ifndef BASE_SECCOMP_FILTER_H
#define BASE_SECCOMP_FILTER_H

#include <stddef.h>

/*
 * For good, and for all threads: no new privileges, and -EPERM for calls that change the machine
 * (mounts, modules, clocks, swap, reboot, keys, other users' devices) and for those of @names, of
 * which some may not exist on this machine. Negative errno: there is no filter.
 */
int seccomp_refuse(const char *const *names, size_t n);

#endif
