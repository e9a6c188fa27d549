/* SPDX-License-Identifier: Apache-2.0 */
#include "app/stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

atomic_int stop_signal_count;

static void on_signal(int sig)
{
	atomic_fetch_add(&stop_signal_count, 1);
}

int stop_signal_install(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (sigaction(signals[i], &sa, NULL) < 0)
			return -errno;
	/* A reader that went away is told by EPIPE. */
	sa.sa_handler = SIG_IGN;
	if (sigaction(SIGPIPE, &sa, NULL) < 0)
		return -errno;
	return 0;
}
