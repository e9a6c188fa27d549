/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of /proc/PID/cgroup as container engines, Kubernetes and systemd make them. */
#include "meta/cgroup.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

TestSuite(cgroup, .fini = leak_check);

#define ID    "ed7e64a2ed44bd0f6d2a4b7e6e8c4b8e1f1a5d7c3b2a190807f6e5d4c3b2a190"
#define INNER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID   "12abcdef-3456-7890-abcd-ef0123456789"
#define UID_  "12abcdef_3456_7890_abcd_ef0123456789"

struct expected {
	const char *text, *id, *runtime, *pod, *unit;
};

static void assert_facts(const struct expected *e)
{
	struct cgroup_facts facts;
	char *copy = strndup(e->text, strlen(e->text)); /* ASAN sees reads behind its end */
	size_t len = strlen(copy);

	copy = realloc(copy, len ? len : 1);
	cgroup_identify(copy, len, &facts);
	free(copy);
	cr_expect_str_eq(facts.container_id, e->id ? e->id : "", "%s", e->text);
	cr_expect_str_eq(facts.container_runtime ? facts.container_runtime : "",
			 e->runtime ? e->runtime : "", "%s", e->text);
	cr_expect_str_eq(facts.pod_uid, e->pod ? e->pod : "", "%s", e->text);
	cr_expect_str_eq(facts.unit, e->unit ? e->unit : "", "%s", e->text);
}

#define ASSERT_ALL(list)                                                                           \
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)                                \
	assert_facts(&list[i])

Test(cgroup, containers)
{
	static const struct expected all[] = {
		/* cgroupfs driver, v1 and v2 */
		{ "3:rdma:/\n2:cpu,cpuacct:/docker/" ID "\n1:name=systemd:/docker/" ID
		  "\n0::/system.slice/containerd.service\n",
		  ID, "docker", NULL, NULL },
		{ "0::/system.slice/containerd.service\n2:cpu:/docker/" ID "\n", ID, "docker", NULL,
		  NULL },
		{ "0::/docker/" ID "\n", ID, "docker", NULL, NULL },
		/* systemd driver */
		{ "0::/system.slice/docker-" ID ".scope\n", ID, "docker", NULL, NULL },
		{ "0::/system.slice/docker-" ID ".scope/init\n", ID, "docker", NULL, NULL },
		{ "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID
		  ".scope\n",
		  ID, "docker", NULL, NULL },
		{ "0::/system.slice/nerdctl-" ID ".scope\n", ID, "containerd", NULL, NULL },
		{ "0::/machine.slice/libpod-" ID ".scope\n", ID, "podman", NULL, NULL },
		{ "0::/machine.slice/libpod-" ID ".scope/container\n", ID, "podman", NULL, NULL },
		{ "0::/user.slice/user-0.slice/user@0.service/user.slice/libpod-" ID
		  ".scope/container\n",
		  ID, "podman", NULL, NULL },
		{ "0::/libpod_parent/" ID "\n", ID, "podman", NULL, NULL },
		/* podman's quadlets: the container is all of its unit */
		{ "0::/system.slice/web.service/libpod-payload-" ID "\n", ID, "podman", NULL,
		  "web.service" },
		/* the monitors are no containers */
		{ "0::/machine.slice/libpod-conmon-" ID ".scope\n", NULL, NULL, NULL,
		  "libpod-conmon-" ID ".scope" },
		{ "0::/kubepods.slice/crio-conmon-" ID ".scope\n", NULL, NULL, NULL,
		  "crio-conmon-" ID ".scope" },
		/* Amazon ECS: Fargate, and on instances */
		{ "1:name=systemd:/ecs/0123456789abcdef0123456789abcdef/"
		  "0123456789abcdef0123456789abcdef-3456789012\n",
		  "0123456789abcdef0123456789abcdef-3456789012", NULL, NULL, NULL },
		{ "1:cpu:/ecs/6b1c4b0e-7bbe-4d0e-b9c5-3b8d2a1f0e9c/" ID "\n", ID, NULL, NULL,
		  NULL },
		/* of a reader in a cgroup namespace of its own */
		{ "0::/../../system.slice/docker-" ID ".scope\n", ID, "docker", NULL, NULL },
		{ "0::/\n", NULL, NULL, NULL, NULL },
		{ "0::/system.slice/docker-" ID ".scope (deleted)\n", ID, "docker", NULL, NULL },
	};

	ASSERT_ALL(all);
}

