/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

#define ESCAPE_MAX  6	/* \u00XX of one byte */
#define AROUND_TEXT 128 /* time, level, names and quotes */

#define REPLACEMENT "\xef\xbf\xbd"

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

size_t log_line_room(size_t len)
{
	return len * ESCAPE_MAX + AROUND_TEXT;
}

/* --- the text --------------------------------------------------------------------------------- */

/* The escape of two characters that JSON has for @c, 0 if none. */
static char short_escape(uint8_t c)
{
	switch (c) {
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	case '"':
	case '\\':
		return (char)c;
	default:
		return 0;
	}
}

/* An ASCII character. */
static char *put_ascii(char *out, uint8_t c, bool quoted)
{
	bool control = c < 0x20 || c == 0x7f;

	if (control || (quoted && (c == '"' || c == '\\'))) {
		*out++ = '\\';
		if (!short_escape(c))
			return out + sprintf(out, "u%04x", c);
		c = (uint8_t)short_escape(c);
	}
	*out++ = (char)c;
	return out;
}

/* Characters beyond ASCII that end a line or move the cursor, as a code point; otherwise 0. */
static unsigned hidden_control(const uint8_t *p, size_t n)
{
	if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0)
		return p[1];
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		return 0x2000 + (p[2] & 0x3f);
	return 0;
}

static char *put_wide(char *out, const uint8_t *p, size_t n)
{
	unsigned control = hidden_control(p, n);

	if (control)
		return out + sprintf(out, "\\u%04x", control);
	memcpy(out, p, n);
	return out + n;
}

/* At most ESCAPE_MAX bytes for each of @text. */
static char *put_text(char *out, const char *text, size_t len, bool quoted)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + len, *valid = p;

	while (p < end) {
		size_t n;

		if (p == valid)
			valid += utf8_valid_len(p, (size_t)(end - p));
		if (p == valid) {
			out = stpcpy(out, REPLACEMENT);
			valid = ++p;
		} else if (*p < 0x80) {
			out = put_ascii(out, *p++, quoted);
		} else {
			n = utf8_char_len(*p);
			out = put_wide(out, p, n);
			p += n;
		}
	}
	return out;
}

/* --- around it -------------------------------------------------------------------------------- */

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/*
 * RFC 3339, in UTC. gmtime_r(3) has a lock of its own, which a process that is forked while another
 * thread writes a line would wait for for ever.
 */
static char *put_time(char *out, uint64_t time_ns)
{
	static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	uint64_t seconds = time_ns / NSEC_PER_SEC;
	unsigned day = (unsigned)(seconds / 86400), in_day = seconds % 86400;
	unsigned year = 1970, month = 0, length;

	for (; day >= 365U + is_leap(year); year++)
		day -= 365 + is_leap(year);
	for (; day >= (length = lengths[month] + (month == 1 && is_leap(year))); month++)
		day -= length;
	return out + sprintf(out, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year, month + 1, day + 1,
			     in_day / 3600, in_day / 60 % 60, in_day % 60,
			     (unsigned)(time_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
}

static char *put_plain(char *out, const struct log_event *event)
{
	out = stpcpy(out, "spanprof: ");
	if (event->level != LOG_LEVEL_INFO)
		out += sprintf(out, "%s: ", level_names[event->level]);
	return put_text(out, event->text, event->len, false);
}

static char *put_logfmt(char *out, const struct log_event *event)
{
	out = put_time(stpcpy(out, "time="), event->time_ns);
	out += sprintf(out, " level=%s msg=\"", level_names[event->level]);
	out = put_text(out, event->text, event->len, true);
	return stpcpy(out, "\"");
}

static char *put_json(char *out, const struct log_event *event)
{
	out = put_time(stpcpy(out, "{\"time\":\""), event->time_ns);
	out += sprintf(out, "\",\"level\":\"%s\",\"msg\":\"", level_names[event->level]);
	out = put_text(out, event->text, event->len, true);
	return stpcpy(out, "\"}");
}

size_t log_line_write(enum log_format format, const struct log_event *event, char *out)
{
	char *end = NULL;

	switch (format) {
	case LOG_FORMAT_TEXT:
		end = put_plain(out, event);
		break;
	case LOG_FORMAT_LOGFMT:
		end = put_logfmt(out, event);
		break;
	case LOG_FORMAT_JSON:
		end = put_json(out, event);
		break;
	}
	*end++ = '\n';
	return (size_t)(end - out);
}
