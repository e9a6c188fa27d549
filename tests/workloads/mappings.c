/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces that are hard on whoever keeps track of them. See burn.h. In all of them
 * main → mode_MODE → leaf burns.
 *
 *   mappings many     60,000 executable mappings, all of the program's own file
 *   mappings churn    a second thread maps code, changes its protection and unmaps it, for ever
 *   mappings fork     forks with 128 MiB of memory, the page tables of which are copied: no leaf
 *   mappings sparse   leaf is at 4 GiB in an ELF file of 5 GiB, of which all but that is a hole
 *   mappings library --library FILE
 *                     leaf is the function `leaf` of a shared library
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "burn.h"

#define MANY	    60000
#define SPARSE_LEN  (5ULL << 30)
#define CODE_AT	    (4ULL << 30)
#define FORK_MEMORY (128 << 20)

static const char *library;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/proc/self/exe");
	return fd;
}

static void *map_code(int fd, size_t len, off_t offset)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

WORK_FUNCTION static void leaf(void)
{
	burn(BURN_STEPS);
}

/* The same page again and again: neighbours do not merge. */
WORK_FUNCTION static void mode_many(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = open_self();
		for (int i = 0; i < MANY; i++)
			map_code(fd, 4096, 0);
	}
	leaf();
	BURN_NO_TAIL_CALL();
}

static void *change_mappings(void *arg)
{
	int fd = open_self();

	(void)arg;
	for (;;) {
		char *p = map_code(fd, 4 * 4096, 0);

		mprotect(p + 4096, 4096, PROT_READ);
		mprotect(p + 4096, 4096, PROT_READ | PROT_EXEC);
		munmap(p, 4 * 4096);
	}
	return NULL;
}

WORK_FUNCTION static void mode_churn(void)
{
	static pthread_t thread;

	if (!thread && pthread_create(&thread, NULL, change_mappings, NULL))
		die("pthread_create");
	leaf();
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_fork(void)
{
	static char *memory;
	pid_t pid;

	if (!memory) {
		memory = malloc(FORK_MEMORY);
		if (!memory)
			die("malloc");
		memset(memory, 1, FORK_MEMORY);
	}
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		die("fork");
	waitpid(pid, NULL, 0);
	BURN_NO_TAIL_CALL();
}

/* 1: dec %rdi; jnz 1b; ret */
static const unsigned char code[] = { 0x48, 0xff, 0xcf, 0x75, 0xfb, 0xc3 };

static void (*make_sparse(void))(uint64_t)
{
	const Elf64_Ehdr ehdr = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(ehdr),
		.e_ehsize = sizeof(ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	const Elf64_Phdr load = { .p_type = PT_LOAD,
				  .p_flags = PF_R | PF_X,
				  .p_filesz = SPARSE_LEN,
				  .p_memsz = SPARSE_LEN,
				  .p_align = 4096 };
	int fd = memfd_create("sparse", MFD_CLOEXEC);
	void (*ret)(uint64_t);
	void *p;

	if (fd < 0 || ftruncate(fd, SPARSE_LEN) < 0 ||
	    pwrite(fd, &ehdr, sizeof(ehdr), 0) != sizeof(ehdr) ||
	    pwrite(fd, &load, sizeof(load), sizeof(ehdr)) != sizeof(load) ||
	    pwrite(fd, code, sizeof(code), CODE_AT) != sizeof(code))
		die("memfd");
	p = (char *)map_code(fd, SPARSE_LEN, 0) + CODE_AT;
	*(void **)&ret = p;
	return ret;
}

WORK_FUNCTION static void mode_sparse(void)
{
	static void (*function)(uint64_t);

	if (!function)
		function = make_sparse();
	function(BURN_STEPS);
	BURN_NO_TAIL_CALL();
}

WORK_FUNCTION static void mode_library(void)
{
	static void (*function)(uint64_t);

	if (!function) {
		void *handle = library ? dlopen(library, RTLD_NOW) : NULL;

		if (!handle)
			die("dlopen");
		*(void **)&function = dlsym(handle, "leaf");
	}
	function(BURN_STEPS);
	BURN_NO_TAIL_CALL();
}

int main(int argc, char **argv)
{
	static const struct burn_mode modes[] = {
		{ "many", mode_many },	     { "churn", mode_churn }, { "sparse", mode_sparse },
		{ "library", mode_library }, { "fork", mode_fork },   { NULL, NULL },
	};

	(void)argc;
	library = arg_string(argv, "library", NULL);
	return burn_main(argv, modes);
}
