/* SPDX-License-Identifier: Apache-2.0 */
/* `spanprof record` */
#ifndef APP_CMD_RECORD_H
#define APP_CMD_RECORD_H

/* argv[0] is "record". The exit status of the program. */
int cmd_record(int argc, char **argv);

#endif
