/* SPDX-License-Identifier: Apache-2.0 */
/* SIGINT, SIGTERM and SIGHUP ask for an orderly end: they set a flag and interrupt waiting. */
#ifndef APP_STOP_SIGNAL_H
#define APP_STOP_SIGNAL_H

#include <stdatomic.h>

/* How many such signals have come; readable from any thread. */
extern atomic_int stop_signal_count;

/* Installs the handlers; SIGPIPE is ignored from now on, and SIGHUP still is if it was (nohup).
 * Negative errno. */
int stop_signal_install(void);

/* How many SIGHUP have come since stop_signal_reload_on_hangup(), which makes them no end. */
extern atomic_int reload_signal_count;
int stop_signal_reload_on_hangup(void); /* negative errno */

/* In a child: what was installed is undone. */
void stop_signal_reset(void);

#endif
