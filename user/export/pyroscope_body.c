/* SPDX-License-Identifier: Apache-2.0 */
#include "export/pyroscope_body.h"

#include <errno.h>
#include <stdlib.h>

#include "export/push.pb-c.h"

int pyroscope_pack(const struct pyroscope_chunk *chunk, uint8_t **ret, size_t *ret_len)
{
	/* __delta__: some storages take differences of successive profiles unless told otherwise.
	 */
	const char *const pairs[][2] = {
		{ "__name__", "process_cpu" },
		{ "__delta__", "false" },
		{ "service_name", chunk->service },
	};
	enum { N_LABELS = sizeof(pairs) / sizeof(pairs[0]) };
	Push__V1__LabelPair labels[N_LABELS], *label_ptrs[N_LABELS];
	Push__V1__RawSample sample = PUSH__V1__RAW_SAMPLE__INIT, *samples = &sample;
	Push__V1__RawProfileSeries series = PUSH__V1__RAW_PROFILE_SERIES__INIT, *all = &series;
	Push__V1__PushRequest request = PUSH__V1__PUSH_REQUEST__INIT;
	uint8_t *body;

	for (size_t i = 0; i < N_LABELS; i++) {
		labels[i] = (Push__V1__LabelPair)PUSH__V1__LABEL_PAIR__INIT;
		labels[i].name = (char *)pairs[i][0];
		labels[i].value = (char *)pairs[i][1];
		label_ptrs[i] = &labels[i];
	}
	sample.raw_profile = (ProtobufCBinaryData){ chunk->len, (uint8_t *)chunk->pprof };
	series.n_labels = N_LABELS;
	series.labels = label_ptrs;
	series.n_samples = 1;
	series.samples = &samples;
	request.n_series = 1;
	request.series = &all;

	body = malloc(push__v1__push_request__get_packed_size(&request));
	if (!body)
		return -ENOMEM;
	*ret_len = push__v1__push_request__pack(&request, body);
	*ret = body;
	return 0;
}
