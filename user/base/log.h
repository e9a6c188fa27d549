/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for people, on stderr: "spanprof: text". Only app/ and collect/ log above debug level.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Messages above @level are not printed. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* A line that is being redrawn on the terminal (progress) is wiped before the next message. */
void log_set_transient(int on);

void log_print(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_printv(enum log_level level, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

/* Prints "text: strerror(-err)" at error level and returns @err (0 or negative errno). */
int log_error_errno(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_print(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_print(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_print(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
