/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/growing_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define STEP 65536

void growing_file_begin(struct growing_file *f, int fd, uint64_t left)
{
	*f = (struct growing_file){ .fd = fd, .left = left };
}

void growing_file_close(struct growing_file *f)
{
	closep(&f->fd);
	f->fd = -1;
}

bool growing_file_restart_if_new(struct growing_file *f)
{
	uint8_t now[GROWING_FILE_KEPT];

	off_t at = (off_t)(f->pos - f->n_kept);

	if (pread(f->fd, now, f->n_kept, at) == (ssize_t)f->n_kept &&
	    memcmp(now, f->kept, f->n_kept) == 0)
		return false;
	f->pos = 0;
	f->n_kept = 0;
	return true;
}

static void keep(struct growing_file *f, const uint8_t *bytes, size_t n)
{
	size_t of_old = n < sizeof(f->kept) ? sizeof(f->kept) - n : 0;

	if (of_old > f->n_kept)
		of_old = f->n_kept;
	memmove(f->kept, f->kept + f->n_kept - of_old, of_old);
	if (n > sizeof(f->kept)) {
		bytes += n - sizeof(f->kept);
		n = sizeof(f->kept);
	}
	memcpy(f->kept + of_old, bytes, n);
	f->n_kept = of_old + n;
}

int growing_file_read(struct growing_file *f, size_t max, growing_file_fn fn, void *arg)
{
	uint8_t bytes[STEP];

	while (max) {
		size_t want = max < sizeof(bytes) ? max : sizeof(bytes);
		ssize_t n = pread(f->fd, bytes, want, (off_t)f->pos);
		int r;

		if (n <= 0)
			return n < 0 ? -errno : 0;
		if ((uint64_t)n > f->left)
			return -EFBIG;
		f->left -= (uint64_t)n;
		f->pos += (uint64_t)n;
		keep(f, bytes, (size_t)n);
		r = fn(arg, bytes, (size_t)n);
		if (r < 0)
			return r;
		max -= (size_t)n;
	}
	return 1;
}
