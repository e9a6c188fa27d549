/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/names_sender.h"

#include <string.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/utf8.h"
#include "sym/names_protocol.h"

/* Messages of one kind on their way. */
struct batch {
	unsigned kind;
	struct batch *before; /* what this one refers to, and so goes first */
	size_t len;
	unsigned char buf[WORKER_PAYLOAD_MAX];
};

/* Where a string or list was, and the number it has over there. */
struct numbered {
	const void *what;
	size_t n;
	uint32_t id;
};

struct sender {
	struct worker_link *link;
	struct batch strings, frames, results;
	struct arena memory;
	struct hashmap by_address;
	uint32_t n_strings, n_lists;
	struct numbered last; /* list: neighbours are often of one function */
	uint64_t bytes_left, frames_left;
};

static void sender_free(struct sender *s)
{
	if (!s)
		return;
	hashmap_clear(&s->by_address);
	arena_clear(&s->memory);
	free(s);
}
DEFINE_CLEANUP(struct sender *, sender_free)

/* --- messages --------------------------------------------------------------------------------- */

static int flush(struct sender *s, struct batch *b)
{
	int r = b->before ? flush(s, b->before) : 0;

	if (r == 0 && b->len)
		r = worker_link_send(s->link, b->kind, b->buf, b->len);
	b->len = 0;
	return r;
}

/* Makes room for @len bytes, which do not go in pieces. */
static int reserve(struct sender *s, struct batch *b, size_t len, unsigned char **ret)
{
	int r = len > sizeof(b->buf) - b->len ? flush(s, b) : 0;

	if (r < 0)
		return r;
	*ret = b->buf + b->len;
	b->len += len;
	return 0;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static bool numbered_eq(const void *value, const void *key)
{
	const struct numbered *a = value, *b = key;

	return a->what == b->what && a->n == b->n;
}

static uint64_t numbered_hash(const struct numbered *k)
{
	return hash_u64(k->n, (uintptr_t)k->what);
}

static uint32_t find(const struct sender *s, const struct numbered *key)
{
	const struct numbered *have =
		hashmap_get(&s->by_address, numbered_hash(key), numbered_eq, key);

	return have ? have->id : 0;
}

static int remember(struct sender *s, const struct numbered *key)
{
	struct numbered *copy = arena_memdup(&s->memory, key, sizeof(*key));

	return copy ? hashmap_put(&s->by_address, numbered_hash(copy), copy) : -ENOMEM;
}

/* --- strings and frames ----------------------------------------------------------------------- */

static void clean(char *str, size_t len)
{
	if (utf8_is_printable(str, len))
		return;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)str[i] < 0x20 || str[i] == 0x7f)
			str[i] = '?';
	for (size_t i = 0; (i += utf8_valid_len(str + i, len - i)) < len;)
		str[i] = '?';
}

/* A number of 0: there is no string, or no room for it. */
static int send_string(struct sender *s, const char *str, uint32_t *ret)
{
	struct numbered key = { .what = str };
	unsigned char *room;
	size_t len;
	int r;

	*ret = str ? find(s, &key) : 0;
	if (!str || *ret)
		return 0;
	len = strnlen(str, NAMES_STRING_MAX);
	if (len + 1 > s->bytes_left)
		return 0;
	s->bytes_left -= len + 1;

	r = reserve(s, &s->strings, len + 1, &room);
	if (r < 0)
		return r;
	memcpy(room, str, len);
	room[len] = '\0';
	clean((char *)room, len);
	*ret = key.id = ++s->n_strings;
	return remember(s, &key);
}

static bool has_linkage(const struct sym_frame *f)
{
	return f->linkage && strcmp(f->linkage, f->function) != 0;
}

/* 1 if all of them have a function's name over there. */
static int make_frames(struct sender *s, const struct sym_frame *frames, size_t n,
		       struct names_frame *ret)
{
	for (size_t i = 0; i < n; i++) {
		int r = send_string(s, frames[i].function, &ret[i].function);

		if (r == 0)
			r = send_string(s, has_linkage(&frames[i]) ? frames[i].linkage : NULL,
					&ret[i].linkage);
		if (r == 0)
			r = send_string(s, frames[i].file, &ret[i].file);
		if (r < 0)
			return r;
		if (!ret[i].function)
			return 0;
		ret[i].line = frames[i].line;
		ret[i].is_last = i + 1 == n;
	}
	return 1;
}

static uint32_t find_list(struct sender *s, const struct numbered *key)
{
	if (!numbered_eq(&s->last, key)) {
		s->last = *key;
		s->last.id = find(s, key);
	}
	return s->last.id;
}

/* A number of 0: no frames, or no room for them. */
static int send_frames(struct sender *s, const struct sym_frame *frames, size_t n, uint32_t *ret)
{
	struct numbered key = { .what = frames, .n = n };
	struct names_frame made[NAMES_DEPTH_MAX];
	unsigned char *room;
	int r;

	*ret = n ? find_list(s, &key) : 0;
	if (n == 0 || *ret || n > NAMES_DEPTH_MAX || n > s->frames_left)
		return 0;
	r = make_frames(s, frames, n, made);
	if (r <= 0)
		return r;

	r = reserve(s, &s->frames, n * sizeof(made[0]), &room);
	if (r < 0)
		return r;
	memcpy(room, made, n * sizeof(made[0]));
	s->frames_left -= n;
	*ret = s->last.id = key.id = ++s->n_lists;
	return remember(s, &key);
}

static int send_result(struct sender *s, const struct sym_result *res)
{
	struct names_result out = { .vaddr = res->vaddr };
	unsigned char *room;
	int r;

	r = send_frames(s, res->frames, res->n_frames, &out.frames);
	if (r < 0)
		return r;
	out.start = out.frames ? res->start : 0;
	r = reserve(s, &s->results, sizeof(out), &room);
	if (r == 0)
		memcpy(room, &out, sizeof(out));
	return r;
}

int names_send(struct worker_link *link, const struct sym_result *results, size_t n)
{
	CLEANUP(sender_freep) struct sender *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->link = link;
	s->strings.kind = NAMES_STRINGS;
	s->frames.kind = NAMES_FRAMES;
	s->frames.before = &s->strings;
	s->results.kind = NAMES_RESULTS;
	s->results.before = &s->frames;
	s->bytes_left = NAMES_BYTES_MAX(n);
	s->frames_left = NAMES_FRAMES_MAX(n);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = send_result(s, &results[i]);
	return r < 0 ? r : flush(s, &s->results);
}
