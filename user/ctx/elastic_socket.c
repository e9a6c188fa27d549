/* SPDX-License-Identifier: Apache-2.0 */
/* elastic/apm, specs/agents/universal-profiling-integration.md: "Profiler Registration Message" */
#include "ctx/elastic_socket.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "proc/process_root.h"

#define MESSAGE_REGISTRATION 2
#define MESSAGE_MINOR	     1
#define SAMPLES_DELAY_MS     1
#define HOST_ID_MAX	     128

struct registration {
	uint16_t type, minor;
	uint32_t samples_delay_ms;
	uint32_t host_id_len;
	char host_id[HOST_ID_MAX];
} __attribute__((packed));

static ssize_t registration_fill(struct registration *m, const char *host_id)
{
	size_t len = strnlen(host_id, HOST_ID_MAX);

	*m = (struct registration){ .type = MESSAGE_REGISTRATION,
				    .minor = MESSAGE_MINOR,
				    .samples_delay_ms = SAMPLES_DELAY_MS,
				    .host_id_len = (uint32_t)len };
	memcpy(m->host_id, host_id, len);
	return (ssize_t)(offsetof(struct registration, host_id) + len);
}

/* @target: an O_PATH descriptor, so that what was checked is what is written to. */
static int send_to(int target, const void *message, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(closep)
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", target);
	if (sendto(fd, message, len, MSG_NOSIGNAL, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return 0;
}

int elastic_socket_register(pid_t pid, const char *path, const char *host_id)
{
	CLEANUP(closep) int target = -1;
	struct registration message;
	struct process_ids ids;
	int r;

	r = process_ids_read(pid, &ids);
	if (r < 0)
		return r;
	target = process_socket_open(pid, path, ids.euid);
	if (target < 0)
		return target;
	return send_to(target, &message, (size_t)registration_fill(&message, host_id));
}
