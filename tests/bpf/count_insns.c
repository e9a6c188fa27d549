/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_insns OBJECT: loads the BPF programs of a linked object, and prints of each: its name, how
 * many instructions it has, how many the verifier went through (0: the kernel does not tell,
 * before 5.16), and how many bytes of stack its deepest chain of calls takes.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INSNS_MAX     (1 << 20)
#define FUNCTIONS_MAX 256 /* BPF_MAX_SUBPROGS of include/linux/bpf_verifier.h */
#define STACK_ROUND   32  /* the kernel rounds each function's up: check_max_stack_depth() */
#define LOG_STATS     4	  /* BPF_LOG_STATS of bpf_verifier.h */
#define LOG_SIZE      65536

/* As the kernel has it, without what it found to be dead. */
struct program {
	struct bpf_prog_info info;
	struct bpf_func_info functions[FUNCTIONS_MAX];
	unsigned int stack[FUNCTIONS_MAX]; /* bytes of the function alone */
	struct bpf_insn insns[INSNS_MAX];
};

static int get_program(int fd, struct program *p)
{
	__u32 len = sizeof(p->info);

	p->info = (struct bpf_prog_info){
		.xlated_prog_insns = (uintptr_t)p->insns,
		.xlated_prog_len = sizeof(p->insns),
		.func_info = (uintptr_t)p->functions,
		.func_info_rec_size = sizeof(p->functions[0]),
		.nr_func_info = FUNCTIONS_MAX,
	};
	return bpf_obj_get_info_by_fd(fd, &p->info, &len);
}

/* "stack depth 48+0+120": one for each function. */
static int read_stacks(struct program *p, const char *log)
{
	const char *at = strstr(log, "stack depth ");

	if (!at)
		return -ENODATA;
	at += strlen("stack depth ");
	for (__u32 i = 0; i < p->info.nr_func_info; i++) {
		char *end;

		p->stack[i] = (unsigned int)strtoul(at, &end, 10);
		if (end == at || (*end != '+') != (i + 1 == p->info.nr_func_info))
			return -EBADMSG;
		at = end + 1;
	}
	return 0;
}

/* No function calls itself: the verifier has seen to that. */
static unsigned int deepest(const struct program *p, __u32 function) // NOLINT(misc-no-recursion)
{
	__u32 end = function + 1 < p->info.nr_func_info ? p->functions[function + 1].insn_off
							: p->info.xlated_prog_len / 8;
	unsigned int own = p->stack[function] ? p->stack[function] : 1, below = 0;

	for (__u32 i = p->functions[function].insn_off; i < end; i++) {
		const struct bpf_insn *insn = &p->insns[i];
		unsigned int stack;

		if (insn->code != (BPF_JMP | BPF_CALL) || insn->src_reg != BPF_PSEUDO_CALL)
			continue;
		if (insn->imm <= 0 || (__u32)insn->imm >= p->info.nr_func_info) {
			fprintf(stderr, "a call does not say of what; see kernel.kptr_restrict\n");
			exit(1);
		}
		stack = deepest(p, (__u32)insn->imm);
		if (stack > below)
			below = stack;
	}
	return (own + STACK_ROUND - 1) / STACK_ROUND * STACK_ROUND + below;
}

static int print_program(const struct bpf_program *prog, const char *log)
{
	static struct program p;
	int r = get_program(bpf_program__fd(prog), &p);

	if (r == 0)
		r = read_stacks(&p, log);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", bpf_program__name(prog), strerror(-r));
		return r;
	}
	printf("%s %u %u %u\n", bpf_program__name(prog), p.info.xlated_prog_len / 8,
	       p.info.verified_insns, deepest(&p, 0));
	return 0;
}

static int ask_for_log(struct bpf_program *prog, char *log)
{
	int r = bpf_program__set_log_level(prog, LOG_STATS);

	return r < 0 ? r : bpf_program__set_log_buf(prog, log, LOG_SIZE);
}

static int count(struct bpf_object *obj, char (*logs)[LOG_SIZE], size_t n_logs)
{
	struct bpf_program *prog;
	size_t n = 0;
	int r = 0;

	bpf_object__for_each_program(prog, obj)
	{
		if (r == 0)
			r = n < n_logs ? ask_for_log(prog, logs[n++]) : -E2BIG;
	}
	if (r == 0)
		r = bpf_object__load(obj);
	if (r < 0) {
		fprintf(stderr, "cannot be loaded; needs root: %s\n", strerror(-r));
		return r;
	}
	n = 0;
	bpf_object__for_each_program(prog, obj)
	{
		if (r == 0)
			r = print_program(prog, logs[n++]);
	}
	return r;
}

int main(int argc, char **argv)
{
	static char logs[8][LOG_SIZE];
	struct bpf_object *obj;
	int r;

	if (argc != 2)
		return 2;
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj) {
		perror(argv[1]);
		return 1;
	}
	r = count(obj, logs, sizeof(logs) / sizeof(logs[0]));
	bpf_object__close(obj);
	return r < 0 ? 1 : 0;
}
