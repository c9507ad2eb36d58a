"""The security context of pods, as kubelets send it: what comes of each field under each policy."""

import json
import pathlib
import re

import pytest

from containerd import Failed, finish, name_of
from engines import assert_hardened, status_in, status_of, wait_for

SYS_ADMIN, NET_RAW, NET_ADMIN = 1 << 21, 1 << 13, 1 << 12
STATUS = "cat /proc/self/status"


def status(containerd, runtime, **security):
    pod = containerd.pod(runtime, security={"privileged": security.get("privileged", False)})
    return status_in(finish(pod, STATUS, security=security))


# --- who it is

def identities(containerd, runtime, contexts):
    """(uid, gid) of a container for each security context, in one pod."""
    pod = containerd.pod(runtime)
    return [tuple(finish(pod, "id -u; id -g", security=context).split()) for context in contexts]


CONTEXTS = [{"run_as_user": 1234}, {"run_as_user": 1234, "run_as_group": 2345},
            {"run_as_username": "nobody"}, {"run_as_user": 0}, {}]


@pytest.mark.runtimes("runsafe")
def test_a_user_that_is_not_root_is_kept_and_root_is_1000(containerd, runtime):
    """runAsUser alone leaves group 0 to the image: it becomes 1000."""
    assert identities(containerd, runtime, CONTEXTS) == [
        ("1234", "1000"), ("1234", "2345"), ("65534", "65534"), ("1000", "1000"), ("1000", "1000")]


@pytest.mark.runtimes("runsafe-oci", "own")
def test_policy_oci_takes_the_user_as_written(containerd, runtime):
    assert identities(containerd, runtime, CONTEXTS) == [
        ("1234", "0"), ("1234", "2345"), ("65534", "65534"), ("0", "0"), ("0", "0")]


def test_exec_runs_as_the_containers_user(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100", security={"run_as_user": 1234,
                                                                   "run_as_group": 2345})
    assert box.out("id -u; id -g") == "1234\n2345"


@pytest.mark.runtimes("runsafe")
def test_exec_is_as_hardened_as_its_container(containerd, runtime):
    pod = containerd.pod(runtime, security={"privileged": True})
    box = pod.container("sleep 100", security={"privileged": True})
    seen = status_in(box.out(STATUS))
    assert_hardened(seen)
    assert seen["Uid"].split()[0] == "1000"


# --- what it may

def test_a_capability_is_given_under_oci_and_not_under_default(containerd, runtime):
    seen = status(containerd, runtime, capabilities={"add_capabilities": ["NET_ADMIN"]})
    bits = int(seen["CapEff"], 16)
    if runtime == "runsafe":
        assert_hardened(seen)
    else:
        assert bits & NET_ADMIN and bits & NET_RAW and not bits & SYS_ADMIN


def test_drop_all_leaves_none(containerd, runtime):
    """What "restricted" demands: drop ALL, no privilege escalation, a user that is not root."""
    seen = status(containerd, runtime, run_as_user=1234, run_as_group=1234, no_new_privs=True,
                  capabilities={"drop_capabilities": ["ALL"]})
    assert_hardened(seen)


def test_privileged_gets_past_no_rule_of_default(containerd, runtime):
    seen = status(containerd, runtime, privileged=True)
    if runtime == "runsafe":
        assert_hardened(seen)
    else:
        assert int(seen["CapEff"], 16) & SYS_ADMIN and seen["Seccomp"] == "0"


@pytest.mark.runtimes("runsafe")
def test_a_privileged_container_has_the_usual_devices_and_paths_only(containerd, runtime):
    pod = containerd.pod(runtime, security={"privileged": True})
    box = pod.container("sleep 100", security={"privileged": True})
    assert set(box.out("ls /dev").split()) <= {
        "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
        "stdout", "termination-log", "tty", "urandom", "zero"}
    for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/sys/fs/cgroup/x", "/x"):
        code, _, err = box.exec(f"echo x >{path}")
        assert code != 0 and "can't create" in err, (path, err)


def test_no_new_privs_follows_allow_privilege_escalation(containerd, runtime):
    """Under default it is on in any case."""
    pod = containerd.pod(runtime)
    for wanted in (True, False):
        seen = status_in(finish(pod, STATUS, security={"no_new_privs": wanted}))
        assert seen["NoNewPrivs"] == ("1" if wanted or runtime == "runsafe" else "0")


