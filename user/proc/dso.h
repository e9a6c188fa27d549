/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mapped file ("dynamic shared object", as perf says; also an executable, the vDSO, JIT memory).
 * One object per (path, device, inode), shared by all processes, kept while the table lives or
 * until dso_table_sweep() finds that nobody has used it for a while.
 */
#ifndef PROC_DSO_H
#define PROC_DSO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/hashmap.h"
#include "base/vec.h"
#include "proc/root_dirs.h"

enum dso_kind {
	DSO_KERNEL,  /* offsets are kernel addresses */
	DSO_FILE,    /* offsets are file offsets */
	DSO_VDSO,    /* offsets are from the start of the mapping */
	DSO_ANON,    /* memory of a process, made at run time: offsets are addresses */
	DSO_UNKNOWN, /* addresses that lie in no known mapping */
};

#define DSO_ATTEMPTS_MAX 8
#define DSO_OPEN_NS	 (60ULL * 1000000000) /* that a file stays open which nobody has mapped */

struct dso {
	uint32_t id; /* index in the table; another's once this one is gone */
	enum dso_kind kind;
	uint64_t owner; /* DSO_ANON: the only process (its id) that has it; 0: any may */
	char *path;	/* as the process sees it, or "[kernel.kallsyms]", "[vdso]", "//anon" */
	char *name;	/* its last component, without the kernel's " (deleted)" */
	dev_t dev;
	ino_t ino;
	int fd;			 /* opened while the process lived; -1: not open */
	int error;		 /* negative errno of the last attempt to open it */
	struct root_dirs *roots; /* of the table */
	struct root_dir *root;	 /* of the process by way of which it is open; NULL: as ours */
	unsigned attempts;
	pid_t tried[DSO_ATTEMPTS_MAX]; /* the processes that it was not to be had by way of */
	pid_t opener;		       /* the one that it is open by way of */
	bool is_orphan;		       /* for process_table_adopt_dsos() */
	uint32_t used_round;	       /* of dso_table.round */
	uint64_t used_ns;	       /* when that was */
};

struct dso_table {
	struct dso **dsos; /* by id; NULL: gone */
	size_t n, cap;
	VEC(uint32_t) free_ids;
	uint32_t round;
	uint64_t round_ns; /* when it began */
	struct hashmap by_key;
	struct hashmap owned; /* those with an owner */
	struct root_dirs roots;
};

/* Ids of the two entries that every table begins with. */
enum { DSO_ID_KERNEL, DSO_ID_UNKNOWN };

/* Which file is meant; @path is copied. */
struct dso_key {
	const char *path;
	dev_t dev;
	ino_t ino;
};

int dso_table_init(struct dso_table *t); /* -ENOMEM */
void dso_table_clear(struct dso_table *t);

/* Finds or makes the entry, which lives as long as the table. -ENOMEM. */
int dso_table_get(struct dso_table *t, const struct dso_key *key, struct dso **ret);

/*
 * The entry that stands for @shared, a DSO_ANON, in process @owner (its id, not 0) only: an address
 * in such memory means something else in each process. -ENOMEM.
 */
int dso_table_get_owned(struct dso_table *t, const struct dso *shared, uint64_t owner,
			struct dso **ret);

/*
 * Giving back what is not used: dso_table_new_round(), then dso_use() for every one that anything
 * points to, then dso_table_sweep(): which frees those that were in use in none of the last
 * @n_rounds rounds (memory of a process: in this one), after it has told @gone of each; and closes
 * those that were not in use for DSO_OPEN_NS. @now_ns: CLOCK_MONOTONIC.
 */
typedef void (*dso_gone_fn)(void *ctx, const struct dso *dso);
void dso_table_new_round(struct dso_table *t, uint64_t now_ns);
void dso_use(const struct dso_table *t, const struct dso *dso);
void dso_table_sweep(struct dso_table *t, uint32_t n_rounds, dso_gone_fn gone, void *ctx);

/*
 * Opens the file as process @pid sees it: by its mapping at [@start, @end), which is right for
 * deleted and replaced files and in any mount namespace; else by its path below the process's root,
 * else by its path below ours, where only a file with the same inode is accepted. Never opens
 * anything but regular files. Nothing is done if it is open already, or was tried by way of this
 * process or DSO_ATTEMPTS_MAX others: frames ask one by one.
 * Returns dso->fd, which stays the table's, or a negative errno, also kept in dso->error:
 * -ESTALE: the path leads to another file now; -ENOTSUP: there is no file behind this kind.
 */
int dso_open(struct dso *dso, pid_t pid, uint64_t start, uint64_t end);

/* If it can be had by way of this process, it is open by way of it from now on. */
void dso_reopen(struct dso *dso, pid_t pid, uint64_t start, uint64_t end);

/* The root of the process by way of which it is open, which may be gone by now; -1: as ours. */
int dso_root(const struct dso *dso);

/* It is not open, but may come to be by way of another process. */
bool dso_may_open(const struct dso *dso);

#endif
