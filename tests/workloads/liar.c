/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose contexts are lies, or are not in memory.
 *
 *   liar-FORM --mode MODE [--cpu-seconds S] [--file PATH]
 *
 * honest: a correct writer in a great hurry. lying: parts of each context are wrong. racing: they
 * are made wrong and mended by another thread all the time. dontneed, protnone, pageout, swap: one
 * of the pages is not there, in missing_page(), and there, in present_page(); the pages are those
 * of the file, or without one anonymous.
 */
#include "liar.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "args.h"
#include "truth.h"
#include "work.h"

#define BARRIER()  __asm__ volatile("" ::: "memory")
#define KNOWN	   16 /* contexts of a liar */
#define RING	   8
#define LIES	   3
#define NODE_START 64
#define PIECE_NS   1000000

static uint64_t budget_ns; /* of CPU time */
static volatile uint64_t sink;
static uint8_t *nowhere; /* two pages, the second one not mapped */
static const char *const function_names[] = { "liar", NULL };

static bool time_is_up(void)
{
	return truth_stopped() || clock_ns(CLOCK_PROCESS_CPUTIME_ID) >= budget_ns;
}

/* --- contexts ------------------------------------------------------------------------------ */

void *liar_node(struct liar_graph *g, size_t len)
{
	uint8_t *at = g->pages + (size_t)LIAR_PAGE * g->n_nodes + NODE_START;

	g->nodes[g->n_nodes++] = (struct liar_range){ at, len };
	return at;
}

void liar_id(struct liar_graph *g, void *at, size_t len)
{
	g->ids[g->n_ids++] = (struct liar_range){ at, len };
}

void liar_span_id(uint32_t number, uint8_t ret[8])
{
	static const uint8_t mark[4] = { 0x5a, 0xfe, 0x5a, 0xfe };

	memcpy(ret, mark, sizeof(mark));
	for (int i = 0; i < 4; i++)
		ret[4 + i] = (uint8_t)(number >> (24 - 8 * i));
}

void liar_trace_id(uint32_t number, uint8_t ret[16])
{
	liar_span_id(number, ret);
	liar_span_id(number, ret + 8);
}

