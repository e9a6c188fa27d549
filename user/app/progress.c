/* SPDX-License-Identifier: Apache-2.0 */
#include "app/progress.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

#define UPDATE_NS (500 * NSEC_PER_MSEC)

void progress_start(struct progress *p, bool quiet)
{
	*p = (struct progress){ .on = !quiet && isatty(STDERR_FILENO), .start_ns = monotonic_ns() };
	log_set_transient(p->on);
}

void progress_update(struct progress *p, const struct session *s)
{
	uint64_t now = monotonic_ns();
	struct session_totals totals;

	if (!p->on || now - p->shown_ns < UPDATE_NS)
		return;
	p->shown_ns = now;
	totals = session_totals(s);
	fprintf(stderr, "\r\033[K%.1f s, %" PRIu64 " samples, %" PRIu64 " lost; Ctrl-C to stop",
		(now - p->start_ns) / 1e9, totals.samples, totals.lost);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->on)
		fputs("\r\033[K", stderr);
	p->on = false;
	log_set_transient(0);
}
