/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_frame.h"

#include <string.h>

#define KERNEL "[kernel.kallsyms]"
#define VDSO   "[vdso]"

struct rule {
	const char *text, *type;
};

/* Of files that a compiler turns into machine code ahead of time. */
static const struct rule compiled[] = {
	{ ".go", "go" },      { ".rs", "rust" },    { ".c", "native" },	  { ".h", "native" },
	{ ".cc", "native" },  { ".cpp", "native" }, { ".cxx", "native" }, { ".hpp", "native" },
	{ ".hh", "native" },  { ".S", "native" },   { ".s", "native" },	  { ".inc", "native" },
	{ ".tcc", "native" }, { ".zig", "native" }, { ".f90", "native" },
};

/* Of files whose code a virtual machine makes: only where there is no file of machine code. */
static const struct rule interpreted[] = {
	{ ".py", "cpython" },
	{ ".java", "jvm" },
	{ ".kt", "jvm" },
	{ ".scala", "jvm" },
};

/* How runtimes name what they have compiled. */
static const struct rule prefixes[] = {
	{ "py::", "cpython" }, { "JS:", "v8js" },      { "LazyCompile:", "v8js" },
	{ "Script:", "v8js" }, { "Builtin:", "v8js" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *by_ending(const char *file, const struct rule *rules, size_t n)
{
	const char *dot = strrchr(file, '.');

	for (size_t i = 0; dot && i < n; i++)
		if (strcmp(dot, rules[i].text) == 0)
			return rules[i].type;
	return NULL;
}

static const char *by_prefix(const char *name)
{
	for (size_t i = 0; i < COUNT(prefixes); i++)
		if (strncmp(name, prefixes[i].text, strlen(prefixes[i].text)) == 0)
			return prefixes[i].type;
	return NULL;
}

/* _R…, or _ZN…17h and 16 digits and E: Rust's two ways to mangle. */
static bool is_rust_symbol(const char *linkage)
{
	size_t len = strlen(linkage);
	const char *hash;

	if (strncmp(linkage, "_R", 2) == 0)
		return true;
	if (strncmp(linkage, "_ZN", 3) != 0 || len < 23)
		return false;
	hash = linkage + len - 20;
	return strncmp(hash, "17h", 3) == 0 && hash[19] == 'E' &&
	       strspn(hash + 3, "0123456789abcdef") == 16;
}

static const char *made_at_run_time(const struct pprof_function *f)
{
	const char *type = by_prefix(f->name);

	return type ? type : by_ending(f->filename, interpreted, COUNT(interpreted));
}

static const char *of_file(const struct pprof_function *f)
{
	const char *type = f ? by_ending(f->filename, compiled, COUNT(compiled)) : NULL;

	if (type)
		return type;
	return f && is_rust_symbol(f->system_name) ? "rust" : "native";
}

/* Where there is no file of machine code, a runtime has made the code. */
static bool is_memory(const char *path)
{
	static const char *const names[] = {
		"//", "[", "/dev/zero", "/anon_hugepage", "/SYSV", "/memfd:",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strncmp(path, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

const char *otlp_frame_type(const struct pprof_location *l)
{
	/* The one that has the machine code; what is inlined there is of the same compiler. */
	const struct pprof_function *f = l->n_lines ? l->lines[l->n_lines - 1].function : NULL;

	if (!l->mapping)
		return f ? by_ending(f->filename, compiled, COUNT(compiled)) : NULL;
	if (strcmp(l->mapping->filename, KERNEL) == 0)
		return "kernel";
	if (strcmp(l->mapping->filename, VDSO) == 0)
		return "native";
	if (is_memory(l->mapping->filename))
		return f ? made_at_run_time(f) : NULL;
	return of_file(f);
}

const char *otlp_build_id_key(const char *build_id)
{
	if (!*build_id)
		return NULL;
	if (build_id[strspn(build_id, "0123456789abcdefABCDEF")] == '\0')
		return "process.executable.build_id.gnu";
	/* Go's has four parts: "action/action/content/content". */
	return strchr(build_id, '/') ? "process.executable.build_id.go" : NULL;
}
