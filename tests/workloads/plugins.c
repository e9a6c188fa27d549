/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code in libraries loaded at run time, main → mode_MODE → plugin_run → plugin_middle → leaf_alpha
 * or leaf_beta. See burn.h and plugin.c. The libraries lie beside the program.
 *
 *   plugins once    both are loaded, and used in turns
 *   plugins loop    alpha is loaded, used for 2 ms and unloaded, then beta, which comes to lie at
 *                   the same addresses, and so on
 *   plugins many    all that lie there are loaded, and used in turns
 */
#include <dlfcn.h>
#include <glob.h>
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

/* Of what lies beside the program; into static memory. */
static const char *path_of(const char *name)
{
	static char path[2 * PATH_MAX];
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		exit(1);
	snprintf(path, sizeof(path), "%s/%s", dirname(self), name);
	return path;
}

static void *load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

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
			run[i] = function_of(load(path_of(names[i])));
		run[i]();
		BURN_NO_TAIL_CALL();
	}
}

WORK_FUNCTION static void mode_loop(void)
{
	for (int i = 0; i < 2; i++) {
		void *handle = load(path_of(names[i]));
		void (*run)(void) = function_of(handle);

		for (int j = 0; j < USES; j++)
			run();
		dlclose(handle);
	}
}

WORK_FUNCTION static void mode_many(void)
{
	static glob_t found;

	if (!found.gl_pathc && glob(path_of("libplugin_*.so"), 0, NULL, &found) != 0)
		exit(1);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		/* Loaded once, and then only found. */
		void (*run)(void) = function_of(load(found.gl_pathv[i]));

		run();
		BURN_NO_TAIL_CALL();
	}
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "once", mode_once },
		{ "loop", mode_loop },
		{ "many", mode_many },
		{ NULL, NULL },
	};

	(void)argc;
	return burn_main(argv, modes);
}
