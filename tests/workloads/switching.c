/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that hand the CPU around, a few microseconds each: start_thread → thread_main → outer
 * → leaf, and what waits in between. See burn.h.
 *
 *   switching threads   64 threads in a ring, each wakes the next
 */
#include <pthread.h>
#include <semaphore.h>

#include "burn.h"

#define THREADS 64
#define STEPS	20000

static sem_t turn[THREADS];

WORK_FUNCTION static void leaf(void)
{
	burn(STEPS);
}

WORK_FUNCTION static void outer(void)
{
	uint64_t room[10];

	BURN_KEEP(room);
	leaf();
	BURN_KEEP(room);
}

static void *thread_main(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	for (;;) {
		sem_wait(&turn[i]);
		if (!burn_goes_on())
			break;
		outer();
		sem_post(&turn[(i + 1) % THREADS]);
	}
	sem_post(&turn[(i + 1) % THREADS]); /* all see that the time is up */
	return NULL;
}

/* Two of them have their turn at once. */
static void mode_threads(void)
{
	pthread_t threads[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		sem_init(&turn[i], 0, i % (THREADS / 2) == 0);
	for (uintptr_t i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, thread_main, (void *)i) != 0)
			exit(1);
	}
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "threads", mode_threads },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
