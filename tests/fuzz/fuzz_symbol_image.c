/* SPDX-License-Identifier: Apache-2.0 */
/* A file of the symbol cache, with a checksum that fits: what is read is looked up and written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "sym/symbol_image.h"

#define HEAD   128
#define CRC_AT 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(struct symbol_image *img)
{
	size_t sum = 0;

	for (size_t i = 0; i < img->places.n; i++) {
		const struct symbol_place *p = symbol_image_find(img, img->places.data[i].offset);

		for (uint32_t k = 0; k < p->n; k++) {
			const struct symbol_frame *f = &img->frames.data[p->first + k];

			sum += strlen(img->strings.data + f->function);
			sum += strlen(img->strings.data + f->linkage);
			sum += strlen(img->strings.data + f->file);
		}
	}
	return sum;
}

/* All but one go, unless they are few. */
static void grow_old(struct symbol_image *img)
{
	size_t n = img->places.n;

	for (int i = 0; i < 3; i++) {
		if (!symbol_image_find(img, 4711) || symbol_image_end_round(img, 1) == -ENOMEM)
			abort();
		(void)walk(img);
		if (img->places.n > n)
			abort();
	}
	for (int i = 0; i < 3; i++)
		(void)symbol_image_end_round(img, 1);
	if (!symbol_image_find(img, 4711) && img->places.n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sym_frame f = { "added", "_Z5added", "file.c", 1 };
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	CLEANUP(symbol_image_clear) struct symbol_image back = { 0 };
	CLEANUP(freep) uint8_t *bytes = malloc(size + 1);
	CLEANUP(freep) uint8_t *out = NULL;
	size_t sum;
	uint32_t crc;
	size_t len;

	memcpy(bytes, data, size);
	if (size >= HEAD) {
		memset(bytes + CRC_AT, 0, sizeof(crc));
		crc = crc32(0, bytes, size);
		memcpy(bytes + CRC_AT, &crc, sizeof(crc));
	}
	if (symbol_image_decode(bytes, size, &img) < 0)
		return 0;
	if (symbol_image_find(&img, 4711) == NULL &&
	    symbol_image_add(&img, &(struct symbol_place){ .offset = 4711, .n = 1 }, &f) < 0)
		return 0;
	(void)symbol_image_find(&img, 0); /* sorts */
	sum = walk(&img);
	if (symbol_image_encode(&img, &out, &len) < 0)
		return 0;
	if (symbol_image_decode(out, len, &back) < 0 || walk(&back) != sum)
		abort();
	grow_old(&back);
	return 0;
}
