/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time that is spent in the C library's assembly, in the vDSO, and in a child that shares our
 * memory. See burn.h.
 *
 *   libc-calls memcpy | memset | strlen | memchr   main → mode_MODE → libc's
 *   libc-calls vdso                                main → mode_vdso → clock_gettime → the vDSO's
 *   libc-calls vfork                               main → mode_vfork → in_child → leaf, in a child
 *   libc-calls syscall                             main → mode_syscall → libc's → the kernel
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "burn.h"

#define BUFFER_SIZE   (64 * 1024)
#define BUFFER_ROUNDS 200
#define CLOCK_ROUNDS  20000
#define CALL_ROUNDS   2000

static char source[BUFFER_SIZE], target[BUFFER_SIZE];
static volatile size_t buffer_size = BUFFER_SIZE;
static volatile uint64_t sink;

WORK_FUNCTION static void mode_memcpy(void)
{
	for (int i = 0; i < BUFFER_ROUNDS; i++) {
		memcpy(target, source, buffer_size);
		BURN_MEMORY;
	}
}

WORK_FUNCTION static void mode_memset(void)
{
	for (int i = 0; i < BUFFER_ROUNDS; i++) {
		memset(target, i, buffer_size);
		BURN_MEMORY;
	}
}

WORK_FUNCTION static void mode_strlen(void)
{
	memset(source, 'x', BUFFER_SIZE - 1);
	for (int i = 0; i < BUFFER_ROUNDS; i++) {
		sink = strlen(source);
		BURN_MEMORY;
	}
}

WORK_FUNCTION static void mode_memchr(void)
{
	for (int i = 0; i < BUFFER_ROUNDS; i++) {
		sink = memchr(target, 'y', buffer_size) != NULL;
		BURN_MEMORY;
	}
}

WORK_FUNCTION static void mode_vdso(void)
{
	for (int i = 0; i < CLOCK_ROUNDS; i++)
		sink = clock_ns(CLOCK_MONOTONIC);
}

WORK_FUNCTION static void mode_syscall(void)
{
	for (int i = 0; i < CALL_ROUNDS; i++)
		sink = (uint64_t)getppid();
}

/* --- vfork --------------------------------------------------------------------------------- */

WORK_FUNCTION static void leaf(void)
{
	burn(10 * BURN_STEPS);
}

WORK_FUNCTION static void in_child(void)
{
	leaf();
	BURN_NO_TAIL_CALL();
}

static uint64_t children_ns(void)
{
	struct rusage ru;

	getrusage(RUSAGE_CHILDREN, &ru);
	return (uint64_t)ru.ru_utime.tv_sec * 1000000000u + (uint64_t)ru.ru_utime.tv_usec * 1000u;
}

/* The budget is of the parent's own CPU time, so that of children is taken from it. */
WORK_FUNCTION static void mode_vfork(void)
{
	uint64_t before = children_ns(), spent;
	pid_t pid = vfork();

	if (pid == 0) {
		in_child();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		exit(1);
	spent = children_ns() - before;
	burn_budget_ns -= spent < burn_budget_ns ? spent : burn_budget_ns;
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "memcpy", mode_memcpy },   { "memset", mode_memset },
		{ "strlen", mode_strlen },   { "memchr", mode_memchr },
		{ "vdso", mode_vdso },	     { "vfork", mode_vfork },
		{ "syscall", mode_syscall }, { NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
