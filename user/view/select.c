/* SPDX-License-Identifier: Apache-2.0 */
#include "view/select.h"

#include <string.h>
#include <strings.h>

static bool label_is(const struct pprof_sample *s, const char *key, const char *want)
{
	const struct pprof_label *l = pprof_sample_label(s, key);

	return l && l->str && strcasecmp(l->str, want) == 0;
}

bool view_select_matches(const struct view_select *sel, const struct pprof_sample *s)
{
	const struct pprof_label *pid;

	if (sel->span_id && !label_is(s, PPROF_LABEL_SPAN_ID, sel->span_id))
		return false;
	if (sel->trace_id && !label_is(s, PPROF_LABEL_TRACE_ID, sel->trace_id))
		return false;
	if (!sel->pid)
		return true;

	pid = pprof_sample_label(s, PPROF_LABEL_PID);
	return pid && !pid->str && pid->num == sel->pid;
}
