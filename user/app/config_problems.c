/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/utf8.h"

#define TEXT_MAX   1024
#define SOURCE_MAX 512

const char *config_printable(const char *text, char *out, size_t size)
{
	size_t n = strnlen(text, size - 1), valid;

	memcpy(out, text, n);
	out[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
			out[i] = '?';
	while ((valid = utf8_valid_len(out, n)) < n)
		out[valid] = '?';
	return out;
}

const char *config_origin_text(struct config_origin at, char *out, size_t size)
{
	char source[SOURCE_MAX];

	config_printable(at.source ? at.source : "default", source, sizeof(source));
	if (at.line)
		snprintf(out, size, "%s:%u", source, at.line);
	else
		snprintf(out, size, "%s", source);
	return out;
}

static void note(struct config_problems *p, config_texts *list, struct config_origin at,
		 const char *text)
{
	char where[SOURCE_MAX + 16], shown[TEXT_MAX], *line;

	if (list->n >= CONFIG_PROBLEMS_MAX)
		return;
	config_printable(text, shown, sizeof(shown));
	if (asprintf(&line, "%s%s%s", at.source ? config_origin_text(at, where, sizeof(where)) : "",
		     at.source ? ": " : "", shown) < 0) {
		p->no_memory = true;
	} else if (vec_push(list, line) < 0) {
		p->no_memory = true;
		free(line);
	}
}

void config_error(struct config_problems *p, struct config_origin at, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(p, &p->errors, at, text);
}

void config_warning(struct config_problems *p, struct config_origin at, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(p, &p->warnings, at, text);
}

int config_problems_result(const struct config_problems *p)
{
	if (p->no_memory)
		return -ENOMEM;
	return p->errors.n ? -EINVAL : 0;
}

void config_problems_log(const struct config_problems *p)
{
	for (size_t i = 0; i < p->errors.n; i++)
		log_error("%s", p->errors.data[i]);
	for (size_t i = 0; i < p->warnings.n; i++)
		log_warning("%s", p->warnings.data[i]);
	if (p->errors.n == CONFIG_PROBLEMS_MAX)
		log_error("more than that is not listed");
}

void config_problems_clear(struct config_problems *p)
{
	for (size_t i = 0; i < p->errors.n; i++)
		free(p->errors.data[i]);
	for (size_t i = 0; i < p->warnings.n; i++)
		free(p->warnings.data[i]);
	vec_free(&p->errors);
	vec_free(&p->warnings);
}
