/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that compare with what another program says. */
#ifndef COMMAND_H
#define COMMAND_H

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Standard output of a shell command, which must succeed; the caller frees. */
__attribute__((format(printf, 1, 2))) static inline char *command_output(const char *fmt, ...)
{
	char *out = NULL, *cmd = NULL;
	size_t n = 0;
	va_list ap;
	FILE *p, *mem;
	int c;

	va_start(ap, fmt);
	cr_assert(vasprintf(&cmd, fmt, ap) > 0);
	va_end(ap);
	p = popen(cmd, "r");
	mem = open_memstream(&out, &n);
	while ((c = fgetc(p)) != EOF)
		fputc(c, mem);
	fclose(mem);
	cr_assert(pclose(p) == 0, "'%s' failed", cmd);
	free(cmd);
	return out;
}

/* A fresh folder below /tmp; the caller frees the name. */
static inline char *command_make_folder(void)
{
	char *path = strdup("/tmp/spanprof-test-XXXXXX");

	cr_assert(mkdtemp(path) != NULL);
	return path;
}

static inline void command_remove_folder(char *path)
{
	free(command_output("rm -rf '%s'", path));
	free(path);
}

static inline void command_write_file(const char *path, const void *buf, size_t len)
{
	FILE *f = fopen(path, "wb");

	cr_assert(f != NULL);
	cr_assert(fwrite(buf, 1, len, f) == len);
	cr_assert(fclose(f) == 0);
}

#endif
