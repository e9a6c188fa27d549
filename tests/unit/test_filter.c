/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/filter.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "leak_check.h"
#include "meta/glob.h"

TestSuite(filter, .fini = leak_check);

/* fnmatch(3) without flags means the same by all but this: a '[' without ']', ranges by locale. */
Test(filter, patterns_match_as_those_of_fnmatch)
{
	static const char letters[] = "ab/*?[]!-\\ab*ab";
	char pattern[9], text[9];

	srand(1);
	for (int i = 0; i < 300000; i++) {
		size_t n = (size_t)rand() % 9, m = (size_t)rand() % 9, backslashes = 0;

		for (size_t k = 0; k < n; k++)
			pattern[k] = letters[(size_t)rand() % (sizeof(letters) - 1)];
		for (size_t k = 0; k < m; k++)
			text[k] = "ab/]"[rand() % 4];
		pattern[n] = text[m] = '\0';
		while (backslashes < n && pattern[n - 1 - backslashes] == '\\')
			backslashes++;
		/* Escapes in classes, [a-] and a lone '\' at the end differ between shells. */
		if (backslashes % 2 || (strchr(pattern, '[') && strpbrk(pattern, "\\-")))
			continue;
		cr_assert(eq(int, glob_match(pattern, text), fnmatch(pattern, text, 0) == 0),
			  "'%s' '%s'", pattern, text);
	}
}

Test(filter, classes)
{
	cr_expect(glob_match("[a-c]x", "bx"));
	cr_expect(zero(int, glob_match("[!a-c]x", "bx")));
	cr_expect(glob_match("[a-]", "-"));
	cr_expect(glob_match("\\*", "*"));
	cr_expect(zero(int, glob_match("\\*", "a")));
	cr_expect(glob_match("/kubepods.slice/*/cri-*.scope", "/kubepods.slice/a/b/cri-1.scope"));
}

/* Exponential in a matcher that tries all lengths of all stars. */
Test(filter, many_stars_take_little_time)
{
	char text[4097], pattern[201];
	uint64_t start = thread_cpu_ns();

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < 200; i++)
		pattern[i] = i % 2 ? 'a' : '*';
	strcpy(pattern + 199, "b");
	cr_expect(zero(int, glob_match(pattern, text)));
	cr_expect(thread_cpu_ns() - start < 100 * NSEC_PER_MSEC);
}

static const struct filter_facts nginx = { .process_name = "nginx",
					   .cgroup = "/system.slice/nginx.service",
					   .service_name = "web",
					   .uid = 33 };

Test(filter, without_rules_all_are_wanted)
{
	cr_expect(filter_wants(&(struct filter){ 0 }, &nginx));
	cr_expect(filter_wants(&(struct filter){ 0 }, &(struct filter_facts){ .uid = -1 }));
}

Test(filter, all_conditions_of_one_rule_must_hold)
{
	struct filter_rule both = { .process_name = "ngi*", .uid = 33 };
	struct filter f = { .include = &both, .n_include = 1 };

	cr_expect(filter_wants(&f, &nginx));
	both.uid = 34;
	cr_expect(zero(int, filter_wants(&f, &nginx)));
}

Test(filter, one_of_the_rules_is_enough_and_exclusion_wins)
{
	struct filter_rule in[] = { { .process_name = "mysqld", .uid = FILTER_ANY_UID },
				    { .cgroup = "/system.slice/*", .uid = FILTER_ANY_UID } };
	struct filter_rule out = { .service_name = "web", .uid = FILTER_ANY_UID };
	struct filter f = { .include = in, .n_include = 2 };

	cr_expect(filter_wants(&f, &nginx));
	f.exclude = &out;
	f.n_exclude = 1;
	cr_expect(zero(int, filter_wants(&f, &nginx)));
}

Test(filter, what_is_not_known_matches_no_rule)
{
	struct filter_rule rule = { .container_id = "*", .uid = FILTER_ANY_UID };
	struct filter f = { .include = &rule, .n_include = 1 };

	cr_expect(zero(int, filter_wants(&f, &nginx)));
	cr_expect(zero(int, filter_asks_for_users(NULL)));
	cr_expect(zero(int, filter_asks_for_users(&f)));
	rule = (struct filter_rule){ .uid = 0 };
	cr_expect(filter_asks_for_users(&f));
	cr_expect(zero(int, filter_wants(&f, &(struct filter_facts){ .uid = -1 })));
}

/* What is said of a process may be remembered, unless its service is asked for. */
Test(filter, lasting_without_services)
{
	struct filter_rule by_name = { .process_name = "x", .uid = FILTER_ANY_UID };
	struct filter_rule by_service = { .service_name = "s", .uid = FILTER_ANY_UID };
	struct filter f = { 0 };

	cr_assert(filter_is_lasting(&f));
	f.exclude = &by_name;
	f.n_exclude = 1;
	cr_assert(filter_is_lasting(&f));
	f.include = &by_service;
	f.n_include = 1;
	cr_assert(not(filter_is_lasting(&f)));
	f.exclude = &by_service;
	f.n_include = 0;
	cr_assert(not(filter_is_lasting(&f)));
}
