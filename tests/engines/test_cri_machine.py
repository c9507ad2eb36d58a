"""Pods on a machine with controllers and AppArmor, with both drivers: limits, OOM, statistics."""

import pathlib

import pytest

from containerd import stats_ready
from engines import GROUND, cgroup_of, has_limits, run, wait_for

MIB = 1 << 20
LIMITS = {"memory_limit_in_bytes": 64 * MIB, "cpu_quota": 50000, "cpu_period": 100000,
          "cpu_shares": 512, "unified": {"memory.high": str(60 * MIB), "memory.min": str(MIB),
                                         "memory.oom.group": "1"},
          "hugepage_limits": [{"page_size": "2MB", "limit": 0}]}


def made_by_kubelet(pod):
    """The pod's cgroup with its limits, which a kubelet makes before the sandbox."""
    parent = pod.config["linux"]["cgroup_parent"]
    if GROUND == "systemd":
        unit = parent.rsplit("/", 1)[1]
        run("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))", unit,
            "replace", "1", "MemoryMax", "t", str(256 * MIB), "0")
        path = pathlib.Path("/sys/fs/cgroup" + parent)
        wait_for("the pod's slice", path.exists)
        return path
    path = pathlib.Path("/sys/fs/cgroup")
    for part in parent.strip("/").split("/"):
        (path / "cgroup.subtree_control").write_text("+memory +cpu +pids +cpuset")
        path = path / part
        path.mkdir(exist_ok=True)
    (path / "memory.max").write_text(str(256 * MIB))
    return path


def score(pid):
    return int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text())


def read(folder, name):
    return (folder / name).read_text().strip()


@pytest.mark.ground("machine", "systemd")
def test_limits_statistics_updates_and_oom_of_a_pod(containerd, runtime):
    """One pod, since each takes seconds here: requests and limits as a kubelet sends them."""
    assert has_limits()
    pod = containerd.pod(runtime, start=False)
    parent = made_by_kubelet(pod)
    pod.run()
    assert cgroup_of(pod.pid()).parent == parent
    assert score(pod.pid()) == -998
    box = pod.container("sleep 1000", resources=LIMITS)
    assert score(box.pid()) == 1000
    group = cgroup_of(box.pid())
    assert group.parent == parent
    assert (read(group, "memory.max"), read(group, "memory.high")) == (str(64 * MIB), str(60 * MIB))
    assert (read(group, "memory.min"), read(group, "memory.oom.group")) == (str(MIB), "1")
    assert read(group, "cpu.max") == "50000 100000"
    # runc 1.1 turns 512 shares into 20 by another formula; newer ones and runsafe into 59.
    weight = "20" if runtime == "own" else "59"
    assert read(group, "cpu.weight") == weight
    if (group / "hugetlb.2MB.max").exists():
        assert read(group, "hugetlb.2MB.max") == "0"
    if runtime == "runsafe":
        assert read(group, "pids.max") == "1024"
        assert read(group, "memory.swap.max") == "0"
    if GROUND == "systemd":
        assert group.name == f"cri-containerd-{box.id}.scope"
        shown = run("systemctl", "show", "-p", "MemoryMax,CPUQuotaPerSecUSec", group.name).out
        assert f"MemoryMax={64 * MIB}" in shown and "CPUQuotaPerSecUSec=500ms" in shown

    containerd.cri("UpdateContainerResources", {"container_id": box.id, "linux": {
        "memory_limit_in_bytes": 96 * MIB, "cpu_quota": 80000, "cpu_period": 100000}})
    assert read(group, "memory.max") == str(96 * MIB)
    assert read(group, "cpu.max") == "80000 100000"
    assert read(group, "cpu.weight") == weight

    # A pod without limits, and what the kubelet's CPU manager sends for each container.
    free = pod.container("sleep 1000", resources={"cpu_shares": 2})
    wanted = str(1 << 30) if runtime == "runsafe" else "max"
    assert read(cgroup_of(free.pid()), "memory.max") == wanted
    containerd.cri("UpdateContainerResources", {"container_id": free.id,
                                                "linux": {"cpuset_cpus": "0"}})
    assert read(cgroup_of(free.pid()), "cpuset.cpus") == "0"
    assert read(cgroup_of(free.pid()), "memory.max") == wanted

    stats = stats_ready(lambda: containerd.cri("ContainerStats", {"container_id": box.id}).stats)
    assert stats.memory.working_set_bytes.value > 0 and stats.cpu.usage_core_nano_seconds.value > 0
    assert box.id in [s.attributes.id for s in containerd.cri("ListContainerStats", {}).stats]
    linux = containerd.cri("PodSandboxStats", {"pod_sandbox_id": pod.id}).stats.linux
    assert linux.memory.usage_bytes.value > 0 and linux.process.process_count.value >= 1

    # The shell outlives its child: the shim of containerd 1.7 can miss what happens with the end.
    eater = pod.container("sh -c 'a=$(head -c 90000000 /dev/zero | tr \"\\0\" x)'; sleep 2; exit 137",
                          resources={"memory_limit_in_bytes": 32 * MIB,
                                     "memory_swap_limit_in_bytes": 32 * MIB})
    status = eater.ended(60)
    assert (status.exit_code, status.reason) == (137, "OOMKilled"), (status, eater.log())
    pod.remove()
    wait_for("its cgroups are gone", lambda: not group.exists())


@pytest.mark.ground("machine")
@pytest.mark.runtimes("runsafe")
def test_the_apparmor_profile_of_the_engine_confines_a_container_and_its_probes(containerd, runtime):
    """RuntimeDefault is cri-containerd.apparmor.d, which containerd loads; exec joins it."""
    pod = containerd.pod(runtime)
    box = pod.container("sleep 1000", security={"apparmor": {"profile_type": "RuntimeDefault"}})
    label = "cri-containerd.apparmor.d (enforce)"
    assert pathlib.Path(f"/proc/{box.pid()}/attr/current").read_text().strip("\0\n") == label
    assert box.out("cat /proc/self/attr/current") == label


@pytest.mark.ground("machine")
@pytest.mark.runtimes("runsafe")
def test_ctr_limits_and_metrics_and_a_checkpoint(containerd, runtime, folder):
    image = containerd.image("busybox")
    containerd.ctr("run", "-d", "--runc-binary", "/usr/local/bin/runsafe", "--memory-limit",
                   str(64 * MIB), "--cpus", "0.5", image, "c1", "sleep", "1000")
    pid = int(containerd.ctr("tasks", "ls").out.splitlines()[1].split()[1])
    group = cgroup_of(pid)
    assert read(group, "memory.max") == str(64 * MIB) and read(group, "cpu.max") == "50000 100000"
    metrics = containerd.ctr("tasks", "metrics", "c1").out
    assert "memory.usage" in metrics and "pids.current" in metrics
    containerd.ctr("tasks", "checkpoint", "--exit", "--image-path", folder, "c1", timeout=30)
    assert list(folder.glob("core-*.img"))
