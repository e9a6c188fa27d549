/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "ctx/process_ctx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(const char *s)
{
	if (!s)
		return;
	assert(s[0]);
	assert(utf8_valid_len(s, strlen(s)) == strlen(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(process_ctx_freep) struct process_ctx *pc = NULL;
	int r = process_ctx_decode(data, size, &pc);

	assert(r == 0 || (r == -EBADMSG && !pc));
	if (r < 0)
		return 0;

	check_string(pc->service_name);
	check_string(pc->service_namespace);
	check_string(pc->service_instance_id);
	check_string(pc->service_version);
	check_string(pc->deployment_environment_name);
	check_string(pc->sdk_language);
	check_string(pc->schema_version);
	assert(pc->n_keys <= 256);
	for (size_t i = 0; i < pc->n_keys; i++)
		check_string(pc->key_map[i]);
	(void)process_ctx_schema_of(pc);
	return 0;
}
