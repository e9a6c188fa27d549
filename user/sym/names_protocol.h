/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WORKER_SERVICE_NAMES: names for offsets in an ELF file. The parent sends NAMES_ASK, with the
 * file, and NAMES_OFFSETS; the worker may ask for more files; then it sends strings, frames and
 * results, what refers to something after that, and NAMES_DONE.
 */
#ifndef SYM_NAMES_PROTOCOL_H
#define SYM_NAMES_PROTOCOL_H

#include <stdint.h>

#include "worker/message.h"

#define NAMES_OFFSETS_MAX (1U << 18) /* of one request; more are asked for in several */
#define NAMES_FILES_MAX	  (1U << 14) /* that the worker may ask for in one request */
#define NAMES_STRING_MAX  4095	     /* bytes */
#define NAMES_DEPTH_MAX	  512	     /* frames at one address */

/* What an answer may hold depends on how much is asked: nobody fills our memory with one address.
 */
#define NAMES_BYTES_MAX(n_offsets)  (65536 + 4096 * (uint64_t)(n_offsets)) /* of all strings */
#define NAMES_FRAMES_MAX(n_offsets) (NAMES_DEPTH_MAX + 64 * (uint64_t)(n_offsets))

enum names_message {
	NAMES_ASK,     /* struct names_ask */
	NAMES_OFFSETS, /* uint64_t each */
	NAMES_WANTED,  /* struct names_wanted and bytes: another file is needed */
	NAMES_FILE,    /* int32_t: 0, and the file comes with it; or a negative errno */
	NAMES_STRINGS, /* each with a 0 behind */
	NAMES_FRAMES,  /* struct names_frame each */
	NAMES_RESULTS, /* struct names_result each, in the order of the offsets */
	NAMES_DONE,    /* struct names_done */
};

struct names_ask {
	uint32_t n_offsets;
	uint32_t symbols_only; /* 1: from the file's own symbol tables */
};

/* struct sym_file_wanted. The bytes: the build id, the name and its 0, the folder and its 0. */
struct names_wanted {
	uint32_t kind;
	uint32_t nth;
	uint32_t crc;
	uint16_t build_id_len; /* 0: not known */
	uint16_t name_len;     /* with its 0; 0: NULL */
	uint16_t comp_dir_len; /* likewise */
	uint16_t pad;
};

/* Strings count from 1, in the order they were sent; 0 is NULL. */
struct names_frame {
	uint32_t function;
	uint32_t linkage; /* NULL: the same */
	uint32_t file;
	uint32_t line;
	uint32_t is_last; /* of the frames at one address */
};

struct names_result {
	uint64_t vaddr;
	uint64_t start;
	uint32_t frames; /* which list of frames, counted as strings are; 0: no name */
	uint32_t pad;
};

struct names_done {
	int32_t error;		 /* 0, or the negative errno of symbolizer_file() */
	uint32_t debug_left_out; /* 1: there is debug information that was not read */
};

_Static_assert(sizeof(struct names_wanted) == 20, "no holes that send memory");
_Static_assert(sizeof(struct names_frame) == 20, "no holes that send memory");
_Static_assert(sizeof(struct names_result) == 24, "no holes that send memory");

#endif
