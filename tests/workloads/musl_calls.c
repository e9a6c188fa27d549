/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time in a C library that has neither CFI nor frame pointers (musl as Debian and Alpine build
 * it), in its code for a bit of everything. See burn.h.
 *
 *   musl-calls print | scan | sort | search | match | alloc | copy | lists | time | math | io
 *   musl-calls threads    as many as the others, one after the other, in threads that come and go
 *   musl-calls signals    a handler that runs while the others do
 *   musl-calls children   fork(2), vfork(2), posix_spawn(3)
 *   musl-calls cancel     threads that end by pthread_exit(3) and pthread_cancel(3); setjmp(3)
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <search.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "burn.h"

#define ROUNDS 200

static volatile double real = 1.2345e67;
static volatile uint64_t sink;

WORK_FUNCTION static void mode_print(void)
{
	char text[512];
	wchar_t wide[128];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(text, sizeof(text), "%d %s %p %-20lu|%c|%% %o %i", i, "string", text, 77ul,
			 'x', i, -i);
		snprintf(text, sizeof(text), "%.15g %a %e %10.3f %Lf", real, real, real / i,
			 (double)i, (long double)real);
		swprintf(wide, 128, L"%ls %d", L"wide", i);
	}
}

WORK_FUNCTION static void mode_scan(void)
{
	char s[32];
	double d;
	int i, k;

	for (int n = 0; n < ROUNDS; n++) {
		sscanf("12 0x34 5.67e8 word", "%d %x %lf %31s", &i, &k, &d, s);
		sink += strtod("3.14159265358979323846264338327950288e100", NULL) > 3;
		sink += strtoul("123456789", NULL, 10);
	}
}

static int compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

WORK_FUNCTION static void mode_sort(void)
{
	static int numbers[2000];

	for (size_t i = 0; i < 2000; i++)
		numbers[i] = rand();
	qsort(numbers, 2000, sizeof(int), compare);
	for (int i = 0; i < 200; i++)
		sink += bsearch(&numbers[i * 7], numbers, 2000, sizeof(int), compare) != NULL;
}

WORK_FUNCTION static void mode_search(void)
{
	static char hay[4000];

	memset(hay, 'a', sizeof(hay) - 1);
	for (int i = 0; i < 20; i++) {
		sink += strstr(hay, "aaaaaaaaaaaaaaaaaaaaaaab") != NULL;
		sink += memmem(hay, sizeof(hay), "aab", 3) != NULL;
		sink += strchr(hay, 'b') != NULL;
		sink += strspn(hay, "ab") + strlen(hay) + strcmp(hay, hay + 1);
	}
}

WORK_FUNCTION static void mode_match(void)
{
	regex_t re;
	regmatch_t m[3];

	if (regcomp(&re, "^(a|b)*c[0-9]+(xy)?$", REG_EXTENDED))
		exit(1);
	for (int i = 0; i < 20; i++)
		sink += regexec(&re, "abababababababac1234567xy", 3, m, 0);
	regfree(&re);
	sink += fnmatch("*.[ch]*x?", "some.file.with.many.dots.cx", 0);
}

WORK_FUNCTION static void mode_alloc(void)
{
	void *p[64] = { 0 };

	for (int i = 0; i < 20 * ROUNDS; i++) {
		unsigned k = rand() % 64;

		free(p[k]);
		p[k] = malloc(rand() % 3000);
		if (i % 16 == 0)
			p[k] = realloc(p[k], 5000);
	}
	for (int i = 0; i < 64; i++)
		free(p[i]);
	free(calloc(300, 1000));
}

WORK_FUNCTION static void mode_copy(void)
{
	static char a[8192], b[8192];
	volatile size_t size = 8192;

	for (int i = 0; i < ROUNDS; i++) {
		memcpy(a, b, size - i);
		memmove(a + 1, a, size - 1);
		memset(b, i, size - i);
		sink += memcmp(a, b, size) + (memchr(a, 255, size) != NULL);
	}
}

static void visit(const void *node, VISIT which, int depth)
{
	sink += which == leaf && node && depth;
}

