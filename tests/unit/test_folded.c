/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/utf8.h"
#include "leak_check.h"
#include "lines_fixture.h"
#include "view/table.h"

TestSuite(folded, .fini = leak_check);

static void assert_folded(struct pprof *p, const struct view_select *sel, const char *want)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	cr_assert(zero(int, view_folded(p, sel, out)));
	fclose(out);
	cr_expect(eq(str, text, (char *)want));
	free(text);
	pprof_free(p);
}

Test(folded, stacks_are_sorted_and_summed)
{
	struct view_select sel = { 0 };

	assert_folded(fixture_shop(), &sel,
		      "cat;main;[cat+0x1234] 10\n"
		      "shop;[truncated];memcpy 10\n"
		      "shop;main;pay;sign_request 15\n"
		      "shop;main;pay;validate_third_party 30\n"
		      "shop;main;pay;validate_third_party;read;sys_read 5\n"
		      "shop;main;price_cart 5\n"
		      "shop;main;price_cart;price_cart 20\n"
		      "swapper;do_idle 5\n");
}

Test(folded, selection)
{
	struct view_select sel = { .span_id = SPAN_CART };

	assert_folded(fixture_shop(), &sel, "shop;main;price_cart;price_cart 20\n");
}

/* Samples that differ only in span are one stack. */
Test(folded, equal_stacks_become_one_line)
{
	struct fixture_sample s = { .stack = "main;f", .count = 2, .process = "a", .span = "1" };
	struct fixture fx = fixture_new(100);
	struct view_select sel = { 0 };

	fixture_add(&fx, &s);
	s.span = "2";
	s.count = 3;
	fixture_add(&fx, &s);
	assert_folded(fixture_finish(&fx), &sel, "a;main;f 5\n");
}

/* Each line must stay "frames count" for a reader that splits at ';', newline and the last space.
 */
Test(folded, names_cannot_end_a_frame_or_a_line)
{
	struct fixture fx = fixture_new(100);
	struct fixture_sample s = { .stack = "", .count = 1, .process = "p;q\nr" };
	const struct pprof_location *stack[1] = { fixture_location(&fx, "f;g 7\nh 9", "") };
	struct view_select sel = { 0 };
	int64_t values[] = { 1, 1 };
	struct pprof_label labels[FIXTURE_LABELS_MAX];
	struct pprof_sample sample = { .locations = stack,
				       .n_locations = 1,
				       .values = values,
				       .labels = labels,
				       .n_labels = fixture_labels(&s, labels) };

	fixture_check(pprof_builder_sample(fx.builder, &sample));
	assert_folded(fixture_finish(&fx), &sel, "p:q r;f:g 7 h 9 1\n");
}

/* Lines stay lines, and text stays text, whatever names hold, however long they are. */
Test(folded, hostile_names, .timeout = 20)
{
	static char name[1 << 20], stack[4 << 20];
	struct view_select sel = { .by_line = true };
	struct fixture fx = fixture_new(100);
	struct pprof *p;
	char *text = NULL;
	size_t n, lines = 0, controls = 0;
	FILE *out = open_memstream(&text, &n);

	memset(name, 'a', sizeof(name) - 1);
	memcpy(name + 1000, "\x1b[31m\xff\xc3\r\n\t\"'</script>\x7f", 22);
	snprintf(stack, sizeof(stack), "%s|%s:7;b%s|x:1", name, name, name);
	lines_add(&fx, stack, 1);
	p = fixture_finish(&fx);
	cr_assert(zero(int, view_folded(p, &sel, out)));
	fclose(out);
	for (const char *c = text; *c; c++) {
		lines += *c == '\n';
		controls += ((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f;
	}
	cr_expect(eq(sz, lines, 1));
	cr_expect(zero(sz, controls));
	cr_expect(eq(sz, utf8_valid_len(text, n), n));
	free(text);
	pprof_free(p);
}

Test(folded, process_without_name_has_its_number)
{
	struct fixture_sample s = { .stack = "main", .count = 1, .pid = 42 };
	struct fixture fx = fixture_new(100);
	struct view_select sel = { 0 };

	fixture_add(&fx, &s);
	s.pid = 0;
	fixture_add(&fx, &s);
	assert_folded(fixture_finish(&fx), &sel, "main 1\npid 42;main 1\n");
}

Test(folded, failing_output_is_an_error)
{
	struct view_select sel = { 0 };
	struct pprof *p = fixture_shop();
	FILE *out = fopen("/dev/full", "w");

	cr_assert(out != NULL);
	cr_expect(eq(int, view_folded(p, &sel, out), -EIO));
	fclose(out);
	pprof_free(p);
}
