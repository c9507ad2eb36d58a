"""The rows of the table "Troubleshooting" in docs/kubernetes.md: what one sees, and that the line
that the row names helps. containerd.POLICIES has the policy files."""

import json
import pathlib
import platform
import re

import pytest

from containerd import POLICIES, Failed, finish
from engines import assert_hardened, run, status_in, wait_for

STATUS = "cat /proc/self/status"


PAGE = (pathlib.Path(__file__).parent.parent.parent / "docs/kubernetes.md").read_text()


def test_containerd_takes_the_configuration_that_the_page_shows(folder):
    config = folder / "config.toml"
    config.write_text(re.search("```toml\n(.*?)```", PAGE, re.S).group(1))
    shown = run("containerd", "-c", config, "config", "dump").out
    section = shown.partition("containerd.runtimes.runsafe.options]")[2]
    assert 'BinaryName = "/usr/local/bin/runsafe"' in section and "SystemdCgroup = true" in section


def test_the_policies_of_the_page_are_those_that_were_tried():
    """Each JSON in the table is a policy of containerd.POLICIES, or a part of one."""
    rows = PAGE.partition("## Troubleshooting")[2]
    policies = [json.loads(text) for text in re.findall(r"`(\{\".*?\})`", rows)]
    assert len(policies) >= 10
    for policy in policies:
        assert any(includes(known, policy) for known in POLICIES.values()), policy


