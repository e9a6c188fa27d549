/* SPDX-License-Identifier: Apache-2.0 */
#include "app/doctor_symbols.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/package.h"
#include "base/parse.h"
#include "elf/debug_link.h"
#include "elf/elf_code.h"
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
	ret->has_debug_file = file_finder_new(dso->path, dso_root(dso), &finder) == 0 &&
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
static void print_remedy(const struct dso *dso, const char *debuginfod, char *buf, size_t size)
{
	char package[256] = "install its debug symbols";
	struct stat st;

	if (stat(dso->path, &st) == 0 && st.st_dev == dso->dev && st.st_ino == dso->ino &&
	    package_debug_remedy(dso->path, package, sizeof(package)) < 0)
		strcpy(package, "build it with -g, or install its debug symbols");
	snprintf(buf, size, "%s%s%s", package, debuginfod ? ", or record with --debuginfod=" : "",
		 debuginfod ? debuginfod : "");
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

/* --- what naming comes to --------------------------------------------------------------------- */

#define PLACES 256 /* of a file's code that are named, to see what comes of it */

/* Files that DWARF refers to and that are not to be had. */
struct missing_files {
	const struct sym_file_source *source;
	char split[256], alt[256]; /* one of them each; "": none */
};

static void note_missing(const struct sym_file_wanted *wanted, bool is_missing, char *name,
			 size_t size)
{
	if (!is_missing)
		name[0] = '\0';
	else if (!name[0] && wanted->name)
		snprintf(name, size, "%s", wanted->name);
}

/* Who has what it wants asks no further; units are many, of which each may miss its own. */
static int open_noting(void *arg, const struct sym_file_wanted *wanted, unsigned nth)
{
	struct missing_files *m = arg;
	int fd = m->source->open(m->source->arg, wanted, nth);

	if (wanted->kind == SYM_FILE_ALT_LINK)
		note_missing(wanted, fd < 0, m->alt, sizeof(m->alt));
	if (wanted->kind == SYM_FILE_DWO && fd < 0)
		note_missing(wanted, true, m->split, sizeof(m->split));
	return fd;
}

struct naming {
	int error; /* of symbolizer_file() */
	size_t tried, with_lines;
	bool left_out; /* debug information was there, and is too large or broken */
	struct missing_files missing;
};

/* Up to PLACES file offsets of functions' code, evenly over the file. */
static size_t choose_places(struct elf_file *ef, uint64_t offsets[PLACES])
{
	uint64_t first = elf_file_code_offset(ef), vaddr, total = 0;
	CLEANUP(elf_code_clear) struct elf_code code = { 0 };
	size_t n = 0;

	if (elf_file_offset_to_vaddr(ef, first, &vaddr) < 0 || elf_code_load(ef, &code) < 0)
		return 0;
	for (size_t i = 0; i < code.n; i++)
		total += code.ranges[i].stubs ? 0 : code.ranges[i].end - code.ranges[i].start;
	for (size_t i = 0; i < code.n; i++) {
		uint64_t at = code.ranges[i].start;

		for (; !code.ranges[i].stubs && n < PLACES && at < code.ranges[i].end;
		     at += total / PLACES + 1)
			offsets[n++] = first + (at - vaddr);
	}
	return n;
}

static void try_naming(struct elf_file *ef, const struct dso *dso, struct symbolizer *sym,
		       struct naming *ret)
{
	CLEANUP(file_finder_freep) struct file_finder *finder = NULL;
	const struct sym_file_source noting = { open_noting, NULL, &ret->missing };
	struct sym_result results[PLACES];
	uint64_t offsets[PLACES];

	*ret = (struct naming){ .tried = choose_places(ef, offsets) };
	ret->error = file_finder_new(dso->path, dso_root(dso), &finder);
	if (ret->error < 0 || !ret->tried)
		return;
	ret->missing.source = file_finder_source(finder);
	ret->error = symbolizer_file(sym, dso->fd, &noting, offsets, ret->tried, results);
	ret->left_out = symbolizer_take_counts(sym).debug_left_out > 0;
	for (size_t i = 0; i < ret->tried; i++)
		for (size_t k = 0; k < results[i].n_frames; k++)
			if (results[i].frames[k].line) {
				ret->with_lines++;
				break;
			}
}

/* Is there something in the way of what @lines, the source of lines, promises? "": no. */
static void print_obstacle(const struct naming *naming, const char *lines, char *buf, size_t size)
{
	*buf = '\0';
	if (naming->left_out)
		snprintf(buf, size, "none: debug information is there, but too large, or broken");
	else if (naming->missing.split[0])
		snprintf(buf, size,
			 "%s %s, no inlined functions: '%s', which they are in, is missing or "
			 "another one, and so is a package of such files (.dwp)",
			 naming->with_lines ? "lines" : "no lines", naming->with_lines ? lines : "",
			 naming->missing.split);
	else if (naming->missing.alt[0])
		snprintf(buf, size,
			 "%s in part: '%s', of dwz, with what it has in common with other files, "
			 "is missing or another one",
			 lines, naming->missing.alt);
	else if (naming->tried && !naming->with_lines)
		snprintf(buf, size, "none at any of %zu places tried, though there is DWARF",
			 naming->tried);
}

static void report_lines(const struct dso *dso, const struct sources *from,
			 const struct naming *naming, const char *remedy, enum finding_state *worst)
{
	const char *lines = source_of_lines(from);
	char what[512], obstacle[1024] = "";
	struct finding f = { .what = what };

	snprintf(what, sizeof(what), "%s: source lines, inlined functions", dso->path);
	if (lines && naming->error == 0)
		print_obstacle(naming, lines, obstacle, sizeof(obstacle));
	f.follows = *obstacle ? obstacle : lines;
	if (!lines)
		f.follows = "none";
	if (!lines || *obstacle) {
		f.state = FINDING_NO;
		f.remedy = naming->missing.split[0]
				   ? "keep it where it was made, or put a package (made by dwp) "
				     "beside the file"
				   : remedy;
	}
	finding_print(&f, worst);
}

/* The reader of names fails on it: there are no lines, whatever is in it. */
static void report_failure(const struct dso *dso, struct symbolizer *sym, enum finding_state *worst)
{
	const struct bad_file *bad;
	char what[512];

	bad = symbolizer_bad_file_of(sym, dso->fd);
	snprintf(what, sizeof(what), "%s: names", dso->path);
	finding_print(&(struct finding){ what, FINDING_NO,
					 bad && !bad->hopeless
						 ? "of its symbol tables at most, no lines"
						 : "none, only [file+0x…]",
					 bad ? bad->reason : "what reads them does not start" },
		      worst);
}

void doctor_symbols(struct elf_file *ef, const struct dso *dso, const struct doctor_naming *with,
		    enum finding_state *worst)
{
	char build_id[2 * BUILD_ID_MAX + 1] = "", remedy[512];
	struct sources from;
	struct naming naming;
	const uint8_t *id;
	size_t len;

	if (elf_file_build_id(ef, &id, &len) == 0 && len <= BUILD_ID_MAX)
		format_hex(id, len, build_id);
	find_sources(ef, dso, &from);
	print_remedy(dso, *build_id ? with->debuginfod : NULL, remedy, sizeof(remedy));
	try_naming(ef, dso, with->sym, &naming);
	report_names(dso, &from, build_id, remedy, worst);
	if (naming.error == -EREMOTEIO)
		report_failure(dso, with->sym, worst);
	else
		report_lines(dso, &from, &naming, remedy, worst);
}
