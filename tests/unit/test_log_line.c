/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/utf8.h"

#include "leak_check.h"

TestSuite(log_line, .fini = leak_check);

#define TIME_NS 1796181270123456789ULL /* date -u -d @1796181270: 2026-12-02T03:14:30 */
#define TIME	"2026-12-02T03:14:30.123Z"

/* The line as a string; the caller frees. Its room is allocated exactly, for ASAN to watch. */
static char *line_of(enum log_format format, const char *text, size_t len)
{
	struct log_event event = { LOG_LEVEL_WARNING, TIME_NS, text, len };
	char *out = malloc(log_line_room(len)), *s;
	size_t n = log_line_write(format, &event, out);

	s = strndup(out, n);
	cr_assert(eq(sz, strlen(s), n), "a NUL in the line");
	free(out);
	return s;
}

static void expect(enum log_format format, const char *text, const char *want)
{
	char *line = line_of(format, text, strlen(text));

	cr_assert(eq(str, line, (char *)want));
	free(line);
}

Test(log_line, plain_words_in_each_format)
{
	expect(LOG_FORMAT_TEXT, "it's \"a\\b\" é", "spanprof: warning: it's \"a\\b\" é\n");
	expect(LOG_FORMAT_LOGFMT, "it's \"a\\b\" é",
	       "time=" TIME " level=warning msg=\"it's \\\"a\\\\b\\\" é\"\n");
	expect(LOG_FORMAT_JSON, "it's \"a\\b\" é",
	       "{\"time\":\"" TIME "\",\"level\":\"warning\",\"msg\":\"it's \\\"a\\\\b\\\" é\"}\n");
}

/* As the C library says, for as long as the clock can count. */
Test(log_line, dates)
{
	static const uint64_t odd[] = { 0, UINT64_MAX, 951782399999999999, 951868800000000000 };
	char want[64], out[256];

	for (uint64_t i = 0; i < 17000 + 4; i++) {
		uint64_t ns = i < 17000 ? i * 1085000000000000 + i : odd[i - 17000];
		struct log_event event = { LOG_LEVEL_INFO, ns, "", 0 };
		time_t s = (time_t)(ns / 1000000000);
		struct tm tm;

		strftime(want, sizeof(want), "time=%Y-%m-%dT%H:%M:%S.", gmtime_r(&s, &tm));
		log_line_write(LOG_FORMAT_LOGFMT, &event, out);
		cr_assert(zero(int, strncmp(out, want, strlen(want))), "%s: %.32s", want, out);
	}
}

Test(log_line, what_moves_the_cursor_or_ends_a_line_is_escaped)
{
	/* CSI as a byte and as U+009B, next line, line separator, and a line that looks like ours.
	 */
	expect(LOG_FORMAT_TEXT,
	       "a\n\r\t\033[2J\x7f\xc2\x9b\xc2\x85\xe2\x80\xa8\xe2\x80\xaa\xc2\xa0",
	       "spanprof: warning: a\\n\\r\\t\\u001b[2J\\u007f\\u009b\\u0085\\u2028"
	       "\xe2\x80\xaa\xc2\xa0\n");
	expect(LOG_FORMAT_TEXT, "x\nspanprof: error: y",
	       "spanprof: warning: x\\nspanprof: error: y\n");
}

