/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define ELLIPSIS     "…"
#define ELLIPSIS_LEN (sizeof(ELLIPSIS) - 1)

struct output {
	char *buf;
	size_t size;
	size_t len;
	bool full;
	jmp_buf enough;
};

static bool is_ascii(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] & 0x80)
			return false;
	return true;
}

/*
 * libiberty has no way to stop a demangler half-way, and back references let the output grow
 * exponentially, so we leave by longjmp. Its demanglers hold memory across this callback only while
 * they print a Rust identifier in punycode, which is never plain ASCII: those are waited for.
 */
static void append(const char *data, size_t len, void *opaque)
{
	struct output *out = opaque;
	size_t room = out->size - 1 - out->len;

	if (out->full) {
		if (is_ascii(data, len))
			longjmp(out->enough, 1);
		return;
	}
	if (len == 0) /* and then @data may be NULL */
		return;
	out->full = len > room;
	memcpy(out->buf + out->len, data, len < room ? len : room);
	out->len += len < room ? len : room;
}

static bool run_demanglers(const char *name, struct output *out)
{
	const int options = DMGL_PARAMS | DMGL_ANSI;

	if (setjmp(out->enough))
		return true;
	if (rust_demangle_callback(name, options, append, out))
		return true;
	out->len = 0;
	out->full = false;
	return cplus_demangle_v3_callback(name, options, append, out) && out->len > 0;
}

static bool looks_mangled(const char *name)
{
	return strncmp(name, "_Z", 2) == 0 || strncmp(name, "_R", 2) == 0 ||
	       strncmp(name, "_GLOBAL_", 8) == 0;
}

/* Bytes of the valid UTF-8 sequence at @s, 0 if there is none. */
static size_t utf8_len(const unsigned char *s)
{
	uint32_t min, c;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] < 0xe0)
		n = 2, min = 0x80, c = s[0] & 0x1f;
	else if (s[0] >= 0xe0 && s[0] < 0xf0)
		n = 3, min = 0x800, c = s[0] & 0x0f;
	else if (s[0] >= 0xf0 && s[0] < 0xf5)
		n = 4, min = 0x10000, c = s[0] & 0x07;
	else
		return 0;

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return c >= min && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n : 0;
}

/* The length that @buf[0..len) has without a sequence that was cut off at its end. */
static size_t whole_sequences(const char *buf, size_t len)
{
	for (size_t back = 1; back <= 3 && back <= len; back++) {
		unsigned char c = buf[len - back];

		if (c < 0x80)
			return len;
		if (c >= 0xc0)
			return back < (c < 0xe0 ? 2U : c < 0xf0 ? 3U : 4U) ? len - back : len;
	}
	return len;
}

static void replace_bad_bytes(char *buf)
{
	for (unsigned char *p = (unsigned char *)buf; *p;) {
		size_t n = utf8_len(p);

		if (n == 0 || *p < 0x20 || *p == 0x7f) {
			*p = '?';
			n = 1;
		}
		p += n;
	}
}

static void finish(struct output *out)
{
	out->buf[out->len] = '\0';
	if (out->full) {
		size_t keep = out->size - 1 - ELLIPSIS_LEN;

		keep = whole_sequences(out->buf, out->len < keep ? out->len : keep);
		memcpy(out->buf + keep, ELLIPSIS, ELLIPSIS_LEN + 1);
	}
	replace_bad_bytes(out->buf);
}

/* LLVM appends ".llvm.NUMBER" when it has to make a local name global: noise. */
static char *without_llvm_suffix(const char *name)
{
	const char *suffix = strstr(name, ".llvm.");

	return suffix && suffix > name ? strndup(name, suffix - name) : NULL;
}

void demangle(const char *name, char *buf, size_t size)
{
	CLEANUP(freep) char *plain = without_llvm_suffix(name);
	struct output out = { .buf = buf, .size = size };

	if (plain)
		name = plain;
	if (!looks_mangled(name) || !run_demanglers(name, &out)) {
		out.len = 0;
		out.full = false;
		append(name, strlen(name), &out);
	}
	finish(&out);
}
