/* SPDX-License-Identifier: Apache-2.0 */
/* Real ELF files for tests: made by the compiler in a folder of their own, read back by binutils.
 */
#ifndef ELF_SAMPLES_H
#define ELF_SAMPLES_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char samples_dir[64];

static inline void samples_init(void)
{
	strcpy(samples_dir, "/tmp/spanprof-elf-XXXXXX");
	cr_assert_not_null(mkdtemp(samples_dir));
}

/* Runs a command in the folder of the samples; it must succeed. */
__attribute__((format(printf, 1, 2))) static inline void sh(const char *fmt, ...)
{
	char cmd[4096];
	int n = snprintf(cmd, sizeof(cmd), "cd %s && unset LD_PRELOAD && ", samples_dir);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - n, fmt, ap);
	va_end(ap);
	cr_assert_eq(system(cmd), 0, "failed: %s", cmd);
}

static inline void samples_fini(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", samples_dir);
	cr_assert_eq(system(cmd), 0);
}

static inline const char *sample(const char *name)
{
	static char path[4][256]; /* so that four may be in use at once */
	static int turn;

	turn = (turn + 1) % 4;
	if (name[0] == '/')
		snprintf(path[turn], sizeof(path[turn]), "%s", name);
	else
		snprintf(path[turn], sizeof(path[turn]), "%s/%s", samples_dir, name);
	return path[turn];
}

static inline void sample_write(const char *name, const char *text)
{
	FILE *f = fopen(sample(name), "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static inline int sample_open(const char *name)
{
	int fd = open(sample(name), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open(sample(name), O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "cannot open %s", sample(name));
	return fd;
}

/* First line that a command prints, without its newline. */
__attribute__((format(printf, 1, 2))) static inline const char *first_line(const char *fmt, ...)
{
	static char line[4096];
	char cmd[4096];
	int n = snprintf(cmd, sizeof(cmd), "cd %s && ", samples_dir);
	va_list ap;
	FILE *p;

	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - n, fmt, ap);
	va_end(ap);
	p = popen(cmd, "r");
	cr_assert_not_null(p);
	if (!fgets(line, sizeof(line), p))
		line[0] = '\0';
	pclose(p);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* The value that nm prints for a symbol. */
static inline uint64_t nm_value(const char *file, const char *symbol)
{
	const char *line = first_line("nm -a %s 2>/dev/null | grep ' %s$'", sample(file), symbol);

	cr_assert(line[0] != '\0', "nm knows no %s in %s", symbol, file);
	return strtoull(line, NULL, 16);
}

/* Overwrites bytes of a sample. */
static inline void patch(const char *name, off_t off, const void *bytes, size_t len)
{
	int fd = sample_open(name);

	cr_assert_eq(pwrite(fd, bytes, len, off), (ssize_t)len);
	close(fd);
}

/* Takes the section headers away, as some packers do. */
static inline void drop_sections(const char *name)
{
	static const char zeros[8];

	patch(name, 0x28, zeros, 8); /* e_shoff */
	patch(name, 0x3c, zeros, 4); /* e_shnum, e_shstrndx */
}

#endif
