/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/utf8.h"

struct unit {
	const char *name;
	uint64_t size;
};

static const struct unit byte_units[] = {
	{ "GiB", 1ULL << 30 },
	{ "MiB", 1ULL << 20 },
	{ "KiB", 1ULL << 10 },
	{ "TiB", 1ULL << 40 },
	{ "kB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
	{ "B", 1 },
	{ "", 1 },
};

static const struct unit time_units[] = {
	{ "h", 3600 * NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },
	{ "ms", NSEC_PER_MSEC },
	{ "us", 1000 },
	{ "ns", 1 },
};

/* Number and unit; what is less than 1 is cut. */
static int parse_with_unit(const char *text, const struct unit *units, size_t n, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789."), unit;
	const char *name = text + digits + strspn(text + digits, " ");
	double v;
	char *end;

	if (!digits || digits > 20)
		return -EINVAL;
	v = strtod(text, &end);
	for (unit = 0; unit < n && strcmp(units[unit].name, name) != 0; unit++)
		;
	if (end != text + digits || unit == n)
		return -EINVAL;
	v *= (double)units[unit].size;
	if (!isfinite(v) || v >= 0x1p63)
		return -ERANGE;
	/* 2.2 * 10^9 is a little less than that. */
	*ret = (uint64_t)(v + 1e-6 * (v > 0));
	return 0;
}

static int parse_duration(const char *text, uint64_t *ret)
{
	if (strcmp(text, "0") == 0) {
		*ret = 0;
		return 0;
	}
	return parse_with_unit(text, time_units, sizeof(time_units) / sizeof(*time_units), ret);
}

static int parse_bytes(const char *text, uint64_t *ret)
{
	return parse_with_unit(text, byte_units, sizeof(byte_units) / sizeof(*byte_units), ret);
}

static int parse_percent(const char *text, uint64_t *ret_thousandths)
{
	static const struct unit units[] = { { "%", 1000 }, { "", 1000 } };

	return parse_with_unit(text, units, 2, ret_thousandths);
}

static int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "true", "yes", "on", "1", NULL };
	static const char *const no[] = { "false", "no", "off", "0", NULL };

	for (size_t i = 0; yes[i]; i++)
		if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
			*ret = strcasecmp(text, yes[i]) == 0;
			return 0;
		}
	return -EINVAL;
}

static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b) &&
		    !(strchr("-_", *a) && strchr("-_", *b)))
			return false;
	return *a == *b;
}

int config_name_index(const char *const *names, const char *text)
{
	for (int i = 0; names[i]; i++)
		if (same_name(names[i], text))
			return i;
	return -1;
}

void config_names_text(const char *const *names, char *out, size_t size)
{
	size_t at = 0;

	*out = '\0';
	for (size_t i = 0; names[i] && at < size; i++)
		at += (size_t)snprintf(out + at, size - at, "%s%s",
				       i == 0	      ? ""
				       : names[i + 1] ? ", "
						      : " or ",
				       names[i]);
}

static void duration_text(uint64_t ns, char *out, size_t size)
{
	size_t i = 0;

	while (ns % time_units[i].size || (ns < time_units[i].size && time_units[i].size > 1))
		i++;
	snprintf(out, size, "%" PRIu64 "%s", ns / time_units[i].size, time_units[i].name);
}

static void bytes_text(uint64_t n, char *out, size_t size)
{
	static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	for (; i < 4 && n && n % 1024 == 0; i++)
		n /= 1024;
	snprintf(out, size, "%" PRIu64 "%s", n, units[i]);
}

static void number_text(const struct config_key *key, uint64_t v, char *out, size_t size)
{
	if (key->type == CONFIG_DURATION)
		duration_text(v, out, size);
	else if (key->type == CONFIG_BYTES)
		bytes_text(v, out, size);
	else if (key->type == CONFIG_PERCENT)
		snprintf(out, size, "%g", (double)v / 1000);
	else
		snprintf(out, size, "%" PRIu64, v);
}

