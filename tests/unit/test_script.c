/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/script.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

TestSuite(script, .fini = leak_check);

/* Words of @line are separated by blanks, "_" is an empty one; there is nothing behind the last. */
static void assert_name(const char *program, const char *line, const char *want)
{
	char name[SCRIPT_NAME_MAX + 1], *text = strdup(line);
	size_t len = 0;
	char *exact;

	for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
		size_t n = strcmp(word, "_") == 0 ? 0 : strlen(word);

		memmove(text + len, word, n);
		len += n;
		text[len++] = '\0';
	}
	exact = memcpy(malloc(len), text, len);
	script_name(program, exact, len, name);
	cr_expect_str_eq(name, want, "%s: %s", program, line);
	free(exact);
	free(text);
}

Test(script, python)
{
	assert_name("python3.11", "python3 /srv/shop/app.py --port 80", "app");
	assert_name("python3", "python3 -u -W ignore -Xdev app.py", "app");
	assert_name("python3", "python -m http.server 80", "http.server");
	assert_name("python3", "python -Im shop", "shop");
	assert_name("python3", "python -mshop.__main__", "shop");
	assert_name("python3", "python /srv/shop/__main__.py", "shop");
	assert_name("python3", "python __main__.py", "__main__");
	assert_name("python3", "python -c print() app.py", "");
	assert_name("python3", "python -", "");
	assert_name("python3", "python", "");
	assert_name("python3", "python -m", "");
	assert_name("python3.11", "python3 /usr/bin/gunicorn app:app", "gunicorn");
	assert_name("pypy3", "pypy3 x.py", "x");
	assert_name("pythonista", "pythonista x.py", "");
}

Test(script, others)
{
	assert_name("node", "node --max-old-space-size=64 -r ./otel.js /srv/server.js", "server");
	assert_name("node", "node --require ./otel.js server.mjs", "server");
	assert_name("node", "node inspect server.js", "server");
	assert_name("node", "node -e 1 server.js", "");
	assert_name("node", "node --eval 1", "");
	assert_name("ruby", "ruby -I lib -rbundler/setup -W0 bin/puma -C x", "puma");
	assert_name("ruby3.1", "ruby -e 1", "");
	assert_name("perl", "perl -w -Ilib -MCarp job.pl", "job");
	assert_name("perl", "perl -ne print", "");
	assert_name("perl", "perl -l app.pl data.txt", "app");
	assert_name("perl", "perl -i fix.pl data.txt", "fix");
	assert_name("perl", "perl -pi.bak -M5.010 fix.pl", "fix");
	assert_name("ruby", "ruby -x app.rb", "app");
	assert_name("php8.2", "php -d x=1 artisan serve", "artisan");
	assert_name("php8.2", "php -f job.php", "job");
	assert_name("bash", "/bin/bash -eu -o pipefail /opt/run.sh x", "run");
	assert_name("bash", "bash --rcfile f -- script", "script");
	assert_name("dash", "sh -c loop", "");
	assert_name("bash", "-bash", "");
	assert_name("dotnet", "dotnet /app/Shop.Web.dll --urls x", "Shop.Web");
	assert_name("dotnet", "dotnet exec --runtimeconfig x.json Shop.dll", "Shop");
}

Test(script, java)
{
	assert_name("java", "java -Xmx1g -javaagent:otel.jar -jar /opt/shop.jar x", "shop");
	assert_name("java", "java -cp a.jar:b.jar -Dx=y org.shop.Main arg", "org.shop.Main");
	assert_name("java", "java --add-opens java.base/x=y @opts -p mods -m org.shop/org.shop.M",
		    "org.shop");
	assert_name("java", "java --class-path=x org.shop.Main", "org.shop.Main");
	assert_name("java", "java -jar", "");
	assert_name("java", "java", "");
}

Test(script, other_programs)
{
	cr_assert(zero(int, script_has_interpreter("nginx")));
	cr_assert(zero(int, script_has_interpreter("shred")));
	cr_assert(zero(int, script_has_interpreter("nodepad")));
	cr_assert(eq(int, script_has_interpreter("python3.13"), 1));
	assert_name("nginx", "nginx x.py", "");
}

Test(script, hostile)
{
	char name[SCRIPT_NAME_MAX + 1];
	static char text[COMMAND_LINE_MAX];

	script_name("python3", "", 0, name);
	cr_assert(eq(str, name, ""));
	script_name("python3", "python3\0app.py", 14, name); /* cut off */
	cr_assert(eq(str, name, ""));
	assert_name("python3", "python3 _ x.py", "");
	assert_name("python3", "python3 /a/b///", "b");
	assert_name("python3", "python3 /", "");
	assert_name("python3", "python3 .py", ".py");
	assert_name("python3", "python3 a\nb\"\xff.py", "a?b\"?");
	script_name("python3", text, sizeof(text), name); /* as many empty words */
	memset(text, '-', sizeof(text));
	for (size_t i = 2; i < sizeof(text); i += 3)
		text[i] = '\0';
	script_name("java", text, sizeof(text) - 1, name);
	memset(text, 'a', sizeof(text));
	text[1] = text[sizeof(text) - 1] = '\0';
	script_name("python3", text, sizeof(text), name);
	cr_assert(eq(sz, strlen(name), SCRIPT_NAME_MAX));
}
