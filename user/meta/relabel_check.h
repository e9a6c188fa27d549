/* SPDX-License-Identifier: Apache-2.0 */
/* What Prometheus demands of a rule before it takes it. */
#ifndef META_RELABEL_CHECK_H
#define META_RELABEL_CHECK_H

#include "meta/relabel.h"

/* -EINVAL: *@why, but not its number of the rule. The expression is not looked at. */
int relabel_check(const struct relabel_rule *rule, struct relabel_problem *why);

#endif
