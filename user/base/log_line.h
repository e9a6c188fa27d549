/* SPDX-License-Identifier: Apache-2.0 */
/* One event of the log as one line, whatever bytes its text has. */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

struct log_event {
	enum log_level level;
	uint64_t time_ns; /* CLOCK_REALTIME */
	const char *text; /* may hold any byte, NUL and newlines, too */
	size_t len;
};

/* Room that log_line_write() needs at most for a text of @len bytes. */
size_t log_line_room(size_t len);

/*
 * Writes the line with its newline into @out and returns its bytes; no NUL behind it. All in front
 * of the newline is valid UTF-8 without control characters. Escapes are those of JSON, also in
 * logfmt's quotes and in plain text, where quotes and backslashes stay as they are. Bytes that are
 * no UTF-8 become U+FFFD.
 */
size_t log_line_write(enum log_format format, const struct log_event *event, char *out);

#endif