Test(cgroup, kubernetes)
{
	static const struct expected all[] = {
		{ "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
		  ".slice/cri-containerd-" ID ".scope\n",
		  ID, "containerd", UID, NULL },
		{ "0::/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope\n", ID, "cri-o",
		  UID, NULL },
		{ "0::/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container\n", ID,
		  "cri-o", UID, NULL },
		{ "11:memory:/kubepods/besteffort/pod" UID "/" ID "\n", ID, NULL, UID, NULL },
		{ "0::/kubepods/besteffort/pod" UID "/crio-" ID "\n", ID, "cri-o", UID, NULL },
		{ "5:pids:/system.slice/containerd.service/kubepods-burstable-pod" UID_
		  ".slice:cri-containerd:" ID "\n",
		  ID, "containerd", UID, NULL },
		/* a static pod's is a hash */
		{ "0::/kubepods/burstable/pod0123456789abcdef0123456789abcdef/" ID "\n", ID, NULL,
		  "0123456789abcdef0123456789abcdef", NULL },
		/* kind: a node that is a container itself */
		{ "0::/docker/" ID "/kubelet.slice/kubelet-kubepods.slice/"
		  "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" UID_
		  ".slice/cri-containerd-" INNER ".scope\n",
		  INNER, "containerd", UID, NULL },
		{ "0::/docker/" ID "/kubelet.slice/kubelet.service\n", ID, "docker", NULL,
		  "kubelet.service" },
	};

	ASSERT_ALL(all);
}

Test(cgroup, units)
{
	static const struct expected all[] = {
		{ .text = "0::/system.slice/nginx.service\n", .unit = "nginx.service" },
		{ .text = "1:name=systemd:/system.slice/nginx.service\n0::/system.slice/"
			  "nginx.service\n",
		  .unit = "nginx.service" },
		{ .text = "4:memory:/system.slice/a.service\n1:name=systemd:/system.slice/"
			  "b.service\n",
		  .unit = "b.service" },
		{ .text = "0::/system.slice/system-postgresql.slice/postgresql@14-main.service\n",
		  .unit = "postgresql@14-main.service" },
		{ .text = "0::/system.slice/foo.service/workers/1\n", .unit = "foo.service" },
		{ .text = "0::/user.slice/user-1000.slice/session-3.scope\n",
		  .unit = "session-3.scope" },
		{ .text = "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
		  .unit = "user@1000.service" },
		{ .text = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
			  "syncthing.service\n",
		  .unit = "syncthing.service" },
		{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome."
		  "Terminal.slice/vte-spawn-12abcdef-3456-7890-abcd-ef0123456789.scope\n",
		  .unit = "vte-spawn-12abcdef-3456-7890-abcd-ef0123456789.scope" },
		{ .text = "0::/machine.slice/machine-web.scope/payload/system.slice/"
			  "nginx.service\n",
		  .unit = "nginx.service" },
		{ .text = "0::/init.scope\n", .unit = "init.scope" },
		{ .text = "0::/system.slice/_cgroup.service\n", .unit = "cgroup.service" },
		{ .text = "0::/system.slice/dev-disk-by\\x2duuid.service\n",
		  .unit = "dev-disk-by\\x2duuid.service" },
		{ .text = "0::/system.slice\n" },
	};

	ASSERT_ALL(all);
}

