/* SPDX-License-Identifier: Apache-2.0 */
/* ELF files: headers, notes, symbols, relocations, and names of functions from them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "elf/elf_file.h"
#include "sym/symbolizer.h"

#define OFFSETS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The answers must keep the promises of the headers, whatever the file says. */
static void check(int ok)
{
	if (!ok)
		abort();
}

static void read_headers(struct elf_file *ef)
{
	struct elf_tls_segment tls;
	struct elf_tls_reloc reloc;
	struct elf_symbol sym;
	const uint8_t *id;
	uint64_t vaddr;
	size_t len;

	if (elf_file_build_id(ef, &id, &len) == 0)
		check(len > 0 && len <= 64);
	if (elf_file_tls_segment(ef, &tls) == 0)
		check(tls.align && !(tls.align & (tls.align - 1)) && tls.memsz <= INT32_MAX);
	(void)elf_file_find_tls_symbol(ef, "otel_thread_ctx_v1", true, &sym);
	(void)elf_file_find_tls_reloc(ef, "otel_thread_ctx_v1", &reloc);
	(void)elf_file_offset_to_vaddr(ef, 0, &vaddr);
	(void)elf_file_entry(ef);
	(void)elf_file_is_executable(ef);
}

static void name_addresses(const uint8_t *data, size_t size)
{
	CLEANUP(symbolizer_freep) struct symbolizer *s = NULL;
	CLEANUP(closep) int fd = memfd_create("elf", MFD_CLOEXEC);
	struct sym_result results[OFFSETS];
	uint64_t offsets[OFFSETS];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || symbolizer_new(&s) < 0)
		return;

	for (size_t i = 0; i < OFFSETS; i++)
		offsets[i] = i * size / OFFSETS;
	(void)symbolizer_file(s, fd, NULL, offsets, OFFSETS, results);
	for (size_t i = 0; i < OFFSETS; i++) {
		check(results[i].n_frames <= 512);
		if (results[i].n_frames)
			check(results[i].frames[0].function &&
			      results[i].start <= results[i].vaddr);
		(void)symbol_is_entry(&results[i], 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file *ef;

	if (elf_file_open_memory(data, size, &ef) == 0) {
		read_headers(ef);
		elf_file_close(ef);
	}
	name_addresses(data, size);
	return 0;
}
