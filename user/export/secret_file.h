/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and tokens that are in files, so that they can be changed and are on no command line.
 */
#ifndef EXPORT_SECRET_FILE_H
#define EXPORT_SECRET_FILE_H

#include <stddef.h>

#define SECRET_MAX 8192 /* bytes, with the NUL: fits into a header that servers take */

/*
 * The one line of @path, without what ends it, in @buf of SECRET_MAX bytes, which the caller
 * wipes with secret_wipe(). What open(2) and read(2) say; -ENODATA: it is empty; -EFBIG: it is
 * longer; -EILSEQ: it has control characters, such as a second line's, which would end a
 * header.
 */
int secret_file_read(const char *path, char *buf);
void secret_wipe(char (*buf)[SECRET_MAX]);

#endif
