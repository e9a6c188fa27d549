/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes over the socket between us and a worker process: packets (SOCK_SEQPACKET) of a header
 * and a payload, in our own byte order, as both sides are the same program. Lengths are checked
 * here, contents by whoever knows the service.
 */
#ifndef WORKER_MESSAGE_H
#define WORKER_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_PROTOCOL	   1
#define WORKER_PAYLOAD_MAX 65536 /* bytes */

/* Whom a message is for. Kinds of messages are the service's own. */
enum worker_service_id {
	WORKER_SERVICE_SELF, /* the worker as such: WORKER_READY */
	WORKER_SERVICE_NAMES,
	WORKER_SERVICE_ROWS,
	WORKER_SERVICE_DEMANGLE,
};

/* Kinds of WORKER_SERVICE_SELF. */
enum { WORKER_READY }; /* payload: uint32_t, the parts of the sandbox that are missing */

struct worker_header {
	uint32_t protocol;
	uint16_t service;
	uint16_t kind;
	uint32_t exchange; /* a request and all that belongs to it have one number */
	uint32_t len;	   /* of the payload */
};

struct worker_message {
	struct worker_header header;
	unsigned char payload[WORKER_PAYLOAD_MAX] __attribute__((aligned(8)));
	int fd; /* that came with it, or -1; the reader closes it */
};

/* @fd (-1: none) goes along, and stays open here. -EAGAIN, -EPIPE, … as sendmsg(2) says. */
int worker_message_send(int sock, const struct worker_header *h, const void *payload, int fd);

/*
 * One message. Descriptors are taken only if @take_fd. -ECONNRESET: the other side is gone;
 * -EBADMSG: no message of ours; -EAGAIN, … as recvmsg(2) says. Then ret->fd is -1.
 */
int worker_message_receive(int sock, bool take_fd, struct worker_message *ret);

#endif