void config_range_text(const struct config_key *key, char *out, size_t size)
{
	char min[32], max[32];

	*out = '\0';
	if (!key->max || !(key->type == CONFIG_NUMBER || key->type == CONFIG_DURATION ||
			   key->type == CONFIG_BYTES || key->type == CONFIG_PERCENT))
		return;
	number_text(key, key->min, min, sizeof(min));
	number_text(key, key->max, max, sizeof(max));
	snprintf(out, size, "%s to %s", min, max);
}

static int refuse_number(const struct config_key *key, char why[CONFIG_WHY_MAX])
{
	static const char *const examples[] = {
		[CONFIG_NUMBER] = "",
		[CONFIG_DURATION] = ", such as 15s, 500ms, 2m, 24h",
		[CONFIG_BYTES] = ", such as 64MiB, 1GiB",
		[CONFIG_PERCENT] = ", such as 1.5%",
	};
	static const char *const nouns[] = {
		[CONFIG_NUMBER] = "number",
		[CONFIG_DURATION] = "duration",
		[CONFIG_BYTES] = "size",
		[CONFIG_PERCENT] = "percentage",
	};
	char range[80];

	config_range_text(key, range, sizeof(range));
	snprintf(why, CONFIG_WHY_MAX, "is no %s%s%s%s", nouns[key->type], *range ? " from " : "",
		 range, examples[key->type]);
	return -EINVAL;
}

/* Up: of something that is not 0, 0 would be "no limit". */
static uint64_t in_units(uint64_t v, uint64_t unit)
{
	return unit ? v / unit + (v % unit != 0) : v;
}

static int store_number(const struct config_key *key, const char *text, char *field,
			char why[CONFIG_WHY_MAX])
{
	uint64_t v;
	int r;

	switch (key->type) {
	case CONFIG_DURATION:
		r = parse_duration(text, &v);
		break;
	case CONFIG_BYTES:
		r = parse_bytes(text, &v);
		break;
	case CONFIG_PERCENT:
		r = parse_percent(text, &v);
		break;
	default:
		r = parse_u64(text, 0, UINT64_MAX, &v);
	}
	if (r < 0 || v < key->min || (key->max && v > key->max))
		return refuse_number(key, why);
	if (key->type == CONFIG_PERCENT)
		*(double *)(void *)field = (double)v / 1000;
	else if (key->size == sizeof(uint64_t))
		*(uint64_t *)(void *)field = in_units(v, key->unit);
	else
		*(unsigned *)(void *)field = (unsigned)in_units(v, key->unit);
	return 0;
}

static int store_name(const struct config_key *key, const char *text, char *field,
		      char why[CONFIG_WHY_MAX])
{
	int i = config_name_index(key->names, text);

	if (i >= 0) {
		*(unsigned *)(void *)field = (unsigned)i;
		return 0;
	}
	snprintf(why, CONFIG_WHY_MAX, "is not ");
	config_names_text(key->names, why + strlen(why), CONFIG_WHY_MAX - strlen(why));
	return -EINVAL;
}

static int store_string(const struct config_key *key, const char *text, char *field,
			char why[CONFIG_WHY_MAX])
{
	size_t len = strnlen(text, CONFIG_STRING_MAX + 1);

	if (len > CONFIG_STRING_MAX)
		snprintf(why, CONFIG_WHY_MAX, "is longer than %d bytes", CONFIG_STRING_MAX);
	else if (!utf8_is_printable(text, len))
		snprintf(why, CONFIG_WHY_MAX, "is no text without control characters");
	else if (key->type == CONFIG_PATH && *text && *text != '/')
		snprintf(why, CONFIG_WHY_MAX, "is no absolute path");
	else {
		*(const char **)(void *)field = text;
		return 0;
	}
	return -EINVAL;
}

int config_value_store(const struct config_key *key, const char *text, void *object,
		       char why[CONFIG_WHY_MAX])
{
	char *field = (char *)object + key->offset;

	switch (key->type) {
	case CONFIG_BOOL:
		if (parse_bool(text, (bool *)field) == 0)
			return 0;
		snprintf(why, CONFIG_WHY_MAX, "is neither true nor false");
		return -EINVAL;
	case CONFIG_STRING:
	case CONFIG_PATH:
		return store_string(key, text, field, why);
	case CONFIG_ENUM:
		return store_name(key, text, field, why);
	default:
		return store_number(key, text, field, why);
	}
}
