/* SPDX-License-Identifier: Apache-2.0 */
/* The registration message, received at a socket of this process. */
#include "ctx/elastic_socket.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "leak_check.h"

#define NAME_LEN 100 /* as long as an agent may make it */

static char folder[] = "/tmp/elastic_socket.XXXXXX";
static char path[108], other[160];
static int listener;

static void begin(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int used;

	cr_assert(mkdtemp(folder) != NULL);
	used = snprintf(path, sizeof(path), "%s/", folder);
	memset(path + used, 'e', (size_t)(NAME_LEN - used));
	snprintf(other, sizeof(other), "%s/other", folder);
	memcpy(addr.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert(zero(int, bind(listener, (struct sockaddr *)&addr, sizeof(addr))));
}

static void end(void)
{
	close(listener);
	unlink(path);
	unlink(other);
	rmdir(folder);
	leak_check();
}

TestSuite(elastic_socket, .init = begin, .fini = end);

static void assert_nothing_came(void)
{
	char byte;

	cr_assert(eq(int, (int)recv(listener, &byte, 1, 0), -1));
}

/* Byte for byte as in the specification: type 2, minor version 1, delay 1 ms, host id. */
Test(elastic_socket, registers)
{
	static const char wanted[] = "\2\0\1\0\1\0\0\0\4\0\0\0host";
	char got[64];

	cr_assert(zero(int, elastic_socket_register(getpid(), path, "host")));
	cr_assert(eq(sz, (size_t)recv(listener, got, sizeof(got), 0), sizeof(wanted) - 1));
	cr_assert(zero(int, memcmp(got, wanted, sizeof(wanted) - 1)));
	assert_nothing_came();
}

Test(elastic_socket, long_host_id_is_cut)
{
	char id[200], got[256];

	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	cr_assert(zero(int, elastic_socket_register(getpid(), path, id)));
	cr_assert(eq(sz, (size_t)recv(listener, got, sizeof(got), 0), 12 + 128));
	cr_assert(eq(int, got[8], (char)128));
}

Test(elastic_socket, what_is_no_socket)
{
	close(open(other, O_CREAT | O_WRONLY, 0600));
	cr_assert(eq(int, elastic_socket_register(getpid(), other, "h"), -ENOTSOCK));
	unlink(other);
	cr_assert(zero(int, symlink(path, other)));
	cr_assert(eq(int, elastic_socket_register(getpid(), other, "h"), -ENOTSOCK));
	unlink(other);
	cr_assert(eq(int, elastic_socket_register(getpid(), other, "h"), -ENOENT));
	cr_assert(eq(int, elastic_socket_register(getpid(), "", "h"), -ENOENT));
	assert_nothing_came();
}

/* A process must not make us write where it may not write itself. */
Test(elastic_socket, of_another_owner)
{
	cr_assert(zero(int, chmod(path, 0577)));
	cr_assert(eq(int, elastic_socket_register(getpid(), path, "h"), -EPERM));
	cr_assert(zero(int, chmod(path, 0777)));
	if (geteuid() == 0) {
		cr_assert(zero(int, chown(path, 12345, 12345)));
		cr_assert(eq(int, elastic_socket_register(getpid(), path, "h"), -EPERM));
	}
	assert_nothing_came();
}

Test(elastic_socket, nobody_listens)
{
	close(listener);
	cr_assert(eq(int, elastic_socket_register(getpid(), path, "h"), -ECONNREFUSED));
}

/* One that does not read does not stop us. */
Test(elastic_socket, is_full)
{
	int r = 0;

	for (int i = 0; i < 100000 && r == 0; i++)
		r = elastic_socket_register(getpid(), path, "h");
	cr_assert(eq(int, r, -EAGAIN));
}
