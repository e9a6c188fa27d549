/* SPDX-License-Identifier: Apache-2.0 */
/* Go programs that are compiled for a test. */
#ifndef TESTS_GO_PROGRAM_H
#define TESTS_GO_PROGRAM_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "elf/elf_file.h"

#define GO_WITH_LABELS                                                                             \
	"package main\nimport (\"context\"; \"runtime/pprof\")\nfunc main() { "                    \
	"pprof.Do(context.Background(), pprof.Labels(\"a\", \"b\"), func(context.Context) {}) }\n"

/* The program @dir/prog of @body, built with these variables of the environment and options. */
static inline struct elf_file *go_program_build(const char *dir, const char *env, const char *body,
						const char *options)
{
	struct elf_file *ef;
	char cmd[1024];
	int fd;

	snprintf(cmd, sizeof(cmd),
		 "cd '%s' && printf '%%s' '%s' > m.go && %s go build %s -o prog m.go", dir, body,
		 env, options);
	cr_assert(zero(int, system(cmd)), "%s", cmd);
	snprintf(cmd, sizeof(cmd), "%s/prog", dir);
	fd = open(cmd, O_RDONLY | O_CLOEXEC);
	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	close(fd);
	return ef;
}

#endif
