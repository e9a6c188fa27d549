/* SPDX-License-Identifier: Apache-2.0 */
/* Which spans a process's threads are in, found as `record` finds them: by a second of sampling. */
#ifndef APP_DOCTOR_WATCH_H
#define APP_DOCTOR_WATCH_H

#include <sys/types.h>

#include "app/context_options.h"
#include "app/finding.h"

void doctor_watch(pid_t pid, const struct context_options *opt, enum finding_state *worst);

#endif
