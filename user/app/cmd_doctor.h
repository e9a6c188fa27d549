/* SPDX-License-Identifier: Apache-2.0 */
/* `spanprof doctor` */
#ifndef APP_CMD_DOCTOR_H
#define APP_CMD_DOCTOR_H

/* argv[0] is "doctor". The exit status: 0, 1: profiling is impossible, 2: wrong usage. */
int cmd_doctor(int argc, char **argv);

#endif
