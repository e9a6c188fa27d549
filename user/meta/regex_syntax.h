/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the expressions that PCRE2 takes RE2 takes, too, and understands in the same way. */
#ifndef META_REGEX_SYNTAX_H
#define META_REGEX_SYNTAX_H

/* NULL: nothing is known against it; else what is, in words. PCRE2 has still to compile it. */
const char *regex_syntax_complaint(const char *pattern);

#endif
