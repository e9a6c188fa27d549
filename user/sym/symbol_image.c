/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbol_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"

#define MAGIC	"spanprof symbols"
#define VERSION 1

/* Numbers are the machine's own: another kind of machine reads another version. */
struct image_head {
	char magic[16];
	uint32_t version;
	uint32_t crc; /* of all the rest, the head's with this one 0 */
	struct symbol_origin origin;
	uint64_t n_places, n_frames, n_strings;
};

_Static_assert(sizeof(struct image_head) == 128 && sizeof(struct symbol_place) == 32 &&
		       sizeof(struct symbol_frame) == 16,
	       "no padding is written");

/* A string and where it is to be found. */
struct text_key {
	const struct symbol_image *img;
	const char *text;
};

void symbol_image_clear(struct symbol_image *img)
{
	vec_free(&img->places);
	vec_free(&img->frames);
	vec_free(&img->strings);
	hashmap_clear(&img->by_text);
	img->n_sorted = 0;
	img->round = 0;
}

size_t symbol_image_size(const struct symbol_image *img)
{
	return sizeof(*img) + img->places.cap * sizeof(struct symbol_place) +
	       img->frames.cap * sizeof(struct symbol_frame) + img->strings.cap +
	       img->by_text.cap * sizeof(struct hashmap_slot);
}

/* --- finding ---------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
	const struct symbol_place *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Of several with the same offset one stays. */
static void sort_places(struct symbol_image *img)
{
	struct symbol_place *p = img->places.data;
	size_t n = 0;

	if (img->n_sorted == img->places.n)
		return;
	qsort(p, img->places.n, sizeof(*p), compare_places);
	for (size_t i = 0; i < img->places.n; i++)
		if (n == 0 || p[i].offset != p[n - 1].offset)
			p[n++] = p[i];
	img->places.n = img->n_sorted = n;
}

const struct symbol_place *symbol_image_find(struct symbol_image *img, uint64_t offset)
{
	const struct symbol_place key = { .offset = offset };
	struct symbol_place *p;

	sort_places(img);
	if (!img->places.n)
		return NULL;
	p = bsearch(&key, img->places.data, img->places.n, sizeof(key), compare_places);
	if (p)
		p->used = img->round;
	return p;
}

/* --- adding ----------------------------------------------------------------------------------- */

static void *position_value(uint32_t at)
{
	return (void *)(uintptr_t)at;
}

static bool text_eq(const void *value, const void *key)
{
	const struct text_key *k = key;

	return strcmp(k->img->strings.data + (uintptr_t)value, k->text) == 0;
}

static uint64_t text_hash(const char *text)
{
	return hash_bytes(0, text, strlen(text));
}

static int add_bytes(struct symbol_image *img, const char *text, uint32_t *ret)
{
	size_t len = strlen(text) + 1;
	int r;

	if (len > SYMBOL_IMAGE_MAX - img->strings.n)
		return -E2BIG;
	r = vec_reserve(&img->strings, len);
	if (r < 0)
		return r;
	memcpy(img->strings.data + img->strings.n, text, len);
	*ret = img->strings.n;
	img->strings.n += len;
	return 0;
}

/* A decoded image has its strings in no map yet. */
static int index_strings(struct symbol_image *img)
{
	if (!img->strings.n)
		return vec_push(&img->strings, '\0');
	if (img->by_text.n)
		return 0;
	for (size_t at = 1; at < img->strings.n;) {
		const char *text = img->strings.data + at;
		int r = hashmap_put(&img->by_text, text_hash(text), position_value(at));

		if (r < 0)
			return r;
		at += strlen(text) + 1;
	}
	return 0;
}

static int intern(struct symbol_image *img, const char *text, uint32_t *ret)
{
	const struct text_key key = { img, text };
	void *found;
	uint32_t at;
	int r;

	*ret = 0;
	if (!text || !*text)
		return 0;
	found = hashmap_get(&img->by_text, text_hash(text), text_eq, &key);
	if (found) {
		*ret = (uintptr_t)found;
		return 0;
	}
	r = add_bytes(img, text, &at);
	if (r == 0)
		r = hashmap_put(&img->by_text, text_hash(text), position_value(at));
	if (r == 0)
		*ret = at;
	return r;
}

