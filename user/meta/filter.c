/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/filter.h"

#include "meta/glob.h"

static bool text_matches(const char *pattern, const char *fact)
{
	return !pattern || (fact && glob_match(pattern, fact));
}

static bool rule_matches(const struct filter_rule *rule, const struct filter_facts *facts)
{
	return (rule->uid == FILTER_ANY_UID || rule->uid == facts->uid) &&
	       text_matches(rule->process_name, facts->process_name) &&
	       text_matches(rule->container_id, facts->container_id) &&
	       text_matches(rule->cgroup, facts->cgroup) &&
	       text_matches(rule->service_name, facts->service_name);
}

static bool any_matches(const struct filter_rule *rules, size_t n, const struct filter_facts *facts)
{
	for (size_t i = 0; i < n; i++)
		if (rule_matches(&rules[i], facts))
			return true;
	return false;
}

bool filter_wants(const struct filter *f, const struct filter_facts *facts)
{
	if (any_matches(f->exclude, f->n_exclude, facts))
		return false;
	return f->n_include == 0 || any_matches(f->include, f->n_include, facts);
}

static bool any_service(const struct filter_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].service_name)
			return true;
	return false;
}

static bool any_user(const struct filter_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rules[i].uid != FILTER_ANY_UID)
			return true;
	return false;
}

bool filter_asks_for_users(const struct filter *f)
{
	return f && (any_user(f->include, f->n_include) || any_user(f->exclude, f->n_exclude));
}

bool filter_is_set(const struct filter *f)
{
	return f && (f->n_include || f->n_exclude);
}

bool filter_is_lasting(const struct filter *f)
{
	return !any_service(f->include, f->n_include) && !any_service(f->exclude, f->n_exclude);
}
