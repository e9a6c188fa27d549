/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/names_client.h"

#include "base/clock.h"
#include "sym/names_answer.h"
#include "sym/names_protocol.h"

static int send_offsets(struct worker *w, const uint64_t *offsets, size_t n)
{
	const size_t most = WORKER_PAYLOAD_MAX / sizeof(*offsets);

	for (size_t i = 0; i < n; i += most) {
		size_t k = n - i < most ? n - i : most;
		int r = worker_send(w, NAMES_OFFSETS, offsets + i, k * sizeof(*offsets), -1);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- files that the worker asks for ----------------------------------------------------------- */

static int serve_file(const struct names_client *c, const struct worker_message *m)
{
	uint64_t begin = monotonic_ns();
	struct sym_file_wanted wanted;
	CLEANUP(closep) int fd = -1;
	int32_t error = 0;
	unsigned nth;
	int r;

	r = names_wanted_decode(m->payload, m->header.len, &wanted, &nth);
	if (r < 0)
		return worker_reject(c->worker, WORKER_MALFORMED);
	fd = c->files ? c->files->open(c->files->arg, &wanted, nth) : -ENOENT;
	if (fd < 0)
		error = fd;
	worker_excuse(c->worker, monotonic_ns() - begin);
	return worker_send(c->worker, NAMES_FILE, &error, sizeof(error), fd);
}

/* --- one request ------------------------------------------------------------------------------ */

static int take(const struct names_client *c, struct names_answer *a,
		const struct worker_message *m)
{
	int r = names_answer_take(a, m->header.kind, m->payload, m->header.len);

	/* -ENOMEM is ours; what the worker still sends is nobody's any more. */
	return r == -EBADMSG ? worker_reject(c->worker, WORKER_MALFORMED) : r;
}

static int receive_answer(const struct names_client *c, struct names_answer *a)
{
	unsigned n_files = 0;

	while (!a->done) {
		const struct worker_message *m;
		int r = worker_receive(c->worker, &m);

		if (r < 0)
			return r;
		if (m->header.kind != NAMES_WANTED)
			r = take(c, a, m);
		else if (n_files++ < NAMES_FILES_MAX)
			r = serve_file(c, m);
		else
			r = worker_reject(c->worker, WORKER_MALFORMED);
		if (r < 0)
			return r;
	}
	/* It may be worse off than it says: no other file is to pay for that. */
	if (a->error == -ENOMEM)
		return worker_reject(c->worker, WORKER_NO_MEMORY);
	return a->error;
}

static int exchange(const struct names_client *c, int fd, const uint64_t *offsets,
		    struct names_answer *a)
{
	struct names_ask ask = { a->n_results, c->symbols_only };
	int r = worker_begin(c->worker, WORKER_SERVICE_NAMES);

	if (r == 0)
		r = worker_send(c->worker, NAMES_ASK, &ask, sizeof(ask), fd);
	if (r == 0)
		r = send_offsets(c->worker, offsets, a->n_results);
	return r < 0 ? r : receive_answer(c, a);
}

static int ask_piece(const struct names_client *c, int fd, const struct names_request *q,
		     bool *debug_left_out)
{
	CLEANUP(names_answer_clear)
	struct names_answer a = {
		.store = c->store,
		.results = q->results,
		.n_results = q->n,
	};
	int r = exchange(c, fd, q->offsets, &a);

	for (size_t i = 0; r < 0 && i < a.n_filled; i++)
		q->results[i] = (struct sym_result){ .vaddr = q->offsets[i] };
	*debug_left_out |= a.debug_left_out;
	return r;
}

int names_client_ask(const struct names_client *c, int fd, const struct names_request *q)
{
	bool debug_left_out = false;
	size_t done = 0;
	int r;

	for (size_t i = 0; i < q->n; i++)
		q->results[i] = (struct sym_result){ .vaddr = q->offsets[i] };
	do {
		size_t left = q->n - done;
		const struct names_request piece = {
			.offsets = q->offsets + done,
			.results = q->results + done,
			.n = left < NAMES_OFFSETS_MAX ? left : NAMES_OFFSETS_MAX,
		};

		r = ask_piece(c, fd, &piece, &debug_left_out);
		done += piece.n;
	} while (r == 0 && done < q->n);
	*c->debug_left_out += debug_left_out;
	return r;
}
