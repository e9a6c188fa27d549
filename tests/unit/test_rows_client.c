/* SPDX-License-Identifier: Apache-2.0 */
/* Rows by way of a worker: the real one, build/spanprof, and fakes that do what they should not. */
#include "unwind/rows_client.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "elf/elf_file.h"
#include "elf_samples.h"
#include "leak_check.h"
#include "unwind/rows_protocol.h"
#include "worker/message.h"

#define PROGRAM "build/spanprof"
#define LIBC	"/lib/x86_64-linux-gnu/libc.so.6"

static struct rows_client *c;
static struct worker *w; /* of @c */

static void init(void)
{
	samples_init();
}

static void fini(void)
{
	rows_client_free(c);
	samples_fini();
	leak_check();
}

TestSuite(rows_client, .init = init, .fini = fini, .timeout = 60);

static void use(struct worker *worker)
{
	rows_client_free(c);
	w = worker;
	cr_assert(zero(int, rows_client_new(worker, &c)));
}

static void start(void)
{
	const struct worker_options opt = { .program = PROGRAM,
					    .name = "rows",
					    .prompt = true,
					    .memory_bytes = ROWS_MEMORY_BYTES };
	struct worker *worker;

	cr_assert(zero(int, worker_new(&opt, &worker)));
	use(worker);
}

/* A question that is repeated until it is answered. */
static int open_file(const struct rows_client_file *f, struct row_extent *ret)
{
	uint64_t bad_fdes;
	int r = -EAGAIN;

	for (int i = 0; i < 20 && r == -EAGAIN; i++)
		r = rows_client_open(c, f, ret, &bad_fdes);
	return r;
}

/* --- the real one ----------------------------------------------------------------------------- */

struct pages {
	const struct rows_client_group *group;
	struct unwind_page page[ROWS_PAGES_MAX];
	bool has[ROWS_PAGES_MAX];
};

static int keep_page(void *arg, uint64_t page, const struct unwind_page *rows)
{
	struct pages *p = arg;
	uint64_t i = page - p->group->first;

	cr_assert(lt(u64, i, ROWS_PAGES_MAX));
	cr_assert(p->group->wanted >> i & 1);
	cr_assert(not(p->has[i]));
	p->has[i] = true;
	p->page[i] = *rows;
	return 0;
}

static bool wants(void *arg, uint64_t page)
{
	const struct pages *p = arg;

	return p->group->wanted >> (page - p->group->first) & 1;
}

static void assert_same(const struct pages *a, const struct pages *b, int i)
{
	const struct unwind_page *x = &a->page[i], *y = &b->page[i];

	cr_assert(eq(int, a->has[i], b->has[i]));
	if (!a->has[i])
		return;
	cr_assert(eq(u16, x->n_rows, y->n_rows));
	cr_assert(eq(u16, x->n_ext, y->n_ext));
	cr_assert(zero(int, memcmp(x->pc, y->pc, x->n_rows * sizeof(x->pc[0]))));
	cr_assert(zero(int, memcmp(x->rule, y->rule, x->n_rows * sizeof(x->rule[0]))));
	cr_assert(zero(int, memcmp(x->ext, y->ext, x->n_ext * sizeof(x->ext[0]))));
}

