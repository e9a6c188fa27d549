/* SPDX-License-Identifier: Apache-2.0 */
#include "export/spool_kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUEUE "kept" /* of the names of those that are set aside */

static void format(uint64_t number, const char *suffix, char ret[SPOOL_FILE_NAME])
{
	snprintf(ret, SPOOL_FILE_NAME, "%016" PRIx64 ".%s", number, suffix);
}

void spool_kept_format(uint64_t number, char ret[SPOOL_FILE_NAME])
{
	format(number, "kept", ret);
}

static bool parse(const char *file, uint64_t *ret_number, bool *ret_tried)
{
	char kept[SPOOL_FILE_NAME], tried[SPOOL_FILE_NAME];

	if (sscanf(file, "%16" SCNx64, ret_number) != 1)
		return false;
	format(*ret_number, "kept", kept);
	format(*ret_number, "tried", tried);
	*ret_tried = strcmp(file, tried) == 0;
	return *ret_tried || strcmp(file, kept) == 0;
}

struct found {
	uint64_t first, last; /* number */
	bool first_tried, any;
};

static int look(const struct spool_dir *d, struct found *ret)
{
	CLEANUP(closedirp) DIR *dir = NULL;
	struct found found = { 0 };
	int r = spool_dir_stream(d->kept, &dir);

	if (r < 0)
		return r;
	for (struct dirent *e; (e = readdir(dir));) {
		uint64_t number;
		bool tried;

		if (!parse(e->d_name, &number, &tried))
			continue;
		if (!found.any || number < found.first) {
			found.first = number;
			found.first_tried = tried;
		}
		if (number > found.last)
			found.last = number;
		found.any = true;
	}
	*ret = found;
	return 0;
}

int spool_kept_last(const struct spool_dir *d, uint64_t *ret)
{
	struct found found;
	int r = look(d, &found);

	*ret = r < 0 ? 0 : found.last;
	return r;
}

/* What cannot be set aside is removed: it would be in the way of those behind it. */
static int set_aside(const struct spool_dir *d, uint64_t number, const char *file)
{
	int r = spool_dir_set_aside(d, d->kept, QUEUE, file);

	if (r < 0)
		r = spool_kept_remove(d, number);
	return r < 0 ? r : -EBADMSG;
}

static int load(const struct spool_dir *d, const char *file, struct spool_header *ret,
		uint8_t **ret_file)
{
	CLEANUP(freep) uint8_t *buf = NULL;
	size_t len;
	int r = spool_dir_load(d->kept, file, SPOOL_PROFILE_MAX, &buf, &len);

	if (r == 0)
		r = spool_header_check(buf, len, ret);
	if (r == 0)
		*ret_file = TAKE_PTR(buf);
	return r;
}

int spool_kept_take(const struct spool_dir *d, struct spool_header *ret, uint8_t **ret_file,
		    uint64_t *ret_number)
{
	char kept[SPOOL_FILE_NAME], tried[SPOOL_FILE_NAME];
	struct found found;
	int r = look(d, &found);

	if (r < 0 || !found.any)
		return r < 0 ? r : -ENODATA;
	format(found.first, "kept", kept);
	format(found.first, "tried", tried);
	if (found.first_tried)
		return set_aside(d, found.first, tried);
	if (renameat(d->kept, kept, d->kept, tried) < 0)
		return -errno;
	r = load(d, tried, ret, ret_file);
	if (r == -ENOMEM && renameat(d->kept, tried, d->kept, kept) == 0)
		return r;
	if (r < 0)
		return set_aside(d, found.first, tried);
	*ret_number = found.first;
	return 0;
}

int spool_kept_remove(const struct spool_dir *d, uint64_t number)
{
	static const char *const suffixes[] = { "kept", "tried" };
	char file[SPOOL_FILE_NAME];
	int r = 0;

	for (size_t i = 0; number && i < 2; i++) {
		format(number, suffixes[i], file);
		if (unlinkat(d->kept, file, 0) < 0 && errno != ENOENT)
			r = -errno;
	}
	return r;
}
