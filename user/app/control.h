/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a running agent, over a unix socket that only its user may open: one line, one answer
 * of some lines, and the end. Nobody who is slow holds the agent up.
 */
#ifndef APP_CONTROL_H
#define APP_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define CONTROL_PATH_MAX    108 /* with the NUL: unix(7) */
#define CONTROL_REQUEST_MAX 512
#define CONTROL_ANSWER_MAX  32768

/* @text is printable. Writes what to answer. */
typedef void (*control_fn)(void *arg, const char *text, char *answer, size_t size);

struct control;

/* -EADDRINUSE: another agent listens there; otherwise negative errno. Logs. */
int control_open(const char *path, struct control **ret);
void control_close(struct control *c); /* removes the socket; NULL is fine */
DEFINE_CLEANUP(struct control *, control_close)

/* Handles what has come, without waiting. */
void control_poll(struct control *c, control_fn fn, void *arg);

/* The other side: sends @request, and its answer to fresh memory. Negative errno. */
int control_ask(const char *path, const char *request, char **ret);

#endif
