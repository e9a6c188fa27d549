/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/message.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"

/* Room for one descriptor, aligned as the kernel wants it. What is aligned has room for two. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

static void attach_fd(struct msghdr *msg, union control *control, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->buf;
	msg->msg_controllen = sizeof(control->buf);
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
}

int worker_message_send(int sock, const struct worker_header *h, const void *payload, int fd)
{
	struct iovec iov[] = {
		{ .iov_base = (void *)h, .iov_len = sizeof(*h) },
		{ .iov_base = (void *)payload, .iov_len = h->len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = h->len ? 2 : 1 };
	union control control;

	if (h->len > WORKER_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (fd >= 0)
		attach_fd(&msg, &control, fd);
	while (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* The one descriptor that came along, or -1. More than one: they are closed, -EBADMSG. */
static int take_fds(struct msghdr *msg, int *ret)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fds[2];
	size_t n;

	*ret = -1;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	if (n == 1) {
		*ret = fds[0];
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	return -EBADMSG;
}

static bool is_sound(const struct msghdr *msg, size_t got, const struct worker_header *h)
{
	return got >= sizeof(*h) && !(msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	       h->protocol == WORKER_PROTOCOL && h->len == got - sizeof(*h);
}

int worker_message_receive(int sock, bool take_fd, struct worker_message *ret)
{
	struct iovec iov[] = {
		{ .iov_base = &ret->header, .iov_len = sizeof(ret->header) },
		{ .iov_base = ret->payload, .iov_len = sizeof(ret->payload) },
	};
	union control control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;
	int r;

	/* Without room for them, the kernel throws descriptors away and sets MSG_CTRUNC. */
	if (take_fd) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
	}
	ret->fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ECONNRESET;

	r = take_fd ? take_fds(&msg, &ret->fd) : 0;
	if (r == 0 && !is_sound(&msg, n, &ret->header))
		r = -EBADMSG;
	if (r < 0)
		closep(&ret->fd);
	return r;
}
