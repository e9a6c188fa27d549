/* SPDX-License-Identifier: Apache-2.0 */
/* `spanprof agent ctl`: asks a running agent. */
#ifndef APP_AGENT_CTL_H
#define APP_AGENT_CTL_H

#define RAISE_SECONDS_MAX 3600

/* argv[0] is "ctl". Returns the exit status: 0, 1 failure or refused, 2 usage. Logs. */
int agent_ctl(int argc, char **argv);

#endif
