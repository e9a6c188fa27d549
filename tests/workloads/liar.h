/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts of threads in the forms of several mechanisms, made of nodes that lie in pages of their
 * own: so that each of them can be lied about (liar.c), or be missing. One program per form.
 *
 * The ids of context number N are known: span_id = 5afe5afe and eight digits of N, trace_id = twice
 * that. Its label k, where the form has labels, is "v" and N in decimal.
 */
#ifndef WORKLOADS_LIAR_H
#define WORKLOADS_LIAR_H

#include <stddef.h>
#include <stdint.h>

#define LIAR_PAGE  4096
#define LIAR_NODES 16
#define LIAR_IDS   4
#define LIAR_SIZE  ((size_t)LIAR_NODES * LIAR_PAGE)

struct liar_range {
	uint8_t *at;
	size_t len;
};

struct liar_graph {
	uint8_t *pages; /* LIAR_SIZE bytes */
	struct liar_range nodes[LIAR_NODES];
	struct liar_range ids[LIAR_IDS]; /* in nodes: what no lie may change */
	unsigned int n_nodes, n_ids;
};

/* The next node, in a page of its own; there is room before and behind it. */
void *liar_node(struct liar_graph *g, size_t len);
void liar_id(struct liar_graph *g, void *at, size_t len);

void liar_span_id(uint32_t number, uint8_t ret[8]);
void liar_trace_id(uint32_t number, uint8_t ret[16]);

/* --- a form -------------------------------------------------------------------------------- */

/* The bit that its pointers between nodes may have set, or 0. */
extern const unsigned int liar_form_tag;

/* 0 or negative errno. */
int liar_form_init(void);
/* Fills @g with nodes of context @number. Writes nothing but what stays. Returns the first. */
void *liar_form_build(struct liar_graph *g, uint32_t number);
/* The thread is in the context whose first node is @root; NULL: in none. */
void liar_form_publish(const struct liar_graph *g, void *root);

/* The record of OTEP 4947 as a node, with the label. */
void *liar_record_build(struct liar_graph *g, uint32_t number);

#endif