Test(cgroup, path_from_a_namespace)
{
	static const struct {
		const char *text, *root, *path;
	} cases[] = {
		{ "0::/a/b\n", "", "/a/b" },
		{ "0::/../../a\n", "", "/../../a" },
		{ "0::/\n", "", "/" },
		{ "0::/\n", "/kube/pod1/c1", "/kube/pod1/c1" },
		{ "0::/x\n", "/kube/pod1/c1", "/kube/pod1/c1/x" },
		{ "0::/..\n", "/kube/pod1/c1", "/kube/pod1" },
		{ "0::/../../pod2/c2\n", "/kube/pod1/c1", "/kube/pod2/c2" },
		{ "0::/../../../system.slice/x.service\n", "/kube/pod1/c1",
		  "/system.slice/x.service" },
		{ "0::/../../..\n", "/kube/pod1/c1", "/" },
		{ "0::/../../../../../x\n", "/kube/pod1/c1", "/x" },
		{ "0::/..a/...\n", "/kube", "/kube/..a/..." },
		{ "1:cpu:/a\n0::/../b\n", "/a", "/b" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = cgroup_path(cases[i].text, strlen(cases[i].text), cases[i].root);

		cr_expect_str_eq(path, cases[i].path, "%s", cases[i].text);
		free(path);
	}
	cr_expect(zero(ptr, cgroup_path("1:cpu:/a\n", 9, "/a")));
}

/* Nobody calls a unit or a container so. */
Test(cgroup, hostile)
{
	static char longest[5000];
	struct cgroup_facts facts;
	static const struct expected all[] = {
		{ .text = "" },
		{ .text = "\n\n\n" },
		{ .text = "0" },
		{ .text = "0:" },
		{ .text = "0::" },
		{ .text = ":::::" },
		{ .text = "0::/a\"b.service\n" },
		{ .text = "0::/a b.service\n" },
		{ .text = "0::/\xff\xfe.service\n" },
		{ .text = "0::/.service\n", .unit = ".service" },
		{ .text = "0::/pod\n" },
		{ .text = "0::/pod12abcdef\n" },
		{ .text = "0::/x" ID "\n" },	    /* more than an id */
		{ .text = "0::/DOCKER-" ID "0\n" }, /* not at its end */
		{ .text = "0::/0123456789abcdef0123456789abcdef-12x\n" },
		{ .text = "0::/" ID "/" ID ".scope/" INNER "\n", .id = INNER },
	};

	ASSERT_ALL(all);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "0::/", 4);
	memcpy(longest + sizeof(longest) - 8, ".service", 8);
	cgroup_identify(longest, sizeof(longest), &facts);
	cr_assert(eq(str, facts.unit, ""));
	memset(longest, '/', sizeof(longest));
	cgroup_identify(longest, sizeof(longest), &facts);
}

Test(cgroup, random_bytes)
{
	static const char *const words[] = { "0::/",	"\n",	    "/",     ":",	   ".scope",
					     "docker-", ID,	    "pod",   UID_,	   "\xff",
					     ".slice",	".service", "user@", " (deleted)", "-" };
	char text[4096];
	int n_bad = 0;

	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct cgroup_facts facts;
		size_t len = 0;

		for (int n = rand() % 12; n > 0; n--) {
			const char *word = words[rand() % (sizeof(words) / sizeof(words[0]))];

			memcpy(text + len, word, strlen(word));
			len += strlen(word);
		}
		cgroup_identify(text, len, &facts);
		for (const char *c = facts.unit; *c; c++)
			n_bad += *c <= 0x20 || *c >= 0x7f;
	}
	cr_assert(zero(int, n_bad));
}

Test(cgroup, services_of_units)
{
	static const struct {
		const char *unit, *service;
	} all[] = {
		{ "nginx.service", "nginx" },
		{ "postgresql@14-main.service", "postgresql@14-main" },
		{ "dev-disk-by\\x2duuid.service", "dev-disk-by-uuid" },
		{ "bad\\x00\\xzz\\x2.service", "bad\\x00\\xzz\\x2" },
		{ "user@1000.service", "" },
		{ "session-3.scope", "" },
		{ "init.scope", "" },
		{ "run-u12.service", "" },
		{ "run-rb8f0c1d2e3a4b5c6d7e8f90123456789.service", "" },
		{ "run-p123-i456.service", "" },
		{ "run-parts.service", "run-parts" },
		{ ".service", "" },
		{ "", "" },
	};
	char service[UNIT_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		cgroup_unit_service(all[i].unit, service);
		cr_expect_str_eq(service, all[i].service, "%s", all[i].unit);
	}
}
