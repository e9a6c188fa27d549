/* SPDX-License-Identifier: Apache-2.0 */
#include "export/spool_queue.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/io.h"

#define BATCH 64 /* names that are kept of a long queue */

struct spool_queue {
	struct spool_dir dir;
	char *name;
	int fd;
	struct delivery_stats *stats, unasked;
	struct spool_list next; /* the oldest ones, from pos on */
	size_t pos;
	uint64_t entries, bytes, samples; /* of all */
	/* Those up to this number wait until there is no other one; when the oldest was put. */
	uint64_t postponed, postponed_s;
	/*
	 * Stays claimed between tries, without its bytes: as not all of its progress is on disk,
	 * the other side would count it wrongly.
	 */
	struct spool_entry held;
	bool has_held;
};

static void entry_clear(struct spool_entry *e)
{
	free(e->file);
	spool_progress_clear(&e->progress);
	*e = (struct spool_entry){ 0 };
}

static void let_go(struct spool_queue *q)
{
	if (q->has_held)
		(void)spool_rename(q->fd, &q->held.name, SPOOL_WAITING);
	entry_clear(&q->held);
	q->has_held = false;
}

void spool_queue_close(struct spool_queue *q)
{
	if (!q)
		return;

	let_go(q);
	spool_list_clear(&q->next);
	closep(&q->fd);
	spool_dir_close(&q->dir);
	free(q->name);
	free(q);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void publish(struct spool_queue *q)
{
	bool any = q->pos < q->next.names.n;
	uint64_t oldest_s = q->postponed_s;

	if (!oldest_s && any)
		oldest_s = q->next.names.data[q->pos].time_s;
	delivery_stats_set(q->stats, queue_entries, q->entries);
	delivery_stats_set(q->stats, queue_bytes, q->bytes);
	delivery_stats_set(q->stats, queue_samples, q->samples);
	if (oldest_s || q->entries == 0)
		delivery_stats_set(q->stats, queue_oldest_ns, oldest_s * NSEC_PER_SEC);
}

static void subtract(uint64_t *from, uint64_t n)
{
	*from -= n < *from ? n : *from;
}

/* Of the one that is held the disk says too little. */
static void correct_held(struct spool_queue *q)
{
	CLEANUP(spool_progress_clear) struct spool_progress on_disk = { 0 };

	if (!q->has_held)
		return;
	(void)spool_progress_of(q->fd, &q->held.name, &on_disk);
	if (q->held.progress.samples > on_disk.samples)
		subtract(&q->samples, q->held.progress.samples - on_disk.samples);
}

/* The oldest profiles that can be claimed; a day's queue is some thousand. Sums of all. */
static int take_list(struct spool_queue *q, const struct spool_list *list)
{
	q->entries = q->bytes = 0;
	q->samples = spool_list_samples(q->fd, list);
	correct_held(q);
	q->postponed_s = 0;
	q->pos = q->next.names.n = 0;
	for (size_t i = 0; i < list->names.n; i++) {
		const struct spool_name *name = &list->names.data[i];

		if (name->kind != SPOOL_WAITING && name->kind != SPOOL_CLAIMED)
			continue;
		q->entries++;
		q->bytes += name->size;
		if (name->kind == SPOOL_WAITING && name->seq <= q->postponed) {
			if (!q->postponed_s)
				q->postponed_s = name->time_s;
			continue;
		}
		if (name->kind == SPOOL_WAITING && q->next.names.n < BATCH &&
		    vec_push(&q->next.names, *name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int look(struct spool_queue *q)
{
	CLEANUP(spool_list_clear) struct spool_list list = { 0 };
	int r = spool_dir_list(&q->dir, q->fd, q->name, q->stats, &list);

	if (r >= 0)
		r = take_list(q, &list);
	if (r >= 0)
		publish(q);
	return r;
}

void spool_queue_look(struct spool_queue *q)
{
	(void)look(q);
}

/* --- counting --------------------------------------------------------------------------------- */

/* NULL: it is no end. */
static _Atomic uint64_t *counter_of(struct delivery_stats *s, enum spool_fate fate)
{
	switch (fate) {
	case SPOOL_TAKEN:
		return &s->delivered;
	case SPOOL_REJECTED:
		return &s->rejected;
	case SPOOL_UNCERTAIN:
		return &s->uncertain;
	default:
		return NULL;
	}
}

/* Before it is on disk; @e is as it will be. */
static void announce(struct spool_queue *q, const struct spool_entry *e, enum spool_fate fate,
		     uint64_t samples)
{
	_Atomic uint64_t *counter = counter_of(q->stats, fate);
	struct delivery_note *n = &q->stats->note;

	if (!counter)
		return;
	atomic_store(&n->seq, e->name.seq);
	atomic_store(&n->settled, e->progress.samples);
	atomic_store(&n->counted, atomic_load(counter) + samples);
	atomic_store(&n->fate, fate);
}

static void count(struct spool_queue *q, enum spool_fate fate, uint64_t samples)
{
	_Atomic uint64_t *counter = counter_of(q->stats, fate);

	if (!counter)
		return;
	atomic_fetch_add(counter, samples);
	atomic_store(&q->stats->note.fate, SPOOL_BEGUN);
	subtract(&q->samples, samples);
	publish(q);
}

static bool has_arrived(struct spool_queue *q, const struct spool_list *list)
{
	CLEANUP(spool_progress_clear) struct spool_progress p = { 0 };
	const struct delivery_note *n = &q->stats->note;

	for (size_t i = 0; i < list->names.n; i++) {
		const struct spool_name *name = &list->names.data[i];

		if (name->kind != SPOOL_PROGRESS && name->seq == atomic_load(&n->seq))
			return spool_progress_of(q->fd, name, &p) == 0 &&
			       p.samples >= atomic_load(&n->settled);
	}
	return false;
}

/* Of a process that was killed between its disk and its counter, or just after. */
static void count_announced(struct spool_queue *q, const struct spool_list *list)
{
	struct delivery_note *n = &q->stats->note;
	_Atomic uint64_t *counter = counter_of(q->stats, atomic_load(&n->fate));
	uint64_t counted = atomic_load(&n->counted);

	if (counter && atomic_load(counter) < counted && has_arrived(q, list))
		atomic_store(counter, counted);
	atomic_store(&n->fate, SPOOL_BEGUN);
}

/* --- opening ---------------------------------------------------------------------------------- */

/*
 * A claim is left when its process was killed. What had begun then nobody knows the outcome of; it
 * stays so in the progress, and is counted once.
 */
static void tidy(struct spool_queue *q)
{
	CLEANUP(spool_list_clear) struct spool_list list = { 0 };

	(void)spool_dir_list(&q->dir, q->fd, q->name, q->stats, &list);
	count_announced(q, &list);
	for (size_t i = 0; i < list.names.n; i++) {
		struct spool_name *name = &list.names.data[i];
		bool alone = i == 0 || list.names.data[i - 1].seq != name->seq;

		if (name->kind == SPOOL_CLAIMED)
			(void)spool_rename(q->fd, name, SPOOL_WAITING);
		/* Its profile may have been renamed since, by the other side, but not for long. */
		if (name->kind == SPOOL_PROGRESS && alone)
			(void)spool_unlink(q->fd, name);
	}
}

int spool_queue_open(const char *dir, const char *name, struct delivery_stats *stats,
		     struct spool_queue **ret)
{
	CLEANUP(spool_queue_closep) struct spool_queue *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	q->dir = (struct spool_dir)SPOOL_DIR_CLOSED;
	q->fd = -1;
	q->stats = stats ? stats : &q->unasked;
	q->name = strdup(name);
	r = q->name ? spool_dir_open(dir, &q->dir) : -ENOMEM;
	if (r >= 0)
		r = spool_dir_queue(&q->dir, name, &q->fd);
	if (r < 0)
		return r;
	if (flock(q->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	tidy(q);
	r = look(q);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(q);
	return 0;
}

/* --- taking ----------------------------------------------------------------------------------- */

static uint64_t unsettled(const struct spool_entry *e)
{
	uint64_t known = e->progress.samples + e->progress.pending;

	return e->name.samples > known ? e->name.samples - known : 0;
}

/* It is not in the queue any more. */
static void forget(struct spool_queue *q, struct spool_entry *e)
{
	struct spool_name progress = { .kind = SPOOL_PROGRESS, .seq = e->name.seq };

	(void)spool_unlink(q->fd, &progress);
	(void)fsync(q->fd);
	subtract(&q->entries, 1);
	subtract(&q->bytes, e->name.size);
	subtract(&q->samples, unsettled(e));
	entry_clear(e);
	publish(q);
}

void spool_queue_done(struct spool_queue *q, struct spool_entry *e)
{
	(void)spool_unlink(q->fd, &e->name);
	delivery_stats_add(q->stats, profiles, 1);
	/* Its header and its samples disagree. */
	delivery_stats_add(q->stats, damaged, unsettled(e));
	forget(q, e);
}

void spool_queue_set_aside(struct spool_queue *q, struct spool_entry *e)
{
	char file[SPOOL_FILE_NAME];

	spool_name_format(&e->name, file);
	if (spool_dir_set_aside(&q->dir, q->fd, q->name, file) < 0)
		(void)spool_unlink(q->fd, &e->name);
	delivery_stats_add(q->stats, uncertain, e->progress.pending);
	subtract(&q->samples, e->progress.pending);
	delivery_stats_add(q->stats, damaged, unsettled(e));
	delivery_stats_add(q->stats, damaged_files, 1);
	forget(q, e);
}

/* As not all of its progress is on disk, it stays claimed. */
static void hold(struct spool_queue *q, struct spool_entry *e)
{
	free(e->file);
	e->file = NULL;
	q->held = *e;
	q->has_held = true;
	*e = (struct spool_entry){ 0 };
}

void spool_queue_release(struct spool_queue *q, struct spool_entry *e)
{
	if (e->unsaved) {
		hold(q, e);
		return;
	}
	if (spool_rename(q->fd, &e->name, SPOOL_WAITING) == 0 && q->pos > 0)
		q->pos--;
	entry_clear(e);
	publish(q);
}

void spool_queue_postpone(struct spool_queue *q, struct spool_entry *e)
{
	if (e->unsaved) {
		hold(q, e);
		return;
	}
	if (spool_rename(q->fd, &e->name, SPOOL_WAITING) == 0) {
		q->postponed = e->name.seq;
		if (!q->postponed_s) /* of the oldest one */
			q->postponed_s = e->name.time_s;
	}
	entry_clear(e);
	publish(q);
}

/* -EBADMSG: damaged, or somebody has removed it. */
static int load(struct spool_queue *q, struct spool_entry *e)
{
	size_t len;
	int r = spool_load(q->fd, &e->name, SPOOL_PROFILE_MAX, &e->file, &len);

	if (r == -EFBIG || r == -EIO || r == -ENOENT)
		return -EBADMSG;
	if (r >= 0)
		r = spool_header_check(e->file, len, &e->header);
	if (r < 0)
		return r;
	if (e->header.samples != e->name.samples)
		return -EBADMSG;
	e->pprof = e->file + sizeof(e->header);
	e->len = e->header.payload_len;
	return e->unsaved ? 0 : spool_progress_load(q->fd, &e->name, e->header.id, &e->progress);
}

/* A request was begun by a process that did not live to see its end. */
static int settle_abandoned(struct spool_queue *q, struct spool_entry *e)
{
	struct spool_record rec = { .fate = SPOOL_UNCERTAIN };

	return e->progress.n_pending ? spool_queue_note(q, e, &rec, NULL) : 0;
}

/* Of a claimed one. 1: *ret is filled; 0: it was damaged. */
static int open_claimed(struct spool_queue *q, struct spool_entry e, struct spool_entry *ret)
{
	int r = load(q, &e);

	if (r >= 0)
		r = settle_abandoned(q, &e);
	if (r == -EBADMSG) {
		/* What of it was sent is counted already. */
		if (!e.unsaved && !e.progress.valid_len)
			(void)spool_progress_of(q->fd, &e.name, &e.progress);
		spool_queue_set_aside(q, &e);
		return 0;
	}
	if (r < 0) {
		spool_queue_release(q, &e);
		return r;
	}
	*ret = e;
	return 1;
}

/* 0: somebody else was faster, or it was damaged. */
static int take(struct spool_queue *q, struct spool_name name, struct spool_entry *ret)
{
	struct spool_entry e = { .name = name };

	if (spool_rename(q->fd, &name, SPOOL_CLAIMED) < 0)
		return 0;
	e.name.kind = SPOOL_CLAIMED;
	return open_claimed(q, e, ret);
}

static int take_held(struct spool_queue *q, struct spool_entry *ret)
{
	struct spool_entry e = q->held;

	if (!q->has_held)
		return 0;
	q->held = (struct spool_entry){ 0 };
	q->has_held = false;
	return open_claimed(q, e, ret);
}

int spool_queue_take(struct spool_queue *q, struct spool_entry *ret)
{
	int held = take_held(q, ret);

	if (held != 0)
		return held < 0 ? held : 0;
	for (bool looked = false;; looked = true) {
		int r;

		while (q->pos < q->next.names.n) {
			r = take(q, q->next.names.data[q->pos++], ret);
			if (r != 0)
				return r < 0 ? r : 0;
		}
		if (looked && !q->postponed)
			return -ENOENT;
		if (looked)
			q->postponed = 0;
		r = look(q);
		if (r < 0)
			return r;
	}
}

/* --- progress --------------------------------------------------------------------------------- */

static int append(int fd, struct spool_entry *e, const struct spool_record *rec,
		  const struct spool_range *ranges)
{
	struct spool_progress_header h;
	size_t len = sizeof(*rec) + rec->n_ranges * sizeof(*ranges);
	int r = 0;

	/* What of an earlier process does not check would hide what follows. */
	if (ftruncate(fd, e->progress.valid_len) < 0 ||
	    lseek(fd, e->progress.valid_len, SEEK_SET) < 0)
		return -errno;
	if (e->progress.valid_len == 0) {
		spool_progress_start(&h, e->header.id);
		r = write_whole_fd(fd, &h, sizeof(h));
		if (r >= 0)
			e->progress.valid_len = sizeof(h);
	}
	e->progress.begun_at = rec->fate == SPOOL_BEGUN ? e->progress.valid_len : 0;
	if (r >= 0)
		r = write_whole_fd(fd, rec, sizeof(*rec));
	if (r >= 0 && rec->n_ranges)
		r = write_whole_fd(fd, ranges, rec->n_ranges * sizeof(*ranges));
	/* That it was begun need not outlive the machine: at worst it is sent again then. */
	if (r >= 0 && rec->fate != SPOOL_BEGUN && fdatasync(fd) < 0)
		r = -errno;
	if (r >= 0)
		e->progress.valid_len += len;
	return r;
}

/* That nothing came of the last request need not be told by a file that grows with each try. */
static int take_back(int fd, struct spool_entry *e)
{
	if (ftruncate(fd, e->progress.begun_at) < 0)
		return -errno;
	e->progress.valid_len = e->progress.begun_at;
	return 0;
}

static int save(struct spool_queue *q, struct spool_entry *e, const struct spool_record *rec,
		const struct spool_range *ranges)
{
	struct spool_name name = { .kind = SPOOL_PROGRESS, .seq = e->name.seq };
	CLEANUP(closep) int fd = -1;
	char file[SPOOL_FILE_NAME];

	spool_name_format(&name, file);
	fd = openat(q->fd, file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (rec->fate == SPOOL_BACK && e->progress.begun_at)
		return take_back(fd, e);
	return append(fd, e, rec, ranges);
}

int spool_queue_note(struct spool_queue *q, struct spool_entry *e, struct spool_record *rec,
		     const struct spool_range *ranges)
{
	uint64_t samples = rec->n_ranges ? rec->samples : e->progress.pending;
	int r = spool_progress_apply(&e->progress, rec, ranges);

	if (r < 0)
		return r;
	/* Once a record is missing, those that follow would be about something else. */
	if (!e->unsaved) {
		spool_record_fill(rec, ranges);
		announce(q, e, rec->fate, samples);
		e->unsaved = save(q, e, rec, ranges) < 0;
		if (e->unsaved)
			delivery_stats_add(q->stats, progress_unsaved, 1);
	}
	count(q, rec->fate, samples);
	return 0;
}
