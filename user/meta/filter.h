/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes are profiled: rules on what is known of each. */
#ifndef META_FILTER_H
#define META_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_RULES_MAX 256
#define FILTER_ANY_UID	 (-1)

/* All that are given must hold. NULL: any. Strings are patterns (meta/glob.h), borrowed. */
struct filter_rule {
	const char *process_name; /* the process's comm, at most 15 bytes */
	const char *cgroup; /* path below the mount of cgroup v2: /system.slice/nginx.service */
	const char *container_id;
	const char *service_name;
	int64_t uid; /* real user id on the host, or FILTER_ANY_UID */
};

/* No rule to include: all are included. What is excluded is never included. */
struct filter {
	const struct filter_rule *include, *exclude;
	size_t n_include, n_exclude;
};

/* NULL, or a uid below 0: not known; then no rule that asks for it matches. */
struct filter_facts {
	const char *process_name, *cgroup, *container_id, *service_name;
	int64_t uid;
};

bool filter_is_set(const struct filter *f); /* NULL: it is not */

bool filter_asks_for_users(const struct filter *f); /* NULL: it does not */

bool filter_wants(const struct filter *f, const struct filter_facts *facts);

/* Does what it says of a process hold until that executes something or changes its name? Services
 * become known later. */
bool filter_is_lasting(const struct filter *f);

#endif
