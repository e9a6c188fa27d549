/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPF program that takes its time, run by the kernel for us:
 *   bpfburn --cpu-ms MS
 * It is called burner, and runs in test runs of a socket filter. "ready" is printed when it is
 * loaded. It is made of raw instructions, so that nothing is needed to build it.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "args.h"

#define ROUNDS 20000 /* of a loop, each of which the verifier follows */

static void die(const char *what)
{
	fprintf(stderr, "bpfburn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* r0 = 0; r1 = ROUNDS; do r0 += r1; while (--r1); return r0 */
static int load_burner(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = ROUNDS },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_X, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_1 },
		{ .code = BPF_ALU64 | BPF_SUB | BPF_K, .dst_reg = BPF_REG_1, .imm = 1 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_1, .off = -3, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.license = (uintptr_t) "GPL",
		.prog_name = "burner",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		die("load");
	return fd;
}

static void run_once(int fd)
{
	uint8_t packet[64] = { 0 };
	union bpf_attr attr = {
		.test = {
			.prog_fd = (uint32_t)fd,
			.data_size_in = sizeof(packet),
			.data_in = (uintptr_t)packet,
			.repeat = 1000,
		},
	};

	if (bpf(BPF_PROG_TEST_RUN, &attr) < 0)
		die("run");
}

static uint64_t used_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t cpu_ns = (uint64_t)(arg_number(argv, "cpu-ms", 500) * 1e6);
	int fd = load_burner();

	(void)argc;
	puts("ready");
	fflush(stdout);
	while (used_ns() < cpu_ns)
		run_once(fd);
	return 0;
}
