/* SPDX-License-Identifier: Apache-2.0 */
/* What the process that speaks to endpoints gives up before it does. */
#ifndef APP_COURIER_SANDBOX_H
#define APP_COURIER_SANDBOX_H

/*
 * For good: no capabilities, no new privileges, no memory image on disk or for debuggers, and none
 * of the system calls that start programs, load code into the kernel, or reach into other
 * processes. Returns 0; a negative errno if capabilities would be left: then there must be no work.
 * What else could not be had is logged.
 */
int courier_sandbox_enter(void);

#endif
