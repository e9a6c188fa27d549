/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/environ.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "leak_check.h"

static struct attributes got;

static void set_up(void)
{
	got = (struct attributes){ 0 };
}

static void tear_down(void)
{
	attributes_clear(&got);
	leak_check();
}

TestSuite(environ, .init = set_up, .fini = tear_down);

/* Without a NUL behind it, so that reads behind its end are seen. */
static int take_bytes(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);
	int r;

	memcpy(copy, text, len);
	r = environ_take(copy, len, &got);
	free(copy);
	return r;
}
#define TAKE(text) take_bytes(text, sizeof(text))

static void assert_value(enum profile_resource which, const char *want)
{
	cr_assert_str_eq(got.value[which] ? got.value[which] : "(none)", want ? want : "(none)");
}

static void assert_nothing(void)
{
	for (int i = 0; i < PROFILE_RESOURCES; i++)
		assert_value(i, NULL);
}

Test(environ, name_of_the_service)
{
	cr_assert(zero(int, TAKE("PATH=/bin\0OTEL_SERVICE_NAME=shop\0HOME=/")));
	assert_value(PROFILE_SERVICE_NAME, "shop");
}

Test(environ, attributes)
{
	cr_assert(zero(int, TAKE("OTEL_RESOURCE_ATTRIBUTES=service.name=shop, service.version = 1 "
				 ",service.namespace=eu%2Cwest,deployment.environment=test,"
				 "deployment.environment.name=prod,service.instance.id=a%3db,"
				 "k8s.pod.name=shop-1,k8s.namespace.name=ns,other=x,")));
	assert_value(PROFILE_SERVICE_NAME, "shop");
	assert_value(PROFILE_SERVICE_VERSION, "1");
	assert_value(PROFILE_SERVICE_NAMESPACE, "eu,west");
	assert_value(PROFILE_SERVICE_INSTANCE_ID, "a=b");
	assert_value(PROFILE_DEPLOYMENT_ENVIRONMENT_NAME, "prod");
	assert_value(PROFILE_K8S_POD_NAME, "shop-1");
	assert_value(PROFILE_K8S_NAMESPACE_NAME, "ns");
}

Test(environ, name_wins_over_attributes)
{
	cr_assert(zero(int, TAKE("OTEL_RESOURCE_ATTRIBUTES=service.name=a,service.version=1\0"
				 "OTEL_SERVICE_NAME=b\0OTEL_SERVICE_NAME=c")));
	assert_value(PROFILE_SERVICE_NAME, "b");
	assert_value(PROFILE_SERVICE_VERSION, "1");
}

Test(environ, empty_is_unset)
{
	cr_assert(zero(int, TAKE("OTEL_SERVICE_NAME=\0OTEL_RESOURCE_ATTRIBUTES=service.name=a")));
	assert_value(PROFILE_SERVICE_NAME, "a");
}

/* Secrets stay where they are. */
Test(environ, nothing_else_is_kept)
{
	cr_assert(zero(int, TAKE("TOKEN=secret\0XOTEL_SERVICE_NAME=x\0OTEL_SERVICE_NAMES=x\0"
				 "otel_service_name=x\0OTEL_SERVICE_NAME\0"
				 "OTEL_RESOURCE_ATTRIBUTES=password=secret,host.name=x,"
				 "container.id=x,process.executable.path=x")));
	assert_nothing();
}

/* An error in one is an error in all of it. */
Test(environ, malformed_attributes)
{
	static const char *const bad[] = {
		"service.name=a,b",
		"service.name=%",
		"service.name=%2",
		"service.name=%zz",
		"=a",
		"%zz=a",
		"service.name=%ff",
		"service.name=\xc3",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "OTEL_RESOURCE_ATTRIBUTES=service.version=1,%s",
			 bad[i]);
		cr_expect(take_bytes(text, strlen(text) + 1) == -EBADMSG, "%s", bad[i]);
		assert_nothing();
	}
}

Test(environ, bytes_that_are_no_text)
{
	cr_assert(zero(int, TAKE("OTEL_SERVICE_NAME=a\nb\"\xff\x1b[0m")));
	assert_value(PROFILE_SERVICE_NAME, "a?b\"??[0m");
	cr_assert(zero(int, TAKE("OTEL_RESOURCE_ATTRIBUTES=service.name=%0A%00x")));
	assert_value(PROFILE_SERVICE_NAME, "?");
}

Test(environ, longest)
{
	static char text[100000];

	memset(text, 'a', sizeof(text));
	memcpy(text, "OTEL_SERVICE_NAME=", 18);
	cr_assert(zero(int, take_bytes(text, sizeof(text)))); /* cut off: has no end */
	assert_nothing();
	text[sizeof(text) - 1] = '\0';
	cr_assert(zero(int, take_bytes(text, sizeof(text))));
	cr_assert(eq(sz, strlen(got.value[PROFILE_SERVICE_NAME]), ATTRIBUTE_MAX));
	memcpy(text, "OTEL_RESOURCE_ATTRIBUTES=x=", 27);
	cr_assert(eq(int, take_bytes(text, sizeof(text)), -EBADMSG));
}

Test(environ, random_bytes)
{
	static const char *const words[] = { "OTEL_SERVICE_NAME=",
					     "OTEL_RESOURCE_ATTRIBUTES=",
					     "service.name=",
					     "\n",
					     "%41",
					     "%",
					     ",",
					     "=",
					     "\xc3",
					     "\xa4",
					     "x" };
	char text[1024];
	int n_bad = 0;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t len = 0;

		for (int n = rand() % 16; n > 0; n--) {
			int pick = rand() % 12;

			len += pick == 11 ? (text[len] = '\0', 1)
					  : (size_t)sprintf(text + len, "%s", words[pick]);
		}
		take_bytes(text, len);
		if (got.value[PROFILE_SERVICE_NAME])
			n_bad += !utf8_is_printable(got.value[PROFILE_SERVICE_NAME],
						    strlen(got.value[PROFILE_SERVICE_NAME]));
	}
	cr_assert(zero(int, n_bad));
}
