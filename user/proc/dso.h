/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mapped file ("dynamic shared object", as perf says; also an executable, the vDSO, JIT memory).
 * One object per (device, inode, path), shared by all processes, kept while the table lives.
 */
#ifndef PROC_DSO_H
#define PROC_DSO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hashmap.h"

enum dso_kind {
	DSO_KERNEL, /* addresses are kernel addresses */
	DSO_FILE,   /* offsets are file offsets */
	DSO_VDSO,   /* offsets are from the start of the mapping */
	DSO_ANON,   /* no file behind it: JIT code, [heap], //anon; offsets are addresses */
};

struct dso {
	uint32_t id; /* index in the table, 0 is the kernel */
	enum dso_kind kind;
	char *path; /* as the process sees it, or "[kernel.kallsyms]", "[vdso]", "//anon" */
	dev_t dev;
	ino_t ino;
	int fd;	   /* opened while the process lived; -1: not open */
	int error; /* negative errno of the attempt to open it, 0: none or not tried */
	bool tried;
	bool replaced; /* path leads to another file now */
};

struct dso_table {
	struct dso **dsos;
	size_t n, cap;
	size_t n_open; /* open descriptors */
	struct hashmap by_key;
};

int dso_table_init(struct dso_table *t); /* makes the kernel's entry; -ENOMEM */
void dso_table_clear(struct dso_table *t);

/* Finds or makes the entry; it lives as long as the table. -ENOMEM. */
int dso_table_get(struct dso_table *t, const char *path, dev_t dev, ino_t ino, struct dso **ret);

/*
 * Opens the file behind @dso as process @pid sees it, by its mapping at [@start, @end) first (right
 * for deleted and replaced files and other mount namespaces), then by path, accepted only if device
 * and inode agree. Tried once per dso. Returns dso->fd (still owned by @dso) or a negative errno:
 * -ESTALE: the path leads to another file now; -ENOTSUP: there is no file (JIT, vDSO).
 */
int dso_open(struct dso_table *t, struct dso *dso, pid_t pid, uint64_t start, uint64_t end);

/* The last component of the path. */
const char *dso_name(const struct dso *dso);

#endif
