/* SPDX-License-Identifier: Apache-2.0 */
/*
 * count_insns OBJECT: loads the BPF programs of a linked object, and prints of each: its name, how
 * many instructions it has, and how many the verifier went through (0: the kernel does not tell,
 * before 5.16).
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>

static int print_program(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int r = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);

	if (r < 0) {
		fprintf(stderr, "%s: %s\n", bpf_program__name(prog), strerror(-r));
		return r;
	}
	printf("%s %u %u\n", bpf_program__name(prog), info.xlated_prog_len / 8,
	       info.verified_insns);
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_program *prog;
	struct bpf_object *obj;
	int r;

	if (argc != 2)
		return 2;
	obj = bpf_object__open_file(argv[1], NULL);
	r = obj ? bpf_object__load(obj) : -1;
	if (r < 0) {
		fprintf(stderr, "%s: cannot be loaded; needs root\n", argv[1]);
		bpf_object__close(obj);
		return 1;
	}
	bpf_object__for_each_program(prog, obj) if (print_program(prog) < 0) r = -1;
	bpf_object__close(obj);
	return r < 0 ? 1 : 0;
}
