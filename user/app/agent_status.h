/* SPDX-License-Identifier: Apache-2.0 */
/* What 'agent ctl status' prints: the agent's numbers, and how each endpoint is. */
#ifndef APP_AGENT_STATUS_H
#define APP_AGENT_STATUS_H

#include <stdio.h>

#include "app/agent_shared.h"

/*
 * A line each, of printable text, whatever is in the shared memory; of an endpoint with the words
 * in which it failed or refused something last. Those that are no longer configured are left out.
 */
void agent_status_write(const struct agent_shared *s, FILE *out);

#endif