WORK_FUNCTION static void mode_lists(void)
{
	static int numbers[300];
	void *root = NULL;

	for (int i = 0; i < 300; i++) {
		numbers[i] = rand();
		tsearch(&numbers[i], &root, compare);
	}
	twalk(root, visit);
	for (int i = 0; i < 300; i++)
		tdelete(&numbers[i], &root, compare);
}

WORK_FUNCTION static void mode_time(void)
{
	char text[100];

	for (int i = 0; i < ROUNDS; i++) {
		time_t now = 1700000000 + i * 86400;
		struct tm tm;

		localtime_r(&now, &tm);
		sink += mktime(&tm);
		strftime(text, sizeof(text), "%a %d %b %Y %H:%M:%S %Z", &tm);
		strptime(text, "%a %d %b %Y %H:%M:%S", &tm);
	}
}

WORK_FUNCTION static void mode_math(void)
{
	double x = real;

	for (int i = 1; i < 5 * ROUNDS; i++)
		x = sin(x + i) + exp(cos(i)) + pow(1.1, i % 50) + log(i) + atan2(x, i) +
		    tgamma(3.3) + fmod(1e30, i);
	real = 1e10 + x;
}

WORK_FUNCTION static void mode_io(void)
{
	FILE *f = tmpfile();
	char line[200];

	if (!f)
		exit(1);
	for (int i = 0; i < ROUNDS; i++)
		fprintf(f, "line %d of many\n", i);
	rewind(f);
	while (fgets(line, sizeof(line), f))
		sink += toupper(line[0]);
	fclose(f);
}

static const struct burn_mode plain[] = {
	{ "print", mode_print },   { "scan", mode_scan },   { "sort", mode_sort },
	{ "search", mode_search }, { "match", mode_match }, { "alloc", mode_alloc },
	{ "copy", mode_copy },	   { "lists", mode_lists }, { "time", mode_time },
	{ "math", mode_math },	   { "io", mode_io },
};
#define N_PLAIN (sizeof(plain) / sizeof(plain[0]))

WORK_FUNCTION static void everything(void)
{
	for (size_t i = 0; i < N_PLAIN; i++)
		plain[i].run();
}

static void *thread(void *arg)
{
	everything();
	return arg;
}

WORK_FUNCTION static void mode_threads(void)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, thread, NULL))
			exit(1);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void handle(int signal)
{
	char text[100];

	for (int i = 0; i < 50; i++)
		snprintf(text, sizeof(text), "signal %d %g", signal, (double)i);
}

WORK_FUNCTION static void mode_signals(void)
{
	const struct itimerval every = { { 0, 1000 }, { 0, 1000 } };

	signal(SIGALRM, handle);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < 100; i++) {
		mode_print();
		mode_sort();
		mode_match();
	}
}

WORK_FUNCTION static void mode_children(void)
{
	static char name[] = "true", *const argv[] = { name, NULL };
	pid_t pid = fork();

	if (pid == 0) {
		mode_print();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL) == 0)
		waitpid(pid, NULL, 0);
}

static void *canceled(void *arg)
{
	for (;;) {
		mode_print();
		pthread_testcancel();
	}
	return arg;
}

static void *leaving(void *arg)
{
	static _Thread_local jmp_buf env;

	if (setjmp(env) == 0) {
		mode_sort();
		longjmp(env, 1);
	}
	pthread_exit(arg);
}

WORK_FUNCTION static void mode_cancel(void)
{
	pthread_t t[2];

	if (pthread_create(&t[0], NULL, canceled, NULL) ||
	    pthread_create(&t[1], NULL, leaving, NULL))
		exit(1);
	usleep(2000);
	pthread_cancel(t[0]);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
}

int main(int argc, char **argv)
{
	struct burn_mode modes[N_PLAIN + 5] = {
		{ "threads", mode_threads },
		{ "signals", mode_signals },
		{ "children", mode_children },
		{ "cancel", mode_cancel },
	};

	(void)argc;
	memcpy(modes + 4, plain, sizeof(plain));
	return burn_main(argv, modes);
}
