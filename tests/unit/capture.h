/* SPDX-License-Identifier: Apache-2.0 */
/* What a call writes to a descriptor. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct capture {
	int fd, saved;
	FILE *file;
};

static inline struct capture capture_begin(int fd)
{
	struct capture c = { .fd = fd, .saved = dup(fd), .file = tmpfile() };

	fflush(NULL);
	cr_assert(c.saved >= 0 && c.file != NULL);
	dup2(fileno(c.file), fd);
	return c;
}

/* What was written meanwhile; the caller frees. */
static inline char *capture_end(struct capture *c)
{
	char *text;
	long len;

	fflush(NULL);
	dup2(c->saved, c->fd);
	close(c->saved);
	fseek(c->file, 0, SEEK_END);
	len = ftell(c->file);
	rewind(c->file);
	text = calloc(1, (size_t)len + 1);
	cr_assert(fread(text, 1, (size_t)len, c->file) == (size_t)len);
	fclose(c->file);
	return text;
}

#endif
