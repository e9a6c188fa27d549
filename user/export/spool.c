/* SPDX-License-Identifier: Apache-2.0 */
#include "export/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/vec.h"
#include "export/spool_dir.h"
#include "export/spool_kept.h"

#define PAYLOAD_MAX (SPOOL_PROFILE_MAX - sizeof(struct spool_header))

struct queue {
	char *name;
	int fd;			      /* -1: it cannot be made, which is tried with each profile */
	struct delivery_stats *stats; /* NULL: nobody counts, or no longer configured */
	bool configured;
	int linked; /* negative errno: the profile that is being put could not be */
};

struct queues {
	VEC(struct queue) all;
};

struct spool {
	struct spool_dir dir;
	uint64_t max_bytes, max_age_s;
	uint64_t next_seq, next_kept;
	uint64_t expired_elsewhere;
	struct queues queues;
};

static void queues_clear(struct queues *q)
{
	for (size_t i = 0; i < q->all.n; i++) {
		free(q->all.data[i].name);
		closep(&q->all.data[i].fd);
	}
	vec_free(&q->all);
}

void spool_close(struct spool *s)
{
	if (!s)
		return;

	queues_clear(&s->queues);
	spool_dir_close(&s->dir);
	free(s);
}

static struct queue *find_queue(struct queues *q, const char *name)
{
	for (size_t i = 0; i < q->all.n; i++)
		if (strcmp(q->all.data[i].name, name) == 0)
			return &q->all.data[i];
	return NULL;
}

/* Takes @fd, whatever happens. */
static int add_queue(struct queues *to, const char *name, int fd, struct queue **ret)
{
	struct queue q = { .name = strdup(name), .fd = fd };
	int r = q.name ? vec_push(&to->all, q) : -ENOMEM;

	if (r < 0) {
		free(q.name);
		closep(&q.fd);
		return r;
	}
	*ret = &to->all.data[to->all.n - 1];
	return 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

/* Ours alone from the rename on; what of it was sent is counted already. */
static bool evict(struct spool *s, struct queue *q, const struct spool_name *name)
{
	struct spool_name own = *name;
	CLEANUP(spool_progress_clear) struct spool_progress progress = { 0 };
	uint64_t known;

	if (spool_rename(q->fd, name, SPOOL_EVICTED) < 0)
		return false;
	own.kind = SPOOL_EVICTED;
	(void)spool_progress_of(q->fd, &own, &progress);
	if (spool_unlink(q->fd, &own) < 0)
		return false;
	own.kind = SPOOL_PROGRESS;
	(void)spool_unlink(q->fd, &own);
	known = progress.samples + progress.pending;
	delivery_stats_add(q->stats, uncertain, progress.pending);
	delivery_stats_add(q->stats, expired, name->samples > known ? name->samples - known : 0);
	if (!q->stats)
		s->expired_elsewhere +=
			name->samples > progress.samples ? name->samples - progress.samples : 0;
	return true;
}

static uint64_t bytes_of(const struct spool_list *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < l->names.n; i++)
		sum += l->names.data[i].size; /* 0 for progress */
	return sum;
}

/* Of a queue that has no reader, whose numbers they are otherwise. */
static void publish(const struct queue *q, const struct spool_list *l)
{
	const struct spool_name *first = l->names.n ? &l->names.data[0] : NULL;
	uint64_t entries = 0;

	for (size_t i = 0; i < l->names.n; i++)
		entries += l->names.data[i].kind != SPOOL_PROGRESS;
	delivery_stats_set(q->stats, queue_entries, entries);
	delivery_stats_set(q->stats, queue_bytes, bytes_of(l));
	delivery_stats_set(q->stats, queue_samples, spool_list_samples(q->fd, l));
	delivery_stats_set(q->stats, queue_oldest_ns, first ? first->time_s * NSEC_PER_SEC : 0);
}

static void publish_unasked(struct spool *s, struct queue *q)
{
	CLEANUP(spool_list_clear) struct spool_list list = { 0 };

	if (q->stats && !q->configured &&
	    spool_dir_list(&s->dir, q->fd, q->name, q->stats, &list) >= 0)
		publish(q, &list);
}

/* A queue that nobody asks for any more shrinks by age only. */
static void trim_queue(struct spool *s, struct queue *q, const struct spool_name *now)
{
	CLEANUP(spool_list_clear) struct spool_list list = { 0 };
	uint64_t bytes;

	if (spool_dir_list(&s->dir, q->fd, q->name, q->stats, &list) < 0)
		return;
	bytes = bytes_of(&list);
	for (size_t i = 0; i < list.names.n; i++) {
		const struct spool_name *name = &list.names.data[i];
		bool old = s->max_age_s && spool_name_age(name, now) > s->max_age_s;
		bool many = q->configured && s->max_bytes && bytes > s->max_bytes;

		if (name->kind == SPOOL_WAITING && (old || many) && evict(s, q, name))
			bytes -= name->size;
	}
}

