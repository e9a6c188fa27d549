/* SPDX-License-Identifier: Apache-2.0 */
/* Which trace context of a process is read, and why there would be none. */
#ifndef APP_DOCTOR_CONTEXT_H
#define APP_DOCTOR_CONTEXT_H

#include <stddef.h>

#include "app/context_options.h"
#include "app/finding.h"
#include "proc/process.h"

/* @maps: the @len bytes of /proc/PID/maps. -ESRCH: it is gone; -ENOMEM. */
int doctor_context(const struct process *p, const char *maps, size_t len,
		   const struct context_options *opt, enum finding_state *worst);

#endif
