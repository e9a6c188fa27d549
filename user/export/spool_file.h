/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes and names of the spool's files. Nothing here reads or writes files. Numbers are in the
 * machine's byte order: a spool does not travel.
 *
 *   profile   struct spool_header, then the pprof, gzip'd if it is in a queue. Its name says what a
 * walk needs to know. progress  struct spool_progress_header, then records: which samples of the
 * profile need not be sent any more. Only appended to; what does not check at the end is not there.
 */
#ifndef EXPORT_SPOOL_FILE_H
#define EXPORT_SPOOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

#define SPOOL_PROFILE_MAX  (64UL << 20) /* bytes */
#define SPOOL_PROGRESS_MAX (16UL << 20)
#define SPOOL_FILE_NAME	   160 /* with the NUL */

struct spool_header {
	char magic[8];
	uint32_t version;
	uint32_t crc; /* of this header, with 0 here */
	uint32_t payload_crc;
	uint32_t reserved;
	uint64_t payload_len;
	uint64_t id;	  /* random: what its progress belongs to */
	uint64_t time_ns; /* CLOCK_REALTIME at the start of the profile */
	uint64_t samples; /* sum of samples/count */
};
_Static_assert(sizeof(struct spool_header) == 56, "bytes on disk");

void spool_header_fill(struct spool_header *h, const void *payload, size_t len);

/* -EBADMSG: @buf is no whole and undamaged profile file. */
int spool_header_check(const void *buf, size_t len, struct spool_header *ret);

enum spool_kind {
	SPOOL_WAITING, /* anybody may take it */
	SPOOL_CLAIMED, /* by who reads the queue: is being sent */
	SPOOL_EVICTED, /* by who writes the spool: is about to be removed */
	SPOOL_PROGRESS,
};

/*
 * Of a file in a queue's folder. Age is told by the clock that no one can set, as long as it is
 * the same boot.
 */
struct spool_name {
	enum spool_kind kind;
	uint64_t seq; /* later profiles have higher numbers */
	uint64_t size, samples;
	uint64_t time_s; /* CLOCK_REALTIME when it was put */
	uint64_t boot_s; /* CLOCK_BOOTTIME when it was put */
	uint64_t boot;	 /* which boot that was */
};

bool spool_name_parse(const char *text, struct spool_name *ret);
void spool_name_format(const struct spool_name *name, char ret[SPOOL_FILE_NAME]);

/* Now, in a name's fields. */
void spool_name_now(struct spool_name *ret);

/*
 * Seconds since @name was put, seen from @now. Within one boot nothing confuses it; of an earlier
 * one the calendar tells, and a clock that is behind makes things young.
 */
uint64_t spool_name_age(const struct spool_name *name, const struct spool_name *now);

struct spool_progress_header {
	char magic[8];
	uint64_t id; /* of the profile's header */
	uint32_t crc, reserved;
};
_Static_assert(sizeof(struct spool_progress_header) == 24, "bytes on disk");

enum spool_fate {
	SPOOL_BEGUN, /* is about to be sent: without a later record nobody knows */
	SPOOL_BACK,  /* was not sent or not taken: may be sent again */
	SPOOL_TAKEN,
	SPOOL_REJECTED,
	SPOOL_UNCERTAIN, /* was sent, and no answer came */
	SPOOL_FATES,
};

/* Samples [from, to) of the profile. */
struct spool_range {
	uint32_t from, to;
};

/* Is followed by its ranges; without any it is about those of the SPOOL_BEGUN before it. */
struct spool_record {
	uint32_t fate;
	uint32_t n_ranges;
	uint64_t samples; /* sum of samples/count */
	uint32_t crc;	  /* of record and ranges, with 0 here */
	uint32_t reserved;
};
_Static_assert(sizeof(struct spool_record) == 24, "bytes on disk");

struct spool_progress {
	VEC(struct spool_range) settled; /* not to be sent any more, pending ones too */
	uint64_t samples;		 /* in those, but for pending ones */
	uint64_t pending;		 /* samples of a SPOOL_BEGUN without an outcome */
	size_t n_pending;		 /* its ranges are the last of settled */
	size_t valid_len;		 /* bytes of the file that check */
	size_t begun_at;		 /* those before the last SPOOL_BEGUN that was written */
};

void spool_progress_clear(struct spool_progress *p);
void spool_progress_start(struct spool_progress_header *h, uint64_t id);

/*
 * What @buf says of profile @id; nothing if it is about another one or damaged from its start.
 * -ENOMEM. *ret must be cleared.
 */
int spool_progress_read(const void *buf, size_t len, uint64_t id, struct spool_progress *ret);

/* The same step as that of a record that was read. -EINVAL: none was begun; -ENOMEM. */
int spool_progress_apply(struct spool_progress *p, const struct spool_record *rec,
			 const struct spool_range *ranges);

void spool_record_fill(struct spool_record *rec, const struct spool_range *ranges);

#endif
