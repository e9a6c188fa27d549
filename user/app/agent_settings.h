/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configurations of a running agent: the one that holds, and those before it as long as
 * somebody uses them. For one thread.
 */
#ifndef APP_AGENT_SETTINGS_H
#define APP_AGENT_SETTINGS_H

#include "app/agent_config.h"
#include "base/vec.h"

struct agent_setting {
	struct agent_config *config;
	unsigned number; /* 1, 2, … */
	unsigned users;
};

struct agent_settings {
	VEC(struct agent_setting) all; /* the last one holds; the first one stays for ever */
};

/* @first is taken over, also on failure. -ENOMEM. */
int agent_settings_init(struct agent_settings *s, struct agent_config *first);
void agent_settings_clear(struct agent_settings *s);

/* The one that holds. */
const struct agent_config *agent_settings_config(const struct agent_settings *s);

/* Counts a user of the one that holds, and returns its number for agent_settings_release(). */
unsigned agent_settings_use(struct agent_settings *s);
void agent_settings_release(struct agent_settings *s, unsigned number);

/*
 * Reads @sources again. What is wrong with them, or more than the host allows, is logged, and
 * nothing changes: -EINVAL, -ENOMEM.
 * Keys that hold only from the next start on are named in a warning if they have changed.
 */
int agent_settings_reload(struct agent_settings *s, const struct agent_sources *sources);

#endif
