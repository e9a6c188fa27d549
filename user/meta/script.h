/* SPDX-License-Identifier: Apache-2.0 */
/* What an interpreter runs, by the command line that it was given. Foreign bytes. Never logs. */
#ifndef META_SCRIPT_H
#define META_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_LINE_MAX (64u << 10) /* bytes of /proc/PID/cmdline that are looked at */
#define SCRIPT_NAME_MAX	 255

/* Is the program of this name one that runs others: python3.11, node, java, bash, …? */
bool script_has_interpreter(const char *program);

/*
 * The name of what @program runs, given @text, the strings of /proc/PID/cmdline, each ended by a
 * NUL: of a script or jar the last part of its path without suffix, of a module or a main class the
 * whole name. "" if there is none (-c, -e, from standard input, an interactive one).
 */
void script_name(const char *program, const char *text, size_t len, char ret[SCRIPT_NAME_MAX + 1]);

#endif
