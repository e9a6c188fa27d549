/* SPDX-License-Identifier: Apache-2.0 */
#include "export/spool_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/io.h"

#define VERSION	    1
#define SAMPLES_MAX (1ULL << 48) /* sums of what files say must not overflow */
#define BOOT_ID	    "/proc/sys/kernel/random/boot_id"

static const char header_magic[8] = "SPANSPL";
static const char progress_magic[8] = "SPANPRG";
static const char *const suffixes[] = {
	[SPOOL_WAITING] = ".profile",
	[SPOOL_CLAIMED] = ".claimed",
	[SPOOL_EVICTED] = ".evicted",
	[SPOOL_PROGRESS] = ".progress",
};

/* --- profiles --------------------------------------------------------------------------------- */

static uint32_t header_crc(const struct spool_header *h)
{
	struct spool_header copy = *h;

	copy.crc = 0;
	return crc32_z(0, (const void *)&copy, sizeof(copy));
}

void spool_header_fill(struct spool_header *h, const void *payload, size_t len)
{
	memcpy(h->magic, header_magic, sizeof(h->magic));
	h->version = VERSION;
	h->reserved = 0;
	h->payload_len = len;
	h->payload_crc = crc32_z(0, payload, len);
	h->crc = header_crc(h);
}

int spool_header_check(const void *buf, size_t len, struct spool_header *ret)
{
	struct spool_header h;

	if (len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	if (memcmp(h.magic, header_magic, sizeof(h.magic)) != 0 || h.version != VERSION ||
	    h.crc != header_crc(&h) || h.payload_len != len - sizeof(h) ||
	    h.samples > SAMPLES_MAX ||
	    h.payload_crc != crc32_z(0, (const uint8_t *)buf + sizeof(h), h.payload_len))
		return -EBADMSG;
	*ret = h;
	return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

/* Hexadecimal as we print it, up to 16 digits. NULL if @text does not begin so. */
static const char *take_hex(const char *text, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = 0;
	int n = 0;

	for (const char *d; *text && (d = strchr(digits, *text)); text++) {
		if (++n > 16)
			return NULL;
		v = v << 4 | (uint64_t)(d - digits);
	}
	*ret = v;
	return n ? text : NULL;
}

static bool take_kind(const char *suffix, enum spool_kind *ret)
{
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(suffix, suffixes[i]) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

bool spool_name_parse(const char *text, struct spool_name *ret)
{
	struct spool_name name = { 0 };
	uint64_t *const fields[] = { &name.size, &name.samples, &name.time_s, &name.boot_s,
				     &name.boot };
	const char *rest = take_hex(text, &name.seq);
	size_t n = 0;

	for (; rest && *rest == '-' && n < sizeof(fields) / sizeof(fields[0]); n++)
		rest = take_hex(rest + 1, fields[n]);
	if (!rest || !take_kind(rest, &name.kind) || name.samples > SAMPLES_MAX)
		return false;
	if (n != (name.kind == SPOOL_PROGRESS ? 0 : sizeof(fields) / sizeof(fields[0])))
		return false;
	*ret = name;
	return true;
}

void spool_name_format(const struct spool_name *name, char ret[SPOOL_FILE_NAME])
{
	if (name->kind == SPOOL_PROGRESS)
		snprintf(ret, SPOOL_FILE_NAME, "%016" PRIx64 "%s", name->seq, suffixes[name->kind]);
	else
		snprintf(ret, SPOOL_FILE_NAME,
			 "%016" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64
			 "%s",
			 name->seq, name->size, name->samples, name->time_s, name->boot_s,
			 name->boot, suffixes[name->kind]);
}

static uint64_t boot_now(void)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;

	return read_whole_file(BOOT_ID, 256, &text, &len) < 0 ? 0 : hash_bytes(0, text, len);
}

void spool_name_now(struct spool_name *ret)
{
	*ret = (struct spool_name){
		.time_s = realtime_ns() / NSEC_PER_SEC,
		.boot_s = boottime_ns() / NSEC_PER_SEC,
		.boot = boot_now(),
	};
}

uint64_t spool_name_age(const struct spool_name *name, const struct spool_name *now)
{
	if (now->boot && name->boot == now->boot)
		return now->boot_s > name->boot_s ? now->boot_s - name->boot_s : 0;
	return now->time_s > name->time_s ? now->time_s - name->time_s : 0;
}

/* --- progress --------------------------------------------------------------------------------- */

void spool_progress_clear(struct spool_progress *p)
{
	vec_free(&p->settled);
	*p = (struct spool_progress){ 0 };
}

static uint32_t progress_crc(const struct spool_progress_header *h)
{
	return crc32_z(0, (const void *)h, offsetof(struct spool_progress_header, crc));
}

void spool_progress_start(struct spool_progress_header *h, uint64_t id)
{
	*h = (struct spool_progress_header){ .id = id };
	memcpy(h->magic, progress_magic, sizeof(h->magic));
	h->crc = progress_crc(h);
}

static uint32_t record_crc(const struct spool_record *rec, const void *ranges)
{
	struct spool_record copy = *rec;

	copy.crc = 0;
	return crc32_z(crc32_z(0, (const void *)&copy, sizeof(copy)), ranges,
		       rec->n_ranges * sizeof(struct spool_range));
}

void spool_record_fill(struct spool_record *rec, const struct spool_range *ranges)
{
	rec->reserved = 0;
	/* crc32() of NULL has a meaning of its own. */
	rec->crc = record_crc(rec, ranges ? (const void *)ranges : "");
}

static int push_ranges(struct spool_progress *p, const struct spool_range *ranges, size_t n)
{
	int r = vec_reserve(&p->settled, n);

	for (size_t i = 0; i < n && r == 0; i++)
		p->settled.data[p->settled.n++] = ranges[i];
	return r;
}

/* The outcome of what was begun. */
static void settle_pending(struct spool_progress *p, enum spool_fate fate)
{
	if (fate == SPOOL_BACK)
		p->settled.n -= p->n_pending;
	else
		p->samples += p->pending;
	p->pending = 0;
	p->n_pending = 0;
}

int spool_progress_apply(struct spool_progress *p, const struct spool_record *rec,
			 const struct spool_range *ranges)
{
	int r;

	if (rec->n_ranges == 0 && rec->fate != SPOOL_BEGUN) {
		if (!p->n_pending)
			return -EINVAL;
		settle_pending(p, rec->fate);
		return 0;
	}
	if (rec->fate == SPOOL_BACK || p->n_pending)
		return -EINVAL;
	r = push_ranges(p, ranges, rec->n_ranges);
	if (r < 0)
		return r;
	if (rec->fate == SPOOL_BEGUN) {
		p->pending = rec->samples;
		p->n_pending = rec->n_ranges;
	} else {
		p->samples += rec->samples;
	}
	return 0;
}

static bool ranges_are_sane(const struct spool_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ranges[i].from >= ranges[i].to)
			return false;
	return true;
}

/* 1: a record was read and applied; 0: what follows does not check. */
static int read_record(const uint8_t **pos, const uint8_t *end, struct spool_progress *p)
{
	struct spool_record rec;
	size_t left = end - *pos, len;
	const void *ranges = *pos + sizeof(rec); /* both have sizes of whole 8 bytes */
	int r;

	if (left < sizeof(rec))
		return 0;
	memcpy(&rec, *pos, sizeof(rec));
	len = (size_t)rec.n_ranges * sizeof(struct spool_range);
	if (len > left - sizeof(rec) || rec.fate >= SPOOL_FATES || rec.samples > SAMPLES_MAX ||
	    rec.crc != record_crc(&rec, ranges) || !ranges_are_sane(ranges, rec.n_ranges))
		return 0;
	r = spool_progress_apply(p, &rec, ranges);
	if (r < 0)
		return r == -EINVAL ? 0 : r;
	*pos += sizeof(rec) + len;
	return 1;
}

int spool_progress_read(const void *buf, size_t len, uint64_t id, struct spool_progress *ret)
{
	const uint8_t *pos = buf, *end = pos + len;
	struct spool_progress_header h;
	int r;

	if (len < sizeof(h))
		return 0;
	memcpy(&h, pos, sizeof(h));
	if (memcmp(h.magic, progress_magic, sizeof(h.magic)) != 0 || h.id != id ||
	    h.crc != progress_crc(&h))
		return 0;

	pos += sizeof(h);
	do {
		ret->valid_len = pos - (const uint8_t *)buf;
		r = read_record(&pos, end, ret);
	} while (r > 0);
	return r;
}
