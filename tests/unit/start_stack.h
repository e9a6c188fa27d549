/* SPDX-License-Identifier: Apache-2.0 */
/* Field 28 of /proc/PID/stat, read in another way than the product does. */
#ifndef START_STACK_H
#define START_STACK_H

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

static inline uint64_t start_stack_of(pid_t pid)
{
	char path[64], line[2048];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	cr_assert(ne(ptr, fgets(line, sizeof(line), f), NULL));
	fclose(f);
	cr_assert(eq(int, 1,
		     sscanf(strrchr(line, ')'),
			    ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
			    "%*d %*d %*d %*u %*u %*d %*u %*u %*u %lu",
			    &value)));
	return value;
}

#endif
