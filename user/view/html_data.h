/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile as the HTML viewer reads it: one JSON object of columns. Stacks are a tree of nodes,
 * parents before children, node 0 the root; the process is the outermost frame of its stacks.
 *   strings            all text; other columns hold indexes into it, 0 is ""
 *   by_line            show lines of functions as boxes of their own at first
 *   frames             name, module, file, line (first one), kind (enum frame_kind), at (line of
 * the code or call), inlined nodes              parent, frame origins            span, trace,
 * service, process, pid, thread, tid: each combination once samples            node, origin, value,
 * count
 */
#ifndef VIEW_HTML_DATA_H
#define VIEW_HTML_DATA_H

#include <stdio.h>

#include "view/select.h"

/*
 * The text may stand in a <script> element: it has no '<', '>' and '&', and no control character or
 * invalid UTF-8 of any name. Only what the selected samples use is written. -ENOMEM.
 */
int html_data_write(const struct pprof *p, const struct view_select *sel, const char *title,
		    FILE *out);

#endif
