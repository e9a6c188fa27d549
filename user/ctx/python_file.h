/* SPDX-License-Identifier: Apache-2.0 */
/* What the file of a CPython interpreter says: where it has its global objects. */
#ifndef CTX_PYTHON_FILE_H
#define CTX_PYTHON_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "elf/elf_file.h"
#include "shared/python_info.h"

/* ELF virtual addresses. */
struct python_file {
	uint64_t runtime;		   /* _PyRuntime */
	uint64_t py_true;		   /* _Py_TrueStruct */
	uint64_t context_var;		   /* PyContextVar_Type */
	uint64_t long_type;		   /* PyLong_Type */
	uint64_t version;		   /* Py_Version, since 3.11; 0: by its name: */
	unsigned minor;			   /* 11 for 3.11; 0: not known */
	uint64_t node_names[PYTHON_NODES]; /* of the types of a trie's nodes: which have no symbols
					    */
};

/* May a file of this name be one, or hold one (libpython3.11.so.1.0)? */
bool python_file_is_library(const char *name);

/* Of the file called @name. -ENOENT: it is no interpreter. -ENOMEM. */
int python_file_find(struct elf_file *ef, const char *name, struct python_file *ret);

#endif
