/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the code that processes make at run time, as they tell them to profilers. Files are
 * opened while the process lives, and read as they grow: a name is the one that was at the address
 * when the sample was taken. What the processes write is foreign, and bounded. Never logs.
 */
#ifndef SYM_JIT_NAMES_H
#define SYM_JIT_NAMES_H

#include "proc/process.h"
#include "sym/symbolizer.h"

struct jit_names;
struct jit_process;

struct jit_observer {
	void *ctx;
	/* A file of @pid is not used, or not to its end: once for each file; @error as errno. */
	void (*on_trouble)(void *ctx, pid_t pid, const char *path, int error);
	uint64_t *counters; /* [STAT_COUNT]; borrowed */
	size_t memory_max;  /* bytes of all names, of which a process may have half; 0: 512 MiB */
};

int jit_names_new(const struct jit_observer *observer, struct jit_names **ret); /* -ENOMEM */
void jit_names_free(struct jit_names *jn);					/* NULL is fine */
DEFINE_CLEANUP(struct jit_names *, jit_names_free)

/*
 * What is known of the code of @p, which is about to be looked up: its files are found now, or read
 * on if that was not done lately. Valid as long as @jn. -ENOMEM.
 */
int jit_names_enter(struct jit_names *jn, const struct process *p, struct jit_process **ret);

/* Which files of @jp are read: for people who ask why its code has no name. */
struct jit_files {
	const char *map;  /* "perf-PID.map" of its /tmp; valid as long as @jp */
	const char *dump; /* as the process mapped it, likewise; NULL: it has mapped none */
	bool map_read, dump_read;
	bool map_old; /* not read, as an earlier process of this number has left it */
	uint32_t n_names;
};
void jit_process_files(const struct jit_process *jp, struct jit_files *ret);

/*
 * Which code was at @addr at @time_ns, for jit_names_answer(). Two that differ have different
 * names; those of the same code, or of what nobody has told yet, agree.
 */
uint32_t jit_code_at(const struct jit_process *jp, uint64_t addr, uint64_t time_ns);

/* Reads on what the living have written: to be called now and then. */
void jit_names_read(struct jit_names *jn, uint64_t now_ns);

/*
 * The program of @pid (0: of all) has ended or is replaced, or nobody wants to know more: reads
 * what there is and gives the files back.
 */
void jit_names_end(struct jit_names *jn, pid_t pid);

/*
 * Giving back what is not needed: jit_names_use() for every process (struct process.id) whose
 * places may still be asked for, then jit_names_sweep(), which forgets all other ones that have
 * ended, and all results of jit_names_answer().
 */
void jit_names_use(struct jit_names *jn, uint64_t owner);
void jit_names_sweep(struct jit_names *jn);

/* The places of one process (struct process.id). */
struct jit_places {
	uint64_t owner;
	size_t n;
	const uint64_t *addrs;
	const uint32_t *codes; /* of jit_code_at() */
};

/* Names them, as symbolizer_file() does. May be called by another thread than all others. -ENOMEM.
 */
int jit_names_answer(struct jit_names *jn, const struct jit_places *places,
		     struct sym_result *results);

#endif
