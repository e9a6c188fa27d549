/* SPDX-License-Identifier: Apache-2.0 */
/* A line on the terminal that tells how the recording goes. */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "app/session.h"

struct progress {
	bool on;
	uint64_t start_ns, shown_ns;
};

/* Nothing is ever shown if standard error is no terminal, or with @quiet. */
void progress_start(struct progress *p, bool quiet);
void progress_update(struct progress *p,
		     const struct session *s); /* a few times a second at most */
void progress_end(struct progress *p);

#endif
