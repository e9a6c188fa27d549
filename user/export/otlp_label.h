/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a sample's labels in OTLP: of the resource, of the sample, its link, its times.
 */
#ifndef EXPORT_OTLP_LABEL_H
#define EXPORT_OTLP_LABEL_H

#include "export/pprof.h"

enum otlp_place {
	OTLP_PLACE_RESOURCE, /* the same for all samples of a process */
	OTLP_PLACE_SAMPLE,
	OTLP_PLACE_TRACE, /* with the next one a Link if both are well formed, else of the sample */
	OTLP_PLACE_SPAN,
	OTLP_PLACE_TIME,
	OTLP_PLACE_NONE, /* says nothing */
};

/* @ret_name: the attribute's, by OpenTelemetry's semantic conventions where they have one. */
enum otlp_place otlp_label_place(const struct pprof_label *l, const char **ret_name);

#endif
