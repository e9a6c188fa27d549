/* SPDX-License-Identifier: Apache-2.0 */
#include "meta/script.h"

#include <ctype.h>
#include <string.h>

#include "base/clean_text.h"

#define ARGS_MAX 256 /* that are looked at */

/* How an interpreter reads its command line, as far as it tells what is run. */
struct interpreter {
	const char *name; /* as it is, or with a version behind it */
	/* Short options. In a cluster ("-Im"), each letter is one, up to the first with a value. */
	const char *module;  /* whose value is what is run */
	const char *file;    /* likewise, a file */
	const char *no_file; /* with which no file is run */
	const char *valued;  /* others whose value is what follows in the word, or the next word */
	const char *rest;    /* others whose value is only what follows in the word */
	bool words;	     /* an option is one word with a single dash: java's */
	/* Long options whose value is the next word, a blank before and behind each. */
	const char *long_valued;
	const char *long_no_file, *long_file, *long_module;
};

#define SHELL                                                                                      \
	.no_file = "cs", .valued = "oO", .long_valued = " --rcfile --init-file ", .long_no_file = ""

static const struct interpreter interpreters[] = {
	{ "python", .module = "m", .no_file = "c", .valued = "WXQ",
	  .long_valued = " --check-hash-based-pycs " },
	{ "pypy", .module = "m", .no_file = "c", .valued = "WX" },
	{ "node", .no_file = "ep", .valued = "rC",
	  .long_valued = " --require --import --loader --experimental-loader --conditions "
			 "--env-file --input-type --title --inspect-port ",
	  .long_no_file = " --eval --print " },
	{ "nodejs", .no_file = "ep", .valued = "rC", .long_valued = " --require --import ",
	  .long_no_file = " --eval --print " },
	{ "ruby", .no_file = "e", .valued = "rICE", .rest = "xiF" },
	{ "perl", .no_file = "eE", .valued = "I", .rest = "imMCDxF" },
	{ "php", .file = "f", .no_file = "rRB", .valued = "cdz" },
	{ "bash", SHELL },
	{ "dash", SHELL },
	{ "sh", SHELL },
	{ "zsh", SHELL },
	{ "ksh", SHELL },
	{ "java", .words = true,
	  .long_valued = " -cp -classpath --class-path -p --module-path --upgrade-module-path "
			 "--add-modules --enable-native-access --add-opens --add-exports "
			 "--add-reads --limit-modules --patch-module --source ",
	  .long_file = " -jar ", .long_module = " -m --module " },
	{ "dotnet", .words = true,
	  .long_valued = " --depsfile --runtimeconfig --additionalprobingpath --fx-version "
			 "--roll-forward --additional-deps " },
};

/* "3", "3.11", "18.2"; also nothing. */
static bool is_version(const char *text)
{
	return text[strspn(text, "0123456789.")] == '\0';
}

static const struct interpreter *find_interpreter(const char *program)
{
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++) {
		size_t len = strlen(interpreters[i].name);

		if (strncmp(program, interpreters[i].name, len) == 0 && is_version(program + len))
			return &interpreters[i];
	}
	return NULL;
}

bool script_has_interpreter(const char *program)
{
	return find_interpreter(program);
}

/* --- the command line ------------------------------------------------------------------------- */

struct words {
	const char *at, *end;
	int n; /* how many were taken */
};

/* NULL: there is no other, or it is cut off. */
static const char *next_word(struct words *w)
{
	const char *word = w->at, *nul;

	if (w->at >= w->end || w->n++ >= ARGS_MAX)
		return NULL;
	nul = memchr(word, '\0', w->end - word);
	if (!nul)
		return NULL;
	w->at = nul + 1;
	return word;
}

/* Is @word in @list, whose words have blanks around them? */
static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; p && (p = strstr(p, word)); p++)
		if (p > list && p[-1] == ' ' && p[len] == ' ')
			return true;
	return false;
}

static bool is_letter_in(const char *set, char c)
{
	return set && strchr(set, c);
}

enum found { GO_ON, NOTHING, FILE_FOUND, MODULE_FOUND };

