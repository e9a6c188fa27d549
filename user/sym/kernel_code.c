/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/kernel_code.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

#define ENTRIES_MAX 16384

struct entry {
	uint64_t addr, begin_ns, end_ns; /* 0: it was there before; it is still there */
	uint32_t len, code;
	bool is_kept; /* samples may be named by it */
	struct sym_frame frame;
	char name[];
};

struct kernel_code {
	pthread_mutex_t mutex;		/* who changes the list, and who answers */
	VEC(struct entry *) by_address; /* of the same address: the oldest first */
	uint32_t len_max, last_code;
};

int kernel_code_new(struct kernel_code **ret)
{
	struct kernel_code *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	pthread_mutex_init(&k->mutex, NULL);
	*ret = k;
	return 0;
}

void kernel_code_free(struct kernel_code *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->by_address.n; i++)
		free(k->by_address.data[i]);
	vec_free(&k->by_address);
	pthread_mutex_destroy(&k->mutex);
	free(k);
}

/* --- the list --------------------------------------------------------------------------------- */

/* How many begin at or below @addr. */
static size_t count_up_to(const struct kernel_code *k, uint64_t addr)
{
	size_t lo = 0, hi = k->by_address.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->by_address.data[mid]->addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The first that may reach @addr. */
static size_t count_below_reach(const struct kernel_code *k, uint64_t addr)
{
	return addr > k->len_max ? count_up_to(k, addr - k->len_max) : 0;
}

static bool has(const struct entry *e, uint64_t addr)
{
	return addr >= e->addr && addr - e->addr < e->len;
}

static bool overlap(const struct entry *e, const struct kernel_symbol *s)
{
	return e->addr < s->addr ? s->addr - e->addr < e->len : e->addr - s->addr < s->len;
}

/* As /proc/kallsyms calls what it belongs to. */
static const char *module_of(const struct kernel_symbol *s)
{
	if (s->is_bpf)
		return " [bpf]";
	return strncmp(s->name, "kprobe", 6) == 0 ? " [__builtin__kprobes]"
						  : " [__builtin__ftrace]";
}

static struct entry *entry_new(const struct kernel_symbol *s, uint64_t begin_ns)
{
	const char *module = module_of(s);
	size_t len = strlen(s->name) + strlen(module) + 1;
	struct entry *e = calloc(1, sizeof(*e) + len);

	if (!e)
		return NULL;
	snprintf(e->name, len, "%s%s", s->name, module);
	e->addr = s->addr;
	e->len = s->len;
	e->begin_ns = begin_ns;
	e->frame.function = e->name;
	return e;
}

static int insert(struct kernel_code *k, const struct kernel_symbol *s, uint64_t begin_ns,
		  struct entry **ret)
{
	CLEANUP(freep) struct entry *e = NULL;
	size_t at = count_up_to(k, s->addr);
	int r;

	if (k->by_address.n >= ENTRIES_MAX)
		return -ENOSPC;
	e = entry_new(s, begin_ns);
	r = e ? vec_reserve(&k->by_address, 1) : -ENOMEM;
	if (r < 0)
		return r;
	e->code = ++k->last_code;
	memmove(&k->by_address.data[at + 1], &k->by_address.data[at],
		(k->by_address.n - at) * sizeof(struct entry *));
	k->by_address.n++;
	k->by_address.data[at] = *ret = e;
	e = NULL;
	if (s->len > k->len_max)
		k->len_max = s->len;
	return 0;
}

static void unlockp(pthread_mutex_t **mutex)
{
	pthread_mutex_unlock(*mutex);
}

/* Until the end of the scope. */
#define LOCKED(k)                                                                                  \
	CLEANUP(unlockp) pthread_mutex_t *locked_ = &(k)->mutex;                                   \
	pthread_mutex_lock(locked_)

/* --- news ------------------------------------------------------------------------------------- */

/* What is where @s is cannot be there any more, whether that was told or not. Returns since when.
 */
static uint64_t end_others(struct kernel_code *k, const struct kernel_symbol *s, uint64_t time_ns)
{
	uint64_t last_ns = 0;

	for (size_t i = count_below_reach(k, s->addr); i < k->by_address.n; i++) {
		struct entry *e = k->by_address.data[i];

		if (e->addr > s->addr && !overlap(e, s))
			break;
		if (!overlap(e, s))
			continue;
		if (!e->end_ns)
			e->end_ns = time_ns;
		if (e->end_ns > last_ns)
			last_ns = e->end_ns;
	}
	return last_ns;
}

int kernel_code_begin(struct kernel_code *k, const struct kernel_symbol *s, uint64_t time_ns)
{
	LOCKED(k);
	struct entry *e;

	(void)end_others(k, s, time_ns);
	return insert(k, s, time_ns, &e);
}

static struct entry *find_there(const struct kernel_code *k, uint64_t addr)
{
	for (size_t i = count_up_to(k, addr); i-- > 0;) {
		struct entry *e = k->by_address.data[i];

		if (e->addr != addr)
			break;
		if (!e->end_ns)
			return e;
	}
	return NULL;
}

int kernel_code_end(struct kernel_code *k, const struct kernel_symbol *s, uint64_t time_ns)
{
	LOCKED(k);
	struct entry *e = find_there(k, s->addr);
	int r;

	if (!e) { /* nobody said that it came */
		r = insert(k, s, end_others(k, s, time_ns), &e);
		if (r < 0)
			return r;
		e->is_kept = true;
	}
	e->end_ns = time_ns;
	return 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool was_there(const struct entry *e, uint64_t addr, uint64_t time_ns)
{
	return has(e, addr) && e->begin_ns <= time_ns && (!e->end_ns || time_ns < e->end_ns);
}

uint32_t kernel_code_at(struct kernel_code *k, uint64_t addr, uint64_t time_ns)
{
	size_t first = count_below_reach(k, addr);

	for (size_t i = count_up_to(k, addr); i-- > first;) {
		struct entry *e = k->by_address.data[i];

		if (!was_there(e, addr, time_ns))
			continue;
		e->is_kept = true;
		return e->code;
	}
	return 0;
}

/* Code 0: what was there before all news. */
static struct entry *find(const struct kernel_code *k, uint64_t addr, uint32_t code)
{
	size_t first = count_below_reach(k, addr);

	for (size_t i = count_up_to(k, addr); i-- > first;) {
		struct entry *e = k->by_address.data[i];

		if (has(e, addr) && (code ? e->code == code : !e->begin_ns))
			return e;
	}
	return NULL;
}

void kernel_code_answer(struct kernel_code *k, const uint64_t *addrs, const uint32_t *codes,
			size_t n, struct sym_result *results)
{
	LOCKED(k);

	for (size_t i = 0; i < n; i++) {
		struct entry *e = find(k, addrs[i], codes[i]);

		results[i] = (struct sym_result){ .vaddr = addrs[i] };
		if (!e)
			continue;
		results[i].start = e->addr;
		results[i].frames = &e->frame;
		results[i].n_frames = 1;
	}
}

/* --- giving back ------------------------------------------------------------------------------ */

static void drop(struct kernel_code *k, uint64_t before_ns, bool kept_too)
{
	LOCKED(k);
	size_t n = 0;

	for (size_t i = 0; i < k->by_address.n; i++) {
		struct entry *e = k->by_address.data[i];

		if (e->end_ns && e->end_ns < before_ns && (kept_too || !e->is_kept))
			free(e);
		else
			k->by_address.data[n++] = e;
	}
	k->by_address.n = n;
}

void kernel_code_sweep(struct kernel_code *k, uint64_t time_ns)
{
	drop(k, time_ns, false);
}

void kernel_code_forget(struct kernel_code *k, uint64_t time_ns)
{
	drop(k, time_ns, true);
}
