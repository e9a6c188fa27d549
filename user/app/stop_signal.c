/* SPDX-License-Identifier: Apache-2.0 */
#include "app/stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

atomic_int stop_signal_count;
atomic_int reload_signal_count;

static void on_signal(int sig)
{
	atomic_fetch_add(&stop_signal_count, 1);
}

/* Hangups are ignored already for one who asked for that: nohup(1). */
static bool is_ignored(int sig)
{
	struct sigaction old;

	return sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

int stop_signal_install(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < N_SIGNALS; i++) {
		if (signals[i] == SIGHUP && is_ignored(SIGHUP))
			continue;
		if (sigaction(signals[i], &sa, NULL) < 0)
			return -errno;
	}
	/* A reader that went away is told by EPIPE. */
	sa.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, &sa, NULL) < 0)
		return -errno;
	return 0;
}

static void on_hangup(int sig)
{
	atomic_fetch_add(&reload_signal_count, 1);
}

int stop_signal_reload_on_hangup(void)
{
	struct sigaction sa = { .sa_handler = on_hangup };

	return sigaction(SIGHUP, &sa, NULL) < 0 ? -errno : 0;
}

void stop_signal_reset(void)
{
	for (size_t i = 0; i < N_SIGNALS; i++)
		if (!is_ignored(signals[i]))
			signal(signals[i], SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
}
