/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time that is spent on the way to a function of a library, which is bound lazily: the program
 * is linked with -z lazy, and without CET its stubs push and jump. See burn.h.
 *
 *   binding plt       main → mode_plt → stub of tiny → tiny of libtiny.so
 *   binding resolve   main → mode_resolve → _dl_runtime_resolve… → the dynamic linker's
 */
#include <link.h>

#include "burn.h"

#define CALLS	  20000
#define SLOTS_MAX 256

void tiny(void); /* of libtiny.so */

static volatile uint64_t sink;

WORK_FUNCTION static void mode_plt(void)
{
	for (int i = 0; i < CALLS; i++)
		tiny();
}

/* The value of entry @tag of this program's dynamic section, or 0. */
static uint64_t dynamic_value(ElfW(Sxword) tag)
{
	for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == tag)
			return d->d_un.d_val;
	}
	return 0;
}

/* The slot of tiny(): the first call changes it from the stub's second half to the function. */
static void **find_slot(void)
{
	size_t n = dynamic_value(DT_PLTRELSZ) / sizeof(ElfW(Rela));
	void **got = (void **)dynamic_value(DT_PLTGOT) + 3; /* those are the dynamic linker's */
	void *before[SLOTS_MAX];

	if (!n || n > SLOTS_MAX)
		exit(1);
	memcpy(before, got, n * sizeof(before[0]));
	tiny();
	for (size_t i = 0; i < n; i++) {
		if (got[i] != before[i]) {
			got[i] = before[i];
			return &got[i];
		}
	}
	fprintf(stderr, "binding: not bound lazily\n");
	exit(1);
}

WORK_FUNCTION static void mode_resolve(void)
{
	static void *volatile *slot;
	static void *unbound;

	if (!slot) {
		slot = find_slot();
		unbound = *slot;
	}
	for (int i = 0; i < CALLS / 20; i++) {
		tiny();
		*slot = unbound;
	}
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "plt", mode_plt },
		{ "resolve", mode_resolve },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
