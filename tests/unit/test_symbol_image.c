/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbol_image.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "leak_check.h"

TestSuite(symbol_image, .fini = leak_check);

static const struct sym_frame inlined[] = {
	{ "add(int, int)", "_Z3addii", "/src/add.h", 12 },
	{ "main", NULL, "/src/main.c", 40 },
};

static void add(struct symbol_image *img, uint64_t offset, uint32_t n)
{
	const struct symbol_place p = { offset, offset + 0x400000, offset & ~15ull, 0, n, 0 };

	cr_assert(zero(int, symbol_image_add(img, &p, inlined)));
}

static const char *text(const struct symbol_image *img, uint32_t at)
{
	return img->strings.data + at;
}

static void expect_inlined(struct symbol_image *img, uint64_t offset)
{
	const struct symbol_place *p = symbol_image_find(img, offset);
	const struct symbol_frame *f;

	cr_assert(p != NULL);
	cr_assert(eq(u64, p->vaddr, offset + 0x400000));
	cr_assert(eq(u64, p->start, offset & ~15ull));
	cr_assert(eq(u16, p->n, 2));
	f = &img->frames.data[p->first];
	cr_assert(eq(str, (char *)text(img, f[0].function), "add(int, int)"));
	cr_assert(eq(str, (char *)text(img, f[0].linkage), "_Z3addii"));
	cr_assert(eq(str, (char *)text(img, f[0].file), "/src/add.h"));
	cr_assert(eq(u32, f[0].line, 12));
	cr_assert(eq(str, (char *)text(img, f[1].function), "main"));
	cr_assert(zero(u32, f[1].linkage));
	cr_assert(eq(u32, f[1].line, 40));
}

Test(symbol_image, what_was_added_is_found)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };

	cr_assert(symbol_image_find(&img, 16) == NULL);
	add(&img, 0x2000, 2);
	add(&img, 0x1000, 0);
	expect_inlined(&img, 0x2000);
	cr_assert(zero(u16, symbol_image_find(&img, 0x1000)->n));
	cr_assert(symbol_image_find(&img, 0x1001) == NULL);
	add(&img, 0x1800, 2); /* between two looks */
	expect_inlined(&img, 0x1800);
	expect_inlined(&img, 0x2000);
}

Test(symbol_image, what_is_not_wanted_goes)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	size_t all;

	for (uint64_t at = 0x1000; at < 0x1800; at++)
		add(&img, at, 2);
	add(&img, 0x2000, 2);
	all = symbol_image_size(&img);
	for (int i = 0; i < 3; i++) {
		expect_inlined(&img, 0x2000);
		expect_inlined(&img, 0x2000 - 0x800 - 1);
		cr_assert(zero(int, symbol_image_end_round(&img, 3)));
	}
	cr_assert(eq(sz, img.places.n, 0x801), "nothing is older than three rounds");
	expect_inlined(&img, 0x2000);
	cr_assert(zero(int, symbol_image_end_round(&img, 3)));
	cr_assert(eq(sz, img.places.n, 2));
	cr_assert(lt(sz, symbol_image_size(&img), all / 100));
	expect_inlined(&img, 0x2000);
	expect_inlined(&img, 0x17ff);
	cr_assert(symbol_image_find(&img, 0x1000) == NULL);
	add(&img, 0x1000, 2);
	expect_inlined(&img, 0x1000);
}

/* To drop a few is more work than it gives. */
Test(symbol_image, a_few_old_ones_stay)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };

	for (uint64_t at = 0x1000; at < 0x1064; at++)
		add(&img, at, 2);
	for (int i = 0; i < 5; i++) {
		for (uint64_t at = 0x1000; at < 0x1050; at++)
			expect_inlined(&img, at);
		cr_assert(zero(int, symbol_image_end_round(&img, 1)));
	}
	cr_assert(eq(sz, img.places.n, 0x64));
	expect_inlined(&img, 0x1063);
}

