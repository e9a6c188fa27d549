/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration must be beyond its form. */
#ifndef APP_AGENT_CONFIG_CHECK_H
#define APP_AGENT_CONFIG_CHECK_H

#include "app/agent_config.h"

/* Notes all that is wrong. -ENOMEM. */
int agent_config_check(const struct agent_config *c, struct config_problems *p);

/* Does one of these URLs, with blanks between, hold a user or a password? */
bool agent_urls_have_password(const char *urls);

/* The part of it that is about endpoint @i. */
void agent_endpoint_check(const struct agent_config *c, size_t i, struct config_problems *p);

/* Is the value of this header something to hide? */
bool agent_header_is_secret(const char *name);

#endif
