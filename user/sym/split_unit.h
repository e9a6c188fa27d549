/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Units whose contents are in another file (.dwo), or in a package of these (.dwp), with a skeleton
 * in the file at hand.
 */
#ifndef SYM_SPLIT_UNIT_H
#define SYM_SPLIT_UNIT_H

#include "sym/dwarf_unit.h"
#include "sym/file_source.h"

/* Where split units of one file are looked for. */
struct split_units {
	const struct sym_file_source *source; /* NULL: no other files */
	const struct debug_image *img;	      /* that the skeletons are in */
	struct debug_budget *budget;
	bool package_tried;
	struct debug_image *package; /* NULL: there is none */
};

void split_units_clear(struct split_units *s);

struct split_unit {
	struct dwarf_unit unit;
	Dwarf *dwarf;
	struct debug_image *joined, *whole;
};

/* Are the contents of the unit of @die elsewhere? */
bool split_unit_is_skeleton(const Dwarf_Die *die);

/* -ENOENT: they are not to be had. */
int split_unit_open(struct split_units *s, const struct dwarf_unit *skeleton,
		    struct split_unit *ret);
void split_unit_close(struct split_unit *u);

#endif
