/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_label.h"

#include <string.h>

/* What is not here is the program's own, and of the sample. */
static const struct rule {
	const char *label;
	enum otlp_place place;
	const char *attribute; /* NULL: as the label */
} rules[] = {
	{ PPROF_LABEL_TIMESTAMP, OTLP_PLACE_TIME, NULL }, /* first, as there are many */
	{ PPROF_LABEL_SERVICE, OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_SERVICE_NAMESPACE, OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_SERVICE_INSTANCE_ID, OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_SERVICE_VERSION, OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_DEPLOYMENT_ENVIRONMENT, OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_PROCESS, OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_PID, OTLP_PLACE_RESOURCE, "process.pid" },
	{ "process.executable.path", OTLP_PLACE_RESOURCE, NULL },
	{ "systemd.unit", OTLP_PLACE_RESOURCE, NULL },
	{ PPROF_LABEL_THREAD, OTLP_PLACE_SAMPLE, NULL },
	{ PPROF_LABEL_TID, OTLP_PLACE_SAMPLE, "thread.id" },
	{ PPROF_LABEL_TRACE_ID, OTLP_PLACE_TRACE, NULL },
	{ PPROF_LABEL_SPAN_ID, OTLP_PLACE_SPAN, NULL },
};

static const char *const resource_prefixes[] = { "cloud.", "container.", "host.", "k8s." };

static enum otlp_place place_by_prefix(const char *key)
{
	for (size_t i = 0; i < sizeof(resource_prefixes) / sizeof(resource_prefixes[0]); i++)
		if (strncmp(key, resource_prefixes[i], strlen(resource_prefixes[i])) == 0)
			return OTLP_PLACE_RESOURCE;
	return OTLP_PLACE_SAMPLE;
}

enum otlp_place otlp_label_place(const struct pprof_label *l, const char **ret_name)
{
	*ret_name = l->key;
	if (!*l->key || (l->str && !*l->str))
		return OTLP_PLACE_NONE;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].label, l->key) == 0) {
			if (rules[i].attribute)
				*ret_name = rules[i].attribute;
			return rules[i].place;
		}
	return place_by_prefix(l->key);
}
