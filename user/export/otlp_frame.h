/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenTelemetry's conventions say of a frame and of a file, told from a profile's location. */
#ifndef EXPORT_OTLP_FRAME_H
#define EXPORT_OTLP_FRAME_H

#include "export/pprof.h"

/* Value of profile.frame.type; NULL: it is not known, or no frame at all ("[truncated]"). */
const char *otlp_frame_type(const struct pprof_location *l);

/* The attribute that a build id of this form is the value of; NULL: there is no build id. */
const char *otlp_build_id_key(const char *build_id);

#endif
