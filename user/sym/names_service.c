/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/names_service.h"

#include <string.h>

#include "base/cleanup.h"
#include "sym/file_names.h"
#include "sym/names_protocol.h"
#include "sym/names_sender.h"

/* One request, as far as it has come. */
struct request {
	struct worker_link *link;
	int fd;
	struct sym_result *results;
	size_t n;
	bool symbols_only;
	struct name_table names;
	uint64_t debug_left_out;
	int link_error; /* the parent is gone */
};

static void request_clear(struct request *q)
{
	name_table_clear(&q->names);
	free(q->results);
	closep(&q->fd);
}

static int receive(struct worker_link *link, unsigned kind)
{
	int r = worker_link_receive(link);

	if (r < 0)
		return r;
	return link->in.header.service == WORKER_SERVICE_NAMES && link->in.header.kind == kind
		       ? 0
		       : -EBADMSG;
}

static int receive_offsets(struct request *q)
{
	size_t have = 0;

	while (have < q->n) {
		uint64_t offset;
		size_t k;
		int r = receive(q->link, NAMES_OFFSETS);

		if (r < 0)
			return r;
		k = q->link->in.header.len / sizeof(offset);
		if (k == 0 || k > q->n - have)
			return -EBADMSG;
		for (size_t i = 0; q->results && i < k; i++) {
			memcpy(&offset, q->link->in.payload + i * sizeof(offset), sizeof(offset));
			q->results[have + i].vaddr = offset;
		}
		have += k;
	}
	/* Without memory for them they have to be taken from the socket all the same. */
	return q->results ? 0 : -ENOMEM;
}

static int receive_request(struct request *q)
{
	struct names_ask ask;

	if (q->link->in.header.kind != NAMES_ASK || q->link->in.header.len != sizeof(ask))
		return -EBADMSG;
	memcpy(&ask, q->link->in.payload, sizeof(ask));
	q->fd = TAKE_FD(q->link->in.fd);
	q->n = ask.n_offsets;
	q->symbols_only = ask.symbols_only;
	if (q->n > NAMES_OFFSETS_MAX || q->fd < 0)
		return -EBADMSG;
	q->results = calloc(q->n ? q->n : 1, sizeof(*q->results));
	return receive_offsets(q);
}

/* --- files that the parent opens -------------------------------------------------------------- */

static size_t append(unsigned char *buf, size_t at, const void *bytes, size_t len)
{
	if (len)
		memcpy(buf + at, bytes, len);
	return at + len;
}

static int send_wanted(struct worker_link *link, const struct sym_file_wanted *f, unsigned nth)
{
	struct names_wanted w = {
		.kind = f->kind,
		.nth = nth,
		.crc = f->crc,
		.build_id_len = f->build_id ? f->build_id_len : 0,
		.name_len = f->name ? strnlen(f->name, NAMES_STRING_MAX + 1) + 1 : 0,
		.comp_dir_len = f->comp_dir ? strnlen(f->comp_dir, NAMES_STRING_MAX + 1) + 1 : 0,
	};
	unsigned char buf[sizeof(w) + UINT8_MAX + 2 * (NAMES_STRING_MAX + 1)];
	size_t len;

	if (w.name_len > NAMES_STRING_MAX + 1 || w.comp_dir_len > NAMES_STRING_MAX + 1 ||
	    f->build_id_len > UINT8_MAX)
		return -ENAMETOOLONG;
	len = append(buf, 0, &w, sizeof(w));
	len = append(buf, len, f->build_id, w.build_id_len);
	len = append(buf, len, f->name, w.name_len);
	len = append(buf, len, f->comp_dir, w.comp_dir_len);
	return worker_link_send(link, NAMES_WANTED, buf, len);
}

static int receive_file(struct request *q)
{
	int32_t error;
	int r = receive(q->link, NAMES_FILE);

	if (r == 0 && q->link->in.header.len != sizeof(error))
		r = -EBADMSG;
	if (r < 0) {
		q->link_error = r;
		return r;
	}
	memcpy(&error, q->link->in.payload, sizeof(error));
	return error < 0 || q->link->in.fd < 0 ? (error < 0 ? error : -ENOENT)
					       : TAKE_FD(q->link->in.fd);
}

static int open_by_parent(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	struct request *q = arg;
	int r = q->link_error ? q->link_error : send_wanted(q->link, wanted, nth);

	if (r == -ENAMETOOLONG)
		return -ENOENT;
	if (r < 0) {
		q->link_error = r;
		return r;
	}
	return receive_file(q);
}

/* --- the answer ------------------------------------------------------------------------------- */

static int send_done(const struct request *q, int error)
{
	const struct names_done done = { error, q->debug_left_out > 0 };

	return worker_link_send(q->link, NAMES_DONE, &done, sizeof(done));
}

static int answer(struct request *q)
{
	const struct sym_file_source files = { open_by_parent, NULL, q };
	const struct file_reader reader = {
		.names = &q->names,
		.files = &files,
		.may_map = true,
		.symbols_only = q->symbols_only,
		.debug_left_out = &q->debug_left_out,
	};
	int r = file_names(&reader, q->fd, q->results, q->n);

	if (q->link_error)
		return q->link_error;
	if (r == 0)
		r = names_send(q->link, q->results, q->n);
	/* Of what was sent before, nothing counts then: the parent gives up on us. */
	return send_done(q, r);
}

int names_service(struct worker_link *link)
{
	CLEANUP(request_clear) struct request q = { .link = link, .fd = -1 };
	int r = receive_request(&q);

	if (r == -ENOMEM)
		return send_done(&q, r);
	return r < 0 ? r : answer(&q);
}
