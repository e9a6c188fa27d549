/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names come from files that nobody vetted: this makes them valid UTF-8 without control characters,
 * and measures and cuts them in terminal columns.
 */
#ifndef VIEW_TEXT_H
#define VIEW_TEXT_H

#include <stdint.h>
#include <stdio.h>

#define TEXT_REPLACEMENT 0xfffdu

/*
 * The code point at *@pos, which moves behind it; 0 at the end of the string. A byte that is no
 * valid UTF-8 gives U+FFFD and moves by one.
 */
uint32_t text_next(const char **pos);

/*
 * Fresh copy (the caller frees) that a terminal shows as one line: tabs and line breaks become
 * spaces; other control characters, bidirectional overrides and invalid bytes U+FFFD. -ENOMEM.
 */
int text_clean(const char *str, char **ret);

/* Columns that a terminal needs for a clean string. */
unsigned text_width(const char *str);

enum text_cut { TEXT_CUT_RIGHT, TEXT_CUT_MIDDLE };

/* Writes a clean string, in at most @width columns, with "…" where something was left out. */
void text_write_cut(FILE *out, const char *str, unsigned width, enum text_cut how);

#endif