void spool_trim(struct spool *s)
{
	struct spool_name now;

	spool_name_now(&now);
	for (size_t i = 0; i < s->queues.all.n; i++)
		trim_queue(s, &s->queues.all.data[i], &now);
	for (size_t i = 0; i < s->queues.all.n; i++)
		publish_unasked(s, &s->queues.all.data[i]);
}

uint64_t spool_expired_elsewhere(const struct spool *s)
{
	return s->expired_elsewhere;
}

void spool_set_limits(struct spool *s, uint64_t max_bytes, uint64_t max_age_s)
{
	s->max_bytes = max_bytes;
	s->max_age_s = max_age_s;
}

/* The oldest of all that nobody is sending, and not @except. */
static bool find_oldest(struct spool *s, uint64_t except, uint64_t *ret)
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < s->queues.all.n; i++) {
		struct queue *q = &s->queues.all.data[i];
		CLEANUP(spool_list_clear) struct spool_list list = { 0 };

		(void)spool_dir_list(&s->dir, q->fd, q->name, q->stats, &list);
		for (size_t k = 0; k < list.names.n; k++)
			if (list.names.data[k].kind == SPOOL_WAITING &&
			    list.names.data[k].seq != except) {
				if (list.names.data[k].seq < oldest)
					oldest = list.names.data[k].seq;
				break;
			}
	}
	*ret = oldest;
	return oldest != UINT64_MAX;
}

static bool evict_everywhere(struct spool *s, uint64_t seq)
{
	bool any = false;

	for (size_t i = 0; i < s->queues.all.n; i++) {
		struct queue *q = &s->queues.all.data[i];
		CLEANUP(spool_list_clear) struct spool_list list = { 0 };

		(void)spool_dir_list(&s->dir, q->fd, q->name, q->stats, &list);
		for (size_t k = 0; k < list.names.n; k++)
			if (list.names.data[k].seq == seq &&
			    list.names.data[k].kind == SPOOL_WAITING)
				any |= evict(s, q, &list.names.data[k]);
	}
	return any;
}

/* A profile uses its disk until all of its links are gone. False: there is nothing to remove. */
static bool make_room(struct spool *s, uint64_t except)
{
	uint64_t seq, before = 0;

	if (spool_dir_drop_damaged(&s->dir))
		return true;
	/* One that its reader has claimed since is passed over; one that does not go ends it. */
	for (; find_oldest(s, except, &seq) && seq != before; before = seq)
		if (evict_everywhere(s, seq))
			return true;
	return false;
}

static bool is_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

/* --- opening ---------------------------------------------------------------------------------- */

static void remove_temporaries(struct spool *s)
{
	CLEANUP(closedirp) DIR *dir = NULL;

	(void)spool_dir_stream(s->dir.tmp, &dir);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			(void)unlinkat(s->dir.tmp, e->d_name, 0);
}

/* Progress lies behind its profile in the list, unless that is gone. */
static bool is_orphan(const struct spool_list *list, size_t i)
{
	const struct spool_name *names = list->names.data;

	return names[i].kind == SPOOL_PROGRESS && (i == 0 || names[i - 1].seq != names[i].seq);
}

/* What a process was at when it was killed. Only while nobody else can be at it. */
static int tidy_queue(struct spool *s, struct queue *q)
{
	CLEANUP(spool_list_clear) struct spool_list list = { 0 };
	/* Its reader has this lock; then it tidies its claims by itself. */
	bool alone = flock(q->fd, LOCK_EX | LOCK_NB) == 0;
	int r = spool_dir_list(&s->dir, q->fd, q->name, q->stats, &list);

	for (size_t i = 0; i < list.names.n; i++) {
		const struct spool_name *name = &list.names.data[i];

		if (name->seq >= s->next_seq)
			s->next_seq = name->seq + 1;
		if (alone && is_orphan(&list, i))
			(void)spool_unlink(q->fd, name);
		else if (name->kind == SPOOL_EVICTED || (alone && name->kind == SPOOL_CLAIMED))
			(void)spool_rename(q->fd, name, SPOOL_WAITING);
	}
	if (alone)
		flock(q->fd, LOCK_UN);
	return r;
}

static int find_queues(struct spool *s)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	int r = spool_dir_stream(s->dir.queues, &dir);

	for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
		struct queue *q;
		int fd;

		if (e->d_name[0] == '.' || spool_dir_queue(&s->dir, e->d_name, &fd) < 0)
			continue; /* none of ours */
		r = add_queue(&s->queues, e->d_name, fd, &q);
		if (r >= 0)
			r = tidy_queue(s, q);
	}
	return r;
}

