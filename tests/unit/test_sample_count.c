/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a sample is, and what it was for. */
#include "app/sample_count.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "leak_check.h"
#include "shared/stat.h"

static struct profile *profile;
static struct context_options opt;
static struct context_finding finding;
static struct sample_context context;
static uint64_t counters[STAT_COUNT];

static void set_up(void)
{
	cr_assert(zero(int, profile_new(&profile)));
	opt = context_options_default();
	finding = (struct context_finding){ 0 };
	memset(&context, 0, sizeof(context));
	memset(counters, 0, sizeof(counters));
}

static void tear_down(void)
{
	profile_free(profile);
	leak_check();
}

TestSuite(sample_count, .init = set_up, .fini = tear_down);

/* The only sample of a profile. */
static const struct profile_sample *counted(void)
{
	static const struct process process = { .id = 1, .pid = 10, .comm = "prog" };
	static const struct sample_record rec = { .tid = 11, .comm = "worker" };
	static const struct sample_stack stack;
	const struct counted_sample s = { &process, &rec, &stack, &finding, &context, NULL, NULL };
	size_t pos = 0;

	cr_assert(zero(int, sample_count_add(profile, &opt, &s, counters)));
	cr_assert(eq(sz, profile->samples.n, 1));
	return hashmap_next(&profile->samples, &pos);
}

/* --- the service ------------------------------------------------------------------------------ */

static char shop[] = "shop", cart[] = "cart", prod[] = "prod", test[] = "test", one[] = "1",
	    instance[] = "i-1";

static void assert_resource(enum profile_resource what, const char *want)
{
	const char *got = counted()->process->resource[what];

	cr_assert(eq(int, got != NULL, want != NULL));
	if (got)
		cr_assert(eq(str, (char *)got, (char *)want));
}

Test(sample_count, process_that_publishes_nothing)
{
	cr_assert_str_eq(counted()->process->name, "prog");
	assert_resource(PROFILE_SERVICE_NAME, "prog");
	for (int i = PROFILE_SERVICE_NAME + 1; i < PROFILE_RESOURCES; i++)
		assert_resource(i, NULL);
}

/* What the user says, then the process context, then what an agent says. */
Test(sample_count, order_of_those_who_name_the_service)
{
	struct elastic_storage elastic = { .service_name = cart, .service_environment = test };
	struct process_ctx pc = { .service_name = shop,
				  .service_version = one,
				  .deployment_environment_name = prod };

	finding.elastic = &elastic;
	assert_resource(PROFILE_SERVICE_NAME, "cart");
	assert_resource(PROFILE_DEPLOYMENT_ENVIRONMENT_NAME, "test");
	finding.process_ctx = &pc;
	assert_resource(PROFILE_SERVICE_NAME, "shop");
	assert_resource(PROFILE_DEPLOYMENT_ENVIRONMENT_NAME, "prod");
	assert_resource(PROFILE_SERVICE_VERSION, "1");
	opt.service_name = "said";
	assert_resource(PROFILE_SERVICE_NAME, "said");
	assert_resource(PROFILE_SERVICE_VERSION, "1");
}

Test(sample_count, forked_process_is_another_instance)
{
	struct process_ctx pc = { .service_name = shop, .service_instance_id = instance };

	finding.process_ctx = &pc;
	finding.is_inherited = true;
	assert_resource(PROFILE_SERVICE_NAME, "shop");
	assert_resource(PROFILE_SERVICE_INSTANCE_ID, NULL);
	finding.is_inherited = false;
	assert_resource(PROFILE_SERVICE_INSTANCE_ID, "i-1");
}

static int add_filtered(const struct filter_rule *rule, const struct identity *identity)
{
	static const struct process process = { .id = 1, .pid = 10, .comm = "prog" };
	static const struct sample_record rec = { .tid = 11, .comm = "worker" };
	static const struct sample_stack stack;
	const struct filter filter = { .exclude = rule, .n_exclude = 1 };
	const struct counted_sample s = { &process, &rec,     &stack, &finding,
					  &context, identity, &filter };

	return sample_count_add(profile, &opt, &s, counters);
}

/* By what is known of the process, and by the service that counts. */
Test(sample_count, filter)
{
	static char path[] = "/system.slice/db.service", id[] = "c0ffee01";
	struct process_ctx pc = { .service_name = shop };
	struct identity i = { .cgroup = path, .uid = 7, .known.value[PROFILE_CONTAINER_ID] = id };
	const struct filter_rule name = { .process_name = "pro*", .uid = FILTER_ANY_UID },
				 cgroup = { .cgroup = "/system.slice/*", .uid = FILTER_ANY_UID },
				 container = { .container_id = "c0ffee*", .uid = FILTER_ANY_UID },
				 uid = { .uid = 7 }, other = { .uid = 8 },
				 service = { .service_name = "shop", .uid = FILTER_ANY_UID };

	cr_expect(eq(int, add_filtered(&name, NULL), 1));
	cr_expect(eq(int, add_filtered(&cgroup, &i), 1));
	cr_expect(eq(int, add_filtered(&container, &i), 1));
	cr_expect(eq(int, add_filtered(&uid, &i), 1));
	finding.process_ctx = &pc;
	cr_expect(eq(int, add_filtered(&service, &i), 1));
	cr_expect(zero(sz, profile->samples.n));

	finding.process_ctx = NULL;
	cr_expect(zero(int, add_filtered(&other, &i)));
	cr_expect(zero(int, add_filtered(&service, &i)));
	cr_expect(zero(int, add_filtered(&uid, NULL)));
	cr_expect(eq(u64, profile->n_samples, 3));
}

/* --- the context ------------------------------------------------------------------------------ */

Test(sample_count, no_context)
{
	cr_assert(zero(ptr, (void *)counted()->context));
	context.local_root_id[0] = 1; /* of what? */
	cr_assert(zero(ptr, (void *)counted()->context));
}

Test(sample_count, ids_and_labels)
{
	const struct profile_context *c;

	context.trace_id[0] = context.span_id[0] = 1;
	context.local_root_id[0] = 2;
	context.labels[0] = (struct sample_label){ "k", "v" };
	context.n_labels = 1;
	c = counted()->context;
	cr_assert(eq(int, c->span_id[0], 1));
	cr_assert(eq(int, c->local_root_id[0], 2));
	cr_assert(eq(sz, c->n_labels, 1));
	cr_assert(eq(str, (char *)c->labels[0].value, "v"));
}

Test(sample_count, scope_of_the_local_root)
{
	opt.scope = SPAN_SCOPE_LOCAL_ROOT;
	context.span_id[0] = 1;
	cr_assert(eq(int, counted()->context->span_id[0], 1), "it is not known");
	profile_free(profile);
	cr_assert(zero(int, profile_new(&profile)));
	context.local_root_id[0] = 2;
	cr_assert(eq(int, counted()->context->span_id[0], 2));
}

Test(sample_count, what_is_left_out_is_counted)
{
	context.n_malformed = 3;
	context.n_cut = 4;
	counted();
	cr_assert(eq(u64, counters[STAT_CTX_LABELS_MALFORMED], 3));
	cr_assert(eq(u64, counters[STAT_CTX_LABELS_CUT], 4));
	cr_assert(zero(u64, counters[STAT_CTX_OVERFLOW]));
	cr_assert(zero(u64, counters[STAT_CTX_LABELS_DROPPED]));
}
