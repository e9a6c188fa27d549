/* SPDX-License-Identifier: Apache-2.0 */
/* `spanprof agent`: profiles the host all the time. */
#ifndef APP_CMD_AGENT_H
#define APP_CMD_AGENT_H

/* argv[0] is "agent". Returns the exit status: 0, 1 failure, 2 usage. Logs. */
int cmd_agent(int argc, char **argv);

#endif
