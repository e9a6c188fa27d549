/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/remote_mem.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "leak_check.h"

#define PAGE 4096

static uint8_t
	*pages; /* of children: one that is never there, one that is, one that may not be read */
static pid_t children[REMOTE_MEM_STUCK_MAX + 1];
static size_t n_children;

static void end(void)
{
	for (size_t i = 0; i < n_children; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	for (int i = 0; i < 200 && remote_mem_stuck(); i++)
		usleep(10000);
	cr_assert(zero(uint, remote_mem_stuck()), "they end with the process");
	leak_check();
}

static void begin(void)
{
	/* Nobody else's here, so that children can have it. */
	pages = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TestSuite(remote_mem, .init = begin, .fini = end, .timeout = 60);

/* Whoever reads the first page waits until somebody brings it, which nobody does. */
static void live_with_missing_page(int ready)
{
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mmap(pages, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
	     0);
	area.range.start = (uintptr_t)pages;
	area.range.len = PAGE;
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &area) < 0)
		_exit(1);
	strcpy((char *)pages + PAGE, "here");
	mprotect(pages + 2 * PAGE, PAGE, PROT_NONE);
	if (write(ready, "", 1) == 1)
		pause();
	_exit(0);
}

static pid_t start_child(void)
{
	int pipefd[2];
	char c;

	cr_assert(zero(int, pipe2(pipefd, O_CLOEXEC)));
	children[n_children] = fork();
	if (children[n_children] == 0)
		live_with_missing_page(pipefd[1]);
	close(pipefd[1]);
	cr_assert(eq(int, read(pipefd[0], &c, 1), 1), "userfaultfd(2) needs root");
	close(pipefd[0]);
	return children[n_children++];
}

static uint64_t addr(size_t offset)
{
	return (uintptr_t)pages + offset;
}

Test(remote_mem, what_is_there_and_what_is_not)
{
	const uint64_t addrs[] = { addr(PAGE), addr(PAGE), addr(2 * PAGE), addr(PAGE) };
	pid_t pid = start_child();
	char buf[32] = "";

	cr_assert(zero(int, remote_mem_read(pid, addr(PAGE), buf, 5)));
	cr_assert(eq(str, buf, "here"));
	cr_assert(eq(int, remote_mem_read(pid, addr(2 * PAGE), buf, 5), -EFAULT));
	cr_assert(eq(int, remote_mem_read(pid, addr(2 * PAGE - 2), buf, 5), -EFAULT));
	memset(buf, 0, sizeof(buf));
	cr_assert(eq(int, remote_mem_read_many(pid, addrs, 4, buf, 5), 2));
	cr_assert(eq(str, buf + 5, "here"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_assert(eq(int, remote_mem_read(pid, addr(PAGE), buf, 5), -ESRCH));
}

Test(remote_mem, much_at_once)
{
	static uint8_t all[4 << 20], copy[4 << 20];

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = i * 7 + (i >> 8);
	for (int i = 0; i < 3; i++) {
		memset(copy, 0, sizeof(copy));
		cr_assert(zero(int, remote_mem_read(getpid(), (uintptr_t)all, copy, sizeof(copy))));
		cr_assert(zero(int, memcmp(all, copy, sizeof(all))));
		cr_assert(zero(int, remote_mem_read(getpid(), (uintptr_t)all + 3, copy, 4)));
		cr_assert(zero(int, memcmp(all + 3, copy, 4)));
	}
}

Test(remote_mem, a_page_that_never_comes_costs_a_moment_once)
{
	pid_t bad = start_child(), good = start_child();
	uint64_t start = monotonic_ns();
	char buf[8];

	cr_assert(eq(int, remote_mem_read(bad, addr(0), buf, 5), -ETIMEDOUT));
	cr_assert(lt(u64, monotonic_ns() - start, 5 * NSEC_PER_SEC));
	cr_assert(eq(uint, remote_mem_stuck(), 1));
	cr_assert(eq(u64, remote_mem_given_up(), 1));
	start = monotonic_ns();
	for (int i = 0; i < 100; i++) {
		cr_assert(eq(int, remote_mem_read(bad, addr(PAGE), buf, 5), -ETIMEDOUT));
		cr_assert(zero(int, remote_mem_read(good, addr(PAGE), buf, 5)));
	}
	cr_assert(lt(u64, monotonic_ns() - start, NSEC_PER_SEC));
	cr_assert(eq(u64, remote_mem_given_up(), 1), "of the same process that is no other");
	kill(bad, SIGKILL);
}

Test(remote_mem, there_is_an_end_to_the_waiting)
{
	pid_t good;
	char buf[8];

	for (int i = 0; i < REMOTE_MEM_STUCK_MAX; i++)
		cr_assert(eq(int, remote_mem_read(start_child(), addr(0), buf, 5), -ETIMEDOUT));
	good = start_child();
	cr_assert(eq(int, remote_mem_read(good, addr(PAGE), buf, 5), -ETIMEDOUT));
	cr_assert(eq(u64, remote_mem_given_up(), REMOTE_MEM_STUCK_MAX + 1));
	kill(children[0], SIGKILL);
	for (int i = 0; i < 200 && remote_mem_stuck() == REMOTE_MEM_STUCK_MAX; i++)
		usleep(10000);
	cr_assert(zero(int, remote_mem_read(good, addr(PAGE), buf, 5)));
}
