/* SPDX-License-Identifier: Apache-2.0 */
/* What the counters of shared/stat.h are called and what they count. */
#ifndef APP_STAT_INFO_H
#define APP_STAT_INFO_H

#include "shared/stat.h"

struct stat_info {
	const char *name;
	const char *help;
	enum stat_kind kind;
};

/* Of @id below STAT_COUNT; static. */
const struct stat_info *stat_info(enum stat_id id);

#endif