/* A word of short options, "-Im". A value is the rest of the word, or the next one. */
static enum found take_cluster(const struct interpreter *in, const char *word, struct words *w,
			       const char **ret)
{
	for (const char *c = word + 1; *c; c++) {
		bool module = is_letter_in(in->module, *c), file = is_letter_in(in->file, *c);

		if (is_letter_in(in->no_file, *c))
			return NOTHING;
		if (is_letter_in(in->rest, *c))
			return GO_ON;
		if (!module && !file && !is_letter_in(in->valued, *c))
			continue;
		*ret = c[1] ? c + 1 : next_word(w);
		if (!module && !file)
			return GO_ON;
		return !*ret ? NOTHING : module ? MODULE_FOUND : FILE_FOUND;
	}
	return GO_ON;
}

static enum found take_option(const struct interpreter *in, const char *word, struct words *w,
			      const char **ret)
{
	bool module = is_listed(in->long_module, word), file = is_listed(in->long_file, word);

	if (is_listed(in->long_no_file, word))
		return NOTHING;
	if (module || file) {
		*ret = next_word(w);
		return !*ret ? NOTHING : module ? MODULE_FOUND : FILE_FOUND;
	}
	if (is_listed(in->long_valued, word)) {
		next_word(w);
		return GO_ON;
	}
	if (word[0] == '+' || word[1] == '-' || in->words)
		return GO_ON;
	return take_cluster(in, word, w, ret);
}

static bool is_option(const char *word)
{
	return (word[0] == '-' || word[0] == '+') && word[1];
}

/* The command of a tool in front of what it runs. */
static bool is_command(const struct interpreter *in, const char *word)
{
	if (strcmp(in->name, "dotnet") == 0)
		return strcmp(word, "exec") == 0;
	return strcmp(in->name, "node") == 0 && strcmp(word, "inspect") == 0;
}

static enum found find_script(const struct interpreter *in, struct words *w, const char **ret)
{
	const char *word;

	next_word(w); /* its own name */
	while ((word = next_word(w))) {
		enum found found;

		if (strcmp(word, "--") == 0) {
			*ret = next_word(w);
			return *ret ? FILE_FOUND : NOTHING;
		}
		if (is_command(in, word) || (in->words && *word == '@')) /* java: file of options */
			continue;
		if (!is_option(word)) {
			*ret = word;
			return *word && *word != '-' ? FILE_FOUND : NOTHING;
		}
		found = take_option(in, word, w, ret);
		if (found != GO_ON)
			return found;
	}
	return NOTHING;
}

/* --- its name --------------------------------------------------------------------------------- */

static size_t without_suffix(const char *name, size_t len)
{
	static const char *const suffixes[] = { ".py",	".pyc", ".pyz", ".js", ".mjs",
						".cjs", ".ts",	".rb",	".pl", ".sh",
						".php", ".jar", ".war", ".dll" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && memcmp(name + len - n, suffixes[i], n) == 0)
			return len - n;
	}
	return len;
}

static size_t last_part(const char *path, size_t len)
{
	while (len && path[len - 1] != '/')
		len--;
	return len;
}

/* "/srv/shop/app.py" is "app", "/srv/shop/__main__.py" is "shop". */
static void name_file(const char *path, char ret[SCRIPT_NAME_MAX + 1])
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	start = last_part(path, end);
	if (start && end - start == strlen("__main__.py") &&
	    memcmp(path + start, "__main__.py", end - start) == 0) {
		end = start - 1;
		start = last_part(path, end);
	}
	clean_text(path + start, without_suffix(path + start, end - start), ret,
		   SCRIPT_NAME_MAX + 1);
}

/* "python -m shop.__main__", "java -m shop/org.shop.Main". */
static void name_module(const char *module, char ret[SCRIPT_NAME_MAX + 1])
{
	size_t len = strcspn(module, "/"), n = strlen(".__main__");

	if (len > n && memcmp(module + len - n, ".__main__", n) == 0)
		len -= n;
	clean_text(module, len, ret, SCRIPT_NAME_MAX + 1);
}

void script_name(const char *program, const char *text, size_t len, char ret[SCRIPT_NAME_MAX + 1])
{
	const struct interpreter *in = find_interpreter(program);
	struct words w = { text, text + len, 0 };
	const char *what = NULL;
	enum found found;

	*ret = '\0';
	if (!in)
		return;
	found = find_script(in, &w, &what);
	if (found == MODULE_FOUND)
		name_module(what, ret);
	else if (found == FILE_FOUND)
		name_file(what, ret);
}