Test(log_line, what_is_no_utf8_is_replaced)
{
	expect(LOG_FORMAT_TEXT,
	       "\xff"
	       "a\xc3"
	       "b\xed\xa0\x80\xf0\x9f\x98",
	       "spanprof: warning: \xef\xbf\xbd"
	       "a\xef\xbf\xbd"
	       "b"
	       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
	       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
}

Test(log_line, nul_is_a_control_character)
{
	char *line = line_of(LOG_FORMAT_JSON, "a\0b", 3);

	cr_assert(strstr(line, "\"a\\u0000b\"") != NULL);
	free(line);
}

Test(log_line, time_is_right_at_the_ends)
{
	const uint64_t times[] = { 0, UINT64_MAX };
	const char *const want[] = { "time=1970-01-01T00:00:00.000Z ",
				     /* date -u -d @18446744073 */
				     "time=2554-07-21T23:34:33.709Z " };

	for (int i = 0; i < 2; i++) {
		struct log_event event = { LOG_LEVEL_INFO, times[i], "x", 1 };
		char out[256];

		log_line_write(LOG_FORMAT_LOGFMT, &event, out);
		cr_assert(eq(int, strncmp(out, want[i], strlen(want[i])), 0), "%.40s", out);
	}
}

/* --- property: any bytes ---------------------------------------------------------------------- */

static uint64_t rng_state = 0x9e3779b97f4a7c15;

static uint64_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

/* Rich in what matters: quotes, newlines, and bytes of UTF-8, whole and torn. */
static size_t random_text(char *text, size_t size)
{
	static const char *const pieces[] = {
		"\n",		"\"",	    "\\",	    "=",	"\r\n",
		"\033]0;",	"é",	    "\xe2\x80\xa9", "\xc2\x80", "\xf0\x9f\x98\x80",
		"\xed\xa0\x80", "\xc0\xaf", "} {",	    "%s%n"
	};
	size_t n = 0, want = rng() % size;

	while (n < want) {
		const char *piece = pieces[rng() % (sizeof(pieces) / sizeof(pieces[0]))];

		if (rng() % 2)
			text[n++] = (char)rng();
		else
			for (; *piece && n < want; piece++)
				text[n++] = *piece;
	}
	return n;
}

/* What a reader is to get: @text with U+FFFD for what is no UTF-8. The caller frees. */
static char *expected_text(const char *text, size_t len, size_t *ret_len)
{
	char *want = malloc(len * 3 + 1);
	size_t n = 0;

	while (len > 0) {
		size_t valid = utf8_valid_len(text, len);

		memcpy(want + n, text, valid);
		n += valid;
		text += valid;
		len -= valid;
		if (len > 0) {
			memcpy(want + n, "\xef\xbf\xbd", 3);
			n += 3;
			text++;
			len--;
		}
	}
	*ret_len = n;
	return want;
}

static void expect_text(json_t *string, const char *text, size_t len)
{
	size_t want_len;
	char *want = expected_text(text, len, &want_len);

	cr_assert(ne(ptr, (void *)json_string_value(string), NULL));
	cr_assert(eq(sz, json_string_length(string), want_len));
	cr_assert(eq(int, memcmp(json_string_value(string), want, want_len), 0));
	free(want);
}

/* jansson reads the whole line back, and of logfmt the quoted value. */
static void expect_read_back(enum log_format format, const char *line, const char *text, size_t len)
{
	const char *msg = strstr(line, "msg=");
	json_t *read;

	if (format == LOG_FORMAT_JSON)
		read = json_loads(line, JSON_ALLOW_NUL, NULL);
	else
		read = json_loads(msg + 4, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	cr_assert(ne(ptr, read, NULL), "%s", line);
	if (format == LOG_FORMAT_JSON) {
		cr_assert(eq(sz, json_object_size(read), 3));
		expect_text(json_object_get(read, "msg"), text, len);
	} else {
		expect_text(read, text, len);
	}
	json_decref(read);
}

Test(log_line, any_bytes_are_one_line_that_is_read_back)
{
	char text[200];

	for (int i = 0; i < 20000; i++) {
		size_t len = random_text(text, sizeof(text));

		for (int f = LOG_FORMAT_TEXT; f <= LOG_FORMAT_JSON; f++) {
			char *line = line_of(f, text, len);
			size_t n = strlen(line);

			cr_assert(eq(chr, line[n - 1], '\n'));
			cr_assert(utf8_is_printable(line, n - 1), "%s", line);
			if (f != LOG_FORMAT_TEXT)
				expect_read_back(f, line, text, len);
			free(line);
		}
	}
}
