/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of places of one file, as one run of bytes that can be kept in a file: a head with
 * version and checksum, the places, their frames, the strings. Who reads one has checked all of it.
 */
#ifndef SYM_SYMBOL_IMAGE_H
#define SYM_SYMBOL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "base/vec.h"
#include "sym/symbolizer.h"

#define SYMBOL_IMAGE_MAX   (256u << 20) /* bytes */
#define SYMBOL_IMAGE_ID	   64		/* bytes of a build id */
#define SYMBOL_IMAGE_DEPTH 256		/* frames of a place */

/* Positions are those of the first byte in the strings. */
struct symbol_frame {
	uint32_t function; /* as it is shown */
	uint32_t linkage;  /* the linker's name; 0: the same */
	uint32_t file;	   /* source file; 0: not known */
	uint32_t line;	   /* 0: not known */
};

struct symbol_place {
	uint64_t offset; /* in the file: the key */
	uint64_t vaddr;
	uint64_t start; /* as in struct sym_result */
	uint32_t first; /* of its frames, innermost first */
	uint16_t n;	/* 0: it is known to have no name */
	uint16_t used;	/* the last round in which it was wanted; 0 in a file */
};

/* What the names were made of. Names of less, or of something else, do not count as known. */
struct symbol_origin {
	uint8_t build_id[SYMBOL_IMAGE_ID];
	uint32_t build_id_len;
	uint32_t rules; /* version of whoever names */
	uint64_t files; /* fingerprint of the files beside the one at hand */
};

struct symbol_image {
	struct symbol_origin origin;
	VEC(struct symbol_place) places; /* by offset, up to n_sorted; behind that as they came */
	VEC(struct symbol_frame) frames;
	VEC(char) strings; /* the first is empty */
	size_t n_sorted;
	struct hashmap by_text; /* positions of strings, while places are added */
	uint16_t round;
};

/* A zeroed image is empty; the origin is the caller's to set. */
void symbol_image_clear(struct symbol_image *img);

/* NULL: nothing is known of the place. Valid until something is added. */
const struct symbol_place *symbol_image_find(struct symbol_image *img, uint64_t offset);

/*
 * Adds @place, not in the image yet, whose frames are @frames[0..place->n), and place->first is
 * ignored. -ENOMEM; -E2BIG: the image, or the place, has all that it may have.
 */
int symbol_image_add(struct symbol_image *img, const struct symbol_place *place,
		     const struct sym_frame *frames);

/*
 * Ends a round. Once a quarter of the places has not been wanted in the last @kept ones, these are
 * dropped. -ENOMEM, -E2BIG: the image is as it was.
 */
int symbol_image_end_round(struct symbol_image *img, uint16_t kept);

/* Bytes of memory that it takes. */
size_t symbol_image_size(const struct symbol_image *img);

/* As bytes, in fresh memory, which the caller frees. -ENOMEM. */
int symbol_image_encode(struct symbol_image *img, uint8_t **ret, size_t *ret_len);

/*
 * Fills *ret, which is empty, from bytes that anybody may have written. -EBADMSG: they are of
 * another version, torn, or not such an image. -ENOMEM.
 */
int symbol_image_decode(const void *bytes, size_t len, struct symbol_image *ret);

#endif