/* All pages of a file, here and there. Rows that were the same. */
static uint64_t compare(const char *path)
{
	CLEANUP(closep) int fd = sample_open(path);
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	CLEANUP(unwind_table_closep) struct unwind_table *t = NULL;
	static struct pages here, there;
	const struct rows_client_file f = { .id = rows_client_number(c), .fd = fd };
	struct unwind_table_stats stats = { 0 };
	struct row_extent extent;
	uint64_t first, n, rows = 0;

	cr_assert(zero(int, elf_file_open_fd(fd, &ef)));
	cr_assert(zero(int, unwind_table_open(ef, &t)));
	unwind_table_pages(t, &first, &n);
	cr_assert(zero(int, open_file(&f, &extent)));
	cr_assert(eq(u64, extent.first_page, first));
	cr_assert(eq(u64, extent.n_pages, n));
	cr_assert(eq(u64, extent.code_off, elf_file_code_offset(ef)));
	for (uint64_t at = 0; at < n; at += 8) {
		const struct rows_client_group group = { first + at, 0xdf, first + at + 2 };
		const struct unwind_group same = { first + at, 8, first + at + 2, wants };

		memset(here.has, 0, sizeof(here.has));
		memset(there.has, 0, sizeof(there.has));
		here.group = there.group = &group;
		cr_assert(zero(int, rows_client_compile(c, &f, &group,
							&(struct rows_sink){ keep_page, &there },
							&stats)));
		cr_assert(zero(int, unwind_table_compile_group(t, &same, keep_page, &here)));
		for (int i = 0; i < 8; i++) {
			assert_same(&here, &there, i);
			rows += there.has[i] ? there.page[i].n_rows : 0;
		}
	}
	cr_assert(eq(u64, stats.unsupported_rows, unwind_table_stats(t).unsupported_rows));
	return rows;
}

Test(rows_client, says_what_we_would_say_ourselves)
{
	start();
	cr_assert(gt(u64, compare(LIBC), 20000));
	cr_assert(gt(u64, compare("/usr/bin/perl"), 10000));
	cr_assert(gt(u64, compare(LIBC), 20000), "under another number");
	cr_assert(zero(ptr, (void *)rows_client_bad_file(c, 0)));
}

Test(rows_client, its_worker_keeps_its_priority)
{
	pid_t pid;

	start();
	compare("/usr/bin/true");
	pid = worker_pid(w);
	cr_assert(eq(int, getpriority(PRIO_PROCESS, pid), getpriority(PRIO_PROCESS, 0)));
}

/* More than the worker keeps open. */
Test(rows_client, files_are_opened_again)
{
	struct rows_client_file files[300];
	struct unwind_table_stats stats;
	struct row_extent extent;

	start();
	sample_write("f.s", ".globl f\nf: .cfi_startproc\n ret\n .cfi_endproc\n");
	sh("gcc -shared -nostdlib f.s -o f.so");
	for (int i = 0; i < 300; i++) {
		files[i] = (struct rows_client_file){ .id = rows_client_number(c),
						      .fd = sample_open("f.so") };
		cr_assert(zero(int, open_file(&files[i], &extent)));
	}
	for (int i = 0; i < 300; i++) {
		const struct rows_client_group group = { extent.first_page, 1, extent.first_page };
		static struct pages there;

		memset(there.has, 0, sizeof(there.has));
		there.group = &group;
		cr_assert(zero(int, rows_client_compile(c, &files[i], &group,
							&(struct rows_sink){ keep_page, &there },
							&stats)));
		cr_assert(there.has[0]);
		close(files[i].fd);
	}
}

static int open_sample(const char *name)
{
	CLEANUP(closep) int fd = sample_open(name);
	const struct rows_client_file f = { .id = rows_client_number(c), .fd = fd };
	struct row_extent extent;
	int r = open_file(&f, &extent);

	rows_client_forget(c, f.id);
	return r;
}

Test(rows_client, what_cannot_be_used_is_not_the_workers_fault)
{
	start();
	sample_write("text", "some text\n");
	cr_assert(eq(int, open_sample("text"), -ENOEXEC));
	sample_write("f.s", "f: .cfi_startproc\n ret\n .cfi_endproc\n");
	sh("aarch64-linux-gnu-gcc -nostdlib -shared f.s -o other.so");
	cr_assert(eq(int, open_sample("other.so"), -ENODATA), "of another machine");
	cr_assert(zero(ptr, (void *)rows_client_bad_file(c, 0)));
	cr_assert(gt(int, worker_pid(w), 0));
}

