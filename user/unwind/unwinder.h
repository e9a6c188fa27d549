/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the kernel side supplied with the unwind tables that samples need, and finishes walks that
 * met one which was not loaded, over the copy of the stack that came with the sample. Never logs.
 */
#ifndef UNWIND_UNWINDER_H
#define UNWIND_UNWINDER_H

#include "proc/process.h"
#include "shared/record.h"
#include "shared/stat.h"
#include "unwind/row_store.h"
#include "unwind/rows_client.h"

struct unwinder;

/* @budget: bytes of kernel memory for tables. Negative errno. */
int unwinder_new(const struct row_store_backing *backing, size_t budget, struct unwinder **ret);
void unwinder_free(struct unwinder *u); /* NULL is fine */
DEFINE_CLEANUP(struct unwinder *, unwinder_free)

/*
 * From now on files are read by a process of their own, which is started: what is wrong with one of
 * them cannot harm this process. Without, they are read right here. To be called before any walk.
 * -ENOMEM.
 */
int unwinder_use_worker(struct unwinder *u);

/* Who knows on which files it failed. NULL: there is none. */
const struct rows_client *unwinder_reader(const struct unwinder *u);

/*
 * Goes on with the walk that ended with USER_END_NOT_LOADED in the last of @n @frames (which has
 * room for USER_FRAMES_MAX), and loads what it lacked. The bytes of stack are behind @rest. Returns
 * the number of frames; *ret_end is how it ended: USER_END_NOT_LOADED if @p has another file mapped
 * there than the kernel saw.
 */
uint32_t unwinder_finish(struct unwinder *u, const struct process *p,
			 const struct sample_rest *rest, uint64_t *frames, uint32_t n,
			 enum user_end *ret_end);

/*
 * Loads what a walk lacked, at once: before it is its turn to be finished, when all events of its
 * time are known. What is loaded is right even if @p is not up to date.
 */
void unwinder_load(struct unwinder *u, const struct process *p, const struct sample_rest *rest);

/* Is the file that the kernel side saw where the walk broke off the one that @p has there? */
bool unwinder_knows(const struct process *p, const struct sample_rest *rest);

/* @dso goes: nothing points to it any more. */
void unwinder_forget(struct unwinder *u, const struct dso *dso);

/* After those that went: the kernel's memory of them is free again, for which it waits once. */
void unwinder_settle(struct unwinder *u);

/* Adds its own to @counters[STAT_COUNT]. */
void unwinder_read_stats(const struct unwinder *u, uint64_t *counters);

struct row_store_stats unwinder_rows(const struct unwinder *u);

#endif
