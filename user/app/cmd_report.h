/* SPDX-License-Identifier: Apache-2.0 */
/* `spanprof report`: renders a recording. */
#ifndef APP_CMD_REPORT_H
#define APP_CMD_REPORT_H

/* argv[0] is "report". Returns the exit status: 0, 1 failure, 2 usage. Logs. */
int cmd_report(int argc, char **argv);

#endif
