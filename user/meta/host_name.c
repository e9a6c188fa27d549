/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/host_name.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean_text.h"
#include "base/io.h"

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino;
}

/* The file says what is set at boot; who has no right to look into process 1 does without. */
static bool read_of_first(char ret[HOST_NAME_LEN_MAX + 1])
{
	CLEANUP(freep) char *text = NULL;
	size_t len;

	if (is_same_file("/proc/self/ns/uts", "/proc/1/ns/uts") ||
	    read_whole_file("/proc/1/root/etc/hostname", 4096, &text, &len) < 0)
		return false;
	return clean_text(text, strcspn(text, "\n"), ret, HOST_NAME_LEN_MAX + 1) > 0;
}

void host_name(char ret[HOST_NAME_LEN_MAX + 1])
{
	char own[256] = "";

	if (read_of_first(ret))
		return;
	if (gethostname(own, sizeof(own) - 1) < 0)
		*own = '\0';
	clean_text(own, sizeof(own), ret, HOST_NAME_LEN_MAX + 1);
}
