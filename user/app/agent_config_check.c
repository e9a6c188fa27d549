/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_config_check.h"

#include <string.h>

#include "app/config_read.h"
#include "app/control.h"
#include "base/parse.h"
#include "ctx/user_variable.h"
#include "export/pprof.h"

struct check {
	const struct agent_config *c;
	struct config_problems *p;
};

static struct config_origin where(const struct check *ck, const char *path)
{
	return config_origin_of(ck->c->root, path);
}

/* --- labels, rules, filters ---------------------------------------------------------------------
 */

static bool is_reserved(const char *name)
{
	static const char *const reserved[] = {
		PPROF_LABEL_SPAN_ID,  PPROF_LABEL_TRACE_ID, PPROF_LABEL_LOCAL_ROOT,
		PPROF_LABEL_OVERFLOW, PPROF_LABEL_PROCESS,  PPROF_LABEL_THREAD,
		PPROF_LABEL_PID,      PPROF_LABEL_TID,	    PPROF_LABEL_TIMESTAMP,
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(name, reserved[i]) == 0)
			return true;
	return strncmp(name, "__", 2) == 0;
}

static struct config_origin label_origin(const struct check *ck, const char *name)
{
	const struct config_node *labels = config_node_get(ck->c->root, "labels");
	const struct config_node *value = config_node_get(labels, name);

	return value ? value->origin : where(ck, "labels");
}

static void check_labels(const struct check *ck)
{
	for (size_t i = 0; i < ck->c->n_labels; i++) {
		const struct config_pair *l = &ck->c->labels[i];

		if (!label_name_is_valid(l->name))
			config_error(ck->p, label_origin(ck, l->name),
				     "labels: '%.64s' is no name that a label can have", l->name);
		else if (is_reserved(l->name))
			config_error(ck->p, label_origin(ck, l->name),
				     "labels: '%s' is a label that the agent sets itself", l->name);
		else if (strcmp(l->name, PPROF_LABEL_SERVICE) == 0)
			config_error(ck->p, label_origin(ck, l->name),
				     "labels: the service goes into context.service_name");
	}
}

static int check_relabel(const struct check *ck)
{
	/* One rule at a time, so that each that is wrong is told. */
	for (size_t i = 0; i < ck->c->n_relabel_rules; i++) {
		CLEANUP(relabel_freep) struct relabel *r = NULL;
		struct relabel_problem why;
		char path[CONFIG_PATH_MAX];
		int err = relabel_new(&ck->c->relabel_rules[i], 1, &why, &r);

		if (err == -ENOMEM)
			return err;
		if (err == 0)
			continue;
		snprintf(path, sizeof(path), "relabel_configs[%zu].%s", i, why.key);
		config_error(ck->p, where(ck, path), "%s: %s", path, why.why);
	}
	return 0;
}

static void check_filter(const struct check *ck, const char *path, const struct filter_rule *rules,
			 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct filter_rule *r = &rules[i];
		char inner[CONFIG_PATH_MAX];

		if (r->process_name || r->cgroup || r->container_id || r->service_name ||
		    r->uid != FILTER_ANY_UID)
			continue;
		snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
		config_error(ck->p, where(ck, inner), "%s has no condition, so all would match",
			     inner);
	}
}

/* --- where the agent itself is reached ----------------------------------------------------------
 */

/* HOST:PORT or [ADDRESS]:PORT */
static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	uint64_t port;

	if (!colon || colon == text || parse_u64(colon + 1, 0, UINT16_MAX, &port) < 0)
		return false;
	if (*text == '[')
		return colon[-1] == ']' && colon - text > 2;
	return memchr(text, ':', (size_t)(colon - text)) == NULL && !strpbrk(text, " /@");
}

static void check_listen(const struct check *ck)
{
	if (*ck->c->listen && !is_address(ck->c->listen))
		config_error(ck->p, where(ck, "listen"),
			     "listen: '%.64s' is no HOST:PORT or [ADDRESS]:PORT", ck->c->listen);
	if (strlen(ck->c->control_socket) >= CONTROL_PATH_MAX)
		config_error(ck->p, where(ck, "control_socket"),
			     "control_socket: a socket's path has at most %d bytes",
			     CONTROL_PATH_MAX - 1);
}

static void check_folders(const struct check *ck)
{
	if (!*ck->c->spool.directory)
		config_error(ck->p, where(ck, "spool.directory"), "spool.directory is empty");
	if (agent_urls_have_password(ck->c->symbols.debuginfod))
		config_error(ck->p, where(ck, "symbols.debuginfod"),
			     "symbols.debuginfod: may hold no user and password");
}

static int check_variables(const struct check *ck)
{
	for (size_t i = 0; i < ck->c->context.n_variables; i++) {
		struct user_variable v = { 0 };
		char why[USER_VARIABLE_WHY_MAX], path[CONFIG_PATH_MAX];
		int err = user_variable_parse(ck->c->context.variables[i], &v, why);

		user_variable_clear(&v);
		if (err == -ENOMEM)
			return err;
		if (err == 0)
			continue;
		snprintf(path, sizeof(path), "context.tls_variables[%zu]", i);
		config_error(ck->p, where(ck, path), "%s: %s", path, why);
	}
	return 0;
}

static void check_endpoints(const struct check *ck)
{
	for (size_t i = 0; i < ck->c->n_endpoints; i++)
		agent_endpoint_check(ck->c, i, ck->p);
	if (!ck->c->n_endpoints && !ck->p->errors.n)
		config_warning(ck->p, (struct config_origin){ 0 },
			       "no endpoint is configured: profiles would go nowhere");
}

int agent_config_check(const struct agent_config *c, struct config_problems *p)
{
	struct check ck = { c, p };
	int err;

	check_labels(&ck);
	check_filter(&ck, "filters.include", c->filter.include, c->filter.n_include);
	check_filter(&ck, "filters.exclude", c->filter.exclude, c->filter.n_exclude);
	check_listen(&ck);
	check_folders(&ck);
	check_endpoints(&ck);
	err = check_relabel(&ck);
	return err == 0 ? check_variables(&ck) : err;
}
