/* SPDX-License-Identifier: Apache-2.0 */
/* Which distribution the files of a process are from, and where its debug files are served. */
#ifndef APP_DISTRIBUTION_H
#define APP_DISTRIBUTION_H

#include <sys/types.h>

/*
 * URL of the debuginfod server of the distribution that os-release(5) in the root of @pid names;
 * that of elfutils, which asks many others, if it is none that we know. Never NULL.
 */
const char *distribution_debuginfod(pid_t pid);

/* The same by the text of an os-release file. */
const char *distribution_debuginfod_of(const char *os_release);

#endif
