/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rows_client.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "unwind/rows_answer.h"

#define COMPARE_MAX    (16 << 20) /* bytes of a bad file that copies are known by */
#define FORGIVE_EACH_S 60

/* The one question that the worker has not answered yet. */
struct question {
	bool is_open; /* there is one */
	unsigned kind;
	struct rows_client_file file;
	dev_t dev; /* of it: its descriptor may be another file's before the answer comes */
	ino_t ino;
	struct rows_ask ask;
	uint64_t patience_ends_ns;
	bool is_opened;
	struct rows_opened opened;
	struct rows_answer answer;
};

struct rows_client {
	struct worker *worker;
	uint64_t n_files;
	struct question q;
	uint64_t slow_file; /* id of the last one that was forgiven for being slow */
	uint64_t forgiven_ns;
	struct bad_files bad;
};

int rows_worker_new(struct worker **ret)
{
	static const struct worker_options opt = {
		.name = "spanprof-rows",
		.prompt = true,
		.memory_bytes = ROWS_MEMORY_BYTES,
		.cpu_s = ROWS_CPU_S,
		.wall_s = ROWS_WALL_S,
	};

	return worker_new(&opt, ret);
}

int rows_client_new(struct worker *w, struct rows_client **ret)
{
	struct rows_client *c = calloc(1, sizeof(*c));

	if (!c) {
		worker_free(w);
		return -ENOMEM;
	}
	c->worker = w;
	c->bad.compare_max = COMPARE_MAX;
	*ret = c;
	return 0;
}

void rows_client_free(struct rows_client *c)
{
	if (!c)
		return;
	worker_free(c->worker);
	bad_files_clear(&c->bad);
	free(c);
}

uint64_t rows_client_number(struct rows_client *c)
{
	return ++c->n_files;
}

void rows_client_tidy(const struct rows_client *c)
{
	bad_files_tidy(&c->bad);
}

const struct bad_file *rows_client_bad_file(const struct rows_client *c, size_t i)
{
	return bad_files_get(&c->bad, i);
}

const struct bad_file *rows_client_bad_file_of(struct rows_client *c, int fd)
{
	return bad_files_find(&c->bad, fd);
}

const struct worker *rows_client_worker(const struct rows_client *c)
{
	return c->worker;
}

/* --- answers ---------------------------------------------------------------------------------- */

static int take(struct question *q, const struct worker_message *m)
{
	if (q->kind == ROWS_COMPILE)
		return rows_answer_take(&q->answer, m->header.kind, m->payload, m->header.len);
	if (m->header.kind != ROWS_OPENED)
		return -EBADMSG;
	q->is_opened = true;
	return rows_opened_decode(m->payload, m->header.len, &q->opened);
}

static bool is_answered(const struct question *q)
{
	return q->kind == ROWS_COMPILE ? q->answer.done : q->is_opened;
}

static int32_t error_of(const struct question *q)
{
	return q->kind == ROWS_COMPILE ? q->answer.end.error : q->opened.error;
}

/* The machine may have been busy, once. */
static bool forgive(struct rows_client *c, enum worker_failure_kind kind)
{
	uint64_t now = monotonic_ns();

	if (kind != WORKER_TIMEOUT || c->slow_file == c->q.file.id ||
	    (c->forgiven_ns && now - c->forgiven_ns < FORGIVE_EACH_S * NSEC_PER_SEC))
		return false;
	c->slow_file = c->q.file.id;
	c->forgiven_ns = now;
	return true;
}

static bool is_still_open(const struct question *q)
{
	struct stat st;

	return q->file.fd >= 0 && fstat(q->file.fd, &st) == 0 && st.st_dev == q->dev &&
	       st.st_ino == q->ino;
}

/* The file is to blame for what has become of its reader, unless that did not even start. */
static int blame(struct rows_client *c)
{
	const struct worker_failure *why = worker_last_failure(c->worker);
	const struct question *q = &c->q;
	char reason[WORKER_TEXT_MAX];

	if (why->kind == WORKER_NOT_STARTED || forgive(c, why->kind))
		return -EAGAIN;
	if (!is_still_open(q))
		return -EREMOTEIO;
	worker_failure_print(why, reason);
	return bad_files_add(&c->bad, q->file.fd, reason, true) == -ENOMEM ? -ENOMEM : -EREMOTEIO;
}

/* Takes what has come, or comes by @until_ns. 0: it is all there; -EAGAIN: not yet. */
static int receive(struct rows_client *c, uint64_t until_ns)
{
	struct question *q = &c->q;
	int r = 0;

	while (r == 0 && !is_answered(q)) {
		const struct worker_message *m;
		uint64_t now = monotonic_ns();

		r = worker_receive_within(c->worker, now < until_ns ? until_ns - now : 0, &m);
		if (r == 0)
			r = take(q, m);
		if (r == -EBADMSG)
			r = worker_reject(c->worker, WORKER_MALFORMED);
	}
	if (r == -EAGAIN)
		return r;
	q->is_open = false;
	/* It may be worse off than it says: no other file is to pay for that. */
	if (r == 0 && error_of(q) == -ENOMEM)
		r = worker_reject(c->worker, WORKER_NO_MEMORY);
	return r == -EREMOTEIO ? blame(c) : r;
}

