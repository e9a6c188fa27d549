/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code made at run time, and what its maker tells of it in /tmp/perf-PID.map:
 *   jitcode MODE --cpu-ms MS [--folder TMP]
 *     replaced     one place, of code first called jit_first, then, in the second half, jit_second
 *     forked       jit_parent, which a child runs on, then jit_child in the place of it
 *     late         jit_late, written at the end only
 *     mangled      jit::mangled(int), as a C++ compiler calls it
 *     dump         in jit-PID.dump: jit_first of jit.c:42, moved in the second third, and
 * jit_second in the place where it was in the last; dump-owner, dump-rubbish: not to be used fifo,
 * link, owner, huge, line, growing, folder the map is what it must not be; huge: with jit_hidden
 * behind 10 GiB of nothing MS is the CPU time of each name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "args.h"

#define CODE_SIZE 4096

/* void countdown(uint64_t n), with a frame pointer. */
static const unsigned char countdown_code[] = {
#ifdef __x86_64__
	0x55, 0x48, 0x89, 0xe5, /* push %rbp; mov %rsp,%rbp */
	0x48, 0xff, 0xcf,	/* dec %rdi */
	0x75, 0xfb,		/* jnz .-3 */
	0x5d, 0xc3,		/* pop %rbp; ret */
#else
	0xfd, 0x7b, 0xbf, 0xa9, /* stp x29, x30, [sp, #-16]! */
	0xfd, 0x03, 0x00, 0x91, /* mov x29, sp */
	0x00, 0x04, 0x00, 0xf1, /* subs x0, x0, #1 */
	0xe1, 0xff, 0xff, 0x54, /* b.ne .-4 */
	0xfd, 0x7b, 0xc1, 0xa8, /* ldp x29, x30, [sp], #16 */
	0xc0, 0x03, 0x5f, 0xd6, /* ret */
#endif
};

static const char *folder;
static uint64_t cpu_ns;
static void *code;

static void die(const char *what)
{
	fprintf(stderr, "jitcode: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_code(void)
{
	code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		die("mmap");
	memcpy(code, countdown_code, sizeof(countdown_code));
	__builtin___clear_cache(code, (char *)code + sizeof(countdown_code));
	if (mprotect(code, CODE_SIZE, PROT_READ | PROT_EXEC) < 0)
		die("mprotect");
}

static uint64_t used_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void run_code(void)
{
	uint64_t end = used_ns() + cpu_ns;
	void (*countdown)(uint64_t);

	*(void **)&countdown = code;
	while (used_ns() < end)
		countdown(1000000);
}

static const char *map_path(void)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/perf-%d.map", folder, getpid());
	return path;
}

static void tell(const char *name)
{
	FILE *f = fopen(map_path(), "a");

	if (!f || fprintf(f, "%" PRIxPTR " %x %s\n", (uintptr_t)code, CODE_SIZE, name) < 0 ||
	    fclose(f) != 0)
		die("map");
}

static void run_replaced(void)
{
	tell("jit_first");
	run_code();
	tell("jit_second");
	run_code();
}

static void run_forked(void)
{
	int status;
	pid_t child;

	tell("jit_parent");
	run_code();
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		run_code();
		tell("jit_child");
		run_code();
		exit(0);
	}
	waitpid(child, &status, 0);
}

static void run_late(void)
{
	run_code();
	tell("jit_late");
}

static void run_mangled(void)
{
	tell("_ZN3jit7mangledEi");
	run_code();
}

/* --- jit-PID.dump ----------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int dump_fd = -1;

static void put(const void *bytes, size_t len)
{
	if (write(dump_fd, bytes, len) != (ssize_t)len)
		die("dump");
}

static void put_words(const uint64_t *words, size_t n)
{
	put(words, n * sizeof(*words));
}

static void put_head(uint32_t id, size_t size)
{
	uint32_t words[2] = { id, (uint32_t)(16 + size) };
	uint64_t time = now_ns();

	put(words, sizeof(words));
	put(&time, sizeof(time));
}

/* The mapping is what tells a profiler of the file. */
static void open_dump(uint32_t magic)
{
	uint32_t head[6] = { magic, 1, 40, 0, 0, (uint32_t)getpid() };
	uint64_t words[2] = { now_ns(), 0 };
	char path[4096];

	snprintf(path, sizeof(path), "%s/jit-%d.dump", folder, getpid());
	dump_fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	if (dump_fd < 0)
		die("dump");
	put(head, sizeof(head));
	put_words(words, 2);
	if (mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump_fd, 0) == MAP_FAILED)
		die("mmap");
}