static int add_frame(struct symbol_image *img, const struct sym_frame *frame)
{
	struct symbol_frame f = { .line = frame->line };
	int r = intern(img, frame->function, &f.function);

	if (r == 0)
		r = intern(img, frame->linkage, &f.linkage);
	if (r == 0)
		r = intern(img, frame->file, &f.file);
	return r == 0 ? vec_push(&img->frames, f) : r;
}

int symbol_image_add(struct symbol_image *img, const struct symbol_place *place,
		     const struct sym_frame *frames)
{
	struct symbol_place p = *place;
	int r;

	if (p.n > SYMBOL_IMAGE_DEPTH || symbol_image_size(img) >= SYMBOL_IMAGE_MAX / 2)
		return -E2BIG;
	r = index_strings(img);
	p.first = img->frames.n;
	p.used = img->round;
	for (uint32_t i = 0; r == 0 && i < p.n; i++)
		r = add_frame(img, &frames[i]);
	if (r == 0)
		r = vec_push(&img->places, p);
	if (r < 0)
		img->frames.n = p.first;
	return r;
}

/* --- growing old ------------------------------------------------------------------------------ */

static bool is_old(const struct symbol_image *img, const struct symbol_place *p, uint16_t kept)
{
	return (uint16_t)(img->round - p->used) > kept;
}

static int copy_place(struct symbol_image *to, const struct symbol_image *from,
		      const struct symbol_place *p)
{
	struct sym_frame frames[SYMBOL_IMAGE_DEPTH];
	int r;

	for (uint32_t i = 0; i < p->n; i++) {
		const struct symbol_frame *f = &from->frames.data[p->first + i];

		frames[i] = (struct sym_frame){
			.function = from->strings.data + f->function,
			.linkage = from->strings.data + f->linkage,
			.file = from->strings.data + f->file,
			.line = f->line,
		};
	}
	r = symbol_image_add(to, p, frames);
	if (r == 0)
		to->places.data[to->places.n - 1].used = p->used;
	return r;
}

static int drop_old(struct symbol_image *img, uint16_t kept)
{
	CLEANUP(symbol_image_clear)
	struct symbol_image fresh = { .origin = img->origin, .round = img->round };
	struct symbol_image old;
	int r = 0;

	for (size_t i = 0; r == 0 && i < img->places.n; i++)
		if (!is_old(img, &img->places.data[i], kept))
			r = copy_place(&fresh, img, &img->places.data[i]);
	if (r < 0)
		return r;
	old = *img;
	*img = fresh;
	fresh = old;
	return 0;
}

