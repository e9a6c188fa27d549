/* SPDX-License-Identifier: Apache-2.0 */
/* What the host is called, also from within a container. Never logs. */
#ifndef META_HOST_NAME_H
#define META_HOST_NAME_H

#define HOST_NAME_LEN_MAX 64

/*
 * Of the first process that is seen: where the PID namespace is the host's, but not the UTS
 * namespace, that is not what gethostname(2) says.
 */
void host_name(char ret[HOST_NAME_LEN_MAX + 1]);

/* host.id of OpenTelemetry's conventions: machine-id(5) of that process, else host_name(). */
void host_id(char ret[HOST_NAME_LEN_MAX + 1]);

#endif
