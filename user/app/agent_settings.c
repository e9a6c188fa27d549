/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_settings.h"

#include "app/host_limits.h"
#include "base/log.h"

#define CHANGES_MAX 64

static int add(struct agent_settings *s, struct agent_config *c)
{
	unsigned number = s->all.n ? s->all.data[s->all.n - 1].number + 1 : 1;

	return vec_push(&s->all, ((struct agent_setting){ c, number, 0 }));
}

int agent_settings_init(struct agent_settings *s, struct agent_config *first)
{
	int r = add(s, first);

	if (r < 0)
		agent_config_free(first);
	return r;
}

void agent_settings_clear(struct agent_settings *s)
{
	for (size_t i = 0; i < s->all.n; i++)
		agent_config_free(s->all.data[i].config);
	vec_free(&s->all);
}

const struct agent_config *agent_settings_config(const struct agent_settings *s)
{
	return s->all.data[s->all.n - 1].config;
}

unsigned agent_settings_use(struct agent_settings *s)
{
	struct agent_setting *now = &s->all.data[s->all.n - 1];

	now->users++;
	return now->number;
}

/* The first one is used by all that takes no other one. */
static void sweep(struct agent_settings *s)
{
	size_t kept = 1;

	for (size_t i = 1; i < s->all.n; i++) {
		if (!s->all.data[i].users && i + 1 < s->all.n)
			agent_config_free(s->all.data[i].config);
		else
			s->all.data[kept++] = s->all.data[i];
	}
	s->all.n = kept;
}

void agent_settings_release(struct agent_settings *s, unsigned number)
{
	for (size_t i = 0; i < s->all.n; i++)
		if (s->all.data[i].number == number)
			s->all.data[i].users--;
	sweep(s);
}

static void tell_changes(const struct agent_config *old, const struct agent_config *fresh)
{
	struct config_change changes[CHANGES_MAX];
	size_t n = agent_config_compare(old, fresh, changes, CHANGES_MAX);

	log_info("configuration read again: %zu key%s changed", n, n == 1 ? "" : "s");
	for (size_t i = 0; i < n; i++)
		if (!changes[i].reload)
			log_warning("%s: another value holds only from the next start on",
				    changes[i].path);
}

int agent_settings_reload(struct agent_settings *s, const struct agent_sources *sources)
{
	CLEANUP(config_problems_clear) struct config_problems problems = { 0 };
	CLEANUP(agent_config_freep) struct agent_config *fresh = NULL;
	int r = agent_config_load(sources, &problems, &fresh);

	config_problems_log(&problems);
	/* As at the start. A file that is empty, or gone, is none without endpoints either. */
	if (r == 0)
		r = host_limits_check_frequency("frequency", fresh->frequency);
	if (r == 0 && !fresh->n_endpoints)
		r = -EINVAL;
	if (r == 0) {
		tell_changes(agent_settings_config(s), fresh);
		r = add(s, fresh);
	}
	if (r < 0)
		return log_error_errno(r, "the configuration stays as it was");
	fresh = NULL;
	sweep(s);
	return 0;
}
