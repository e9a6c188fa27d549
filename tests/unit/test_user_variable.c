/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/user_variable.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#include "leak_check.h"

TestSuite(user_variable, .fini = leak_check);

static struct user_variable parsed(const char *text)
{
	struct user_variable v;
	char why[USER_VARIABLE_WHY_MAX] = "";

	cr_assert(zero(int, user_variable_parse(text, &v, why)), "%s: %s", text, why);
	return v;
}

Test(user_variable, all_fields)
{
	struct user_variable v = parsed("module=libreq*.so,symbol=current,path=8:-16:0x20,"
					"type=string12,as=label:http.route");

	cr_assert(eq(str, v.module, "libreq*.so"));
	cr_assert(eq(str, v.symbol, "current"));
	cr_assert(eq(int, v.how.n_steps, 2));
	cr_assert(eq(int, v.how.off[0], 8));
	cr_assert(eq(int, v.how.off[1], -16));
	cr_assert(eq(int, v.how.off[2], 32));
	cr_assert(eq(int, v.how.len, 12));
	cr_assert(eq(int, v.value, USER_VALUE_STRING));
	cr_assert(eq(int, v.role, USER_ROLE_LABEL));
	cr_assert(eq(str, v.label, "http.route"));
	user_variable_clear(&v);
}

Test(user_variable, fewest_fields)
{
	struct user_variable v = parsed("as=span_id,type=u64,offset=-24,module=server");

	cr_assert(zero(ptr, v.symbol));
	cr_assert(eq(long, v.tls_off, -24));
	cr_assert(zero(int, v.how.n_steps));
	cr_assert(zero(int, v.how.off[0]));
	cr_assert(eq(int, v.how.len, 8));
	cr_assert(eq(int, v.value, USER_VALUE_UINT));
	user_variable_clear(&v);
}

Test(user_variable, types_and_what_they_are_for)
{
	static const struct {
		const char *type, *as;
		enum user_value value;
		int len;
		enum user_role role;
	} cases[] = {
		{ "bytes16", "trace_id", USER_VALUE_BYTES, 16, USER_ROLE_TRACE_ID },
		{ "hex32", "trace_id", USER_VALUE_HEX, 32, USER_ROLE_TRACE_ID },
		{ "bytes8", "span_id", USER_VALUE_BYTES, 8, USER_ROLE_SPAN_ID },
		{ "hex16", "local_root_span_id", USER_VALUE_HEX, 16, USER_ROLE_LOCAL_ROOT },
		{ "u32", "label:n", USER_VALUE_UINT, 4, USER_ROLE_LABEL },
		{ "string", "label:s", USER_VALUE_STRING, 63, USER_ROLE_LABEL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		struct user_variable v;

		snprintf(text, sizeof(text), "module=m,symbol=s,type=%s,as=%s", cases[i].type,
			 cases[i].as);
		v = parsed(text);
		cr_assert(eq(int, v.value, cases[i].value));
		cr_assert(eq(int, v.how.len, cases[i].len));
		cr_assert(eq(int, v.role, cases[i].role));
		user_variable_clear(&v);
	}
}

Test(user_variable, what_is_none_says_why)
{
	static const char *const cases[][2] = {
		{ "", "module= is missing" },
		{ "symbol=s,type=u64,as=span_id", "module= is missing" },
		{ "module=m,type=u64,as=span_id", "it needs one of symbol= and offset=" },
		{ "module=m,symbol=s,offset=8,type=u64,as=span_id",
		  "it needs one of symbol= and offset=" },
		{ "module=m,symbol=s,as=span_id", "type= is missing" },
		{ "module=m,symbol=s,type=u64", "as= is missing" },
		{ "module=m,symbol=s,type=u32,as=span_id",
		  "that type is no such id: trace_id is 16 bytes, span ids 8" },
		{ "module=m,symbol=s,type=string16,as=span_id",
		  "that type is no such id: trace_id is 16 bytes, span ids 8" },
		{ "module=m,symbol=s,type=bytes8,as=trace_id",
		  "that type is no such id: trace_id is 16 bytes, span ids 8" },
		{ "module=m,symbol=s,type=u128,as=span_id",
		  "'u128' is not what that field may say" },
		{ "module=m,symbol=s,type=string64,as=label:x",
		  "'string64' is not what that field may say" },
		{ "module=m,symbol=s,type=u64,as=label:",
		  "'label:' is not what that field may say" },
		{ "module=m,symbol=s,type=u64,as=spanid",
		  "'spanid' is not what that field may say" },
		{ "module=m,offset=8x,type=u64,as=span_id", "'8x' is not what that field may say" },
		{ "module=m,symbol=s,path=0:,type=u64,as=span_id",
		  "'0:' is not what that field may say" },
		{ "module=m,symbol=s,path=1:2:3:4:5:6,type=u64,as=span_id",
		  "'1:2:3:4:5:6' is not what that field may say" },
		{ "module=m,symbol=s,path=99999999999,type=u64,as=span_id",
		  "'99999999999' is not what that field may say" },
		{ "module=m,sym=s", "'sym=s' is no field with a value" },
		{ "module=m,symbol", "'symbol' is no field with a value" },
		{ "module=,symbol=s", "'module=' is no field with a value" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[USER_VARIABLE_WHY_MAX] = "";
		struct user_variable v;

		cr_assert(eq(int, user_variable_parse(cases[i][0], &v, why), -EINVAL), "%s",
			  cases[i][0]);
		cr_assert(eq(str, why, (char *)cases[i][1]));
		user_variable_clear(&v);
	}
}

Test(user_variable, matches_by_name_or_path)
{
	struct user_variable name = { .module = "libreq*.so.[0-9]" };
	struct user_variable path = { .module = "/opt/*/server" };

	cr_assert(user_variable_matches(&name, "/usr/lib/libreq-1.so.2"));
	cr_assert(not(user_variable_matches(&name, "/usr/lib/libreq.so")));
	cr_assert(not(user_variable_matches(&name, "/usr/libreq.so.1/other")));
	cr_assert(user_variable_matches(&path, "/opt/a/server"));
	cr_assert(not(user_variable_matches(&path, "/usr/bin/server")));
}
