/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depth DEPTH MIB [SECONDS]: burns CPU DEPTH calls below main(), each call in a function of its own
 * page, while it walks over MIB of memory: for measuring what a walk over such a stack costs a
 * profiler whose data has left the caches since the last one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile uint64_t sink;
static uint64_t *memory;
static size_t words;
static double seconds = 1e9;
static int depth;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

__attribute__((noinline)) static void leaf(void)
{
	double end = now() + seconds;
	uint64_t sum = 0;

	while (now() < end)
		for (size_t i = 0; i < words; i += 8)
			sum += memory[i]++;
	sink = sum;
}

typedef void (*step_fn)(int left);
static const step_fn steps[128];

/* Something saved, something on the stack, and no tail call. */
#define STEP(n)                                                                                    \
	__attribute__((noinline, aligned(4096))) static void step_##n(int left)                    \
	{                                                                                          \
		volatile uint64_t room[1 + n % 7];                                                 \
                                                                                                   \
		room[0] = sink + left;                                                             \
		if (left > 0)                                                                      \
			steps[(n + 1) % 128](left - 1);                                            \
		else                                                                               \
			leaf();                                                                    \
		sink += room[0] * left;                                                            \
	}

#define STEP4(n)  STEP(n##0) STEP(n##1) STEP(n##2) STEP(n##3)
#define STEP16(n) STEP4(n##0) STEP4(n##1) STEP4(n##2) STEP4(n##3)
#define NAME4(n)  step_##n##0, step_##n##1, step_##n##2, step_##n##3,
#define NAME16(n) NAME4(n##0) NAME4(n##1) NAME4(n##2) NAME4(n##3)

/* Octal-like names of base 4: what they are called does not matter, that they are 128 does. */
STEP16(10)
STEP16(11)
STEP16(12)
STEP16(13)
STEP16(20)
STEP16(21)
STEP16(22)
STEP16(23)

static const step_fn steps[128] = { NAME16(10) NAME16(11) NAME16(12) NAME16(13) NAME16(20)
					    NAME16(21) NAME16(22) NAME16(23) };

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: depth DEPTH MIB [SECONDS]\n");
		return 2;
	}
	depth = atoi(argv[1]);
	words = (size_t)atoi(argv[2]) * (1 << 20) / 8;
	if (argc > 3)
		seconds = atof(argv[3]);
	memory = calloc(words ? words : 1, 8);
	if (!memory)
		return 1;
	steps[0](depth - 1);
	return 0;
}
