/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/cpu_list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

/* One number; NULL if there is none. */
static const char *parse_number(const char *p, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)*p))
		return NULL;
	*ret = strtoul(p, &end, 10);
	return *ret < CPU_LIST_MAX ? end : NULL;
}

int cpu_list_parse(const char *text, bool *online, size_t n)
{
	const char *p = text;

	memset(online, 0, n * sizeof(*online));
	while (*p && *p != '\n') {
		unsigned long from, to;

		p = parse_number(p, &from);
		to = from;
		if (p && *p == '-')
			p = parse_number(p + 1, &to);
		if (!p || to < from)
			return -EINVAL;
		for (unsigned long cpu = from; cpu <= to && cpu < n; cpu++)
			online[cpu] = true;
		if (*p == ',')
			p++;
	}
	return 0;
}

int cpu_list_online(bool *online, size_t n)
{
	CLEANUP(freep) char *text = NULL;
	size_t len;
	int r;

	r = read_whole_file("/sys/devices/system/cpu/online", 65536, &text, &len);
	if (r < 0)
		return r;
	return cpu_list_parse(text, online, n);
}
