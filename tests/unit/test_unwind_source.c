/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_source.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "elf_samples.h"
#include "leak_check.h"
#include "unwind/rows_protocol.h"

/* Ours in its place, which can fail. */
#define hashmap_put real_hashmap_put
#include "base/hashmap.c"
#undef hashmap_put

static int put_error;

int hashmap_put(struct hashmap *map, uint64_t hash, void *value)
{
	return put_error ? put_error : real_hashmap_put(map, hash, value);
}

#define ARENAS_MAX 16
#define LINK	   "gcc -shared -nostdlib "

static struct unwind_control control;
static uint8_t *arenas[ARENAS_MAX];
static uint32_t n_arenas;
static int arena_error;

static struct row_store *store;
static struct unwind_sources sources;
static struct dso_table dsos;

static int add_arena(void *ctx, uint32_t index, void **ret)
{
	if (arena_error)
		return arena_error;
	arenas[n_arenas] = calloc(1, UNWIND_ARENA_SIZE);
	*ret = arenas[n_arenas++];
	return 0;
}

static int wait_readers(void *ctx)
{
	return 0;
}

static const struct row_store_backing backing = {
	.control = &control,
	.add_arena = add_arena,
	.wait_readers = wait_readers,
};

static void set_up(void)
{
	samples_init();
	cr_assert(zero(int, dso_table_init(&dsos)));
	cr_assert(zero(int, row_store_new(&backing, ARENAS_MAX * UNWIND_ARENA_SIZE, &store)));
}

static void tear_down(void)
{
	unwind_sources_clear(&sources);
	rows_client_free(sources.reader);
	sources.reader = NULL;
	row_store_free(store);
	dso_table_clear(&dsos);
	while (n_arenas)
		free(arenas[--n_arenas]);
	samples_fini();
	leak_check();
}

TestSuite(unwind_source, .init = set_up, .fini = tear_down);

static struct dso *dso_of(const char *name)
{
	struct dso_key key = { .path = sample(name) };
	struct dso *dso;
	struct stat st;

	cr_assert(zero(int, stat(key.path, &st)));
	key.dev = st.st_dev;
	key.ino = st.st_ino;
	cr_assert(zero(int, dso_table_get(&dsos, &key, &dso)));
	cr_assert(ge(int, dso_open(dso, getpid(), 0, 4096), 0));
	return dso;
}

static struct unwind_source *source_of(const struct dso *dso)
{
	struct unwind_source *src = NULL;

	cr_assert(zero(int, unwind_sources_get(&sources, store, dso, &src)));
	return src;
}

/* NULL: not known. */
static const struct unwind_file *find_file(const struct unwind_file_key *key)
{
	const struct unwind_file_table table =
		control.files[unwind_file_table_of(unwind_file_hash(key))];
	const struct unwind_file *entries = (const void *)(arenas[table.line / UNWIND_ARENA_LINES] +
							   unwind_line_at(table.line));

	for (uint32_t i = 0; table.line && i <= table.mask; i++)
		if (entries[i].state != UNWIND_FILE_FREE && unwind_file_is(&entries[i], key))
			return &entries[i];
	return NULL;
}

static const char function[] = "f: .cfi_startproc\n ret\n .cfi_endproc\n";

/* --- files that are of no use ------------------------------------------------------------------
 */

/* Each frame asks for it. */
Test(unwind_source, what_is_no_elf_file_is_looked_at_once)
{
	const struct dso *dso;

	sample_write("f.s", function);
	sample_write("f.so", "#!/bin/sh\n");
	dso = dso_of("f.so");
	cr_assert(zero(ptr, unwind_source_file(source_of(dso))));
	sh(LINK "f.s -o g.so && cat g.so > f.so");
	cr_assert(zero(ptr, unwind_source_file(source_of(dso))), "it was opened again");
	cr_assert(zero(u64, unwind_sources_failures(&sources).tables), "that is no failure");
	cr_assert(ne(ptr, unwind_source_file(source_of(dso_of("g.so"))), NULL));
}

Test(unwind_source, tables_that_cannot_be_read_are_counted_once)
{
	sample_write("f.s", function);
	sh("aarch64-linux-gnu-gcc -nostdlib -shared f.s -o f.so && "
	   "aarch64-linux-gnu-objcopy -R .eh_frame -R .eh_frame_hdr f.so none.so 2>&1 | "
	   "grep -v warning; test -s none.so");
	drop_sections("f.so");
	patch("f.so",
	      strtoul(first_line("readelf -lW f.so | grep EH_FRAME | cut -c17-35"), NULL, 0), "\7",
	      1);
	for (int i = 0; i < 3; i++) {
		cr_assert(zero(ptr, unwind_source_file(source_of(dso_of("f.so")))));
		cr_assert(ne(ptr, unwind_source_file(source_of(dso_of("none.so"))), NULL));
	}
	cr_assert(eq(u64, unwind_sources_failures(&sources).tables, 1),
		  "to have none is no failure");
}

