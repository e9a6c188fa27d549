/* SPDX-License-Identifier: Apache-2.0 */
#include "view/select.h"

#include <string.h>
#include <strings.h>

static bool label_is(const struct pprof_sample *s, const char *key, const char *want)
{
	const struct pprof_label *l = pprof_sample_label(s, key);

	return l && l->str && strcasecmp(l->str, want) == 0;
}

/* Keys have no '=' in them, or cannot be asked for. */
static bool has_label(const struct pprof_sample *s, const char *want)
{
	size_t len = strcspn(want, "=");

	for (size_t i = 0; i < s->n_labels; i++) {
		const struct pprof_label *l = &s->labels[i];

		if (l->str && strlen(l->key) == len && memcmp(l->key, want, len) == 0)
			return want[len] == '=' && strcmp(l->str, want + len + 1) == 0;
	}
	return false;
}

bool view_select_matches(const struct view_select *sel, const struct pprof_sample *s)
{
	const struct pprof_label *pid;

	if (sel->span_id && !label_is(s, PPROF_LABEL_SPAN_ID, sel->span_id))
		return false;
	if (sel->trace_id && !label_is(s, PPROF_LABEL_TRACE_ID, sel->trace_id))
		return false;
	if (sel->label && !has_label(s, sel->label))
		return false;
	if (!sel->pid)
		return true;

	pid = pprof_sample_label(s, PPROF_LABEL_PID);
	return pid && !pid->str && pid->num == sel->pid;
}
