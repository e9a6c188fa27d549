/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_dump.h"

#include <inttypes.h>
#include <stdbool.h>

#include "base/parse.h"

static void dump_context(FILE *out, const struct sample_record *rec)
{
	char span_id[2 * SPAN_ID_LEN + 1], trace_id[2 * TRACE_ID_LEN + 1];

	if (!(rec->flags & SAMPLE_HAS_CONTEXT))
		return;
	format_hex(rec->span_id, SPAN_ID_LEN, span_id);
	format_hex(rec->trace_id, TRACE_ID_LEN, trace_id);
	fprintf(out, ",\"span_id\":\"%s\",\"trace_id\":\"%s\"", span_id, trace_id);
}

static void dump_frames(FILE *out, const char *key, const uint64_t *ips, uint32_t from, uint32_t to)
{
	fprintf(out, ",\"%s\":[", key);
	for (uint32_t i = from; i < to; i++)
		fprintf(out, "%s\"0x%" PRIx64 "\"", i > from ? "," : "", ips[i]);
	fputc(']', out);
}

void sample_dump(FILE *out, const struct sample_record *rec, const uint64_t *ips)
{
	bool cut = rec->user_end != USER_END_NONE && rec->user_end != USER_END_ZERO;

	fprintf(out, "{\"time_ns\":%llu,\"pid\":%u,\"tid\":%u,\"cpu\":%u",
		(unsigned long long)rec->time_ns, rec->tgid, rec->tid, rec->cpu);
	dump_context(out, rec);
	dump_frames(out, "kernel", ips, 0, rec->n_kernel);
	dump_frames(out, "frames", ips, rec->n_kernel, rec->n_kernel + rec->n_user);
	fprintf(out, ",\"truncated\":%s}\n", cut ? "true" : "false");
}