Test(unwind_source, without_memory_nothing_is_left)
{
	struct unwind_source *src = NULL;
	uint64_t before;

	sample_write("f.s", function);
	sh(LINK "f.s -o f.so");
	dso_of("f.so");
	before = row_store_stats(store).lines_bytes;
	put_error = -ENOMEM;
	cr_assert(eq(int, unwind_sources_get(&sources, store, dso_of("f.so"), &src), -ENOMEM));
	put_error = 0;
	cr_assert(zero(ptr, src));
	cr_assert(eq(u64, row_store_stats(store).lines_bytes, before));
	cr_assert(ne(ptr, unwind_source_file(source_of(dso_of("f.so"))), NULL));
}

/* --- loading ---------------------------------------------------------------------------------- */

#define FUNCTIONS 8 /* of a page: fewer of them would be no table of so much code */

/* Functions of @n pages, whose rows count when they are compiled. */
static struct unwind_source *source_of_pages(unsigned n)
{
	char text[512];

	snprintf(text, sizeof(text),
		 ".balign 4096\n.rept %u\n .cfi_startproc\n nop\n .cfi_undefined rsp\n"
		 " .cfi_escape 0x0f, 1, 0x96\n .skip 511, 0x90\n .cfi_endproc\n.endr\n",
		 n * FUNCTIONS);
	sample_write("f.s", text);
	sh(LINK "f.s -o f.so");
	return source_of(dso_of("f.so"));
}

static uint64_t pages_compiled(void)
{
	return unwind_sources_stats(&sources).unsupported_rows / FUNCTIONS;
}

/* Byte of the file. */
static uint64_t place(unsigned page)
{
	return ((uint64_t)page << UNWIND_PAGE_SHIFT) + 2000;
}

Test(unwind_source, what_is_loaded_is_not_compiled_again)
{
	static const struct unwind_page rows = { .n_rows = 1 };
	struct unwind_found_rule found;
	struct unwind_source *src = source_of_pages(20);

	for (unsigned page = 4; page < 18; page++)
		if (page != 9)
			cr_assert(zero(int, row_store_put(store, unwind_source_file(src), page,
							  &rows, 0)));
	cr_assert(zero(int, unwind_source_find(src, store, place(9), 0, &found)));
	cr_assert(eq(u32, found.rule, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)));
	cr_assert(eq(u64, pages_compiled(), 20 - 13));
}

/* What does not fit is compiled in vain: only as far as the place that was asked for. */
Test(unwind_source, at_an_error_of_the_store_loading_ends)
{
	struct unwind_found_rule found = { 0 };
	struct unwind_source *src = source_of_pages(200);

	arena_error = -EPERM; /* and of what there is nothing is left */
	for (uint32_t i = 0; i < UNWIND_ARENA_LINES; i++)
		row_store_add_file(store, &(struct row_extent){ 0, 1, 0 },
				   &(struct row_file *){ 0 });
	cr_assert(eq(int, unwind_source_find(src, store, place(3), 0, &found), -EPERM));
	cr_assert(eq(u32, found.rule, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)));
	cr_assert(le(u64, pages_compiled(), 3));
	arena_error = 0;
	cr_assert(zero(int, unwind_source_find(src, store, place(3), 0, &found)));
	cr_assert(ge(u64, pages_compiled(), 8 + 2));
}

/* --- contents that change --------------------------------------------------------------------- */

/* A program can change the time of its own file with each sample. */
Test(unwind_source, contents_are_read_anew_once_a_second)
{
	struct unwind_file_key key = { .ino = 1, .ctime_sec = 1 };
	uint64_t now = 100 * NSEC_PER_SEC;
	struct unwind_source *src;

	sample_write("f.s", function);
	sh(LINK "f.s -o f.so");
	src = source_of(dso_of("f.so"));
	cr_assert(zero(int, unwind_source_set_key(src, store, &key, now)));
	key.ctime_sec++;
	cr_assert(zero(int, unwind_source_set_key(src, store, &key, now)), "it may be the first");
	for (int i = 0; i < 3; i++) {
		key.ctime_sec++;
		cr_assert(eq(int, unwind_source_set_key(src, store, &key, now), -EAGAIN));
		now += NSEC_PER_SEC - 1;
		cr_assert(eq(int, unwind_source_set_key(src, store, &key, now), -EAGAIN));
		cr_assert(zero(ptr, (void *)find_file(&key)), "it asks again");
		now++;
		cr_assert(zero(int, unwind_source_set_key(src, store, &key, now)));
		cr_assert(zero(int, unwind_source_set_key(src, store, &key, now)), "the same");
		cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS));
	}
}

