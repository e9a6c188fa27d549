/* SPDX-License-Identifier: Apache-2.0 */
#include "app/context_options.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "ctx/context_tracker.h"
#include "profile/profile.h"

#define CONTEXTS_MAX 10000000

struct context_options context_options_default(void)
{
	return (struct context_options){ .formats = CONTEXT_FORMATS_ALL,
					 .max = PROFILE_CONTEXTS_DEFAULT };
}

static int format_of(const char *name, uint32_t *ret)
{
	static const struct {
		const char *name;
		enum ctx_format format;
	} known[] = {
		{ "otel", CTX_FORMAT_OTEL },	   { "nodejs", CTX_FORMAT_NODE },
		{ "elastic", CTX_FORMAT_ELASTIC }, { "go", CTX_FORMAT_GO },
		{ "python", CTX_FORMAT_PYTHON },   { "custom-labels", CTX_FORMAT_CUSTOM_LABELS },
	};

	if (strcmp(name, "all") == 0) {
		*ret = CONTEXT_FORMATS_ALL;
		return 0;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0) {
			*ret = 1u << known[i].format;
			return 0;
		}
	log_error("--context '%s': unknown; all, none, or of otel, nodejs, elastic, go, "
		  "custom-labels, "
		  "python",
		  name);
	return -EINVAL;
}

int context_options_set_formats(struct context_options *opt, const char *text)
{
	CLEANUP(freep) char *copy = strdup(text);
	char *save, *part;
	uint32_t bits;

	if (!copy)
		return -ENOMEM;
	opt->formats = 0;
	if (strcmp(text, "none") == 0)
		return 0;
	for (part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		if (format_of(part, &bits) < 0)
			return -EINVAL;
		opt->formats |= bits;
	}
	return 0;
}

int context_options_add_variable(struct context_options *opt, const char *text)
{
	struct user_variable *v = &opt->variables[opt->n_variables];
	char why[USER_VARIABLE_WHY_MAX];
	int r;

	if (opt->n_variables == CTX_VARIABLES_MAX) {
		log_error("--tls-var: at most %d variables", CTX_VARIABLES_MAX);
		return -EINVAL;
	}
	opt->n_variables++;
	r = user_variable_parse(text, v, why);
	if (r == -EINVAL)
		log_error("--tls-var '%s': %s", text, why);
	return r;
}

int context_options_set_scope(struct context_options *opt, const char *text)
{
	if (strcmp(text, "leaf") == 0) {
		opt->scope = SPAN_SCOPE_LEAF;
	} else if (strcmp(text, "local-root") == 0) {
		opt->scope = SPAN_SCOPE_LOCAL_ROOT;
	} else {
		log_error("--span-scope '%s': unknown; leaf or local-root", text);
		return -EINVAL;
	}
	return 0;
}

int context_options_set_max(struct context_options *opt, const char *text)
{
	uint64_t max;

	if (parse_u64(text, 1, CONTEXTS_MAX, &max) < 0) {
		log_error("--max-contexts '%s': not a number from 1 to %d", text, CONTEXTS_MAX);
		return -EINVAL;
	}
	opt->max = max;
	return 0;
}

void context_options_clear(struct context_options *opt)
{
	for (size_t i = 0; i < opt->n_variables; i++)
		user_variable_clear(&opt->variables[i]);
	opt->n_variables = 0;
}