/* Files that a fuzzer has made. */
Test(rows_client, survives_broken_files)
{
	static char names[400][256];
	size_t n = 0;
	FILE *p = popen(
		"ls $PWD/tests/fuzz/corpus/unwind_table/* $PWD/tests/fuzz/corpus/elf_symbols/*"
		" | head -400",
		"r");

	while (n < 400 && fgets(names[n], sizeof(names[n]), p))
		names[n][strcspn(names[n], "\n")] = '\0', n++;
	pclose(p);
	cr_assert(gt(sz, n, 4));
	start();
	for (size_t i = 0; i < n; i++)
		cr_assert(ne(int, open_sample(names[i]), -EREMOTEIO), "%s", names[i]);
}

/* --- fakes: what one does with the first message ---------------------------------------------- */

static void reply(int sock, const struct worker_message *m, unsigned kind, const void *payload,
		  size_t len)
{
	const struct worker_header h = {
		.protocol = WORKER_PROTOCOL,
		.service = WORKER_SERVICE_ROWS,
		.kind = kind,
		.exchange = m->header.exchange,
		.len = len,
	};

	if (worker_message_send(sock, &h, payload, -1) < 0)
		_exit(9);
}

typedef void (*fake_fn)(int sock, const struct worker_message *m);

static void run_fake(int sock, fake_fn fn)
{
	static struct worker_message m;

	while (worker_message_receive(sock, true, &m) == 0)
		fn(sock, &m);
	_exit(0);
}

