/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_dump.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/parse.h"

static void dump_id(FILE *out, const char *key, const uint8_t *id, size_t len)
{
	char text[2 * TRACE_ID_LEN + 1];

	if (sample_context_is_zero(id, len))
		return;
	format_hex(id, len, text);
	fprintf(out, ",\"%s\":\"%s\"", key, text);
}

static int write_out(const char *buf, size_t len, void *out)
{
	return fwrite(buf, 1, len, out) == len ? 0 : -1;
}

static void dump_labels(FILE *out, const struct sample_context *c)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < c->n_labels; i++)
		json_object_set_new(labels, c->labels[i].key, json_string(c->labels[i].value));
	fputs(",\"labels\":", out);
	json_dump_callback(labels, write_out, out, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(labels);
}

static void dump_context(FILE *out, const struct sample_context *c)
{
	dump_id(out, "span_id", c->span_id, SPAN_ID_LEN);
	dump_id(out, "trace_id", c->trace_id, TRACE_ID_LEN);
	dump_id(out, "local_root_span_id", c->local_root_id, SPAN_ID_LEN);
	if (c->n_labels)
		dump_labels(out, c);
}

static void dump_frames(FILE *out, const char *key, const uint64_t *frames, uint32_t n,
			uint64_t mask)
{
	fprintf(out, ",\"%s\":[", key);
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%s\"0x%" PRIx64 "\"", i ? "," : "", frames[i] & mask);
	fputc(']', out);
}

static const char *end_name(enum user_end end)
{
	static const char *const names[USER_END_COUNT] = {
		[USER_END_NONE] = "none",
		[USER_END_ENTRY] = "entry",
		[USER_END_ZERO] = "zero",
		[USER_END_NO_REGS] = "no_registers",
		[USER_END_COMPAT] = "32bit",
		[USER_END_NO_CODE] = "no_code",
		[USER_END_UNREADABLE] = "unreadable",
		[USER_END_NOT_RISING] = "not_rising",
		[USER_END_BAD_RETURN] = "bad_return",
		[USER_END_NO_RULE] = "no_rule",
		[USER_END_UNSUPPORTED] = "rule_unsupported",
		[USER_END_NOT_LOADED] = "rows_not_loaded",
		[USER_END_DEPTH] = "too_deep",
	};

	return end < USER_END_COUNT ? names[end] : "unknown";
}

static uint32_t count_fallback(const uint64_t *frames, uint32_t n)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		found += (frames[i] & FRAME_BY_FALLBACK) != 0;
	return found;
}

void sample_dump(FILE *out, const struct sample_record *rec, const struct sample_context *context,
		 const uint64_t *frames, bool finished)
{
	const uint64_t *user = frames + rec->n_kernel;
	bool cut = rec->user_end > USER_END_ZERO;

	fprintf(out, "{\"time_ns\":%llu,\"pid\":%u,\"tid\":%u,\"cpu\":%u",
		(unsigned long long)rec->time_ns, rec->tgid, rec->tid, rec->cpu);
	dump_context(out, context);
	dump_frames(out, "kernel", frames, rec->n_kernel, UINT64_MAX);
	dump_frames(out, "frames", user, rec->n_user, FRAME_ADDR_MASK);
	fprintf(out, ",\"end\":\"%s\",\"by_fallback\":%u,\"finished\":%s,\"truncated\":%s}\n",
		end_name(rec->user_end), count_fallback(user, rec->n_user),
		finished ? "true" : "false", cut ? "true" : "false");
}
