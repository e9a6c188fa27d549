/* SPDX-License-Identifier: Apache-2.0 */
#include "export/secret_file.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"

void secret_wipe(char (*buf)[SECRET_MAX])
{
	explicit_bzero(*buf, SECRET_MAX);
}

static int read_all(int fd, char *buf, size_t *ret_len)
{
	size_t len = 0;

	while (len < SECRET_MAX) {
		ssize_t n = read(fd, buf + len, SECRET_MAX - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			*ret_len = len;
			return 0;
		}
		len += n;
	}
	return -EFBIG;
}

static int check(const char *buf, size_t len)
{
	if (len == 0)
		return -ENODATA;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			return -EILSEQ;
	return 0;
}

int secret_file_read(const char *path, char *buf)
{
	/* Not to wait for the writer of a pipe. */
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(fd, buf, &len);
	if (r < 0)
		return r;
	while (len > 0 && (buf[len - 1] == '\n' || buf[len - 1] == '\r'))
		len--;
	buf[len] = '\0';
	return check(buf, len);
}
