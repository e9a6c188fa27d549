/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code in libraries loaded at run time, main → mode_MODE → plugin_run → plugin_middle → leaf_alpha
 * or leaf_beta. See burn.h and plugin.c. The libraries lie beside the program.
 *
 *   plugins once    both are loaded, and used in turns
 *   plugins loop    alpha is loaded, used for 2 ms and unloaded, then beta, which comes to lie at
 *                   the same addresses, and so on
 */
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <unistd.h>

#include "burn.h"

#define USES 2

static const char *const names[] = { "libplugin_alpha.so", "libplugin_beta.so" };

static void die(void)
{
	fprintf(stderr, "plugins: %s\n", dlerror());
	exit(1);
}

static void *load(const char *name)
{
	char self[PATH_MAX] = "", path[2 * PATH_MAX];
	void *handle;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		exit(1);
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		die();
	return handle;
}

static void (*function_of(void *handle))(void)
{
	void (*run)(void);

	*(void **)&run = dlsym(handle, "plugin_run");
	if (!run)
		die();
	return run;
}

WORK_FUNCTION static void mode_once(void)
{
	static void (*run[2])(void);

	for (int i = 0; i < 2; i++) {
		if (!run[i])
			run[i] = function_of(load(names[i]));
		run[i]();
		BURN_NO_TAIL_CALL();
	}
}

WORK_FUNCTION static void mode_loop(void)
{
	for (int i = 0; i < 2; i++) {
		void *handle = load(names[i]);
		void (*run)(void) = function_of(handle);

		for (int j = 0; j < USES; j++)
			run();
		dlclose(handle);
	}
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "once", mode_once },
		{ "loop", mode_loop },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
