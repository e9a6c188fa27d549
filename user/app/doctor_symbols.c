/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_symbols.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/package.h"
#include "base/parse.h"
#include "elf/debug_link.h"
#include "elf/elf_facts.h"
#include "elf/elf_go.h"
#include "sym/debug_files.h"
#include "sym/file_finder.h"

#define BUILD_ID_MAX 64

/* All that names of a file can come from. */
struct sources {
	struct elf_facts own;
	bool is_go;
	bool has_debug_file, debug_file_has_lines;
};

static void find_sources(struct elf_file *ef, const struct dso *dso, struct sources *ret)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	CLEANUP(elf_file_closep) struct elf_file *debug = NULL;
	struct elf_go go;

	*ret = (struct sources){ .is_go = elf_go_find(ef, &go) == 0 };
	elf_facts_read(ef, &ret->own);
	ret->has_debug_file = file_finder_new(dso->path, dso_opened_by(dso), &finder) == 0 &&
			      debug_files_open_debug(file_finder_source(finder), ef, &debug) == 0;
	ret->debug_file_has_lines = ret->has_debug_file && debug_file_has_dwarf(debug);
}

/* NULL: only of what is exported, or none. */
static const char *source_of_names(const struct sources *from)
{
	if (from->own.symtab)
		return "names from .symtab";
	if (from->has_debug_file)
		return "names from its separate debug file";
	if (from->own.debug_info)
		return "names from DWARF";
	if (from->is_go)
		return "names from Go's .gopclntab";
	return from->own.mini_debug ? "names from MiniDebugInfo (.gnu_debugdata)" : NULL;
}

static const char *source_of_lines(const struct sources *from)
{
	if (from->own.debug_info)
		return "from DWARF";
	if (from->debug_file_has_lines)
		return "from its separate debug file";
	return from->is_go ? "from Go's .gopclntab" : NULL;
}

/* A file of another root may be another one than ours of that path. */
static void print_remedy(const struct dso *dso, bool has_build_id, char *buf, size_t size)
{
	char package[256] = "install its debug symbols";
	struct stat st;

	if (stat(dso->path, &st) == 0 && st.st_dev == dso->dev && st.st_ino == dso->ino &&
	    package_debug_remedy(dso->path, package, sizeof(package)) < 0)
		strcpy(package, "build it with -g, or install its debug symbols");
	snprintf(buf, size, "%s%s", package,
		 has_build_id ? ", or record with --debuginfod=URL of its distribution" : "");
}

static void report_names(const struct dso *dso, const struct sources *from, const char *build_id,
			 const char *remedy, enum finding_state *worst)
{
	const char *names = source_of_names(from);
	struct finding f = { .what = dso->path };
	char follows[256];

	if (!names) {
		f.state = FINDING_NO;
		f.remedy = remedy;
		names = from->own.dynsym ? "stripped: exported functions only, the others are "
					   "[file+0x…]"
					 : "stripped: no names, only [file+0x…]";
	}
	snprintf(follows, sizeof(follows), "%s (%s%s)", names, *build_id ? "build id " : "",
		 *build_id ? build_id : "no build id");
	f.follows = follows;
	finding_print(&f, worst);
}

static void report_lines(const struct dso *dso, const struct sources *from, const char *remedy,
			 enum finding_state *worst)
{
	const char *lines = source_of_lines(from);
	char what[512];
	struct finding f = { .what = what };

	snprintf(what, sizeof(what), "%s: source lines, inlined functions", dso->path);
	f.follows = lines;
	if (!lines) {
		f.state = FINDING_NO;
		f.follows = "none";
		f.remedy = remedy;
	}
	finding_print(&f, worst);
}

/* Is it one that the reader of names fails on? Only that is said. */
static void report_naming(struct elf_file *ef, const struct dso *dso, struct symbolizer *sym,
			  enum finding_state *worst)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	uint64_t offset = elf_file_code_offset(ef);
	const struct bad_file *bad;
	struct sym_result res;
	char what[512];

	if (file_finder_new(dso->path, dso_opened_by(dso), &finder) < 0 ||
	    symbolizer_file(sym, dso->fd, file_finder_source(finder), &offset, 1, &res) !=
		    -EREMOTEIO)
		return;
	bad = symbolizer_bad_file_of(sym, dso->fd);
	snprintf(what, sizeof(what), "%s: names", dso->path);
	finding_print(&(struct finding){ what, FINDING_NO,
					 bad && !bad->hopeless
						 ? "of its symbol tables at most, no lines"
						 : "none, only [file+0x…]",
					 bad ? bad->reason : "what reads them does not start" },
		      worst);
}

void doctor_symbols(struct elf_file *ef, const struct dso *dso, struct symbolizer *sym,
		    enum finding_state *worst)
{
	char build_id[2 * BUILD_ID_MAX + 1] = "", remedy[512];
	struct sources from;
	const uint8_t *id;
	size_t len;

	if (elf_file_build_id(ef, &id, &len) == 0 && len <= BUILD_ID_MAX)
		format_hex(id, len, build_id);
	find_sources(ef, dso, &from);
	print_remedy(dso, *build_id, remedy, sizeof(remedy));
	report_names(dso, &from, build_id, remedy, worst);
	report_lines(dso, &from, remedy, worst);
	report_naming(ef, dso, sym, worst);
}
