/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages for people, on stderr: "spanprof: text", or lines for machines. Only app/ and collect/
 * log above debug level. One message is one line, written at once, whatever its values hold. May
 * be called by any thread, also after fork(2) of a process that has several: there is no lock.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format {
	LOG_FORMAT_TEXT,   /* spanprof: warning: text */
	LOG_FORMAT_LOGFMT, /* time=2026-11-29T03:14:30.123Z level=warning msg="text" */
	LOG_FORMAT_JSON,   /* {"time":"…","level":"warning","msg":"text"} */
};

/* Messages above @level are not printed. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Default: LOG_FORMAT_TEXT. */
void log_set_format(enum log_format format);

/*
 * Of each place in the program that logs, at most @lines a minute are printed; how many more there
 * were is said by the place's next line, or by log_tell_left_out(). 0, the default: no limit.
 */
void log_set_rate(unsigned lines);

/* Says of minutes that are over how many lines were left out. For whoever goes on for long to call
 * now and then. */
void log_tell_left_out(void);
/* The same without waiting for the minute's end: before the process ends. */
void log_tell_all_left_out(void);

/* A line that is being redrawn on the terminal (progress) is wiped before the next message. */
void log_set_transient(int on);

#define LOG_SITE_TEXT 120

/* A place that logs, for its rate. Zeroed when new; only log.c looks into it. */
struct log_site {
	_Atomic uint64_t minute; /* the one that the counts are of */
	atomic_uint printed, left_out;
	atomic_uint level;
	atomic_flag listed;
	struct log_site *next; /* of those that have ever left something out */
	atomic_flag text_busy;
	char text[LOG_SITE_TEXT]; /* begin of the last one left out */
};

void log_print(struct log_site *site, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int log_print_errno(struct log_site *site, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define LOG_SITE_()                                                                                \
	({                                                                                         \
		static struct log_site site_;                                                      \
		&site_;                                                                            \
	})

#define log_error(...)	 log_print(LOG_SITE_(), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_SITE_(), LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_print(LOG_SITE_(), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_print(LOG_SITE_(), LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Prints "text: strerror(-err)" at error level and returns @err (0 or negative errno). */
#define log_error_errno(err, ...) log_print_errno(LOG_SITE_(), err, __VA_ARGS__)

#endif