/* --- questions -------------------------------------------------------------------------------- */

static bool is_same(const struct question *q, unsigned kind, const struct rows_ask *ask)
{
	return q->is_open && q->kind == kind && q->ask.file == ask->file &&
	       q->ask.first == ask->first;
}

/* The worker takes one at a time. What comes of another one goes to whom it belongs. */
static int clear_way(struct rows_client *c)
{
	int r = c->q.is_open ? receive(c, 0) : 0;

	return r == -EAGAIN && c->q.is_open ? r : 0;
}

static int send(struct rows_client *c, unsigned kind, const struct rows_client_file *f,
		const struct rows_ask *ask)
{
	struct question *q = &c->q;
	struct stat st = { 0 };
	int r;

	(void)fstat(f->fd, &st);
	*q = (struct question){
		.kind = kind,
		.file = *f,
		.dev = st.st_dev,
		.ino = st.st_ino,
		.ask = *ask,
		.patience_ends_ns = monotonic_ns() + ROWS_PATIENCE_MS * NSEC_PER_MSEC,
		.answer = { .first = ask->first, .wanted = ask->wanted },
	};
	r = worker_begin(c->worker, WORKER_SERVICE_ROWS);
	if (r == 0)
		r = worker_send(c->worker, kind, ask, sizeof(*ask), f->fd);
	q->is_open = r == 0;
	return r == -EREMOTEIO ? blame(c) : r;
}

static void set_sink(struct rows_answer *a, const struct rows_sink *sink)
{
	a->fn = sink->take;
	a->arg = sink->arg;
}

/* Pages go to @sink while this lasts, then to f->late. */
static int ask(struct rows_client *c, unsigned kind, const struct rows_client_file *f,
	       const struct rows_ask *what, const struct rows_sink *sink)
{
	struct question *q = &c->q;
	int r = 0;

	if (!is_same(q, kind, what)) {
		r = clear_way(c);
		if (r == 0 && kind == ROWS_OPEN && bad_files_find(&c->bad, f->fd))
			r = -EREMOTEIO;
		if (r == 0)
			r = send(c, kind, f, what);
	}
	if (r < 0)
		return r;
	set_sink(&q->answer, sink);
	r = receive(c, q->patience_ends_ns);
	set_sink(&q->answer, &q->file.late);
	return r;
}

/* A file that was cut short meanwhile is not its reader's lie. */
static int check_extent(int fd, const struct row_extent *e)
{
	uint64_t pages;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	pages = ((uint64_t)st.st_size >> UNWIND_PAGE_SHIFT) + 1;
	return e->first_page > pages || e->n_pages > pages - e->first_page ? -EBADMSG : 0;
}

int rows_client_open(struct rows_client *c, const struct rows_client_file *f,
		     struct row_extent *ret, uint64_t *ret_bad_fdes)
{
	const struct rows_ask what = { .file = f->id };
	static const struct rows_sink nowhere;
	const struct rows_opened *o = &c->q.opened;
	struct row_extent extent;
	int r;

	r = ask(c, ROWS_OPEN, f, &what, &nowhere);
	if (r == 0)
		r = o->error;
	if (r < 0)
		return r;
	extent = (struct row_extent){ o->first_page, o->n_pages, o->code_off };
	r = check_extent(f->fd, &extent);
	if (r < 0)
		return r;
	*ret = extent;
	*ret_bad_fdes = o->bad_fdes;
	return 0;
}

int rows_client_compile(struct rows_client *c, const struct rows_client_file *f,
			const struct rows_client_group *group, const struct rows_sink *sink,
			struct unwind_table_stats *stats)
{
	const struct rows_ask what = { f->id, group->first, group->wanted, group->page };
	const struct rows_answer *a = &c->q.answer;
	int r = ask(c, ROWS_COMPILE, f, &what, sink);

	if (r < 0)
		return r;
	stats->bad_fdes += a->end.bad_fdes;
	stats->unsupported_rows += a->end.unsupported_rows;
	stats->dense_pages += a->end.dense_pages;
	return a->end.error < 0 ? a->end.error : a->fn_error;
}

void rows_client_forget(struct rows_client *c, uint64_t id)
{
	struct question *q = &c->q;

	if (!q->is_open || q->file.id != id)
		return;
	q->file.fd = -1;
	q->file.late = (struct rows_sink){ 0 };
	set_sink(&q->answer, &q->file.late);
}
