/* SPDX-License-Identifier: Apache-2.0 */
/* Which package of the distribution a file is from, as its package manager says. */
#ifndef APP_PACKAGE_H
#define APP_PACKAGE_H

#include <stddef.h>

/*
 * Writes to @buf how to install the debug symbols of the file @path of this host, as
 * "apt install coreutils-dbgsym". -ENOENT: no package manager knows the file.
 */
int package_debug_remedy(const char *path, char *buf, size_t size);

#endif