static void dump_lines(const char *path, uint32_t line)
{
	uint64_t words[3] = { (uintptr_t)code, 1, (uintptr_t)code };
	uint32_t place[2] = { line, 0 };

	put_head(2, sizeof(words) + sizeof(place) + strlen(path) + 1);
	put_words(words, 3);
	put(place, sizeof(place));
	put(path, strlen(path) + 1);
}

static void dump_load(const char *name)
{
	uint64_t words[5] = { (uint64_t)getpid() << 32 | (uint32_t)getpid(), (uintptr_t)code,
			      (uintptr_t)code, CODE_SIZE, 1 };

	put_head(0, sizeof(words) + strlen(name) + 1 + CODE_SIZE);
	put_words(words, 5);
	put(name, strlen(name) + 1);
	put(code, CODE_SIZE);
}

static void dump_move(void *from)
{
	uint64_t words[6] = { (uint64_t)getpid() << 32 | (uint32_t)getpid(),
			      (uintptr_t)code,
			      (uintptr_t)from,
			      (uintptr_t)code,
			      CODE_SIZE,
			      1 };

	put_head(1, sizeof(words));
	put_words(words, 6);
}

static void run_dump(void)
{
	void *first = code;

	open_dump(0x4a695444);
	dump_lines("jit.c", 42);
	dump_load("jit_first");
	run_code();
	make_code();
	dump_move(first);
	run_code();
	code = first;
	dump_load("jit_second");
	run_code();
}

static void make_dump_owner(void)
{
	open_dump(0x4a695444);
	dump_load("jit_hidden");
	if (fchown(dump_fd, 12345, 12345) < 0)
		die("chown");
}

static void make_dump_rubbish(void)
{
	open_dump(0x12345678);
	dump_load("jit_hidden");
}

/* --- maps that must not be used --------------------------------------------------------------- */

static void make_fifo(void)
{
	if (mkfifo(map_path(), 0600) < 0)
		die("mkfifo");
}

static void make_link(void)
{
	char target[4200];

	snprintf(target, sizeof(target), "%s.target", map_path());
	tell("jit_hidden");
	if (rename(map_path(), target) < 0 || symlink(target, map_path()) < 0)
		die("symlink");
}

static void make_owner(void)
{
	tell("jit_hidden");
	if (chown(map_path(), 12345, 12345) < 0)
		die("chown");
}

static void make_huge(void)
{
	int fd = open(map_path(), O_CREAT | O_WRONLY, 0600);

	if (fd < 0 || ftruncate(fd, 10LL << 30) < 0)
		die("huge");
	close(fd);
	tell("jit_hidden");
}

static void make_line(void)
{
	FILE *f = fopen(map_path(), "w");

	for (int i = 0; f && i < 1000000; i++)
		fputs("00000000", f);
	if (!f || fputs("\n", f) < 0 || fclose(f) != 0)
		die("line");
	tell("jit_after");
}

/* For ever: a child of it goes on as long as it lives. */
static void make_growing(void)
{
	FILE *f = fopen(map_path(), "w");

	if (!f)
		die("map");
	if (fork() == 0)
		for (unsigned n = 0; n < 20000000 && getppid() != 1; n++)
			fprintf(f, "%x 10 %08u-this-is-code-that-nobody-runs\n", n * 16, n);
	else
		return;
	_exit(0);
}

static void make_folder(void)
{
	if (mkdir(map_path(), 0700) < 0)
		die("mkdir");
}

static const struct {
	const char *name;
	void (*run)(void);
	bool is_bad;
} modes[] = {
	{ "replaced", run_replaced, false },
	{ "forked", run_forked, false },
	{ "late", run_late, false },
	{ "mangled", run_mangled, false },
	{ "fifo", make_fifo, true },
	{ "link", make_link, true },
	{ "owner", make_owner, true },
	{ "huge", make_huge, true },
	{ "line", make_line, true },
	{ "dump", run_dump, false },
	{ "dump-owner", make_dump_owner, true },
	{ "dump-rubbish", make_dump_rubbish, true },
	{ "growing", make_growing, true },
	{ "folder", make_folder, true },
};

int main(int argc, char **argv)
{
	cpu_ns = (uint64_t)(arg_number(argv, "cpu-ms", 500) * 1e6);
	folder = arg_string(argv, "folder", "/tmp");
	make_code();
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) != 0)
			continue;
		modes[i].run();
		if (modes[i].is_bad)
			run_code();
		return 0;
	}
	fprintf(stderr, "jitcode: which mode?\n");
	return 2;
}
