/* SPDX-License-Identifier: Apache-2.0 */
/* What would be collected of one process? */
#ifndef APP_DOCTOR_PROCESS_H
#define APP_DOCTOR_PROCESS_H

#include <sys/types.h>

#include "app/context_options.h"
#include "app/finding.h"

/* A process that does not exist or cannot be read is FINDING_FATAL. */
void doctor_process(pid_t pid, const struct context_options *opt, enum finding_state *worst);

#endif
