/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one thing that is said to a process, and only if the user asks for it: an Elastic APM agent
 * that waits for a profiler is told that there is one ("universal profiling integration", back
 * channel). Never logs.
 */
#ifndef CTX_ELASTIC_SOCKET_H
#define CTX_ELASTIC_SOCKET_H

#include <sys/types.h>

/*
 * Sends the agent of @pid the registration message, at the Unix socket @path of its own mount
 * namespace. The agent holds its spans back by no more than 1 ms from then on: stack traces are not
 * reported to it. @host_id: host.id of OpenTelemetry. Never waits.
 * -ENOTSOCK: that is no socket; -EPERM: one that the process could not write to itself;
 * -ESRCH: the process is gone; otherwise what openat2(2) and send(2) say, -EAGAIN: nobody reads it.
 */
int elastic_socket_register(pid_t pid, const char *path, const char *host_id);

#endif
