/* SPDX-License-Identifier: Apache-2.0 */
/* One self-contained HTML file: flame graph, spans, functions; needs no server and no network. */
#ifndef VIEW_HTML_H
#define VIEW_HTML_H

#include <stdio.h>

#include "view/select.h"

/* @title is shown as text. -ENOMEM, or -EIO if @out failed. */
int view_html(const struct pprof *p, const struct view_select *sel, const char *title, FILE *out);

#endif
