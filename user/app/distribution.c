/* SPDX-License-Identifier: Apache-2.0 */
#include "app/distribution.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "proc/process_root.h"

#define OS_RELEASE_MAX 65536

/* Federates those of many distributions. */
#define ELFUTILS "https://debuginfod.elfutils.org"

static const struct {
	const char *id, *url;
} servers[] = {
	{ "debian", "https://debuginfod.debian.net" },
	{ "ubuntu", "https://debuginfod.ubuntu.com" },
	{ "fedora", "https://debuginfod.fedoraproject.org" },
	{ "centos", "https://debuginfod.centos.org" },
	{ "arch", "https://debuginfod.archlinux.org" },
	{ "opensuse", "https://debuginfod.opensuse.org" },
	{ "opensuse-leap", "https://debuginfod.opensuse.org" },
	{ "opensuse-tumbleweed", "https://debuginfod.opensuse.org" },
	{ "void", "https://debuginfod.voidlinux.org" },
};

static const char *server_of(const char *id, size_t len)
{
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		if (strlen(servers[i].id) == len && memcmp(servers[i].id, id, len) == 0)
			return servers[i].url;
	return NULL;
}

/* The first word that is known of a line's value, which may be in quotes. NULL: none. */
static const char *server_of_words(const char *value)
{
	static const char *const between = " \"'";
	size_t rest = strcspn(value, "\n");

	while (rest) {
		size_t gap = strspn(value, between), len;
		const char *url;

		gap = gap < rest ? gap : rest;
		value += gap;
		rest -= gap;
		len = strcspn(value, " \"'\n");
		url = server_of(value, len);
		if (url)
			return url;
		value += len;
		rest -= len;
	}
	return NULL;
}

/* What follows @key at the begin of a line; NULL: no such line. */
static const char *value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0)
			return line + len;
	}
	return NULL;
}

/* One that is made of another is served by that one, more often than not. */
const char *distribution_debuginfod_of(const char *os_release)
{
	static const char *const keys[] = { "ID=", "ID_LIKE=" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = value_of(os_release, keys[i]);
		const char *url = value ? server_of_words(value) : NULL;

		if (url)
			return url;
	}
	return ELFUTILS;
}

/* It is a link to the other, mostly; either is the system's own, if it is a file. */
static int open_os_release(pid_t pid)
{
	static const char *const folders[] = { "etc", "usr/lib" };
	struct process_ids ids;
	int r = process_ids_read(pid, &ids);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; r < 0 && i < sizeof(folders) / sizeof(folders[0]); i++) {
		CLEANUP(closep) int folder = process_folder_open(pid, folders[i]);
		struct stat st;

		r = folder < 0 ? folder : process_file_open(folder, "os-release", ids.euid, &st);
	}
	return r;
}

const char *distribution_debuginfod(pid_t pid)
{
	CLEANUP(closep) int fd = open_os_release(pid);
	CLEANUP(freep) char *text = NULL;
	size_t len;

	if (fd < 0 || read_whole_fd(fd, OS_RELEASE_MAX, &text, &len) < 0)
		return ELFUTILS;
	return distribution_debuginfod_of(text);
}