/* The one that follows it is real. */
static void start_fake(fake_fn fn)
{
	const struct worker_options opt = { .program = PROGRAM, .wall_s = 1 };
	struct worker *worker;
	int pair[2];
	pid_t pid;

	cr_assert(zero(int, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		run_fake(pair[1], fn);
	}
	close(pair[1]);
	cr_assert(zero(int, worker_adopt(&opt, pair[0], pid, &worker)));
	use(worker);
}

static struct rows_client_file libc_file(void)
{
	return (struct rows_client_file){ .id = rows_client_number(c),
					  .fd = open(LIBC, O_RDONLY | O_CLOEXEC) };
}

/* It is bad now and ever, and others are as good as before. */
static void assert_bad(const struct rows_client_file *f, const char *reason)
{
	struct row_extent extent;
	const struct bad_file *bad = rows_client_bad_file_of(c, f->fd);

	cr_assert(ne(ptr, (void *)bad, NULL));
	cr_assert(eq(str, (char *)bad->reason, (char *)reason));
	cr_assert(eq(int, open_file(f, &extent), -EREMOTEIO));
	cr_assert(zero(int, worker_pid(w)), "nobody was asked");
	cr_assert(zero(int, open_sample("/usr/bin/true")));
}

static void crash(int sock, const struct worker_message *m)
{
	raise(SIGKILL);
}

Test(rows_client, a_crash_costs_one_file)
{
	struct rows_client_file f;
	struct row_extent extent;

	start_fake(crash);
	f = libc_file();
	cr_assert(eq(int, open_file(&f, &extent), -EREMOTEIO));
	assert_bad(&f, "its reader was killed by signal 9 (Killed)");
	close(f.fd);
}

static void no_memory(int sock, const struct worker_message *m)
{
	const struct rows_opened o = { .error = -ENOMEM };

	reply(sock, m, ROWS_OPENED, &o, sizeof(o));
}

Test(rows_client, so_does_swelling)
{
	struct rows_client_file f;
	struct row_extent extent;

	start_fake(no_memory);
	f = libc_file();
	cr_assert(eq(int, open_file(&f, &extent), -EREMOTEIO));
	assert_bad(&f, "it takes more memory than is allowed");
	close(f.fd);
}

static void hang(int sock, const struct worker_message *m)
{
	pause();
}

static uint64_t ms_since(uint64_t begin)
{
	return (monotonic_ns() - begin) / NSEC_PER_MSEC;
}

/* One who hangs costs a moment, once, and nobody else any. */
Test(rows_client, a_hang_is_not_waited_for)
{
	struct rows_client_file f, g;
	struct row_extent extent;
	uint64_t bad_fdes, begin = monotonic_ns();

	start_fake(hang);
	f = libc_file();
	g = libc_file();
	cr_assert(eq(int, rows_client_open(c, &f, &extent, &bad_fdes), -EAGAIN));
	cr_assert(ge(u64, ms_since(begin), ROWS_PATIENCE_MS - 1));
	cr_assert(lt(u64, ms_since(begin), 2 * ROWS_PATIENCE_MS));
	begin = monotonic_ns();
	for (int i = 0; i < 50; i++) {
		cr_assert(eq(int, rows_client_open(c, &f, &extent, &bad_fdes), -EAGAIN));
		cr_assert(eq(int, rows_client_open(c, &g, &extent, &bad_fdes), -EAGAIN));
	}
	cr_assert(lt(u64, ms_since(begin), ROWS_PATIENCE_MS));
	close(f.fd);
	close(g.fd);
}

/* Asks until its worker has been ended. */
static int ask_while_stopped(const struct rows_client_file *f)
{
	struct row_extent extent;
	uint64_t bad_fdes;
	int r = -EAGAIN;

	cr_assert(zero(int, open_sample("/usr/bin/true")));
	kill(worker_pid(w), SIGSTOP);
	for (int i = 0; i < 1000 && r == -EAGAIN && worker_pid(w); i++) {
		r = rows_client_open(c, f, &extent, &bad_fdes);
		usleep(10000);
	}
	return r;
}

/* The first time may be the machine's fault. */
Test(rows_client, what_hangs_twice_is_bad)
{
	const struct worker_options opt = { .program = PROGRAM, .wall_s = 1 };
	struct rows_client_file f, g;
	struct worker *worker;

	cr_assert(zero(int, worker_new(&opt, &worker)));
	use(worker);
	f = libc_file();
	g = (struct rows_client_file){ .id = rows_client_number(c),
				       .fd = sample_open("/usr/bin/cat") };
	cr_assert(eq(int, ask_while_stopped(&f), -EAGAIN));
	cr_assert(eq(int, ask_while_stopped(&f), -EREMOTEIO));
	cr_assert(eq(int, ask_while_stopped(&g), -EREMOTEIO), "not all of them have a first time");
	assert_bad(&f, "no answer in time");
	close(f.fd);
	close(g.fd);
}

static const struct unwind_ext sound_ext = { .cfa = UNWIND_CFA_REG,
					     .cfa_reg = 7,
					     .cfa_off = 16,
					     .ra = { .where = UNWIND_AT_CFA, .off = -8 } };

/* One page as a message. */
static struct {
	unsigned kind;
	struct rows_page head;
	struct unwind_page page;
	int cut; /* bytes that are missing */
	int times;
} lie;

static void send_lie(int sock, const struct worker_message *m)
{
	size_t len = ROWS_PAGE_SIZE(lie.head.n_rows, lie.head.n_ext);
	unsigned char *buf = calloc(1, WORKER_PAYLOAD_MAX), *to = buf + sizeof(lie.head);

	memcpy(buf, &lie.head, sizeof(lie.head));
	if (lie.head.n_ext <= UNWIND_PAGE_EXT_MAX && lie.head.n_rows <= UNWIND_PAGE_ROWS_MAX) {
		memcpy(to, lie.page.ext, lie.head.n_ext * sizeof(lie.page.ext[0]));
		to += lie.head.n_ext * sizeof(lie.page.ext[0]);
		memcpy(to, lie.page.rule, lie.head.n_rows * 4);
		to += lie.head.n_rows * 4;
		memcpy(to, lie.page.pc, lie.head.n_rows * 2);
	}
	for (int i = 0; i < lie.times; i++)
		reply(sock, m, lie.kind, buf, len - lie.cut);
	reply(sock, m, ROWS_DONE, &(struct rows_done){ 0 }, sizeof(struct rows_done));
	free(buf);
}

static void begin_truth(void)
{
	memset(&lie, 0, sizeof(lie));
	lie.kind = ROWS_PAGES;
	lie.times = 1;
	lie.head = (struct rows_page){ .page = 40, .n_rows = 3, .n_ext = 1 };
	lie.page.pc[1] = 16;
	lie.page.pc[2] = 32;
	lie.page.rule[0] = UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED);
	lie.page.rule[1] = 1 << UNWIND_CFA_SHIFT | UNWIND_BASE_SP;
	lie.page.rule[2] = UNWIND_RULE_EXT(0);
	lie.page.ext[0] = sound_ext;
}

