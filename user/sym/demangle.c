/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle.h"

#include <ctype.h>
#include <errno.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "sym/name_fold.h"

#define ELLIPSIS     "…"
#define ELLIPSIS_LEN (sizeof(ELLIPSIS) - 1)

/* Arguments that are to be folded have this much room first. */
#define UNFOLDED_MAX 16384

/* Of D's names only: as long as they are, and as long as their back references make them. */
#define D_NAME_MAX     4096
#define D_EXPANDED_MAX 16384

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

/* Distance of the back reference at @name[at] ("Q", base 26, the last digit is small); 0: none. */
static size_t d_distance(const char *name, size_t at)
{
	size_t n = 0;

	for (const char *c = name + at + 1; isupper((unsigned char)*c) && n <= at; c++, at++)
		n = n * 26 + (size_t)(*c - 'A');
	return islower((unsigned char)name[at + 1]) ? n * 26 + (size_t)(name[at + 1] - 'a') : 0;
}

/*
 * libiberty's demangler of D has no callback that could stop it, and is recursive. So this bounds
 * what it will walk over, from above: a reference costs all that lies between it and its target, or
 * the length of the identifier that it leads to.
 */
static bool d_is_bounded(const char *name)
{
	uint32_t cost[D_NAME_MAX + 1]; /* of all before */
	size_t i;

	cost[0] = 0;
	for (i = 0; name[i]; i++) {
		size_t n = name[i] == 'Q' ? d_distance(name, i) : 0;
		uint32_t own = 1;

		if (i == D_NAME_MAX || n > i)
			return false;
		if (n && isdigit((unsigned char)name[i - n]))
			own = (uint32_t)strtoul(name + i - n, NULL, 10) % D_EXPANDED_MAX + 1;
		else if (n)
			own = cost[i] - cost[i - n] + 1;
		cost[i + 1] = cost[i] + own;
		if (cost[i + 1] > D_EXPANDED_MAX)
			return false;
	}
	return true;
}

static bool looks_like_d(const char *name)
{
	return strncmp(name, "_D", 2) == 0 && isdigit((unsigned char)name[2]);
}

static bool run_d(const char *name, struct output *out)
{
	CLEANUP(freep) char *readable = NULL;

	if (!looks_like_d(name) || !d_is_bounded(name))
		return false;
	readable = dlang_demangle(name, DMGL_DLANG);
	if (!readable)
		return false;
	append(readable, strlen(readable), out);
	return true;
}

static bool run_demanglers(const char *name, int options, struct output *out)
{
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

static void finish(struct output *out)
{
	out->buf[out->len] = '\0';
	if (out->full) {
		size_t keep = out->size - 1 - ELLIPSIS_LEN;

		keep = whole_sequences(out->buf, out->len < keep ? out->len : keep);
		memcpy(out->buf + keep, ELLIPSIS, ELLIPSIS_LEN + 1);
	}
	utf8_make_printable(out->buf, strlen(out->buf));
}

/* LLVM appends ".llvm.NUMBER" when it has to make a local name global: noise. */
static char *without_llvm_suffix(const char *name)
{
	const char *suffix = strstr(name, ".llvm.");

	return suffix && suffix > name ? strndup(name, suffix - name) : NULL;
}

static bool read_name(const char *name, int options, struct output *out)
{
	return (looks_mangled(name) && run_demanglers(name, options, out)) || run_d(name, out);
}

/* "name<arguments>", as debug information calls instances of templates. */
static bool is_template(const char *name)
{
	const char *open = strpbrk(name, "<(");

	return open && *open == '<' && open > name && name[strlen(name) - 1] == '>' &&
	       (isalnum((unsigned char)open[-1]) || open[-1] == '_');
}

/* With room for arguments that will not be seen. */
static bool read_folded(const char *name, struct output *out)
{
	char buf[UNFOLDED_MAX];
	struct output whole = { .buf = buf, .size = sizeof(buf) };

	if (!read_name(name, DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP, &whole)) {
		if (!is_template(name))
			return false;
		whole.len = 0;
		whole.full = false;
		append(name, strlen(name), &whole);
	}
	buf[whole_sequences(buf, whole.len)] = '\0';
	name_fold(buf);
	append(buf, strlen(buf), out);
	out->full |= whole.full;
	return true;
}

bool demangle_may_read(const char *name, enum demangle_style style)
{
	return style != DEMANGLE_NONE && (looks_mangled(name) || looks_like_d(name) ||
					  (style == DEMANGLE_SIMPLE && *name && is_template(name)));
}

static bool read_in_style(const char *name, enum demangle_style style, struct output *out)
{
	CLEANUP(freep) char *plain = without_llvm_suffix(name);

	switch (style) {
	case DEMANGLE_FULL:
		return read_name(plain ? plain : name, DMGL_PARAMS | DMGL_ANSI, out);
	case DEMANGLE_SIMPLE:
		return read_folded(plain ? plain : name, out);
	default:
		return false;
	}
}

int demangle_style_parse(const char *str, enum demangle_style *ret)
{
	static const char *const names[] = {
		[DEMANGLE_FULL] = "full", [DEMANGLE_SIMPLE] = "simple", [DEMANGLE_NONE] = "none"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(str, names[i]) != 0)
			continue;
		*ret = (enum demangle_style)i;
		return 0;
	}
	return -EINVAL;
}

bool demangle_styled(const char *name, enum demangle_style style, char *buf, size_t size)
{
	struct output out = { .buf = buf, .size = size };
	bool read = read_in_style(name, style, &out) && out.len > 0;

	if (!read) {
		CLEANUP(freep)
		char *plain = style == DEMANGLE_NONE ? NULL : without_llvm_suffix(name);
		const char *shown = plain ? plain : name;

		out.len = 0;
		out.full = false;
		append(shown, strlen(shown), &out);
	}
	finish(&out);
	return read;
}

void demangle(const char *name, char *buf, size_t size)
{
	demangle_styled(name, DEMANGLE_FULL, buf, size);
}