def includes(known, part):
    """Whether known says all that part says."""
    if isinstance(part, dict):
        return isinstance(known, dict) and all(includes(known.get(k), v) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(known, list) and set(part) <= set(known)
    return known == part


def test_what_was_changed_is_asked_of_runsafe(containerd):
    box = containerd.pod("runsafe").container("sleep 100")
    done = run("runsafe", "--root", "/run/containerd/runc/k8s.io", "check", box.id, check=1)
    assert "process.user: uid 0 (root): made 1000:1000" in done.out


def refused(make):
    """What containerd says when it can not be done: what kubectl describe shows."""
    with pytest.raises(Failed) as why:
        make()
    return why.value.text


def test_a_handler_that_containerd_does_not_know(containerd):
    assert 'no runtime for "runsafer" is configured' in refused(lambda: containerd.pod("runsafer"))


def test_a_symlink_without_its_policy_file(containerd):
    text = refused(lambda: containerd.pod("runsafe-forgotten"))
    assert "called as runsafe-forgotten" in text and "/etc/runsafe/forgotten.json" in text


@pytest.mark.parametrize("kind, link, name", [
    ("network", "net", "host-network"), ("pid", "pid", "host-pid"), ("ipc", "ipc", "host-ipc")])
def test_a_pod_that_wants_the_hosts_namespaces(containerd, kind, link, name):
    text = refused(lambda: containerd.pod("runsafe", namespaces={kind: "NODE"}))
    assert "(policy default)" in text and name in text
    assert containerd.shims() == [] and containerd.states() == []
    pod = containerd.pod("runsafe-hostns", namespaces={kind: "NODE"})
    box = pod.container("sleep 100")
    assert pathlib.Path(f"/proc/{box.pid()}/ns/{link}").readlink() == \
        pathlib.Path(f"/proc/self/ns/{link}").readlink()
    assert_hardened(status_in(box.out(STATUS)))


def test_a_program_that_writes_into_its_image(containerd, folder):
    """Read-only file system: an emptyDir there, a tmpfs of the policy, or a writable rootfs."""
    command = "touch /home/x 2>&1 && echo written"
    box = containerd.pod("runsafe").container(command)
    assert box.ended().exit_code != 0 and "Read-only file system" in box.log()[0][1]
    folder.chmod(0o777)
    assert finish(containerd.pod("runsafe"), command, mounts=[(folder, "/home", "rw")]) == "written"
    assert finish(containerd.pod("runsafe-jit"), command) == "written"
    options = {"security": {"run_as_user": 33, "run_as_group": 33}}
    image = "mkdir /home/app/x 2>&1 || :; grep ' / ' /proc/self/mounts"
    assert "overlay rw" in finish(containerd.pod("runsafe-writable"), image, **options)


def test_nginx_as_its_image_has_it(containerd, folder):
    """It makes folders below /var/lib/nginx and logs to /var/log/nginx: two emptyDirs of its group."""
    pod = containerd.pod("runsafe", security={"supplemental_groups": [1000]})
    command = ["nginx", "-g", "daemon off;"]
    box = pod.container(command, image="apps")
    assert box.ended(20).exit_code != 0
    text = " ".join(text for _, text in box.log())
    assert "Read-only file system" in text or "Permission denied" in text, text
    mounts = []
    for path in ("/var/lib/nginx", "/var/log/nginx"):
        source = folder / path.replace("/", "_")
        source.mkdir()
        run("chgrp", "1000", source)
        source.chmod(0o2770)
        mounts.append((source, path, "rw"))
    box = pod.container(command, image="apps", mounts=mounts)
    address = pod.status()[0].network.ip
    wait_for("nginx answers", lambda: "200 OK" in run("curl", "-sI", f"http://{address}/",
                                                      check=False).out)
    box.stop(timeout=10)
    assert box.status().exit_code == 0


def test_a_volume_that_belongs_to_root(containerd, folder):
    """Permission denied on a volume: securityContext.fsGroup, which the kubelet gives the volume."""
    folder.chmod(0o755)
    pod = containerd.pod("runsafe")
    box = pod.container("touch /data/x 2>&1", mounts=[(folder, "/data", "rw")])
    assert box.ended().exit_code != 0
    said = " ".join(line for _, line in box.log())
    assert "Permission denied" in said and "runsafe: /data: the host's folder belongs to" in said
    run("chgrp", "2000", folder)  # what a kubelet does for fsGroup: 2000
    folder.chmod(0o2775)
    assert finish(pod, "touch /data/x && echo written", mounts=[(folder, "/data", "rw")],
                  security={"supplemental_groups": [2000]}) == "written"


def test_an_entrypoint_that_changes_owner_and_user(containerd):
    """chown, gosu: runAsUser makes it unnecessary, or five capabilities and root by policy."""
    command = "chown 33 /tmp/x 2>&1"
    box = containerd.pod("runsafe").container(f"touch /tmp/x; {command}")
    assert box.ended().exit_code != 0 and "Operation not permitted" in box.log()[0][1]
    pod = containerd.pod("runsafe")
    usual = "[ $(id -u) != 0 ] || chown 33 /tmp; id -u"
    assert finish(pod, usual, security={"run_as_user": 33, "run_as_group": 33}) == "33"
    text = finish(containerd.pod("runsafe-entrypoint"),
                  f"touch /tmp/x; {command}; ls -ln /tmp/x; su -s /bin/sh nobody -c 'id -u'")
    assert " 33 " in text and text.endswith("65534")


def test_a_program_that_insists_on_root(containerd):
    assert finish(containerd.pod("runsafe"), "id -u") == "1000"
    seen = status_in(finish(containerd.pod("runsafe-root"), STATUS))
    assert seen["Uid"].split()[0] == "0" and int(seen["CapEff"], 16) == 0


def test_an_image_whose_files_are_of_the_group_root(containerd, folder):
    """As made for OpenShift: any uid, group 0, and files that group 0 may write."""
    folder.chmod(0o770)
    options = {"security": {"run_as_user": 1001, "run_as_group": 0},
               "mounts": [(folder, "/home", "rw")]}
    box = containerd.pod("runsafe").container("touch /home/x 2>&1", **options)
    assert box.ended().exit_code != 0
    said = " ".join(line for _, line in box.log())
    assert "Permission denied" in said and "runsafe: /home: the host's folder belongs to" in said
    pod = containerd.pod("runsafe-rootgroup")
    assert finish(pod, "touch /home/x && id -g", **options) == "0"


def test_a_debugger(containerd):
    """strace and gdb, as with kubectl debug --target; perl-base asks the kernel directly."""
    number = {"x86_64": 101, "aarch64": 117}[platform.machine()]
    command = ["perl", "-e", f"print syscall({number}, 0, 0, 0, 0) == 0 ? 'traced' : $!"]
    pod = containerd.pod("runsafe")
    assert finish(pod, command, image="debian") == "Operation not permitted"
    assert finish(containerd.pod("runsafe-debug"), command, image="debian") == "traced"


def test_a_capability_that_a_pod_asks_for(containerd):
    """capabilities.add alone gives nothing; the policy of the handler does."""
    command = "ip link add dummy0 type dummy 2>&1 || ip link set lo down 2>&1"
    wanted = {"capabilities": {"add_capabilities": ["NET_ADMIN"]}}
    box = containerd.pod("runsafe").container(command, security=wanted)
    assert box.ended().exit_code != 0
    assert "Operation not permitted" in " ".join(text for _, text in box.log())
    pod = containerd.pod("runsafe-netadmin")
    assert finish(pod, "ip link set lo down && echo done", security=wanted) == "done"


def test_a_program_in_tmp_that_is_executed(containerd):
    command = "cp /bin/busybox /tmp/echo; chmod +x /tmp/echo; /tmp/echo ran 2>&1"
    box = containerd.pod("runsafe").container(command)
    assert box.ended().exit_code == 126 and "Permission denied" in box.log()[0][1]
    assert finish(containerd.pod("runsafe-jit"), command) == "ran"


def test_a_device_of_a_plugin(containerd):
    devices = [{"host_path": "/dev/kmsg", "container_path": "/dev/kmsg", "permissions": "rw"}]
    command = "test -c /dev/kmsg && echo there"
    box = containerd.pod("runsafe").container(command, devices=devices)
    assert box.ended().exit_code != 0
    assert finish(containerd.pod("runsafe-kmsg"), command, devices=devices) == "there"


def test_a_host_path_of_the_engine(containerd):
    """An agent that reads /proc of the host, or talks to containerd."""
    pod = containerd.pod("runsafe")
    for source in ("/proc", containerd.socket):
        text = refused(lambda: pod.container("true", mounts=[(source, "/host", "ro")]))
        assert "policy default refuses mounts[" in text and f"bind={source}" in text
    agent = containerd.pod("runsafe-agent")
    assert finish(agent, "cat /host/1/comm", mounts=[("/proc", "/host", "ro")])


def test_a_sysctl_that_is_the_hosts(containerd):
    value = pathlib.Path("/proc/sys/vm/swappiness").read_text().strip()
    wanted = {"sysctls": {"vm.swappiness": value}}
    text = refused(lambda: containerd.pod("runsafe", linux=wanted))
    assert "policy default refuses linux.sysctl.vm.swappiness" in text
    assert "--allow sysctl=vm.swappiness" in text
    assert containerd.pod("runsafe-tuning", linux=wanted).pid()


def test_an_annotation_that_the_policy_does_not_accept(containerd):
    notes = {"io.runsafe.rootfs-writable": "true"}
    text = refused(lambda: containerd.pod("annotated", annotations=notes))
    assert "io.runsafe.rootfs-writable" in text and "policy" in text
    pod = containerd.pod("runsafe-notes", annotations=notes)
    assert " / overlay rw" in finish(pod, "cat /proc/self/mounts", annotations=notes)


def test_limits_that_nobody_said(containerd):
    """What a container without resources.limits ends up with; the machine's tests read its cgroup."""
    def limits(handler):
        box = containerd.pod(handler).container("sleep 100")
        text = run("runsafe", "--root", "/run/containerd/runc/k8s.io", "check", box.id, check=1).out
        return dict(re.findall(r"^  (memory|processors) +(.*)$", text, re.M))

    assert limits("runsafe") == {"memory": "1 GiB", "processors": "1.00"}
    assert limits("runsafe-roomy") == {"memory": "4 GiB", "processors": "no limit"}


def test_a_user_namespace_that_lacks_1000(containerd):
    """Kubelets map 65536 ids; who maps fewer by hand sees this."""
    few = [{"host_id": 500000, "container_id": 0, "length": 100}]
    options = {"userns_options": {"mode": "POD", "uids": few, "gids": few}}
    text = refused(lambda: containerd.pod("runsafe", namespaces=options))
    assert "linux.uidMappings: uid 65535" in text and "is not mapped" in text


def test_mounts_that_shall_travel_to_the_host(containerd, folder):
    """mountPropagation: Bidirectional, which CSI drivers use in privileged containers."""
    run("mount", "--bind", folder, folder)
    run("mount", "--make-rshared", folder)
    shared = [{"host_path": str(folder), "container_path": "/data",
               "propagation": "PROPAGATION_BIDIRECTIONAL"}]
    line = "sed -n 's,.* /data .*\\(shared\\|master\\).*,\\1,p' /proc/self/mountinfo"
    try:
        assert finish(containerd.pod("runsafe"), line, mounts=shared) == "master"
        assert finish(containerd.pod("runsafe-storage"), line, mounts=shared) == "shared"
    finally:
        containerd.clean()
        run("umount", "-R", "-l", folder)


def test_strict_wants_everything_said(containerd):
    """containerd writes no cgroup namespace, a kubelet no limits for the sandbox: a policy that says
    what is missing takes a pod that Pod Security Standards call "restricted"."""
    assert "(policy strict)" in refused(lambda: containerd.pod("runsafe-strict"))
    pod = containerd.pod("runsafe-careful")
    restricted = {"run_as_user": 1234, "run_as_group": 1234, "no_new_privs": True,
                  "capabilities": {"drop_capabilities": ["ALL"]}, "readonly_rootfs": True}
    assert_hardened(status_in(finish(pod, STATUS, security=restricted)))
    text = refused(lambda: pod.container("true"))
    assert "(policy" in text or "refuses" in text
