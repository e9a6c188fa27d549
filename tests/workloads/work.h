/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time that is spent in a function of one's choice, in a known amount. Everything here is
 * inlined, so that a sample finds the named function and no helper of the test program.
 */
#ifndef WORKLOADS_WORK_H
#define WORKLOADS_WORK_H

#include <stdint.h>
#include <time.h>

#define WORK_CHUNK_NS 1000000

/* A function that keeps its name: neither inlined nor cloned nor merged with one of equal code. */
#if defined(__has_attribute)
#if __has_attribute(noipa)
#define WORK_FUNCTION __attribute__((noipa))
#else
#define WORK_FUNCTION __attribute__((noinline))
#endif
#endif

#define WORK_INLINE static inline __attribute__((always_inline))

extern uint64_t work_steps_per_ms; /* set by work_calibrate() */

/* Measures work_steps_per_ms: to be called once, before work_steps() and work_spend(). */
void work_calibrate(void);

WORK_INLINE uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

WORK_INLINE uint64_t work_steps(uint64_t ns)
{
	return ns * work_steps_per_ms / 1000000u + 1;
}

/*
 * GCC leaves out the frame of a function that calls nothing and touches no stack, whatever
 * -fno-omit-frame-pointer says; a profiler that follows frame pointers would then miss its caller.
 * Programs that are to have no frame pointers define WORK_OMIT_FRAME.
 */
#ifdef WORK_OMIT_FRAME
#define WORK_KEEP_FRAME() ((void)0)
#else
#define WORK_KEEP_FRAME() __asm__ volatile("" : : "r"(__builtin_frame_address(0)))
#endif

/*
 * Each multiplication waits for the one before. The speed of such a chain depends neither on where
 * the loop lies in memory nor on what else runs on the core: equal counts of steps in two functions
 * are equal CPU time, with no clock read to prove it.
 */
WORK_INLINE uint64_t work_chain(uint64_t x, uint64_t steps)
{
	WORK_KEEP_FRAME();
	for (uint64_t i = 0; i < steps; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

/*
 * Spends @ns of the thread's CPU time. The clock is a system call, so it is read once in
 * WORK_CHUNK_NS. Returns what was really spent.
 */
WORK_INLINE uint64_t work_spend(uint64_t ns)
{
	uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t spent = 0, x = start;

	while (spent < ns) {
		uint64_t left = ns - spent;

		x = work_chain(x, work_steps(left < WORK_CHUNK_NS ? left : WORK_CHUNK_NS));
		spent = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
	}
	return spent;
}

/* splitmix64: a random number, and the next state in *@state. */
WORK_INLINE uint64_t work_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

#endif
