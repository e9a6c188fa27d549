/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/host_name.h"

#include <stdbool.h>
#include <stdio.h>
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

static bool is_host(void)
{
	return is_same_file("/proc/self/ns/uts", "/proc/1/ns/uts");
}

/* The first line of /etc/@name of process 1; who has no right to look into it does without. */
static bool read_of_first(const char *name, char ret[HOST_NAME_LEN_MAX + 1])
{
	CLEANUP(freep) char *text = NULL;
	char path[64];
	size_t len;

	snprintf(path, sizeof(path), "%s/etc/%s", is_host() ? "" : "/proc/1/root", name);
	if (read_whole_file(path, 4096, &text, &len) < 0)
		return false;
	return clean_text(text, strcspn(text, "\n"), ret, HOST_NAME_LEN_MAX + 1) > 0;
}

void host_name(char ret[HOST_NAME_LEN_MAX + 1])
{
	char own[256] = "";

	/* The file says what is set at boot. */
	if (!is_host() && read_of_first("hostname", ret))
		return;
	if (gethostname(own, sizeof(own) - 1) < 0)
		*own = '\0';
	clean_text(own, sizeof(own), ret, HOST_NAME_LEN_MAX + 1);
}

void host_id(char ret[HOST_NAME_LEN_MAX + 1])
{
	if (!read_of_first("machine-id", ret))
		host_name(ret);
}
