/* SPDX-License-Identifier: Apache-2.0 */
/* `spanprof annotate`: the source lines of a function with their shares. */
#ifndef APP_CMD_ANNOTATE_H
#define APP_CMD_ANNOTATE_H

/* argv[0] is "annotate". Returns the exit status: 0, 1 failure, 2 usage. Logs. */
int cmd_annotate(int argc, char **argv);

#endif
