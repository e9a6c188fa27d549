/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of `spanprof agent`: from a file, the environment and the command line. */
#ifndef APP_AGENT_CONFIG_H
#define APP_AGENT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "app/config_compare.h"
#include "app/config_key.h"
#include "app/config_problems.h"
#include "app/config_tree.h"
#include "app/context_options.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "export/endpoint_options.h"
#include "meta/filter.h"
#include "meta/relabel.h"
#include "sym/demangle.h"

#define AGENT_CONFIG_FILE    "/etc/spanprof/agent.yaml" /* if there is one, and no other is named */
#define AGENT_CONTROL_SOCKET "/run/spanprof/control.sock"
#define AGENT_ENDPOINTS_MAX  16

enum agent_log_format { AGENT_LOG_TEXT, AGENT_LOG_LOGFMT, AGENT_LOG_JSON };

struct agent_spool {
	const char *directory;
	uint64_t max_bytes, max_age_s;
};

struct agent_budgets {
	double cpu_percent;	/* of one CPU */
	uint64_t memory;	/* bytes, with the kernel's maps */
	uint64_t unwind_tables; /* bytes */
};

struct agent_symbols {
	const char *debuginfod; /* URLs, separated by blanks; "": none is asked */
	const char *cache;	/* folder; "": none */
	enum demangle_style demangle;
};

/* The part of struct context_options that is plain data. */
struct agent_context {
	uint32_t formats; /* bits by enum ctx_format; ~0: all */
	enum span_scope scope;
	unsigned max;
	const char *obi_map; /* NULL: none */
	bool elastic_register;
	const char *const *variables; /* for context_options_add_variable() */
	size_t n_variables;
	const char *service_name;		/* NULL: none */
	const char *trace_id_key, *span_id_key; /* NULL: none */
};

struct agent_log {
	enum agent_log_format format;
	unsigned level; /* enum log_level */
};

/* Plain data. Strings are of the configuration's own memory; "" where a feature is off. */
struct agent_config {
	unsigned frequency; /* Hz, per CPU */
	uint64_t interval_ns;
	const struct config_pair *labels;
	size_t n_labels;
	const struct relabel_rule *relabel_rules; /* known to compile */
	size_t n_relabel_rules;
	struct filter filter;
	const struct endpoint_options *endpoints;
	size_t n_endpoints;
	struct agent_spool spool;
	struct agent_budgets budgets;
	const char *listen;	    /* HOST:PORT; "": nothing listens */
	const char *control_socket; /* "": none */
	struct agent_symbols symbols;
	struct agent_context context;
	struct agent_log log;

	struct arena memory;
	const struct config_node *root; /* what was said, and where */
};

/* The table of all keys. */
extern const struct config_schema agent_config_schema;

/* What the command line says: "spool-directory" and its value. Labels and endpoints add up. */
struct agent_flag {
	const char *name, *value;
};

#define AGENT_FLAGS_MAX 64

struct agent_sources {
	const char *file; /* NULL: $SPANPROF_CONFIG, else AGENT_CONFIG_FILE */
	struct agent_flag flags[AGENT_FLAGS_MAX];
	size_t n_flags;
	char **environment;
};

/*
 * Reads all sources, in this order: what comes later counts. 0: *@ret; *@p may have warnings.
 * -EINVAL: *@p has all that is wrong; -ENOMEM. @sources need not outlive the call.
 */
int agent_config_load(const struct agent_sources *sources, struct config_problems *p,
		      struct agent_config **ret);

/* The same of a text as a file's, without environment and command line. */
int agent_config_parse(const char *source, const char *text, size_t len, struct config_problems *p,
		       struct agent_config **ret);

void agent_config_free(struct agent_config *c); /* NULL is fine */
DEFINE_CLEANUP(struct agent_config *, agent_config_free)

/*
 * All keys with what they are, as YAML that means the same, and behind each where that was said.
 * Values of headers that may be secrets are shown as "<hidden>": those must be put in again.
 */
int agent_config_print(const struct agent_config *c, FILE *out);

/*
 * The same with nothing hidden, into a file in memory, for another process of ours: what that reads
 * from it by agent_config_receive() is as good as @c. -EFBIG: it is too long; other errnos.
 */
int agent_config_send(const struct agent_config *c, int *ret_fd);

/* Reads @fd from its begin. As agent_config_parse(), and what read(2) says. */
int agent_config_receive(int fd, struct config_problems *p, struct agent_config **ret);

/* Messages of this process are from now on as @c wants them. */
void agent_config_set_log(const struct agent_config *c);

/* Which keys differ: up to @max of them to @ret. Returns how many were written. */
size_t agent_config_compare(const struct agent_config *old, const struct agent_config *new,
			    struct config_change *ret, size_t max);

#endif
