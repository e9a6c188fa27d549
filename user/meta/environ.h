/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the environment of a process says of its service (OpenTelemetry's variables). Foreign bytes,
 * secrets among them: nothing but the attributes named here is kept. Never logs.
 */
#ifndef META_ENVIRON_H
#define META_ENVIRON_H

#include <stddef.h>

#include "meta/attributes.h"

#define ENVIRON_MAX (256u << 10) /* bytes of /proc/PID/environ that are looked at */

/*
 * Takes OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES from @text, the strings of
 * /proc/PID/environ, each ended by a NUL. The first of a name counts, the former over the latter.
 * Attributes of processes, hosts and containers are not the process's to say, and left out.
 * -EBADMSG: the attributes are not as specified, and none of them was taken; -ENOMEM.
 */
int environ_take(const char *text, size_t len, struct attributes *to);

#endif
