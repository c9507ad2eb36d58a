"""Pods over CRI, as a kubelet makes them, keeps them and takes them away."""

import pathlib
import re
import time

import pytest

from containerd import Failed, finish, name_of
from engines import assert_hardened, run, status_of, wait_for


def state_of(containerd, container):
    return containerd.messages.ContainerState.Name(container.status().state)


def test_a_pod_and_its_container_go_through_their_states(containerd, runtime):
    pod = containerd.pod(runtime)
    assert pod.status()[0].state == containerd.messages.SANDBOX_READY
    assert pod.id in [item.id for item in containerd.cri("ListPodSandbox", {}).items]
    box = pod.container("echo up; sleep 100", start=False)
    assert state_of(containerd, box) == "CONTAINER_CREATED"
    box.start()
    assert state_of(containerd, box) == "CONTAINER_RUNNING"
    assert [c.id for c in containerd.cri("ListContainers", {}).containers] == [box.id]
    box.stop()
    assert state_of(containerd, box) == "CONTAINER_EXITED"
    box.remove()
    assert not containerd.cri("ListContainers", {}).containers
    containerd.cri("StopPodSandbox", {"pod_sandbox_id": pod.id})
    containerd.cri("StopPodSandbox", {"pod_sandbox_id": pod.id})
    assert pod.status()[0].state == containerd.messages.SANDBOX_NOTREADY
    pod.remove()
    assert not containerd.cri("ListPodSandbox", {}).items


def test_a_container_that_never_started_can_be_removed(containerd, runtime):
    pod = containerd.pod(runtime)
    pod.container("true", start=False).remove()


def test_exec_hands_on_output_and_status(containerd, runtime):
    """Liveness and readiness probes by exec are ExecSync: 0 is healthy."""
    box = containerd.pod(runtime).container("sleep 100")
    assert box.exec("echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")
    assert box.exec("cat", "/proc/self/cmdline") == (0, "cat\0/proc/self/cmdline\0", "")
    assert box.exec("kill -KILL $$")[0] == 137
    code, out, _ = box.exec("head -c 300000 /dev/zero | tr '\\0' x")
    assert code == 0 and len(out) == 300000


