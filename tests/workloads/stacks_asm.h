/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the stack, by hand. */
#ifndef WORKLOADS_STACKS_ASM_H
#define WORKLOADS_STACKS_ASM_H

#include <stdint.h>

/* Calls @function on the stack that ends at @top, and returns on the one it was called on. */
void call_on(void (*function)(void), void *top);

/* Leaves this stack, keeping its pointer in *@save, for the one whose pointer is @load. */
void fiber_switch(void **save, void *load);

/* Makes a stack for fiber_switch() to go to: it begins with fiber_main(@id). */
void *fiber_prepare(void *top, uint64_t id);

void fiber_main(uint64_t id);

/* The @ith of these functions: spins for @steps with a frame of three pages that it does not touch.
 */
void spin_below(uint64_t i, uint64_t steps);
#define SPIN_BELOW_N 32

#endif
