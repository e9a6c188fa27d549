/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP's dictionary of one request: what its samples refer to by index, each once, and nothing that
 * no sample refers to. Element 0 of each table is the zero value. All calls return 0 or -ENOMEM.
 */
#ifndef EXPORT_OTLP_DICTIONARY_H
#define EXPORT_OTLP_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "export/otlp.pb-c.h"
#include "export/otlp_table.h"
#include "export/pprof.h"

enum otlp_table_id {
	OTLP_MAPPINGS,
	OTLP_LOCATIONS,
	OTLP_FUNCTIONS,
	OTLP_LINKS,
	OTLP_STRINGS,
	OTLP_ATTRIBUTES,
	OTLP_STACKS,
	OTLP_TABLES,
};

struct otlp_dictionary {
	struct otlp_memory *memory; /* outlives it */
	struct otlp_table tables[OTLP_TABLES];
	struct hashmap memo; /* index of locations and stacks, by address */
	VEC(int32_t) indices;
	VEC(Otlp__Line) lines;
	VEC(Otlp__Line *) line_ptrs;
};

int otlp_dictionary_init(struct otlp_dictionary *d, struct otlp_memory *m);
void otlp_dictionary_clear(struct otlp_dictionary *d);

/* Bytes that are no UTF-8 become '?', here and in all other text. */
int otlp_dictionary_string(struct otlp_dictionary *d, const char *str, int32_t *ret);
int otlp_dictionary_stack(struct otlp_dictionary *d, const struct pprof_sample *s, int32_t *ret);
int otlp_dictionary_link(struct otlp_dictionary *d, const uint8_t *trace_id, const uint8_t *span_id,
			 int32_t *ret);
/* Of the label's value; @name is the attribute's. */
int otlp_dictionary_attribute(struct otlp_dictionary *d, const char *name,
			      const struct pprof_label *l, int32_t *ret);

/* The label's value, which borrows its text from the label or @m. */
int otlp_value(struct otlp_memory *m, const struct pprof_label *l, Otlp__AnyValue *ret);

/* Bytes of the packed dictionary. */
size_t otlp_dictionary_size(const struct otlp_dictionary *d);

/* Borrows the tables. */
Otlp__Dictionary otlp_dictionary_message(const struct otlp_dictionary *d);

#endif