def test_a_read_only_root_file_system(containerd, runtime):
    """readOnlyRootFilesystem; under default always, with /tmp to write in."""
    pod = containerd.pod(runtime)
    for wanted in (True, False):
        box = pod.container("sleep 100", security={"readonly_rootfs": wanted})
        code, _, err = box.exec("touch /x")
        if wanted or runtime == "runsafe":
            assert code != 0 and "Read-only file system" in err
        else:
            assert code == 0
        if runtime == "runsafe":
            box.out("touch /tmp/x")


# --- seccomp

def test_seccomp_as_the_pod_says(containerd, runtime, folder):
    """RuntimeDefault, Unconfined, Localhost; under default our own two as well, always."""
    profile = folder / "no-mkdir.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}))
    more = 2 if runtime == "runsafe" else 0  # the profile, and the answer to setgroups
    pod = containerd.pod(runtime)
    cases = (({"profile_type": "RuntimeDefault"}, 1), ({"profile_type": "Unconfined"}, 0),
             ({"profile_type": "Localhost", "localhost_ref": str(profile)}, 1))
    for seccomp, filters in cases:
        text = finish(pod, f"{STATUS}; mkdir /tmp/x 2>&1 || :; mkdir -p /dev/shm/y 2>&1 || :",
                      security={"seccomp": seccomp})
        seen = status_in(text.partition("mkdir")[0])
        assert int(seen["Seccomp_filters"]) == filters + more, seccomp
        refused = "Operation not permitted" in text
        assert refused == (seccomp["profile_type"] == "Localhost"), text


@pytest.mark.runtimes("runsafe")
def test_an_unconfined_pod_still_can_not_make_a_user_namespace(containerd, runtime):
    box = containerd.pod(runtime).container(
        "sleep 100", security={"seccomp": {"profile_type": "Unconfined"}})
    code, _, err = box.exec("unshare -U true")
    assert code != 0 and "Operation not permitted" in err


# --- paths

def test_masked_and_read_only_paths(containerd, runtime):
    """The kubelet's lists; procMount Unmasked sends empty ones, and default keeps its own."""
    pod = containerd.pod(runtime)
    # A pod of user namespaces aside, only a kubelet's word says Unmasked.
    for masked in (True, False):
        security = {} if masked else {"masked_paths": [], "readonly_paths": []}
        box = pod.container("sleep 100", security=security)
        hidden = box.exec("head -c 1 /proc/timer_list | wc -c")[1].strip() == "0"
        mounts = box.out("cat /proc/self/mounts")
        if masked or runtime == "runsafe":
            assert hidden and " /proc/sys proc ro" in mounts
        else:
            assert " /proc/sys proc ro" not in mounts


# --- namespaces of the host

@pytest.mark.parametrize("kind, link", [("network", "net"), ("pid", "pid"), ("ipc", "ipc")])
@pytest.mark.runtimes("runsafe-oci", "own")
def test_policy_oci_joins_a_namespace_of_the_host(containerd, runtime, kind, link):
    pod = containerd.pod(runtime, namespaces={kind: "NODE"})
    box = pod.container("sleep 100")
    assert pathlib.Path(f"/proc/{box.pid()}/ns/{link}").readlink() == \
        pathlib.Path(f"/proc/self/ns/{link}").readlink()
    assert box.out("id -u") == "0"


# --- sysctls

def test_a_sysctl_of_the_pods_own_namespaces_is_set(containerd, runtime):
    pod = containerd.pod(runtime, linux={"sysctls": {
        "net.ipv4.ip_local_port_range": "20000 30000", "kernel.shm_rmid_forced": "1"}})
    box = pod.container("sleep 100")
    assert box.out("cat /proc/sys/net/ipv4/ip_local_port_range").split() == ["20000", "30000"]
    assert box.out("cat /proc/sys/kernel/shm_rmid_forced") == "1"


@pytest.mark.runtimes("runsafe-oci", "own")
def test_a_sysctl_of_the_host_is_refused_under_any_policy(containerd, runtime):
    with pytest.raises(Failed, match="vm.swappiness"):
        containerd.pod(runtime, linux={"sysctls": {"vm.swappiness": "10"}})


