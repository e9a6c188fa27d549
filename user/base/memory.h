/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps a process small that goes on for long: what it has given back is the host's again. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

/*
 * From now on free() gives large blocks, and the end of each thread's heap, back at once. Without
 * this glibc's limits for that grow with the largest block that was ever freed (mallopt(3),
 * M_MMAP_THRESHOLD), and a process holds what its busiest moment took. For the begin of a process.
 */
void memory_stay_small(void);

/*
 * Gives back the pages between blocks that hold nothing, too, which takes about a millisecond:
 * after a piece of work.
 */
void memory_give_back(void);

#endif
