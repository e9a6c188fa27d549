/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the symbolizer says of addresses: name_places FILE reads ELF virtual addresses, a
 * hexadecimal number a line, and prints for each a line of its frames, innermost first, as
 * FUNCTION<TAB>FILE:LINE separated by tabs; an empty line for one without a name. FILE may be
 * [kernel].
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "sym/symbolizer.h"

static VEC(GElf_Phdr) segments;

static void die(const char *what)
{
	fprintf(stderr, "name_places: %s\n", what);
	exit(1);
}

static void read_segments(int fd)
{
	Elf *elf;
	size_t n;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_getphdrnum(elf, &n) < 0)
		die("no ELF file");
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
		    vec_push(&segments, ph) < 0)
			die("no memory");
	}
	elf_end(elf);
}

static uint64_t offset_of(uint64_t vaddr)
{
	for (size_t i = 0; i < segments.n; i++) {
		const GElf_Phdr *ph = &segments.data[i];

		if (vaddr >= ph->p_vaddr && vaddr - ph->p_vaddr < ph->p_filesz)
			return vaddr - ph->p_vaddr + ph->p_offset;
	}
	return UINT64_MAX;
}

static void print(const struct sym_result *res)
{
	for (size_t i = 0; i < res->n_frames; i++)
		printf("%s%s\t%s:%u", i ? "\t" : "", res->frames[i].function,
		       res->frames[i].file ? res->frames[i].file : "?", res->frames[i].line);
	putchar('\n');
}

static int name(struct symbolizer *sym, const char *path, const uint64_t *addrs, size_t n,
		struct sym_result *results)
{
	VEC(uint64_t) offsets = { 0 };
	int fd, r = 0;

	if (strcmp(path, "[kernel]") == 0)
		return symbolizer_kernel(sym, addrs, n, results);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	read_segments(fd);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = vec_push(&offsets, offset_of(addrs[i]));
	if (r == 0)
		r = symbolizer_file(sym, fd, NULL, offsets.data, n, results);
	vec_free(&offsets);
	vec_free(&segments);
	close(fd);
	return r;
}

int main(int argc, char **argv)
{
	VEC(uint64_t) addrs = { 0 };
	struct symbolizer *sym;
	struct sym_result *results;
	uint64_t addr;

	if (argc != 2)
		die("which file?");
	while (scanf("%" SCNx64, &addr) == 1)
		if (vec_push(&addrs, addr) < 0)
			die("no memory");
	results = calloc(addrs.n + 1, sizeof(*results));
	if (!results || symbolizer_new(&sym) < 0 ||
	    name(sym, argv[1], addrs.data, addrs.n, results) < 0)
		die("cannot name them");
	for (size_t i = 0; i < addrs.n; i++)
		print(&results[i]);
	symbolizer_free(sym);
	free(results);
	vec_free(&addrs);
	return 0;
}