int spool_open(const struct spool_options *opt, struct spool **ret)
{
	CLEANUP(spool_closep) struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dir = (struct spool_dir)SPOOL_DIR_CLOSED;
	s->next_seq = 1;
	spool_set_limits(s, opt->max_bytes, opt->max_age_s);
	r = spool_dir_open(opt->dir, &s->dir);
	if (r < 0)
		return r;
	if (flock(s->dir.root, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	remove_temporaries(s);
	r = spool_dir_open_kept(&s->dir);
	if (r >= 0)
		r = spool_kept_last(&s->dir, &s->next_kept);
	s->next_kept++;
	if (r >= 0)
		r = find_queues(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static uint64_t samples_in(struct spool *s, struct queue *q)
{
	CLEANUP(spool_list_clear) struct spool_list list = { 0 };

	(void)spool_dir_list(&s->dir, q->fd, q->name, NULL, &list);
	return spool_list_samples(q->fd, &list);
}

/* Perhaps it was there, and only now may be read. */
static int make_queue(struct spool *s, struct queue *q)
{
	int r;

	if (q->fd >= 0)
		return 0;
	r = spool_dir_queue(&s->dir, q->name, &q->fd);
	if (r < 0)
		return r;
	delivery_stats_add(q->stats, found, samples_in(s, q));
	return tidy_queue(s, q);
}

/* The place of a queue that is not asked for any more may be another's by now. */
static void drop_stats(struct queues *q)
{
	for (size_t i = 0; i < q->all.n; i++) {
		struct queue *one = &q->all.data[i];

		if (one->stats && strcmp(one->stats->name, one->name) != 0)
			one->stats = NULL;
	}
}

/* One that cannot be had is in the list all the same, so that what it misses is counted. */
static int configure(struct spool *s, const struct spool_target *t)
{
	struct queue *q = find_queue(&s->queues, t->name);
	int r = q ? 0 : add_queue(&s->queues, t->name, -1, &q);

	if (r < 0)
		return r;
	q->configured = true;
	if (q->fd >= 0 && t->stats && q->stats != t->stats)
		delivery_stats_add(t->stats, found, samples_in(s, q));
	q->stats = t->stats;
	return make_queue(s, q);
}

int spool_set_queues(struct spool *s, const struct spool_target *targets, size_t n)
{
	int first = 0;

	for (size_t i = 0; i < s->queues.all.n; i++)
		s->queues.all.data[i].configured = false;
	drop_stats(&s->queues);
	for (size_t i = 0; i < n; i++) {
		int r = configure(s, &targets[i]);

		if (first == 0)
			first = r;
	}
	return first;
}

/* --- putting ---------------------------------------------------------------------------------- */

static int write_file(int fd, const struct spool_header *h, const struct spool_profile *p)
{
	int r = write_whole_fd(fd, h, sizeof(*h));

	return r < 0 ? r : write_whole_fd(fd, p->pprof, p->len);
}

/* @durable: it survives the machine's fall, too. */
static int write_temporary(struct spool *s, const char *file, const struct spool_profile *p,
			   bool durable)
{
	struct spool_header h = { .time_ns = p->time_ns, .samples = p->samples };
	CLEANUP(closep) int fd = -1;
	int r;

	if (getrandom(&h.id, sizeof(h.id), 0) != sizeof(h.id))
		return -EIO;
	spool_header_fill(&h, p->pprof, p->len);
	fd = openat(s->dir.tmp, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	r = fd < 0 ? -errno : write_file(fd, &h, p);
	if (r >= 0 && durable && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(s->dir.tmp, file, 0);
	return r;
}

/* Before the profile has its number, as the numbers in a queue that comes late are taken. */
static void make_queues(struct spool *s)
{
	for (size_t i = 0; i < s->queues.all.n; i++) {
		struct queue *q = &s->queues.all.data[i];

		while (q->configured && is_full(make_queue(s, q)) && make_room(s, 0))
			;
	}
}

/* From here on a reader may have it, and may be done with it before we are. */
static int link_into(struct spool *s, struct queue *q, const char *file, uint64_t samples)
{
	int r = make_queue(s, q);

	if (r < 0)
		return r;
	delivery_stats_add(q->stats, put, samples);
	if (linkat(s->dir.tmp, file, q->fd, file, 0) == 0)
		return 0;
	r = -errno;
	delivery_stats_add(q->stats, put, -samples);
	return r;
}

/* What cannot be made durable is taken back, unless its reader has it. */
static int sync_queue(struct queue *q, const char *file, uint64_t samples)
{
	int r;

	if (fsync(q->fd) == 0)
		return 0;
	r = -errno;
	if (unlinkat(q->fd, file, 0) < 0)
		return 0;
	delivery_stats_add(q->stats, put, -samples);
	return r;
}

static void count_unspooled(struct spool *s, uint64_t samples)
{
	for (size_t i = 0; i < s->queues.all.n; i++)
		if (s->queues.all.data[i].configured)
			delivery_stats_add(s->queues.all.data[i].stats, unspooled, samples);
}

/* What remains to be done once it was linked, with that result. */
static int finish_put(struct spool *s, struct queue *q, const char *file,
		      const struct spool_name *name)
{
	int r = q->linked;

	while (is_full(r) && make_room(s, name->seq))
		r = link_into(s, q, file, name->samples);
	if (r == 0)
		r = sync_queue(q, file, name->samples);
	if (r < 0)
		delivery_stats_add(q->stats, unspooled, name->samples);
	return r;
}

/*
 * @kept goes as soon as the profile is in the queues: who is killed between the two, which follow
 * each other at once, has it twice.
 */
static int put_into_all(struct spool *s, const char *file, const struct spool_name *name,
			uint64_t kept)
{
	int first = 0;

	for (size_t i = 0; i < s->queues.all.n; i++) {
		struct queue *q = &s->queues.all.data[i];

		q->linked = q->configured ? link_into(s, q, file, name->samples) : 0;
	}
	(void)spool_kept_remove(&s->dir, kept);
	for (size_t i = 0; i < s->queues.all.n; i++) {
		struct queue *q = &s->queues.all.data[i];
		int r = q->configured ? finish_put(s, q, file, name) : 0;

		if (first == 0)
			first = r;
	}
	return first;
}

static bool has_queues(const struct spool *s)
{
	for (size_t i = 0; i < s->queues.all.n; i++)
		if (s->queues.all.data[i].configured)
			return true;
	return false;
}

/* Where the disk is full, what is kept of a profile takes the room of the profile itself. */
static bool make_room_for(struct spool *s, uint64_t seq, uint64_t *kept)
{
	if (!*kept)
		return make_room(s, seq);
	(void)spool_kept_remove(&s->dir, *kept);
	*kept = 0;
	return true;
}

static int put_file(struct spool *s, const struct spool_profile *p, uint64_t kept)
{
	struct spool_name name;
	char file[SPOOL_FILE_NAME];
	int r;

	make_queues(s);
	spool_name_now(&name);
	name.kind = SPOOL_WAITING;
	name.seq = s->next_seq++;
	name.size = sizeof(struct spool_header) + p->len;
	name.samples = p->samples;
	spool_name_format(&name, file);
	do
		r = write_temporary(s, file, p, true);
	while (is_full(r) && make_room_for(s, name.seq, &kept));
	if (r < 0) {
		count_unspooled(s, p->samples);
		return r;
	}
	r = put_into_all(s, file, &name, kept);
	(void)unlinkat(s->dir.tmp, file, 0);
	return r;
}

static int put(struct spool *s, const struct spool_profile *p, uint64_t kept)
{
	int r = -EFBIG;

	if (p->len > PAYLOAD_MAX)
		count_unspooled(s, p->samples);
	else
		r = put_file(s, p, kept);
	spool_trim(s);
	return r;
}

int spool_put(struct spool *s, const struct spool_profile *p, uint64_t kept)
{
	int r = has_queues(s) ? put(s, p, kept) : -EDESTADDRREQ;

	(void)spool_kept_remove(&s->dir, kept);
	return r;
}

/* --- keeping ---------------------------------------------------------------------------------- */

int spool_keep(struct spool *s, const struct spool_profile *p, uint64_t *ret)
{
	char file[SPOOL_FILE_NAME];
	int r;

	if (p->len > PAYLOAD_MAX)
		return -EFBIG;
	spool_kept_format(s->next_kept, file);
	r = write_temporary(s, file, p, false);
	if (r < 0)
		return r;
	if (renameat(s->dir.tmp, file, s->dir.kept, file) < 0) {
		r = -errno;
		(void)unlinkat(s->dir.tmp, file, 0);
		return r;
	}
	*ret = s->next_kept++;
	return 0;
}

void spool_drop_kept(struct spool *s, uint64_t kept)
{
	(void)spool_kept_remove(&s->dir, kept);
}

int spool_take_kept(struct spool *s, struct spool_profile *ret, uint8_t **ret_file,
		    uint64_t *ret_kept)
{
	struct spool_header h;
	int r = spool_kept_take(&s->dir, &h, ret_file, ret_kept);

	if (r < 0)
		return r;
	*ret = (struct spool_profile){
		.pprof = *ret_file + sizeof(h),
		.len = h.payload_len,
		.samples = h.samples,
		.time_ns = h.time_ns,
	};
	return 0;
}
