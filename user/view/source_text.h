/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a source file. Its name and its content are foreign. */
#ifndef VIEW_SOURCE_TEXT_H
#define VIEW_SOURCE_TEXT_H

#include <stdint.h>

#include "base/cleanup.h"

struct source_text;

/*
 * Regular files only, at most 16 MiB; never waits for one. -EISDIR; -ENOTSUP: neither file nor
 * folder; -EFBIG; -ENOMEM; what open(2) and read(2) say.
 */
int source_text_open(const char *path, struct source_text **ret);
void source_text_free(struct source_text *st); /* NULL is fine */
DEFINE_CLEANUP(struct source_text *, source_text_free)

uint32_t source_text_lines(const struct source_text *st);

/* When the file was last changed, in ns since 1970. */
int64_t source_text_time(const struct source_text *st);

/*
 * Line @n, from 1, as clean text with tabs as spaces: fresh (the caller frees). What lies far
 * behind the width of any terminal is left out. "" if there is no such line. -ENOMEM.
 */
int source_text_line(const struct source_text *st, uint32_t n, char **ret);

#endif
