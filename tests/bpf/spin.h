/* SPDX-License-Identifier: Apache-2.0 */
/* Work of a known place and amount, for the collector to see. */
#ifndef SPIN_H
#define SPIN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The linker gives a section's bounds: where the program counter must lie. */
extern const char __start_spin_text[], __stop_spin_text[];

__attribute__((noinline, noclone, section("spin_text"), no_sanitize("address", "undefined"))) //
static void
spin_loop(unsigned n)
{
	while (n--)
		__asm__ volatile("" ::: "memory");
}

static inline bool spin_is_at(uint64_t ip)
{
	return ip >= (uintptr_t)__start_spin_text && ip < (uintptr_t)__stop_spin_text;
}

/* Uses @ms of this thread's CPU time, on a busy machine too. */
static inline void spin_ms(unsigned ms)
{
	struct timespec ts;
	uint64_t used;

	do {
		spin_loop(100000);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
		used = ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	} while (used < ms);
}

static inline void spin_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		abort();
}

#endif
