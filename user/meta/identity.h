/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a process is: its service, container, unit and host. What /proc says of a process is read
 * once for each program that it runs, when its first sample is counted. All of it is foreign.
 * Never logs.
 */
#ifndef META_IDENTITY_H
#define META_IDENTITY_H

#include <stdint.h>

#include "base/cleanup.h"
#include "ctx/context_tracker.h"
#include "meta/attributes.h"
#include "proc/process.h"

/* Who names a service, the one to be believed first at the top. */
enum identity_source {
	IDENTITY_CONFIG,
	IDENTITY_PROCESS_CTX,
	IDENTITY_ELASTIC,
	IDENTITY_ENVIRONMENT,
	IDENTITY_UNIT,
	IDENTITY_CONTAINER,
	IDENTITY_SCRIPT,
	IDENTITY_EXECUTABLE,
};

/* As a user would say it: "the systemd unit". */
const char *identity_source_name(enum identity_source source);

/* What /proc says of one program that a process runs. */
struct identity {
	pid_t pid;
	uint64_t id;		     /* struct process.id */
	struct attributes known;     /* a service's name: of the environment */
	char *unit_service, *script; /* that would name the service; NULL: none */
	char *cgroup;		     /* path in the hierarchy of v2, printable; NULL: not known */
	int64_t uid;		     /* real user id; -1: not known, or not read */
	uint64_t again_ns;	     /* when user and cgroup are read again; UINT64_MAX: never */
	bool is_looked_at;	     /* again */
	const char *host;
};

struct identity_table;

struct identity_options {
	const struct process_table *processes; /* borrowed; of parents */
	/* What a container is called, or NULL; borrowed until the next call. NULL: nobody knows. */
	const char *(*container_name)(void *ctx, const char *container_id);
	void *ctx;
	uint64_t *counters; /* [STAT_COUNT]: what could not be read */
	bool users;	    /* read users, too, which cost one more file of each process */
};

int identity_table_new(const struct identity_options *opt, struct identity_table **ret);
void identity_table_free(struct identity_table *t); /* NULL is fine */
DEFINE_CLEANUP(struct identity_table *, identity_table_free)

/*
 * Of @p, which is read now if it is not known yet: about 30 us. One that has ended already is in
 * its parent's container and unit and has its environment, if the parent is known. User and cgroup
 * are read again 1 s and 10 s later. *@ret is valid until the next call of any of these. -ENOMEM.
 */
int identity_get(struct identity_table *t, const struct process *p, const struct identity **ret);

/* As in the options, from now on; also those of processes that are known already. */
void identity_set_users(struct identity_table *t, bool users);

/* The process ended. */
void identity_forget(struct identity_table *t, pid_t pid);

/* Whatever names or describes a process. All borrowed. */
struct identity_claims {
	const char *configured; /* a service name that the user has given, or NULL */
	const struct context_finding *finding;
	const struct identity *identity; /* NULL: not known */
	const struct process *process;
};

/*
 * What counts of these, in @ret[PROFILE_RESOURCES], NULL where nothing is known. The service is
 * always named. Valid as long as the claims are.
 */
enum identity_source identity_resolve(const struct identity_claims *claims, const char **ret);

#endif