int symbol_image_end_round(struct symbol_image *img, uint16_t kept)
{
	size_t old = 0;

	img->round++;
	for (size_t i = 0; i < img->places.n; i++)
		old += is_old(img, &img->places.data[i], kept);
	return old && old >= img->places.n / 4 ? drop_old(img, kept) : 0;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static uint32_t checksum(const struct image_head *head, const uint8_t *body, size_t len)
{
	struct image_head h = *head;

	h.crc = 0;
	return crc32(crc32(0, (const uint8_t *)&h, sizeof(h)), body, len);
}

/* Appends @len bytes, which may be none, to what *pos points into. */
static void put(uint8_t **pos, const void *bytes, size_t len)
{
	if (len)
		memcpy(*pos, bytes, len);
	*pos += len;
}

static void forget_rounds(struct symbol_place *places, size_t n)
{
	for (size_t i = 0; i < n; i++)
		places[i].used = 0;
}

int symbol_image_encode(struct symbol_image *img, uint8_t **ret, size_t *ret_len)
{
	struct image_head h = { .version = VERSION, .origin = img->origin };
	size_t places, body, frames = img->frames.n * sizeof(struct symbol_frame);
	uint8_t *bytes, *pos;

	sort_places(img);
	places = img->places.n * sizeof(struct symbol_place);
	body = places + frames + img->strings.n;
	pos = bytes = malloc(sizeof(h) + body);
	if (!bytes)
		return -ENOMEM;
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	h.n_places = img->places.n;
	h.n_frames = img->frames.n;
	h.n_strings = img->strings.n;
	pos += sizeof(h);
	put(&pos, img->places.data, places);
	forget_rounds((struct symbol_place *)(bytes + sizeof(h)), img->places.n);
	put(&pos, img->frames.data, frames);
	put(&pos, img->strings.data, img->strings.n);
	h.crc = checksum(&h, bytes + sizeof(h), body);
	memcpy(bytes, &h, sizeof(h));
	*ret = bytes;
	*ret_len = sizeof(h) + body;
	return 0;
}

static bool is_head(const struct image_head *h, size_t len)
{
	if (len > SYMBOL_IMAGE_MAX || memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 ||
	    h->version != VERSION || h->origin.build_id_len > SYMBOL_IMAGE_ID)
		return false;
	if (h->n_places > len || h->n_frames > len || h->n_strings > len)
		return false;
	return sizeof(*h) + h->n_places * sizeof(struct symbol_place) +
		       h->n_frames * sizeof(struct symbol_frame) + h->n_strings ==
	       len;
}

/* Is each string of the frames one, and does the last one end? */
static bool has_good_strings(const struct symbol_image *img)
{
	size_t n = img->strings.n;

	if (n ? img->strings.data[0] || img->strings.data[n - 1] : img->frames.n)
		return false;
	for (size_t i = 0; i < img->frames.n; i++)
		if (img->frames.data[i].function >= n || img->frames.data[i].linkage >= n ||
		    img->frames.data[i].file >= n)
			return false;
	return true;
}

static bool has_good_places(const struct symbol_image *img)
{
	for (size_t i = 0; i < img->places.n; i++) {
		const struct symbol_place *p = &img->places.data[i];

		if (p->n > SYMBOL_IMAGE_DEPTH || p->first > img->frames.n ||
		    p->n > img->frames.n - p->first)
			return false;
		if (i && p->offset <= p[-1].offset)
			return false;
	}
	return true;
}

static void take(const uint8_t **pos, size_t len, void *dst)
{
	if (len)
		memcpy(dst, *pos, len);
	*pos += len;
}

static int load(const struct image_head *h, const uint8_t *body, struct symbol_image *img)
{
	int r = vec_reserve(&img->places, h->n_places);

	if (r == 0)
		r = vec_reserve(&img->frames, h->n_frames);
	if (r == 0)
		r = vec_reserve(&img->strings, h->n_strings);
	if (r < 0)
		return r;
	img->places.n = img->n_sorted = h->n_places;
	img->frames.n = h->n_frames;
	img->strings.n = h->n_strings;
	take(&body, h->n_places * sizeof(struct symbol_place), img->places.data);
	take(&body, h->n_frames * sizeof(struct symbol_frame), img->frames.data);
	take(&body, h->n_strings, img->strings.data);
	img->origin = h->origin;
	forget_rounds(img->places.data, img->places.n);
	return 0;
}

int symbol_image_decode(const void *bytes, size_t len, struct symbol_image *ret)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	const uint8_t *body = (const uint8_t *)bytes + sizeof(struct image_head);
	struct image_head h;
	int r;

	if (len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, bytes, sizeof(h));
	if (!is_head(&h, len) || h.crc != checksum(&h, body, len - sizeof(h)))
		return -EBADMSG;
	r = load(&h, body, &img);
	if (r < 0)
		return r;
	if (!has_good_strings(&img) || !has_good_places(&img))
		return -EBADMSG;
	*ret = img;
	img = (struct symbol_image){ 0 };
	return 0;
}
