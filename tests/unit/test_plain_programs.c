/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/plain_programs.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "leak_check.h"

static struct plain_programs *programs;

static void set_up(void)
{
	cr_assert(zero(int, plain_programs_new(&programs)));
}

static void tear_down(void)
{
	plain_programs_free(programs);
	leak_check();
}

TestSuite(plain_programs, .init = set_up, .fini = tear_down);

static struct dso shell = { .id = 1, .kind = DSO_FILE }, libc = { .id = 2, .kind = DSO_FILE },
		  plugin = { .id = 3, .kind = DSO_FILE }, heap = { .id = 4, .kind = DSO_ANON };
static struct mapping both[] = { { .dso = &shell }, { .dso = &libc } },
		      turned[] = { { .dso = &heap }, { .dso = &libc }, { .dso = &shell } },
		      more[] = { { .dso = &shell }, { .dso = &libc }, { .dso = &plugin } };

#define PROCESS(program, mappings)                                                                 \
	(struct process)                                                                           \
	{                                                                                          \
		.exe = (program), .maps = {                                                        \
			.data = (mappings),                                                        \
			.n = sizeof(mappings) / sizeof((mappings)[0])                              \
		}                                                                                  \
	}

Test(plain_programs, three_that_had_nothing)
{
	struct process p = PROCESS(&shell, both);

	for (int i = 0; i < 3; i++) {
		cr_expect(not(plain_programs_has(programs, &p)));
		plain_programs_note(programs, &p, false);
	}
	cr_expect(plain_programs_has(programs, &p));
	plain_programs_note(programs, &p, true);
	cr_expect(not(plain_programs_has(programs, &p)), "one had something");
	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &p, false);
	cr_expect(not(plain_programs_has(programs, &p)), "for good");
}

Test(plain_programs, other_files_are_another_program)
{
	struct process p = PROCESS(&shell, both), same = PROCESS(&shell, turned),
		       with = PROCESS(&shell, more), other = PROCESS(&libc, both),
		       unknown = PROCESS(NULL, both);

	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &p, false);
	cr_expect(plain_programs_has(programs, &same), "wherever they are");
	cr_expect(not(plain_programs_has(programs, &with)));
	cr_expect(not(plain_programs_has(programs, &other)));
	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &unknown, false);
	cr_expect(not(plain_programs_has(programs, &unknown)));
}

/* Numbers of files are used again. */
Test(plain_programs, of_a_file_that_goes)
{
	struct process p = PROCESS(&shell, both);
	struct dso other = { .id = 9, .kind = DSO_FILE };

	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &p, false);
	plain_programs_forget(programs, &other);
	cr_expect(plain_programs_has(programs, &p));
	plain_programs_forget(programs, &libc);
	cr_expect(not(plain_programs_has(programs, &p)));
	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &p, false);
	cr_expect(plain_programs_has(programs, &p));
	plain_programs_note(programs, &p, true);
	plain_programs_forget(programs, &shell);
	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &p, false);
	cr_expect(plain_programs_has(programs, &p), "another file of that number");
}

/* However many there are: what it remembers is bounded, and learned again. */
Test(plain_programs, ever_new_ones)
{
	struct process first = PROCESS(&shell, both);

	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &first, false);
	for (uint32_t i = 0; i < 4096; i++) {
		struct dso fresh = { .id = 100 + i, .kind = DSO_FILE };
		struct mapping map[] = { { .dso = &fresh } };
		struct process p = PROCESS(&fresh, map);

		plain_programs_note(programs, &p, false);
	}
	cr_expect(not(plain_programs_has(programs, &first)));
	for (int i = 0; i < 3; i++)
		plain_programs_note(programs, &first, false);
	cr_expect(plain_programs_has(programs, &first));
}