/* --- read by another process ------------------------------------------------------------------ */

static const struct worker_options real = { .program = "build/spanprof" };

/* How many messages a fake answers until it dies, and after how long. */
static int n_answers;
static unsigned answer_ms;

static void answer_open(int sock, const struct worker_message *m)
{
	const struct rows_opened o = { .n_pages = 2, .code_off = 4096 };
	const struct worker_header h = {
		.protocol = WORKER_PROTOCOL,
		.service = WORKER_SERVICE_ROWS,
		.kind = ROWS_OPENED,
		.exchange = m->header.exchange,
		.len = sizeof(o),
	};

	usleep(answer_ms * 1000);
	if (n_answers-- == 0)
		raise(SIGKILL);
	if (worker_message_send(sock, &h, &o, -1) < 0)
		_exit(1);
}

static void read_by(struct worker *w)
{
	cr_assert(zero(int, rows_client_new(w, &sources.reader)));
}

static void read_by_fake(void)
{
	static struct worker_message m;
	struct worker *w;
	int pair[2];
	pid_t pid;

	cr_assert(zero(int, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)));
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		while (worker_message_receive(pair[1], true, &m) == 0)
			answer_open(pair[1], &m);
		_exit(0);
	}
	close(pair[1]);
	cr_assert(zero(int, worker_adopt(&real, pair[0], pid, &w)));
	read_by(w);
}

Test(unwind_source, rows_of_a_reader_are_loaded_as_ours)
{
	struct unwind_file_key key = { .ino = 1, .ctime_sec = 1 };
	struct unwind_found_rule found = { 0 };
	struct unwind_source *src;
	struct worker *w;

	cr_assert(zero(int, worker_new(&real, &w)));
	read_by(w);
	src = source_of_pages(200);
	cr_assert(zero(int, unwind_source_set_key(src, store, &key, 0)));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS));
	cr_assert(zero(int, unwind_source_find(src, store, place(9), 0, &found)));
	cr_assert(eq(u32, found.rule, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)));
	cr_assert(eq(u64, pages_compiled(), 8));
	for (unsigned page = 8; page < 16; page++)
		cr_assert(row_store_has(store, unwind_source_file(src), page));
	cr_assert(not(row_store_has(store, unwind_source_file(src), 16)));
	cr_assert(zero(int, unwind_source_find(src, store, place(10), 0, &found)));
	cr_assert(eq(u64, pages_compiled(), 8), "what is loaded is not asked for again");
}

/* So that the kernel side can do without it by itself. */
Test(unwind_source, a_file_that_its_reader_fails_on_has_no_rows_any_more)
{
	struct unwind_file_key key = { .ino = 1, .ctime_sec = 1 }, other = { .ino = 2 };
	struct unwind_found_rule found;
	struct unwind_source *src;

	n_answers = 1;
	read_by_fake();
	src = source_of_pages(20);
	cr_assert(zero(int, unwind_source_set_key(src, store, &key, 0)));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS));
	cr_assert(zero(int, unwind_source_find(src, store, 0, 0, &found)));
	cr_assert(eq(u32, found.rule, UNWIND_RULE_SPECIAL(UNWIND_NONE)));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_NO_ROWS));
	cr_assert(zero(ptr, unwind_source_file(source_of(dso_of("f.so")))));
	cr_assert(eq(u64, unwind_sources_failures(&sources).reader, 1));

	sh("sed 's/511/510/' f.s > g.s && " LINK "g.s -o g.so");
	src = source_of(dso_of("g.so"));
	cr_assert(zero(int, unwind_source_set_key(src, store, &other, 0)));
	cr_assert(eq(u32, find_file(&other)->state, UNWIND_FILE_ROWS), "others are read");
}

/* The kernel side goes on asking for it. */
Test(unwind_source, a_key_is_not_answered_before_its_file_is_read)
{
	struct unwind_file_key key = { .ino = 1, .ctime_sec = 1 };
	struct unwind_source *src;

	n_answers = 1;
	answer_ms = 2 * ROWS_PATIENCE_MS;
	read_by_fake();
	src = source_of_pages(20);
	for (int i = 0; i < 3; i++) {
		cr_assert(zero(ptr, unwind_source_file(src)));
		cr_assert(zero(int, unwind_source_set_key(src, store, &key, 0)));
		cr_assert(zero(ptr, (void *)find_file(&key)));
		source_of(dso_of("f.so"));
	}
	cr_assert(ge(u64, unwind_sources_failures(&sources).late, 3));
	usleep(2 * answer_ms * 1000);
	cr_assert(eq(ptr, source_of(dso_of("f.so")), src));
	cr_assert(ne(ptr, unwind_source_file(src), NULL));
	cr_assert(eq(u32, find_file(&key)->state, UNWIND_FILE_ROWS), "with what it had asked for");
}
