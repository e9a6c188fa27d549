/* SPDX-License-Identifier: Apache-2.0 */
#include "app/stat_info.h"

#define STAT_INFO_(id, kind, name, help) [STAT_##id] = { name, help, STAT_KIND_##kind },
static const struct stat_info infos[STAT_COUNT] = { STATS_KERNEL(STAT_INFO_)
							    STATS_USER(STAT_INFO_) };
#undef STAT_INFO_

const struct stat_info *stat_info(enum stat_id id)
{
	return &infos[id];
}