def test_exec_of_what_is_not_there_says_so(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    with pytest.raises(Failed, match=r'executable file not found in \$PATH'):
        box.exec("no-such-program", "-x")
    with pytest.raises(Failed, match="permission denied"):
        box.exec("/etc/passwd", "-x")
    with pytest.raises(Failed, match="no such file or directory"):
        box.exec("/bin/no-such-program", "-x")


def test_a_probe_that_takes_too_long_is_ended(containerd, runtime):
    """ExecSync with a timeout: an error, and nothing of the probe goes on."""
    box = containerd.pod(runtime).container("sleep 100")
    with pytest.raises(Failed, match="timeout 1s exceeded") as why:
        box.exec("sleep", "77", timeout=1)
    assert why.value.code == "DEADLINE_EXCEEDED"
    wait_for("no probe", lambda: "sleep 77" not in box.out("ps"))
    assert state_of(containerd, box) == "CONTAINER_RUNNING"


def test_exec_in_a_container_that_ended_is_an_error(containerd, runtime):
    box = containerd.pod(runtime).container("true")
    box.ended()
    with pytest.raises(Failed, match="CONTAINER_EXITED|not running|not found"):
        box.exec("true")


def test_logs_have_the_format_of_cri(containerd, runtime):
    """TIME STREAM F|P TEXT; a long line comes in parts; ReopenContainerLog begins a new file."""
    box = containerd.pod(runtime).container(
        "echo one; echo two >&2; head -c 20000 /dev/zero | tr '\\0' x; echo; "
        "trap 'echo three; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
    wait_for("ready", lambda: ("stdout", "ready") in box.log())
    lines = box.log_file.read_text().splitlines()
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (stdout|stderr) [FP] .*"
    assert all(re.fullmatch(pattern, line) for line in lines)
    assert ("stdout", "one") in box.log() and ("stderr", "two") in box.log()
    long = [line.split(" ", 3) for line in lines if line.endswith("x")]
    assert [tag for _, _, tag, _ in long] == ["P", "F"]
    assert sum(len(text) for *_, text in long) == 20000
    box.log_file.rename(box.log_file.with_suffix(".old"))
    containerd.cri("ReopenContainerLog", {"container_id": box.id})
    box.stop(timeout=10)
    assert box.log() == [("stdout", "three")]


@pytest.mark.parametrize("command, code, reason", [
    ("true", 0, "Completed"), ("exit 3", 3, "Error"), ("kill -9 $$; sleep 5", 137, "Error")])
def test_how_a_container_ended_is_told(containerd, runtime, command, code, reason):
    # Process 1 of a pid namespace does not feel its own signals: a child takes them.
    if "kill" in command:
        command = f"sh -c '{command}'; exit $?"
    status = containerd.pod(runtime).container(command).ended()
    assert (status.exit_code, status.reason) == (code, reason)
    # Start is what containerd's clock says when it heard of it: later than a very quick end.
    assert 0 < status.created_at <= min(status.started_at, status.finished_at)


def test_a_container_killed_from_outside_ends_with_137(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    run("kill", "-KILL", str(box.pid()))
    assert box.ended().exit_code == 137


def test_a_program_that_is_not_in_the_image_fails_with_the_words_kubelets_show(containerd, runtime):
    """kubectl describe shows StartContainer's error; the status is StartError."""
    pod = containerd.pod(runtime)
    box = pod.container(["no-such-program"], start=False)
    with pytest.raises(Failed, match=r'no-such-program.*executable file not found in \$PATH'):
        box.start()
    status = box.status()
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert "executable file not found in $PATH" in status.message
    with pytest.raises(Failed, match="permission denied"):
        pod.container(["/etc/passwd"])
    with pytest.raises(Failed, match="no such file or directory"):
        pod.container(["/bin/nothing"])


def test_a_working_directory_that_the_image_lacks_is_made(containerd, runtime):
    assert finish(containerd.pod(runtime), "pwd", working_dir="/srv/app") == "/srv/app"


def test_a_termination_message_is_written_to_its_file(containerd, runtime):
    """/dev/termination-log is a file of the kubelet's, bound; it reads it when the container ended."""
    box = containerd.pod(runtime).container("echo 'out of coffee' >/dev/termination-log; exit 1")
    assert box.ended().exit_code == 1
    assert box.message_file.read_text() == "out of coffee\n"


def test_stop_waits_for_the_program_and_then_kills_it(containerd, runtime):
    pod = containerd.pod(runtime)
    polite = pod.container("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.1; done")
    deaf = pod.container("trap '' TERM; echo up; while :; do sleep 0.1; done")
    wait_for("both are up", lambda: polite.log() and deaf.log())
    polite.stop(timeout=20)
    assert polite.status().exit_code == 7 and ("stdout", "bye") in polite.log()
    begin = time.monotonic()
    deaf.stop(timeout=1)
    assert deaf.status().exit_code == 137 and time.monotonic() - begin >= 1


def test_init_containers_end_before_the_others_start_and_hand_them_files(containerd, runtime,
                                                                         folder):
    """As a kubelet does it: one after the other, with an emptyDir between them."""
    volume = folder / "empty"
    volume.mkdir()
    volume.chmod(0o777)
    pod = containerd.pod(runtime)
    finish(pod, "echo prepared >/work/note", mounts=[(volume, "/work", "rw")], name="init")
    text = finish(pod, "cat /work/note", mounts=[(volume, "/work", "ro")], name="main")
    assert text == "prepared"


def test_a_container_is_started_again_in_its_pod(containerd, runtime):
    """restartPolicy: Always is a new container, one attempt later, in the same sandbox."""
    pod = containerd.pod(runtime)
    address = pod.status()[0].network.ip
    first = pod.container("exit 1", name="app", attempt=0)
    assert first.ended().exit_code == 1
    second = pod.container("sleep 100", name="app", attempt=1)
    first.remove()
    assert address in second.out("ip -4 addr show eth0")


def test_containers_of_a_pod_share_network_ipc_and_host_name_but_not_processes(containerd, runtime):
    pod = containerd.pod(runtime)
    server = pod.container("echo hello >/dev/shm/note; exec nc -l -p 8080 -e echo from-the-pod")
    other = pod.container("sleep 100")
    assert other.out("hostname") == "web"
    wait_for("the answer", lambda: other.exec("nc 127.0.0.1 8080 </dev/null")[1] == "from-the-pod\n")
    assert other.out("cat /dev/shm/note") == "hello"
    pids = (pod.pid(), server.pid(), other.pid())
    for name, same in (("net", True), ("ipc", True), ("uts", True), ("pid", False), ("mnt", False)):
        links = {str(pathlib.Path(f"/proc/{pid}/ns/{name}").readlink()) for pid in pids[:1] + pids[2:]}
        assert (len(links) == 1) == same, (name, links)
    assert "pause" not in other.out("ps")


def test_containers_of_a_pod_see_each_other_where_they_share_processes(containerd, runtime):
    """shareProcessNamespace: all are in the sandbox's pid namespace, whose process 1 is pause."""
    pod = containerd.pod(runtime, namespaces={"pid": "POD"})
    pod.container("exec sleep 4711")
    other = pod.container("sleep 100")
    seen = other.out("ps")
    assert "/pause" in seen and "sleep 4711" in seen
    assert other.out("cat /proc/1/comm") == "pause"
    other.stop()
    assert other.status().exit_code == 137


def test_a_container_joins_the_processes_of_another_to_look_at_it(containerd, runtime):
    """kubectl debug --target: namespace mode TARGET."""
    pod = containerd.pod(runtime)
    target = pod.container("exec sleep 4712")
    debug = pod.container("sleep 100", namespaces={"pid": "TARGET", "target_id": target.id})
    assert "sleep 4712" in debug.out("ps")


@pytest.mark.runtimes("runsafe")
def test_the_pause_container_runs_under_the_default_policy(containerd, runtime):
    """Its image's user is 65535; it stays, without anything a pause needs not."""
    pod = containerd.pod(runtime)
    status = status_of(pod.pid())
    assert status["Uid"].split() == ["65535"] * 4
    assert_hardened(status)


def test_a_pod_is_reached_at_its_address_and_at_a_port_of_the_host(containerd, runtime):
    """hostPort goes through the portmap plug-in. Under the default policy 1000 may have port 80."""
    port = 80 if runtime == "runsafe" else 8080
    pod = containerd.pod(runtime, port_mappings=[{"container_port": port, "host_port": 18080}])
    pod.container(f"echo hello >/tmp/index.html; exec httpd -f -p {port} -h /tmp",
                  security={"run_as_user": 1000})
    address = pod.status()[0].network.ip
    for url in (f"http://{address}:{port}/", "http://10.244.7.1:18080/"):
        wait_for(url, lambda url=url: run("curl", "-s", url, check=False).text == "hello")


def test_names_are_resolved_as_the_pod_says(containerd, runtime):
    box = containerd.pod(runtime).container("sleep 100")
    text = box.out("cat /etc/resolv.conf")
    assert "nameserver 10.96.0.10" in text and "search default.svc.cluster.local" in text
    assert "ndots:5" in text
    assert "10.244.7.9\tweb" in box.out("cat /etc/hosts")
    assert box.out("cat /etc/hostname") == "web"


@pytest.mark.parametrize("image", ["busybox", "debian"])
def test_a_service_accounts_token_can_be_read_and_not_written(containerd, runtime, folder, image):
    """Below /var/run, which leads to /run in most images: a tmpfs under the default policy."""
    token = folder / "token"
    token.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=0755,size=1m", "tmpfs", token)
    try:
        (token / "token").write_text("eyJhbGciOi")
        place = "/var/run/secrets/kubernetes.io/serviceaccount"
        box = containerd.pod(runtime).container("sleep 100", image=image,
                                                mounts=[(token, place, "ro")])
        assert box.out(f"cat {place}/token") == "eyJhbGciOi"
        code, _, err = box.exec(f"touch {place}/x")
        assert code != 0 and "Read-only file system" in err
        containerd.clean()
    finally:
        run("umount", token)


def test_a_volume_of_the_fs_group_can_be_written(containerd, runtime, folder):
    """fsGroup: the kubelet gives an emptyDir to the group (2775), and the group to the container."""
    volume = folder / "data"
    volume.mkdir()
    volume.chmod(0o2770)
    run("chgrp", "2000", volume)
    context = {"run_as_user": 1001, "run_as_group": 3000, "supplemental_groups": [2000, 4000]}
    pod = containerd.pod(runtime, security=context)
    box = pod.container("sleep 100", security=context, mounts=[(volume, "/data", "rw")])
    assert sorted(box.out("id -G").split()) == ["2000", "3000", "4000"]
    box.out("echo x >/data/file")
    assert (volume / "file").stat().st_gid == 2000 and (volume / "file").stat().st_uid == 1001


@pytest.mark.runtimes("runsafe")
def test_root_of_an_image_gets_the_fs_group_as_1000(containerd, runtime, folder):
    volume = folder / "data"
    volume.mkdir()
    volume.chmod(0o2770)
    run("chgrp", "2000", volume)
    pod = containerd.pod(runtime)
    text = finish(pod, "id; touch /data/x && echo written",
                  security={"supplemental_groups": [2000]}, mounts=[(volume, "/data", "rw")])
    assert "uid=1000" in text and "2000" in text and "written" in text


def test_mounts_made_later_on_the_host_reach_the_container(containerd, runtime, folder):
    """mountPropagation: HostToContainer, as CSI drivers want it."""
    volume = folder / "data"
    (volume / "disk").mkdir(parents=True)
    run("mount", "--bind", volume, volume)
    run("mount", "--make-rshared", volume)
    try:
        box = containerd.pod(runtime).container("sleep 100", mounts=[
            {"host_path": str(volume), "container_path": "/data",
             "propagation": "PROPAGATION_HOST_TO_CONTAINER"}])
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", volume / "disk")
        (volume / "disk/later").touch()
        assert box.out("ls /data/disk") == "later"
    finally:
        run("umount", "-R", "-l", volume)


def test_no_descriptor_of_the_engine_reaches_a_container(containerd, runtime):
    box = containerd.pod(runtime).container("ls /proc/self/fd; sleep 100")
    wait_for("the list", lambda: len(box.log()) >= 3)
    assert [text for _, text in box.log()] == ["0", "1", "2", "3"]  # 3: ls's own
    assert box.out("ls /proc/self/fd").split() == ["0", "1", "2", "3"]


def test_the_options_of_a_handler_reach_the_runtime(containerd, runtime):
    """NoPivotRoot, NoNewKeyring, Root, and pipes that belong to somebody else (IoUid, IoGid)."""
    pod = containerd.pod("odd-" + name_of(runtime))
    box = pod.container("echo again >/dev/stdout; id -u; cat >/dev/null; sleep 100")
    assert list(pathlib.Path("/run/odd-root/k8s.io").glob(box.id))
    wait_for("its lines", lambda: len(box.log()) == 2)
    assert box.log()[0] == ("stdout", "again")
    assert box.exec("touch /proc/sys/kernel/hostname; ls /old_root /oldroot")[0] != 0
    pod.remove()
    # What is kept of a filter belongs to no container.
    assert {p.name for p in pathlib.Path("/run/odd-root/k8s.io").glob("*")} <= {"@seccomp"}


def test_volumes_of_all_shapes(containerd, runtime, folder):
    """A ConfigMap's links, a file by subPath, a projected file where the image has nothing, an
    emptyDir in memory."""
    data = folder / "config/..2026"
    data.mkdir(parents=True)
    (data / "key").write_text("value")
    (folder / "config/..data").symlink_to("..2026")
    (folder / "config/key").symlink_to("..data/key")
    (folder / "one.conf").write_text("one")
    memory = folder / "memory"
    memory.mkdir()
    run("mount", "-t", "tmpfs", "-o", "mode=1777,size=4m", "tmpfs", memory)
    try:
        text = finish(containerd.pod(runtime), "cat /etc/app/key /opt/deep/er/one.conf; echo; "
                      "touch /cache/x && echo kept; ls -d /var/log/message", mounts=[
                          (folder / "config", "/etc/app", "ro"), (memory, "/cache", "rw"),
                          (folder / "one.conf", "/opt/deep/er/one.conf", "ro"),
                          (folder / "one.conf", "/var/log/message", "rw")])
        assert text == "valueone\nkept\n/var/log/message"
        containerd.clean()
    finally:
        run("umount", memory)


def test_a_volume_below_a_volume(containerd, runtime, folder):
    for name in ("outer/inner", "other"):
        (folder / name).mkdir(parents=True)
    (folder / "other/file").write_text("deep")
    assert finish(containerd.pod(runtime), "cat /data/inner/file", mounts=[
        (folder / "outer", "/data", "ro"), (folder / "other", "/data/inner", "ro")]) == "deep"
