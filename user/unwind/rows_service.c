/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rows_service.h"

#include <elf.h>
#include <malloc.h>
#include <string.h>

#include "base/clock.h"
#include "elf/elf_unwind.h"
#include "unwind/rows_protocol.h"
#include "unwind/unwind_table.h"

#define TABLES_MAX 192	      /* open at a time; each has a descriptor */
#define KEPT_BYTES (16 << 20) /* of memory, with which others than the one at hand are kept */
#define KEPT_NS	   (60 * NSEC_PER_SEC) /* as long as nobody asks for it: see proc/dso.h */

#if defined(UNWIND_ARCH_AARCH64)
#define MACHINE EM_AARCH64
#else
#define MACHINE EM_X86_64
#endif

struct open_table {
	uint64_t file;
	uint64_t used; /* when last, in requests */
	uint64_t used_ns;
	uint64_t bad_fdes; /* when it was opened */
	struct elf_file *ef;
	struct unwind_table *table;
};

/* The process has one parent, and that one client. */
static struct open_table tables[TABLES_MAX];
static size_t n_tables;
static uint64_t n_requests;

/* --- open tables ------------------------------------------------------------------------------ */

static void table_clear(struct open_table *t)
{
	unwind_table_close(t->table);
	elf_file_close(t->ef);
	*t = (struct open_table){ 0 };
}

static void drop(size_t i)
{
	table_clear(&tables[i]);
	tables[i] = tables[--n_tables];
	tables[n_tables] = (struct open_table){ 0 };
}

static void drop_oldest(void)
{
	size_t oldest = 0;

	for (size_t i = 1; i < n_tables; i++)
		if (tables[i].used < tables[oldest].used)
			oldest = i;
	drop(oldest);
}

bool rows_service_tidy(void)
{
	uint64_t now = monotonic_ns();

	for (size_t i = n_tables; i-- > 0;)
		if (now - tables[i].used_ns >= KEPT_NS)
			drop(i);
	return n_tables;
}

void rows_service_close(void)
{
	while (n_tables)
		drop_oldest();
}

/* Large ones are not many. */
static void make_room(size_t n_max, size_t bytes_max)
{
	struct mallinfo2 m = mallinfo2();

	while (n_tables && (n_tables > n_max || m.uordblks + m.hblkhd > bytes_max)) {
		drop_oldest();
		m = mallinfo2();
	}
}

static int open_one(int fd, struct open_table *ret)
{
	CLEANUP(table_clear) struct open_table t = { 0 };
	int r = elf_file_open_fd(fd, &t.ef);

	if (r == 0 && elf_file_machine(t.ef) != MACHINE)
		r = -ENODATA;
	if (r == 0)
		r = unwind_table_open(t.ef, &t.table);
	if (r < 0)
		return r;
	t.bad_fdes = unwind_table_stats(t.table).bad_fdes;
	*ret = t;
	t = (struct open_table){ 0 };
	return 0;
}

static int get_table(uint64_t file, int fd, struct open_table **ret)
{
	int r;

	(void)rows_service_tidy();
	for (size_t i = 0; i < n_tables; i++)
		if (tables[i].file == file) {
			tables[i].used = ++n_requests;
			tables[i].used_ns = monotonic_ns();
			*ret = &tables[i];
			return 0;
		}
	make_room(TABLES_MAX - 1, KEPT_BYTES);
	r = open_one(fd, &tables[n_tables]);
	if (r == -ENOMEM && n_tables) {
		rows_service_close();
		r = open_one(fd, &tables[0]);
	}
	if (r < 0)
		return r;
	tables[n_tables].file = file;
	tables[n_tables].used = ++n_requests;
	tables[n_tables].used_ns = monotonic_ns();
	*ret = &tables[n_tables++];
	return 0;
}

/* --- questions -------------------------------------------------------------------------------- */

static int answer_open(struct worker_link *link, const struct rows_ask *ask)
{
	struct rows_opened o = { 0 };
	struct open_table *t;

	o.error = get_table(ask->file, link->in.fd, &t);
	if (o.error == 0) {
		unwind_table_pages(t->table, &o.first_page, &o.n_pages);
		o.code_off = elf_file_code_offset(t->ef);
		o.bad_fdes = t->bad_fdes;
	}
	return worker_link_send(link, ROWS_OPENED, &o, sizeof(o));
}

/* Pages on their way. */
struct sending {
	struct worker_link *link;
	const struct rows_ask *ask;
	int link_error; /* the parent is gone */
	size_t len;
	unsigned char buf[WORKER_PAYLOAD_MAX] __attribute__((aligned(8)));
};

static int flush(struct sending *s)
{
	if (s->len && s->link_error == 0)
		s->link_error = worker_link_send(s->link, ROWS_PAGES, s->buf, s->len);
	s->len = 0;
	return s->link_error;
}

static unsigned char *append(unsigned char *to, const void *bytes, size_t len)
{
	memcpy(to, bytes, len);
	return to + len;
}

static int send_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	size_t len = ROWS_PAGE_SIZE(rows->n_rows, rows->n_ext);
	struct rows_page head = { page, rows->n_rows, rows->n_ext, 0 };
	struct sending *s = arg;
	unsigned char *to;
	int r = len > sizeof(s->buf) - s->len ? flush(s) : 0;

	if (r < 0)
		return r;
	to = append(s->buf + s->len, &head, sizeof(head));
	to = append(to, rows->ext, rows->n_ext * sizeof(rows->ext[0]));
	to = append(to, rows->rule, rows->n_rows * sizeof(rows->rule[0]));
	to = append(to, rows->pc, rows->n_rows * sizeof(rows->pc[0]));
	s->len += len;
	memset(to, 0, s->buf + s->len - to);
	return 0;
}

static bool wants_page(void *arg, uint64_t page)
{
	const struct sending *s = arg;

	return s->ask->wanted >> (page - s->ask->first) & 1;
}

static int compile(struct sending *s, struct rows_done *ret)
{
	const struct unwind_group group = { s->ask->first, ROWS_PAGES_MAX, s->ask->page,
					    wants_page };
	struct unwind_table_stats before, after;
	struct open_table *t;
	int r = get_table(s->ask->file, s->link->in.fd, &t);

	if (r < 0)
		return r;
	before = unwind_table_stats(t->table);
	r = unwind_table_compile_group(t->table, &group, send_page, s);
	after = unwind_table_stats(t->table);
	ret->dense_pages = after.dense_pages - before.dense_pages;
	ret->bad_fdes = after.bad_fdes - before.bad_fdes;
	ret->unsupported_rows = after.unsupported_rows - before.unsupported_rows;
	return r;
}

static int answer_compile(struct worker_link *link, const struct rows_ask *ask)
{
	static struct sending s;
	struct rows_done done = { 0 };

	s.link = link;
	s.ask = ask;
	s.link_error = 0;
	s.len = 0;
	done.error = compile(&s, &done);
	if (flush(&s) < 0)
		return s.link_error;
	return worker_link_send(link, ROWS_DONE, &done, sizeof(done));
}

int rows_service(struct worker_link *link)
{
	struct rows_ask ask;

	if (link->in.header.len != sizeof(ask) || link->in.fd < 0)
		return -EBADMSG;
	memcpy(&ask, link->in.payload, sizeof(ask));
	switch (link->in.header.kind) {
	case ROWS_OPEN:
		return answer_open(link, &ask);
	case ROWS_COMPILE:
		return answer_compile(link, &ask);
	default:
		return -EBADMSG;
	}
}
