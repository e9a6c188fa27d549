/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/names_answer.h"

#include <string.h>

#include "base/utf8.h"
#include "sym/names_protocol.h"

void names_answer_clear(struct names_answer *a)
{
	vec_free(&a->strings);
	vec_free(&a->open);
	free(a->lists);
	*a = (struct names_answer){ 0 };
}

/* --- strings ---------------------------------------------------------------------------------- */

static int take_string(struct names_answer *a, const char *str, size_t len)
{
	const char *kept;
	int r;

	/* With its 0, so that empty ones cost something, too. */
	a->bytes += len + 1;
	if (len > NAMES_STRING_MAX || a->bytes > NAMES_BYTES_MAX(a->n_results) ||
	    !utf8_is_printable(str, len))
		return -EBADMSG;
	r = frame_store_string(a->store, str, len, &kept);
	return r < 0 ? r : vec_push(&a->strings, kept);
}

static int take_strings(struct names_answer *a, const char *payload, size_t len)
{
	const char *end = payload + len;

	while (payload < end) {
		const char *nul = memchr(payload, '\0', end - payload);
		int r = nul ? take_string(a, payload, nul - payload) : -EBADMSG;

		if (r < 0)
			return r;
		payload = nul + 1;
	}
	return 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

static int end_list(struct names_answer *a)
{
	struct names_list *list;
	int r = vec_reserve_bytes((void **)&a->lists, &a->lists_cap, a->n_lists + 1,
				  sizeof(*a->lists));

	if (r < 0)
		return r;
	list = &a->lists[a->n_lists];
	r = frame_store_list(a->store, a->open.data, a->open.n, &list->frames);
	if (r < 0)
		return r;
	list->n = a->open.n;
	a->n_lists++;
	a->open.n = 0;
	return 0;
}

static int take_frame(struct names_answer *a, const struct names_frame *f)
{
	struct sym_frame frame = { .line = f->line };
	int r;

	if (f->function == 0 || f->function > a->strings.n || f->linkage > a->strings.n ||
	    f->file > a->strings.n || f->is_last > 1 || a->open.n >= NAMES_DEPTH_MAX ||
	    a->n_frames >= NAMES_FRAMES_MAX(a->n_results))
		return -EBADMSG;
	a->n_frames++;
	frame.function = a->strings.data[f->function - 1];
	if (f->linkage)
		frame.linkage = a->strings.data[f->linkage - 1];
	if (f->file)
		frame.file = a->strings.data[f->file - 1];
	r = vec_push(&a->open, frame);
	return r == 0 && f->is_last ? end_list(a) : r;
}

static int take_result(struct names_answer *a, const struct names_result *res)
{
	struct sym_result *to = &a->results[a->n_filled];

	if (a->n_filled >= a->n_results || res->frames > a->n_lists)
		return -EBADMSG;
	*to = (struct sym_result){ .vaddr = res->vaddr };
	if (res->frames) {
		to->start = res->start;
		to->frames = a->lists[res->frames - 1].frames;
		to->n_frames = a->lists[res->frames - 1].n;
	}
	a->n_filled++;
	return 0;
}

/* --- messages --------------------------------------------------------------------------------- */

static int take_frames(struct names_answer *a, const unsigned char *payload, size_t len)
{
	struct names_frame f;
	int r = len % sizeof(f) ? -EBADMSG : 0;

	for (size_t i = 0; r == 0 && i < len; i += sizeof(f)) {
		memcpy(&f, payload + i, sizeof(f));
		r = take_frame(a, &f);
	}
	return r;
}

static int take_results(struct names_answer *a, const unsigned char *payload, size_t len)
{
	struct names_result res;
	int r = len % sizeof(res) ? -EBADMSG : 0;

	for (size_t i = 0; r == 0 && i < len; i += sizeof(res)) {
		memcpy(&res, payload + i, sizeof(res));
		r = take_result(a, &res);
	}
	return r;
}

/* Without an error there is a result for each offset. */
static int take_done(struct names_answer *a, const void *payload, size_t len)
{
	struct names_done d;

	if (len != sizeof(d))
		return -EBADMSG;
	memcpy(&d, payload, sizeof(d));
	if (d.error > 0 || d.error < -4095 || d.debug_left_out > 1 ||
	    (d.error == 0 && a->n_filled != a->n_results))
		return -EBADMSG;
	a->error = d.error;
	a->debug_left_out = d.debug_left_out;
	a->done = true;
	return 0;
}

int names_answer_take(struct names_answer *a, unsigned kind, const void *payload, size_t len)
{
	if (a->done)
		return -EBADMSG;
	switch (kind) {
	case NAMES_STRINGS:
		return take_strings(a, payload, len);
	case NAMES_FRAMES:
		return take_frames(a, payload, len);
	case NAMES_RESULTS:
		return take_results(a, payload, len);
	case NAMES_DONE:
		return take_done(a, payload, len);
	default:
		return -EBADMSG;
	}
}

/* --- questions -------------------------------------------------------------------------------- */

/* A string of @len bytes with its 0 at *pos; NULL if there is none. */
static bool wanted_string(const char **pos, size_t len, const char **ret)
{
	const char *str = *pos;

	*ret = len ? str : NULL;
	*pos += len;
	return len == 0 || strnlen(str, len) == len - 1;
}

int names_wanted_decode(const void *payload, size_t len, struct sym_file_wanted *ret,
			unsigned *ret_nth)
{
	const char *pos = (const char *)payload + sizeof(struct names_wanted);
	struct sym_file_wanted f = { 0 };
	struct names_wanted w;

	if (len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, payload, sizeof(w));
	if (w.kind >= SYM_FILE_KINDS ||
	    len - sizeof(w) != (size_t)w.build_id_len + w.name_len + w.comp_dir_len)
		return -EBADMSG;

	f.kind = w.kind;
	f.crc = w.crc;
	f.build_id = w.build_id_len ? (const uint8_t *)pos : NULL;
	f.build_id_len = w.build_id_len;
	pos += w.build_id_len;
	if (!wanted_string(&pos, w.name_len, &f.name) ||
	    !wanted_string(&pos, w.comp_dir_len, &f.comp_dir))
		return -EBADMSG;
	*ret = f;
	*ret_nth = w.nth;
	return 0;
}
