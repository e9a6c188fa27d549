/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log_line.h"
#include "base/utf8.h"

#define TEXT_STACK 1024
#define TEXT_MAX   (256 * 1024)
#define LINE_STACK 8192
#define WIPE	   "\r\033[K"

#define NS_PER_MINUTE (60 * NSEC_PER_SEC)

static _Atomic(enum log_level) max_level = LOG_LEVEL_INFO;
static _Atomic(enum log_format) line_format = LOG_FORMAT_TEXT;
static atomic_int transient_line;
static atomic_uint lines_a_minute;
static _Atomic(struct log_site *) quiet_sites; /* that have ever left something out */

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_get_level(void)
{
	return max_level;
}

void log_set_format(enum log_format format)
{
	line_format = format;
}

void log_set_rate(unsigned lines)
{
	lines_a_minute = lines;
}

void log_set_transient(int on)
{
	transient_line = on;
}

/* --- one line --------------------------------------------------------------------------------- */

/* One write(2), so that lines of several threads and processes do not mix. */
static void write_line(enum log_level level, const char *text, size_t len)
{
	struct log_event event = { level, realtime_ns(), text, len };
	size_t wipe = transient_line ? strlen(WIPE) : 0;
	CLEANUP(freep) char *heap = NULL;
	char stack[LINE_STACK], *line = stack;

	if (wipe + log_line_room(len) > sizeof(stack)) {
		heap = malloc(wipe + log_line_room(len));
		line = heap ? heap : stack;
		if (!heap)
			event.len = TEXT_STACK;
	}
	_Static_assert(LINE_STACK >= TEXT_STACK * 6 + 256, "log_line_room(TEXT_STACK)");

	memcpy(line, WIPE, wipe);
	len = wipe + log_line_write(line_format, &event, line + wipe);
	(void)write_whole_fd(STDERR_FILENO, line, len);
}

/* --- how many --------------------------------------------------------------------------------- */

/* 0 is the minute of a site that has never logged. */
static uint64_t this_minute(void)
{
	return monotonic_ns() / NS_PER_MINUTE + 1;
}

/* Whoever finds the text in use does without it: nobody ever waits. */
static void remember_text(struct log_site *site, const char *text, size_t len)
{
	size_t n = utf8_fitting_len(text, len, LOG_SITE_TEXT - 1);

	if (atomic_flag_test_and_set(&site->text_busy))
		return;
	memcpy(site->text, text, n);
	site->text[n] = '\0';
	atomic_flag_clear(&site->text_busy);
}

static void recall_text(struct log_site *site, char *ret)
{
	ret[0] = '\0';
	if (atomic_flag_test_and_set(&site->text_busy))
		return;
	memcpy(ret, site->text, LOG_SITE_TEXT);
	atomic_flag_clear(&site->text_busy);
}

static void list_site(struct log_site *site)
{
	if (atomic_flag_test_and_set(&site->listed))
		return;
	site->next = quiet_sites;
	while (!atomic_compare_exchange_weak(&quiet_sites, &site->next, site))
		;
}

static void leave_out(struct log_site *site, enum log_level level, const char *text, size_t len)
{
	site->level = level;
	remember_text(site, text, len);
	site->left_out++;
	list_site(site);
}

static void tell(struct log_site *site)
{
	char text[LOG_SITE_TEXT], line[LOG_SITE_TEXT + 64];
	unsigned n = atomic_exchange(&site->left_out, 0);
	int len;

	if (n == 0)
		return;
	recall_text(site, text);
	len = snprintf(line, sizeof(line), "%u more like this: %s", n, text);
	write_line(site->level, line, (size_t)len);
}

static void begin_minute(struct log_site *site, uint64_t minute)
{
	if (atomic_exchange(&site->minute, minute) == minute)
		return;
	site->printed = 0;
	tell(site);
}

static bool admit(struct log_site *site)
{
	unsigned limit = lines_a_minute;
	uint64_t minute;

	if (limit == 0)
		return true;
	minute = this_minute();
	if (site->minute != minute)
		begin_minute(site, minute);
	return site->printed++ < limit;
}

static void tell_before(uint64_t minute)
{
	for (struct log_site *site = quiet_sites; site; site = site->next)
		if (site->minute < minute)
			tell(site);
}

void log_tell_left_out(void)
{
	tell_before(this_minute());
}

void log_tell_all_left_out(void)
{
	tell_before(UINT64_MAX);
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_text(struct log_site *site, enum log_level level, const char *text, size_t len)
{
	if (admit(site))
		write_line(level, text, len);
	else
		leave_out(site, level, text, len);
}

void log_print(struct log_site *site, enum log_level level, const char *fmt, ...)
{
	CLEANUP(freep) char *heap = NULL;
	char stack[TEXT_STACK];
	int saved = errno, len;
	va_list ap;

	if (level > max_level)
		return;

	va_start(ap, fmt);
	len = vsnprintf(stack, sizeof(stack), fmt, ap);
	va_end(ap);
	if (len >= TEXT_STACK) {
		va_start(ap, fmt);
		heap = len < TEXT_MAX ? malloc((size_t)len + 1) : NULL;
		len = heap ? vsnprintf(heap, (size_t)len + 1, fmt, ap) : TEXT_STACK - 1;
		va_end(ap);
	}
	if (len >= 0)
		print_text(site, level, heap ? heap : stack, (size_t)len);
	errno = saved;
}

int log_print_errno(struct log_site *site, int err, const char *fmt, ...)
{
	char text[TEXT_STACK];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_print(site, LOG_LEVEL_ERROR, "%s: %s", text, strerror(-err));
	return err;
}
