/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle_client.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "sym/demangle_protocol.h"

/* Names that go in one message. */
struct batch {
	struct arena *memory;
	const char **ret;
	size_t n, n_answered;
	size_t len;
	unsigned char bytes[WORKER_PAYLOAD_MAX];
};

/* False: it has no room for @name. */
static bool add(struct batch *b, const char *name)
{
	size_t len = strlen(name) + 1;

	if (len > sizeof(b->bytes) - b->len)
		return false;
	memcpy(b->bytes + b->len, name, len);
	b->len += len;
	b->n++;
	return true;
}

static int take_one(struct batch *b, const char *text, size_t len)
{
	if (b->n_answered == b->n || len >= DEMANGLE_READABLE_MAX || !utf8_is_printable(text, len))
		return -EBADMSG;
	if (len) {
		b->ret[b->n_answered] = arena_strndup(b->memory, text, len);
		if (!b->ret[b->n_answered])
			return -ENOMEM;
	}
	b->n_answered++;
	return 0;
}

static int take(struct batch *b, const struct worker_message *m)
{
	const char *text = (const char *)m->payload, *end = text + m->header.len;
	int r = 0;

	if (m->header.kind != DEMANGLE_STRINGS || m->header.len == 0 || end[-1] != '\0')
		return -EBADMSG;
	while (r == 0 && text < end) {
		size_t len = strlen(text);

		r = take_one(b, text, len);
		text += len + 1;
	}
	return r;
}

static int exchange(struct worker *w, struct batch *b)
{
	int r = worker_begin(w, WORKER_SERVICE_DEMANGLE);

	if (r == 0)
		r = worker_send(w, DEMANGLE_ASK, b->bytes, b->len, -1);
	while (r == 0 && b->n_answered < b->n) {
		const struct worker_message *m;

		r = worker_receive(w, &m);
		if (r == 0)
			r = take(b, m);
	}
	if (r == -EBADMSG)
		r = worker_reject(w, WORKER_MALFORMED);
	if (r < 0)
		memset(b->ret, 0, b->n * sizeof(*b->ret));
	return r;
}

int demangle_client_ask(struct worker *w, enum demangle_style style, const char *const *names,
			size_t n, struct arena *memory, const char **ret)
{
	CLEANUP(freep) struct batch *b = malloc(sizeof(*b));
	const uint32_t how = style;
	int r, worst = 0;

	if (!b)
		return -ENOMEM;
	memset(ret, 0, n * sizeof(*ret));
	for (size_t done = 0; done < n; done += b->n) {
		*b = (struct batch){ .memory = memory, .ret = ret + done, .len = sizeof(how) };
		memcpy(b->bytes, &how, sizeof(how));
		while (done + b->n < n && add(b, names[done + b->n]))
			;
		if (b->n == 0) { /* longer than anything that can be read */
			b->n = 1;
			continue;
		}
		r = exchange(w, b);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			worst = r;
	}
	return worst;
}
