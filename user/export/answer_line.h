/* SPDX-License-Identifier: Apache-2.0 */
/* A server's own words, for messages. */
#ifndef EXPORT_ANSWER_LINE_H
#define EXPORT_ANSWER_LINE_H

#include <stddef.h>

/*
 * As much of @from as fits into @to, in one line of UTF-8 that a terminal does not act on: control
 * characters become spaces, what is no UTF-8 '?'.
 */
void answer_line(char *to, size_t size, const void *from, size_t len);

#endif
