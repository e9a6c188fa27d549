/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the text of /proc/PID/cgroup says of a process: its container, pod and systemd unit. Cgroup
 * folders are named by whoever may make them: any bytes. Never logs.
 */
#ifndef META_CGROUP_H
#define META_CGROUP_H

#include <stddef.h>

#define CONTAINER_ID_MAX 64
#define POD_UID_MAX	 36
#define UNIT_NAME_MAX	 255
#define CGROUP_PATH_MAX	 4096

/* "" and NULL: none, or not known. All of it is ASCII without control characters. */
struct cgroup_facts {
	char container_id[CONTAINER_ID_MAX + 1];
	const char *container_runtime; /* OpenTelemetry's container.runtime.name; static */
	char pod_uid[POD_UID_MAX + 1]; /* with dashes, of static pods without */
	/*
	 * The innermost one, as systemd calls it: of a user's manager if there is one. Of a
	 * container's process it is a unit within, or the one that podman made it a part of.
	 */
	char unit[UNIT_NAME_MAX + 1];
};

/*
 * Paths are as the reader's cgroup namespace shows them: from a private one, those outside begin
 * with "/..", and its own root, which is "/", says nothing.
 */
void cgroup_identify(const char *text, size_t len, struct cgroup_facts *ret);

/*
 * The path in the hierarchy of cgroup v2, below its mount, in fresh memory: below the reader's
 * cgroup namespace, which begins at @root (cgroup_root.h). "": as it stands in the text. NULL:
 * there is none, or no memory.
 */
char *cgroup_path(const char *text, size_t len, const char *root);

/*
 * The service that a unit stands for: "nginx" of "nginx.service", with escapes undone. "" if it is
 * none: slices, scopes, logins, what systemd-run has named by itself, a user's manager.
 */
void cgroup_unit_service(const char *unit, char ret[UNIT_NAME_MAX + 1]);

#endif
