/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions, which may stand in other entries than their own, and in other files. */
#ifndef SYM_DWARF_FUNCTION_H
#define SYM_DWARF_FUNCTION_H

#include "sym/dwarf_unit.h"

struct dwarf_functions {
	const struct debug_image *img, *alt_img; /* the supplementary file's; NULL: none */
	/* libdw is for what leads out of a unit, and begun when that is met. */
	Dwarf *dwarf, *alt;
	size_t held; /* bytes that it may hold by now */
};

/* libdw's memory; @f can be used on. */
void dwarf_functions_forget(struct dwarf_functions *f);

/* Sets @u->die. -EBADMSG: libdw does not see the unit. */
int dwarf_functions_attach(struct dwarf_functions *f, struct dwarf_unit *u);

/*
 * What the linker calls the function of the entry at @at, else what the source does; NULL: it has
 * no name. In the memory of an image.
 */
const char *dwarf_function_name(struct dwarf_functions *f, struct dwarf_unit *u, const uint8_t *at);

#endif