# --- mounts and devices of the host

@pytest.mark.runtimes("runsafe")
def test_a_host_path_that_is_the_hosts_own_is_refused(containerd, runtime):
    """hostPath: /, and an engine's socket above all."""
    pod = containerd.pod(runtime)
    for source in ("/", "/proc", "/sys", "/dev", containerd.socket):
        box = pod.container("sleep 100", mounts=[(source, "/host", "ro")], start=False)
        with pytest.raises(Failed, match="bind") as why:
            box.start()
        assert f"{source} is" in why.value.text and box.status().reason == "StartError"


def test_a_host_path_that_is_a_volume_is_bound(containerd, runtime, folder):
    (folder / "file").write_text("from the host")
    pod = containerd.pod(runtime)
    assert finish(pod, "cat /data/file", mounts=[(folder, "/data", "ro")]) == "from the host"
    box = pod.container("sleep 100", mounts=[(folder, "/data", "ro")])
    code, _, err = box.exec("touch /data/x")
    assert code != 0 and "Read-only file system" in err


def test_a_device_of_the_host_is_there_only_where_the_policy_lets_it(containerd, runtime):
    """What device plug-ins add; under default the default set only."""
    box = containerd.pod(runtime).container("sleep 100", devices=[
        {"host_path": "/dev/kmsg", "container_path": "/dev/kmsg", "permissions": "r"}])
    there = box.exec("test -e /dev/kmsg")[0] == 0
    assert there == (runtime != "runsafe")


def test_what_a_device_vendor_adds(containerd, runtime):
    """CDI: environment, mounts and hooks stay; devices only where the policy lists them."""
    folder = containerd.folder / "cdi"
    folder.mkdir(exist_ok=True)
    (folder / "vendor.json").write_text(json.dumps({
        "cdiVersion": "0.5.0", "kind": "vendor.com/gpu", "devices": [{"name": "0", "containerEdits": {
            "env": ["GPU=0"], "deviceNodes": [{"path": "/dev/kmsg"}],
            "hooks": [{"hookName": "createContainer", "path": "/bin/sh",
                       "args": ["sh", "-c", f"cat >{folder}/state"]}],
            "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/usr/lib/libgpu.so",
                        "options": ["ro", "rbind"]}]}}]}))
    for handler in [name_of(runtime)] + (["runsafe-kmsg"] if runtime == "runsafe" else []):
        text = finish(containerd.pod(handler), "echo $GPU; wc -l </usr/lib/libgpu.so; "
                      "test -c /dev/kmsg && echo device || :", CDI_devices=[{"name": "vendor.com/gpu=0"}])
        assert text.split()[:2] == ["0", "1"]
        assert ("device" in text) == (handler != "runsafe")
        assert json.loads((folder / "state").read_text())["status"] == "creating"


# --- beside runc

SEEN = """exec 2>&1
id; umask; env | sort; pwd; hostname; cat /proc/self/limits /proc/self/uid_map /proc/self/setgroups
grep -e ^Uid -e ^Gid -e Groups -e ^Cap -e NoNew -e ^Seccomp -e ^SigIgn -e ^SigBlk /proc/self/status
stat -c '%A %u %g %t:%T %n' / /proc /sys /tmp /dev /dev/null /dev/tty /dev/pts /dev/shm /etc/hosts
ls /dev; ls -l /proc/self/fd | sed 's/.* 0 -> /0 -> /' | grep -c .
for f in kcore timer_list keys; do head -c 1 /proc/$f | wc -c; done; ls /proc/scsi /sys/firmware
for p in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/fs/cgroup/x /x; do true >$p; done
cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/self/oom_score_adj /proc/self/coredump_filter
mknod /tmp/x c 1 3; umount /dev/mqueue; unshare -U true; chroot / true; hostname other
sed 's/.* - //' /proc/self/mountinfo | wc -l"""