static void *map_pages(int flags, int fd)
{
	void *p = mmap(NULL, LIAR_SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static void graph_init(struct liar_graph *g)
{
	*g = (struct liar_graph){ .pages = map_pages(MAP_PRIVATE | MAP_ANONYMOUS, -1) };
}

static void *build(struct liar_graph *g, uint32_t number)
{
	g->n_nodes = g->n_ids = 0;
	return liar_form_build(g, number);
}

/* --- an honest writer ---------------------------------------------------------------------- */

static void mode_honest(void)
{
	struct liar_graph ring[RING];

	for (int i = 0; i < RING; i++)
		graph_init(&ring[i]);
	for (uint32_t n = 1; n % 256 || !time_is_up(); n++) {
		struct liar_graph *g = &ring[n % RING];
		void *root = build(g, n);

		BARRIER();
		liar_form_publish(g, root);
		sink = work_chain(sink, 100);
	}
	liar_form_publish(&ring[0], NULL);
}

/* --- lies ---------------------------------------------------------------------------------- */

static uint64_t lie_word(const struct liar_graph *g, uint64_t *state)
{
	const uint64_t words[] = {
		0,
		1,
		UINT64_MAX,
		0xffffffff81000000u, /* the kernel's */
		0x4141414141414141u, /* of no address */
		(uintptr_t)nowhere + LIAR_PAGE,
		(uintptr_t)nowhere + LIAR_PAGE - 4,
		1ull << 31,
		1ull << 62,
		work_random(state),
	};
	size_t n = sizeof(words) / sizeof(words[0]);
	uint64_t i = work_random(state) % (2 * n);

	if (i < n)
		return words[i];
	return (uintptr_t)g->nodes[work_random(state) % g->n_nodes].at | (i & liar_form_tag);
}

static bool is_id(const struct liar_graph *g, const uint8_t *at, size_t len)
{
	for (unsigned int i = 0; i < g->n_ids; i++)
		if (at < g->ids[i].at + g->ids[i].len && g->ids[i].at < at + len)
			return true;
	return false;
}

/* What a lie has replaced. */
struct lie {
	uint8_t *at;
	size_t len;
	uint64_t was;
};

static struct lie tell(const struct liar_graph *g, uint64_t *state)
{
	const struct liar_range *node = &g->nodes[work_random(state) % g->n_nodes];
	size_t len = 1u << work_random(state) % 4;
	uint8_t *at = node->at + work_random(state) % (node->len / len + 1) * len;
	struct lie lie = { .at = at, .len = len };
	uint64_t word = lie_word(g, state);

	if (is_id(g, at, len))
		return (struct lie){ 0 };
	memcpy(&lie.was, at, len);
	memcpy(at, &word, len);
	return lie;
}

static void take_back(const struct lie *lie)
{
	if (lie->len)
		memcpy(lie->at, &lie->was, lie->len);
}

/* One in four points to no context at all. */
static void mode_lying(void)
{
	struct liar_graph g;
	uint64_t state = 1;

	graph_init(&g);
	for (uint32_t n = 0; !time_is_up(); n++) {
		struct lie lies[LIES];
		void *root = build(&g, n % KNOWN);

		for (int i = 0; i < LIES; i++)
			lies[i] = tell(&g, &state);
		if (n % 4 == 0)
			root = (void *)(uintptr_t)lie_word(&g, &state);
		BARRIER();
		liar_form_publish(&g, root);
		sink = work_chain(sink, 20000);
		liar_form_publish(&g, NULL);
		BARRIER();
		for (int i = LIES - 1; i >= 0; i--)
			take_back(&lies[i]);
	}
}

static void *racer_main(void *arg)
{
	const struct liar_graph *g = arg;
	uint64_t state = 2;

	while (!time_is_up()) {
		for (int k = 0; k < 1000; k++) {
			struct lie lie = tell(g, &state);

			sink = work_chain(sink, 100);
			take_back(&lie);
			sink = work_chain(sink, 100);
		}
	}
	return NULL;
}

static void mode_racing(void)
{
	struct liar_graph g;
	pthread_t racer;

	graph_init(&g);
	liar_form_publish(&g, build(&g, 0));
	if (pthread_create(&racer, NULL, racer_main, &g) != 0)
		exit(1);
	while (!time_is_up())
		sink = work_chain(sink, 20000);
	pthread_join(racer, NULL);
	liar_form_publish(&g, NULL);
}

/* --- memory that is not there -------------------------------------------------------------- */

WORK_FUNCTION static void missing_page(void)
{
	sink = work_chain(sink, work_steps(PIECE_NS));
}

WORK_FUNCTION static void present_page(void)
{
	sink = work_chain(sink, work_steps(PIECE_NS));
}

enum how { DONTNEED, PROTNONE, PAGEOUT };

static void drop(uint8_t *page, enum how how)
{
	int r = how == PROTNONE
			? mprotect(page, LIAR_PAGE, PROT_NONE)
			: madvise(page, LIAR_PAGE, how == PAGEOUT ? MADV_PAGEOUT : MADV_DONTNEED);

	if (r == 0)
		return;
	perror("drop");
	exit(1);
}

static void bring(uint8_t *page, enum how how)
{
	if (how == PROTNONE)
		mprotect(page, LIAR_PAGE, PROT_READ);
	sink += *(volatile uint8_t *)page;
}

/* The file's pages, as those of a program that only reads them. */
static void load_file(struct liar_graph *g, int fd, void *pages)
{
	if (msync(pages, LIAR_SIZE, MS_SYNC) < 0 ||
	    mmap(pages, LIAR_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
		perror("file");
		exit(1);
	}
	for (size_t i = 0; i < g->n_nodes; i++)
		bring(g->nodes[i].at, DONTNEED);
}

static void mode_missing(const char *path, enum how how)
{
	int fd = *path ? open(path, O_RDWR | O_CREAT, 0600) : -1;
	struct liar_graph g = { 0 };
	void *root;

	if (*path && (fd < 0 || ftruncate(fd, LIAR_SIZE) < 0))
		exit(1);
	g.pages = map_pages(fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd);
	root = build(&g, 1);
	if (fd >= 0)
		load_file(&g, fd, g.pages);
	liar_form_publish(&g, root);
	for (unsigned int i = 0; !time_is_up(); i = (i + 1) % g.n_nodes) {
		uint8_t *page = g.pages + (size_t)i * LIAR_PAGE;

		drop(page, how);
		missing_page();
		bring(page, how);
		present_page();
	}
	liar_form_publish(&g, NULL);
}

/* --- main ---------------------------------------------------------------------------------- */

static int run(const char *mode, const char *path)
{
	if (strcmp(mode, "honest") == 0)
		mode_honest();
	else if (strcmp(mode, "lying") == 0)
		mode_lying();
	else if (strcmp(mode, "racing") == 0)
		mode_racing();
	else if (strcmp(mode, "dontneed") == 0)
		mode_missing(path, DONTNEED);
	else if (strcmp(mode, "protnone") == 0)
		mode_missing(path, PROTNONE);
	else if (strcmp(mode, "pageout") == 0)
		mode_missing(path, PAGEOUT);
	else
		return 2;
	return 0;
}

int main(int argc, char **argv)
{
	(void)argc;
	truth_init("liar", "steps", function_names, 1);
	budget_ns = (uint64_t)(arg_number(argv, "cpu-seconds", 3) * 1e9);
	nowhere = map_pages(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	munmap(nowhere + LIAR_PAGE, LIAR_SIZE - LIAR_PAGE);
	work_calibrate();
	if (liar_form_init() < 0)
		return 1;

	warm_up(arg_number(argv, "warm-up-ms", 200));
	if (run(arg_string(argv, "mode", ""), arg_string(argv, "file", "")) == 0)
		return 0;
	fprintf(stderr, "liar: --mode is one of: honest lying racing dontneed protnone pageout\n");
	return 2;
}
