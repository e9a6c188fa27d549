/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a CPython process through which its threads' current OpenTelemetry spans are read.
 * Everything is checked on the way, by types and by what must agree; what does not is of a version
 * that is not known. The bytes are foreign. Never logs.
 */
#ifndef CTX_PYTHON_PROCESS_H
#define CTX_PYTHON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctx/python_file.h"
#include "ctx/thread_values.h"

struct python_process {
	pid_t pid;
	uint64_t bias; /* address - ELF virtual address, of the interpreter's file */
	struct thread_values values;
};

/* "3.11", from 3.9 on; 0 in *@ret_minor: of another one, or it cannot be told. */
void python_version(const struct python_file *file, const struct python_process *p,
		    unsigned *ret_minor);

/*
 * The addresses of the types of the trie's nodes, in process @p with the interpreter @ef.
 * -ENOTSUP: not found. -ENOMEM; otherwise what reading the process's memory says.
 */
int python_find_nodes(struct elf_file *ef, const struct python_file *file,
		      const struct python_process *p, uint64_t ret[PYTHON_NODES]);

/* Are these the ones, in @p? Another process of the same file may have lied. */
bool python_are_nodes(const struct python_file *file, const struct python_process *p,
		      const uint64_t nodes[PYTHON_NODES]);

/*
 * All the rest of *@ret. -EAGAIN: the SDK is not imported yet, or has made no span yet; -ENOTSUP:
 * an unknown version or build of CPython, or of the SDK, or an unknown libc; otherwise what reading
 * the process's memory says.
 */
int python_find_objects(const struct python_file *file, const struct python_process *p,
			struct python_info *ret);

#endif
