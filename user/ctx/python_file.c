/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/python_file.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf_search.h"

bool python_file_is_library(const char *name)
{
	return fnmatch("libpython3*.so*", name, 0) == 0;
}

/* python3.9, libpython3.10.so.1.0 */
static unsigned minor_of(const char *name)
{
	const char *at = strstr(name, "python3.");

	return at ? (unsigned)strtoul(at + strlen("python3."), NULL, 10) : 0;
}

static int find_names(struct elf_file *ef, struct python_file *ret)
{
	static const char *const names[PYTHON_NODES] = {
		[PYTHON_NODE_BITMAP] = "hamt_bitmap_node",
		[PYTHON_NODE_ARRAY] = "hamt_array_node",
		[PYTHON_NODE_COLLISION] = "hamt_collision_node",
	};

	for (int i = 0; i < PYTHON_NODES; i++) {
		int r = elf_search_string(ef, names[i], &ret->node_names[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int python_file_find(struct elf_file *ef, const char *name, struct python_file *ret)
{
	static const char *const symbols[] = { "_PyRuntime", "_Py_TrueStruct", "PyContextVar_Type",
					       "PyLong_Type" };
	uint64_t *const places[] = { &ret->runtime, &ret->py_true, &ret->context_var,
				     &ret->long_type };
	struct elf_symbol sym;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int r = elf_file_find_object(ef, symbols[i], &sym);

		if (r < 0)
			return r == -ENOMEM ? r : -ENOENT;
		*places[i] = sym.value;
	}
	ret->version = elf_file_find_object(ef, "Py_Version", &sym) == 0 ? sym.value : 0;
	ret->minor = minor_of(name);
	return find_names(ef, ret);
}
