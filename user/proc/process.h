/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and their executable mappings as they were at one moment: the table is moved forward by
 * events in the order of their time, and a sample is resolved when its own time has come. So a
 * sample sees the mappings that held when it was taken, though the process may be gone by now.
 */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "proc/dso.h"

struct mapping {
	uint64_t start, end; /* addresses, end excluded */
	uint64_t offset;     /* of start in the file, bytes */
	struct dso *dso;
};

/* A process between fork or exec and exit or the next exec. */
struct process {
	uint64_t id; /* unique in the table, never used again */
	pid_t pid;
	char comm[16];
	uint64_t born; /* its id when it was forked, or first seen: stays over exec */
	pid_t parent;  /* who forked it; 0: not known */
	uint64_t parent_born;
	uint64_t forked_from; /* id of the process whose memory it has a copy of; 0: none */
	uint64_t forked_ns;
	uint64_t start_stack; /* where that of its main thread begins; 0: not known */
	struct dso *exe;      /* the program itself; NULL: not known (kernel threads have none) */
	VEC(struct mapping) maps; /* sorted, do not overlap */
	unsigned *maps_users;	  /* how many have the same array: forks; NULL: nobody else */
	uint64_t exited_ns;	  /* main thread's exit; 0: lives */
	uint64_t scanned_ns;	  /* when /proc/PID/maps was read last; 0: never */
	bool unwanted;		  /* the kernel side was told that it is, at left_out_ns */
	uint8_t n_reconsidered;	  /* how often it was taken in again for that */
	uint64_t left_out_ns;
	bool told; /* the kernel side was told of its pid, maybe of an earlier one's */
};

struct process_table {
	struct dso_table dsos;
	struct hashmap by_pid;
	uint64_t next_id;
};

int process_table_init(struct process_table *t); /* -ENOMEM */
void process_table_clear(struct process_table *t);

struct process *process_find(const struct process_table *t, pid_t pid); /* NULL: unknown */

/* The process of @pid, made empty if it is not known. -ENOMEM. */
int process_get(struct process_table *t, pid_t pid, struct process **ret);

/*
 * Takes the state of @pid from /proc: name, program, executable mappings, replacing what was known.
 * One whose memory is not that which was known gets another id. @maps is the text of
 * /proc/PID/maps. -ENOMEM.
 */
int process_load(struct process_table *t, pid_t pid, const char *maps, size_t len,
		 struct process **ret);

/*
 * The mappings of @pid as a process of its own, which is not in the table (its files are): for a
 * look ahead of the events that are still to come. The caller frees. -ENOMEM.
 */
int process_peek(struct process_table *t, pid_t pid, const char *maps, size_t len,
		 struct process **ret);
void process_free(struct process *p); /* NULL is fine */
DEFINE_CLEANUP(struct process *, process_free)

/* Events; all -ENOMEM or 0. A process that nobody announced comes into being by its first event. */
int process_on_fork(struct process_table *t, pid_t parent, pid_t child, uint64_t time_ns);
int process_on_exec(struct process_table *t, pid_t pid, const char *comm);
int process_on_comm(struct process_table *t, pid_t pid, const char *comm);

struct mapping_event {
	uint64_t start, end, offset;
	struct dso_key file;
};
int process_on_mmap(struct process_table *t, pid_t pid, const struct mapping_event *ev);

/*
 * Have all threads of @pid ended? Asks /proc now. Its main thread alone may have, and is listed as
 * a zombie as long as another one runs.
 */
bool process_is_over(pid_t pid);

/* The main thread ended at @time_ns. Others may go on: the entry stays until process_sweep(). */
void process_on_exit(struct process_table *t, pid_t pid, uint64_t time_ns);

/* Events were lost: all that are not there any more end @now_ns. Asks /proc of each. */
void process_end_missing(struct process_table *t, uint64_t now_ns);

/*
 * Forgets processes whose main thread ended before @before_ns, unless other threads still run;
 * @gone is told of each.
 */
typedef void (*process_gone_fn)(void *ctx, const struct process *p);
void process_sweep(struct process_table *t, uint64_t before_ns, process_gone_fn gone, void *ctx);

/* dso_use() of all that processes have mapped. */
void process_table_use_dsos(struct process_table *t);

/*
 * Files that are open by way of a container's process which is gone are opened by way of one that
 * has them mapped and lives: else its mounts would stay as long as anybody has the file. Not while
 * somebody has a dso's descriptor.
 */
void process_table_adopt_dsos(struct process_table *t);

/*
 * [*ret_start, *ret_end): where exec(2) has mapped the code of the program, whatever lies there
 * now. -EPERM: no right to look into the process; -ENOENT, -ESRCH: it is gone; -EBADMSG.
 */
int process_code_range(pid_t pid, uint64_t *ret_start, uint64_t *ret_end);

/* The mapping that holds @addr, or NULL. Valid until the next event of the process. */
const struct mapping *process_find_mapping(const struct process *p, uint64_t addr);

/* The program's name: last component of its path, else the name of its main thread. */
const char *process_name(const struct process *p);

#endif
