/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of keys, which say all about a configuration: how it is read, printed and compared. */
#ifndef APP_CONFIG_KEY_H
#define APP_CONFIG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH_MAX 128 /* of a key: "endpoints[3].tls.ca_file" */

enum config_type {
	CONFIG_BOOL,	 /* bool */
	CONFIG_NUMBER,	 /* unsigned or uint64_t */
	CONFIG_DURATION, /* likewise, in `unit` nanoseconds */
	CONFIG_BYTES,	 /* uint64_t */
	CONFIG_PERCENT,	 /* double */
	CONFIG_STRING,	 /* const char * */
	CONFIG_PATH,	 /* the same, absolute */
	CONFIG_ENUM,	 /* an enum that counts up from 0 in the order of `names` */
	CONFIG_SET,	 /* uint32_t: of each of `names` the bit that `bits` says */
	CONFIG_STRINGS,	 /* const char *const * */
	CONFIG_LABELS,	 /* struct config_pair *: NAME: VALUE */
	CONFIG_HEADERS,	 /* struct endpoint_header *: NAME: VALUE or NAME: {value_file: PATH} */
	CONFIG_SECTION,	 /* a struct, or fields of the same one */
	CONFIG_LIST,	 /* array of structs */
};

struct config_pair {
	const char *name, *value;
};

struct config_schema;

struct config_key {
	const char *name;
	const char *help; /* for the documentation; NULL: it is in that of the section */
	const char *def;  /* as one would write it; NULL: not set */
	const struct config_schema *schema; /* CONFIG_SECTION, CONFIG_LIST */
	const char *const *names;	    /* CONFIG_ENUM, CONFIG_SET: up to a NULL */
	const unsigned char *bits;
	const char *flag, *arg; /* --flag ARG; NULL: none */
	enum config_type type;
	char letter;	/* of the flag, or 0 */
	bool reload;	/* SIGHUP takes over another value */
	bool by_blanks; /* CONFIG_STRINGS in a variable are separated by blanks, not by commas */
	uint32_t only;	/* in lists: for these values of the key `type`, as bits; 0: for all */
	uint32_t size;	/* bytes of the field, where a type has several */
	size_t offset, n_offset; /* of the field, and of its number of elements, in the struct */
	uint64_t min, max; /* as it is written: CONFIG_DURATION in ns, CONFIG_PERCENT in 1/1000 */
	uint64_t unit;	   /* CONFIG_DURATION: of the field, in ns */
	uint64_t unset;	   /* CONFIG_NUMBER without `def`: what it is then */
};

struct config_schema {
	const struct config_key *keys;
	size_t n, size; /* of keys; of the struct */
};

#define CONFIG_SCHEMA(keys, type)                                                                  \
	{                                                                                          \
		keys, sizeof(keys) / sizeof(keys[0]), sizeof(type)                                 \
	}

/* NULL if there is none. */
const struct config_key *config_key_find(const struct config_schema *s, const char *name);

/* Is the key for elements whose `type` is number @type? */
bool config_key_applies(const struct config_key *key, int type);

/* The key that was probably meant, or NULL. */
const char *config_key_nearest(const struct config_schema *s, const char *name);

/* How many letters to insert, remove, change or swap to make @b of @a; at most @max + 1. */
unsigned config_edit_distance(const char *a, const char *b, unsigned max);

/* "number", "duration", …, for messages and documentation. */
const char *config_type_name(enum config_type type);

/* Is it one value: no list, no map? */
bool config_type_is_scalar(enum config_type type);

/* "spool" and "max_bytes" to "spool.max_bytes". */
void config_path_join(char out[CONFIG_PATH_MAX], const char *path, const char *name);

#endif