@pytest.mark.parametrize("kind", ["plain", "privileged", "user namespace", "terminal"])
def test_under_policy_oci_a_container_and_its_exec_see_what_those_of_runc_see(containerd, kind):
    options, namespaces, security = {}, {}, {}
    if kind == "privileged":
        security = {"privileged": True}
    elif kind == "user namespace":
        namespaces = {"userns_options": {"mode": "POD", "uids": MAP, "gids": MAP}}
    elif kind == "terminal":
        options = {"tty": True}
    seen = []
    for handler in ("runc", "runsafe-oci"):
        pod = containerd.pod(handler, namespaces=namespaces, security=security)
        box = pod.container(SEEN + "\necho end; sleep 100", security=security, **options)
        wait_for("the end", lambda box=box: box.log() and box.log()[-1][1].strip() == "end")
        text = "\n".join(text for _, text in box.log()) + "\n--- exec\n" + box.exec(SEEN)[1]
        # Go leaves alone what libc's two signals (32, 33) were when the daemon was started: a caller
        # that ignored them would tell the two apart. Ours takes back all of them.
        assert handler == "runc" or set(re.findall(r"SigIgn:\t(\w+)", text)) == {"0" * 16}
        text = re.sub(r"(SigIgn:\t\w{8})[89](?=0{7})", r"\g<1>0", text)
        text = re.sub(r"(SigIgn:\t\w{7})1(?=\w{8})", r"\g<1>0", text)
        seen.append(text.replace(pod.id, "POD").replace(box.id, "BOX").splitlines())
    assert seen[0] == seen[1]


# --- annotations

@pytest.mark.runtimes("runsafe")
def test_a_pods_annotation_goes_nowhere_unless_containerd_passes_it_on(containerd, runtime):
    """pod_annotations in containerd's config is empty: the annotation does nothing at all."""
    pod = containerd.pod(runtime, annotations={"io.runsafe.rootfs-writable": "true"})
    box = pod.container("sleep 100", annotations={"io.runsafe.root": "true"})
    assert box.exec("touch /x")[0] != 0 and box.out("id -u") == "1000"


def test_an_annotation_that_reaches_runsafe_weakens_nothing(containerd):
    """A handler with pod_annotations = ["io.runsafe.*"], and the policy default."""
    with pytest.raises(Failed, match="rootfs-writable") as why:
        containerd.pod("annotated", annotations={"io.runsafe.rootfs-writable": "true"})
    assert "annotation" in why.value.text
    pod = containerd.pod("annotated", annotations={"io.runsafe.tmpfs": "/srv"})
    box = pod.container("sleep 100")
    assert box.exec("touch /srv/x")[0] == 0 and box.exec("touch /x")[0] != 0


# --- user namespaces

MAP = [{"host_id": 500000, "container_id": 0, "length": 65536}]


def test_a_pod_in_a_user_namespace(containerd, runtime):
    """hostUsers: false: containers join the sandbox's user namespace by path."""
    options = {"userns_options": {"mode": "POD", "uids": MAP, "gids": MAP}}
    pod = containerd.pod(runtime, namespaces=options)
    box = pod.container("sleep 100")
    inside = 1000 if runtime == "runsafe" else 0
    assert box.out("id -u") == str(inside)
    assert status_of(box.pid())["Uid"].split()[0] == str(500000 + inside)
    assert box.out("cat /proc/self/uid_map").split() == ["0", "500000", "65536"]
    own, sandbox = (pathlib.Path(f"/proc/{pid}/ns/user").readlink() for pid in (box.pid(), pod.pid()))
    assert own == sandbox != pathlib.Path("/proc/self/ns/user").readlink()
    assert box.exec("touch /tmp/x")[0] == 0


def test_a_user_namespace_with_shared_processes_and_a_terminal(containerd, runtime, folder):
    """hostUsers: false with shareProcessNamespace, tty, stdin and a volume of the pod's range."""
    options = {"pid": "POD", "userns_options": {"mode": "POD", "uids": MAP, "gids": MAP}}
    folder.chmod(0o777)
    pod = containerd.pod(runtime, namespaces=options)
    box = pod.container("tty; touch /data/x && echo written; sleep 100", tty=True, stdin=True,
                        mounts=[(folder, "/data", "rw")])
    wait_for("its lines", lambda: len(box.log()) >= 2)
    assert [text.strip() for _, text in box.log()] == ["/dev/pts/0", "written"]
    assert (folder / "x").stat().st_uid == 500000 + (1000 if runtime == "runsafe" else 0)
    assert "/pause" in box.out("ps")
    box.stop()