/* A round of one process is none of the next. */
Test(symbol_image, what_was_written_is_new_again)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	CLEANUP(symbol_image_clear) struct symbol_image back = { 0 };
	CLEANUP(freep) uint8_t *bytes = NULL;
	size_t len;

	for (int i = 0; i < 100; i++)
		cr_assert(zero(int, symbol_image_end_round(&img, 3)));
	add(&img, 0x2000, 2);
	cr_assert(zero(int, symbol_image_encode(&img, &bytes, &len)));
	cr_assert(zero(int, symbol_image_end_round(&img, 3)));
	expect_inlined(&img, 0x2000);
	cr_assert(zero(int, symbol_image_decode(bytes, len, &back)));
	cr_assert(zero(int, symbol_image_end_round(&back, 3)));
	expect_inlined(&back, 0x2000);
}

Test(symbol_image, strings_are_kept_once)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	size_t n;

	add(&img, 0x1000, 2);
	n = img.strings.n;
	for (uint64_t at = 0x2000; at < 0x3000; at++)
		add(&img, at, 2);
	cr_assert(eq(sz, img.strings.n, n));
}

/* As the cache does: written, read, added to, written. */
Test(symbol_image, comes_back_from_bytes)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	CLEANUP(symbol_image_clear) struct symbol_image back = { 0 };
	CLEANUP(symbol_image_clear) struct symbol_image again = { 0 };
	CLEANUP(freep) uint8_t *bytes = NULL;
	CLEANUP(freep) uint8_t *more = NULL;
	size_t len;

	img.origin = (struct symbol_origin){ { 1, 2, 3 }, 3, 7, 99 };
	add(&img, 0x2000, 2);
	add(&img, 0x1000, 0);
	cr_assert(zero(int, symbol_image_encode(&img, &bytes, &len)));
	cr_assert(zero(int, symbol_image_decode(bytes, len, &back)));
	cr_assert(eq(u64, back.origin.files, 99));
	cr_assert(eq(u32, back.origin.build_id_len, 3));
	expect_inlined(&back, 0x2000);

	add(&back, 0x1800, 2);
	cr_assert(eq(sz, back.strings.n, img.strings.n));
	cr_assert(zero(int, symbol_image_encode(&back, &more, &len)));
	cr_assert(zero(int, symbol_image_decode(more, len, &again)));
	expect_inlined(&again, 0x1800);
	expect_inlined(&again, 0x2000);
	cr_assert(zero(u32, symbol_image_find(&again, 0x1000)->n));
}

Test(symbol_image, each_changed_or_missing_byte_is_noticed)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	CLEANUP(freep) uint8_t *bytes = NULL;
	size_t len;

	add(&img, 0x2000, 2);
	add(&img, 0x1000, 0);
	cr_assert(zero(int, symbol_image_encode(&img, &bytes, &len)));
	for (size_t i = 0; i < len; i++) {
		struct symbol_image bad = { 0 };

		bytes[i] ^= 0x10;
		cr_assert(eq(int, symbol_image_decode(bytes, len, &bad), -EBADMSG), "%zu", i);
		cr_assert(eq(int, symbol_image_decode(bytes, i, &bad), -EBADMSG));
		bytes[i] ^= 0x10;
	}
}

Test(symbol_image, a_place_twice_is_written_once)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	CLEANUP(symbol_image_clear) struct symbol_image back = { 0 };
	CLEANUP(freep) uint8_t *bytes = NULL;
	size_t len;

	add(&img, 0x2000, 2);
	add(&img, 0x2000, 2);
	cr_assert(zero(int, symbol_image_encode(&img, &bytes, &len)));
	cr_assert(zero(int, symbol_image_decode(bytes, len, &back)));
	cr_assert(eq(sz, back.places.n, 1));
}

Test(symbol_image, an_endless_chain_is_refused)
{
	CLEANUP(symbol_image_clear) struct symbol_image img = { 0 };
	const struct symbol_place p = { .n = SYMBOL_IMAGE_DEPTH + 1 };

	cr_assert(eq(int, symbol_image_add(&img, &p, inlined), -E2BIG));
	cr_assert(symbol_image_find(&img, 0) == NULL);
}