static int tell(void)
{
	const struct rows_client_group group = { 40, 1ULL << 0 | 1ULL << 63, 40 };
	struct unwind_table_stats stats = { 0 };
	struct rows_client_file f;
	static struct pages there;
	int r;

	start_fake(send_lie);
	f = libc_file();
	memset(there.has, 0, sizeof(there.has));
	there.group = &group;
	r = rows_client_compile(c, &f, &group, &(struct rows_sink){ keep_page, &there }, &stats);
	close(f.fd);
	cr_assert(r < 0 || there.has[0] || there.has[63]);
	return r;
}

#define ASSERT_LIE(change)                                                                         \
	do {                                                                                       \
		begin_truth();                                                                     \
		change;                                                                            \
		cr_assert(eq(int, tell(), -EREMOTEIO), #change);                                   \
		cr_assert(                                                                         \
			eq(str, (char *)rows_client_bad_file(c, 0)->reason, "malformed answer"));  \
	} while (0)

#define ASSERT_TRUTH(change)                                                                       \
	do {                                                                                       \
		begin_truth();                                                                     \
		change;                                                                            \
		cr_assert(zero(int, tell()), #change);                                             \
	} while (0)

Test(rows_client, answers_are_checked)
{
	ASSERT_TRUTH((void)0);
	ASSERT_TRUTH(lie.head.page = 103);
	ASSERT_LIE(lie.head.page = 104);
	ASSERT_LIE(lie.head.page = 41);
	ASSERT_LIE(lie.head.page = 39);
	ASSERT_LIE(lie.times = 2);
	ASSERT_LIE(lie.head.n_rows = 0);
	ASSERT_LIE(lie.head.n_rows = UNWIND_PAGE_ROWS_MAX + 1);
	ASSERT_LIE(lie.head.n_ext = UNWIND_PAGE_EXT_MAX + 1);
	ASSERT_LIE(lie.cut = 8);
	ASSERT_LIE(lie.cut = ROWS_PAGE_SIZE(3, 1));
	ASSERT_LIE(lie.kind = ROWS_OPENED);
	ASSERT_LIE(lie.kind = ROWS_DONE + 1);
	ASSERT_LIE(lie.page.pc[0] = 1);
	ASSERT_LIE(lie.page.pc[2] = 16);
	ASSERT_LIE(lie.page.pc[2] = 8);
	ASSERT_LIE(lie.page.pc[2] = UNWIND_PAGE_SIZE);
	ASSERT_TRUTH(lie.page.pc[2] = UNWIND_PAGE_SIZE - 1);
	ASSERT_LIE(lie.page.rule[0] += 4);
	ASSERT_LIE(lie.page.rule[2] = UNWIND_RULE_EXT(1));
	ASSERT_LIE(lie.page.ext[0].cfa = UNWIND_CFA_GO_STACK + 1);
	ASSERT_LIE(lie.page.ext[0].cfa_reg = UNWIND_X86_REGS);
	ASSERT_TRUTH(lie.page.ext[0].cfa_index = UNWIND_X86_REGS);
	ASSERT_LIE(lie.page.ext[0].cfa_index = UNWIND_X86_REGS + 1);
	ASSERT_LIE(lie.page.ext[0].flags = 4);
	ASSERT_LIE(lie.page.ext[0].ra.where = UNWIND_UNKNOWN + 1);
	ASSERT_LIE(lie.page.ext[0].ra.reg = UNWIND_X86_REGS);
	ASSERT_LIE(lie.page.ext[0].saved[5].where = UNWIND_UNKNOWN + 1);
	ASSERT_LIE(lie.page.ext[0].saved[5].reg = UNWIND_X86_REGS);
}

static struct rows_opened opened_lie;

static void send_opened(int sock, const struct worker_message *m)
{
	reply(sock, m, ROWS_OPENED, &opened_lie, sizeof(opened_lie));
}

static int tell_opened(struct rows_opened o)
{
	struct rows_client_file f;
	struct row_extent extent;
	uint64_t bad_fdes;
	int r;

	opened_lie = o;
	start_fake(send_opened);
	f = libc_file();
	r = rows_client_open(c, &f, &extent, &bad_fdes);
	close(f.fd);
	return r;
}

Test(rows_client, so_is_where_a_file_has_code)
{
	cr_assert(zero(int, tell_opened((struct rows_opened){ .first_page = 1, .n_pages = 2 })));
	cr_assert(eq(int, tell_opened((struct rows_opened){ .error = 1 }), -EREMOTEIO));
	cr_assert(eq(int, tell_opened((struct rows_opened){ .error = -4096 }), -EREMOTEIO));
	cr_assert(eq(int, tell_opened((struct rows_opened){ .error = -EAGAIN }), -EREMOTEIO));
	cr_assert(eq(int, tell_opened((struct rows_opened){ .n_pages = UINT64_MAX }), -EREMOTEIO));
	cr_assert(
		eq(int, tell_opened((struct rows_opened){ .first_page = UINT64_MAX }), -EREMOTEIO));
	/* Longer than the file, as it may have been. */
	cr_assert(eq(int, tell_opened((struct rows_opened){ .n_pages = 1 << 20 }), -EBADMSG));
	cr_assert(zero(ptr, (void *)rows_client_bad_file(c, 0)));
}

/* --- answers that come late ------------------------------------------------------------------- */

static void tell_late(int sock, const struct worker_message *m)
{
	usleep(2 * ROWS_PATIENCE_MS * 1000);
	begin_truth();
	send_lie(sock, m);
}

static int n_late;

static int count_late(void *arg, uint64_t page, const struct unwind_page *rows)
{
	cr_assert(eq(u64, page, 40));
	n_late++;
	return 0;
}

static int ask_late(const struct rows_client_file *f, unwind_page_fn take, void *arg)
{
	const struct rows_client_group group = { 40, 1, 40 };
	struct unwind_table_stats stats = { 0 };

	return rows_client_compile(c, f, &group, &(struct rows_sink){ take, arg }, &stats);
}

Test(rows_client, a_late_answer_is_taken_by_who_asks_again)
{
	const struct rows_client_group group = { 40, 1, 40 };
	static struct pages there;
	struct rows_client_file f;

	there.group = &group;
	start_fake(tell_late);
	f = libc_file();
	f.late.take = count_late;
	cr_assert(eq(int, ask_late(&f, keep_page, &there), -EAGAIN));
	usleep(2 * ROWS_PATIENCE_MS * 1000);
	cr_assert(zero(int, ask_late(&f, keep_page, &there)));
	cr_assert(there.has[0]);
	cr_assert(zero(int, n_late));
	close(f.fd);
}

Test(rows_client, or_goes_where_it_belongs)
{
	struct rows_client_file f, g;

	start_fake(tell_late);
	f = libc_file();
	g = libc_file();
	f.late.take = count_late;
	for (int forget = 0; forget < 2; forget++) {
		n_late = 0;
		cr_assert(eq(int, ask_late(&f, count_late, NULL), -EAGAIN));
		if (forget)
			rows_client_forget(c, f.id);
		usleep(2 * ROWS_PATIENCE_MS * 1000);
		cr_assert(eq(int, ask_late(&g, NULL, NULL), -EAGAIN));
		cr_assert(eq(int, n_late, !forget));
		usleep(2 * ROWS_PATIENCE_MS * 1000);
	}
	close(f.fd);
	close(g.fd);
}
