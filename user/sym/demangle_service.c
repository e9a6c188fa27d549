/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle_service.h"

#include <errno.h>
#include <string.h>

#include "sym/demangle_protocol.h"

/* Answers that are on their way. */
struct answer {
	struct worker_link *link;
	size_t len;
	char text[WORKER_PAYLOAD_MAX];
};

static int flush(struct answer *a)
{
	size_t len = a->len;

	a->len = 0;
	return len ? worker_link_send(a->link, DEMANGLE_STRINGS, a->text, len) : 0;
}

static int add(struct answer *a, const char *name, enum demangle_style style)
{
	int r = sizeof(a->text) - a->len < DEMANGLE_READABLE_MAX ? flush(a) : 0;

	if (r < 0)
		return r;
	if (!demangle_styled(name, style, a->text + a->len, DEMANGLE_READABLE_MAX))
		a->text[a->len] = '\0';
	a->len += strlen(a->text + a->len) + 1;
	return 0;
}

int demangle_service(struct worker_link *link)
{
	static struct answer a;
	const struct worker_message *m = &link->in;
	const char *name = (const char *)m->payload + sizeof(uint32_t);
	const char *end = (const char *)m->payload + m->header.len;
	uint32_t style;
	int r = 0;

	a = (struct answer){ .link = link };
	if (m->header.kind != DEMANGLE_ASK || m->header.len <= sizeof(style) || end[-1] != '\0')
		return -EBADMSG;
	memcpy(&style, m->payload, sizeof(style));
	if (style > DEMANGLE_NONE)
		return -EBADMSG;
	for (; r == 0 && name < end; name += strlen(name) + 1)
		r = add(&a, name, (enum demangle_style)style);
	return r == 0 ? flush(&a) : r;
}
