/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the runtime of a Go program keeps a goroutine's pprof labels. Offsets are taken from the
 * instructions that use them, so they are those of this very program, stripped or not.
 */
#ifndef CTX_GO_LABELS_H
#define CTX_GO_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "elf/elf_file.h"
#include "shared/proc_info.h"

/* What the file says; the same for every process of it. */
struct go_labels {
	struct go_var var;
	uint64_t got_vaddr;   /* where the dynamic linker puts var.g_off; 0: it is known */
	uint64_t iscgo_vaddr; /* aarch64: of the byte that says whether g is in TLS at all; or 0 */
};

/*
 * -ENOENT: it is no Go program, or never sets labels. -ENOTSUP: it does, but was made by a version
 * that is not known. -ENOMEM.
 */
int go_labels_find(struct elf_file *ef, struct go_labels *ret);

/* In process @pid, where the program is loaded with @bias. As tls_symbol_locate(). */
int go_labels_locate(const struct go_labels *gl, pid_t pid, uint64_t bias, struct go_var *ret);

/* Pure, on code at hand: 0 or -ENOTSUP. */

/* Of code at @vaddr that begins by loading the struct g: morestack() and, on aarch64, load_g(). */
int go_labels_find_g_x86(const uint8_t *code, size_t len, uint64_t vaddr, struct go_labels *ret);
int go_labels_find_g_a64(const uint8_t *code, size_t len, uint64_t vaddr, struct go_labels *ret);
/* Of setProfLabel(), which stores them in the struct g. */
int go_labels_find_offset_x86(const uint8_t *code, size_t len, uint16_t *ret);
int go_labels_find_offset_a64(const uint8_t *code, size_t len, uint16_t *ret);

#endif
