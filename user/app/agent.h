/* SPDX-License-Identifier: Apache-2.0 */
/* The process that samples, of `spanprof agent`. See ARCHITECTURE.md for the other ones. */
#ifndef APP_AGENT_H
#define APP_AGENT_H

#include "app/agent_config.h"

/*
 * Profiles the host until a signal asks it to end. @config, of these @sources, is taken over. Logs;
 * negative errno.
 */
int agent_run(const struct agent_sources *sources, struct agent_config *config);

#endif
