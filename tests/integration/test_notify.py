"""config-linux.md, "Seccomp": SCMP_ACT_NOTIFY, listenerPath and the container process state."""

import array
import contextlib
import errno
import fcntl
import json
import os
import select
import socket
import struct
import threading

import pytest

import harness
import workload
from test_rootless import rootless, single, user  # noqa: F401 (fixtures)

# seccomp_unotify(2), <linux/seccomp.h>
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
CONTINUE = 1


class Agent:
    """Listens, takes one descriptor, and answers each call: with an errno, or lets it go on."""

    def __init__(self, path, answers=None):
        self.path, self.answers = path, answers or {}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.states, self.fds, self.seen = [], [], []
        self.stop, self.stopper = os.pipe()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while self.stop not in select.select([self.listener, self.stop], [], [])[0]:
            connection, _ = self.listener.accept()
            self.receive(connection)
            threading.Thread(target=self.answer, args=(self.fds[-1],), daemon=True).start()

    def receive(self, connection):
        fds, parts = array.array("i"), []
        connection.settimeout(harness.TIME_LIMIT)
        while True:
            data, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
            for level, kind, content in control:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                assert not parts, "descriptors MUST be sent in the first message"
                fds.frombytes(content)
            if not data:
                break  # the runtime closed it: nothing more comes on this connection
            parts.append(data)
        connection.close()
        self.states.append(json.loads(b"".join(parts)))
        self.fds += list(fds)

    def answer(self, fd):
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(self.stop, select.POLLIN)
        while True:
            for number, event in poll.poll():
                if number == self.stop or event & select.POLLHUP:
                    return  # the last process under the filter is gone
            notification = bytearray(80)
            with contextlib.suppress(OSError):  # ENOENT: it was killed meanwhile
                fcntl.ioctl(fd, NOTIF_RECV, notification)
                number, = struct.unpack_from("=i", notification, 16)
                identity, = struct.unpack_from("=Q", notification)
                self.seen.append(number)
                error = self.answers.get(number, 0)
                fcntl.ioctl(fd, NOTIF_SEND, struct.pack(
                    "=QqiI", identity, 0, -error, 0 if error else CONTINUE))

    def close(self):
        os.write(self.stopper, b"x")
        self.thread.join()
        self.listener.close()
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def agent(folder):
    made = []

    def make(**answers):
        """agent(mkdir=errno.ENOTTY): what it answers to a call; the others go on."""
        by_number = {workload.syscall_number(n): e for n, e in answers.items()
                     if workload.has_syscall(n)}
        made.append(Agent(folder / "agent", by_number))
        return made[-1]

    yield make
    for one in made:
        one.close()


def number(name):
    return workload.syscall_number(name)


def notify(bundle, folder, *names, flags=(), **more):
    names = [n for n in names if workload.has_syscall(n)]
    return bundle.set("linux.seccomp", {
        "defaultAction": "SCMP_ACT_ALLOW", "flags": list(flags), "listenerPath": str(folder / "agent"),
        "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}], **more})


MKDIR = ("mkdir", "mkdirat")


def test_the_agent_answers_for_the_workload(runsafe, bundle, agent, folder):
    """SCMP_ACT_NOTIFY: what the agent says is what the workload sees, under every policy."""
    there = agent(mkdir=errno.EXDEV, mkdirat=errno.EXDEV)
    notify(bundle, folder, *MKDIR)
    result = runsafe.sh(bundle, "mkdir /tmp/x 2>&1; test -d /tmp/x || echo none")
    assert "cross-device" in result.out.lower() and "none" in result.lines, result
    assert there.seen and set(there.seen) <= {number(n) for n in MKDIR if workload.has_syscall(n)}


def test_the_agent_lets_a_call_go_on(oci, plain, agent, folder):
    there = agent()
    notify(plain, folder, *MKDIR)
    assert oci.sh(plain, "mkdir /tmp/x && test -d /tmp/x && echo made").lines == ["made"]
    assert there.seen


# All that is called between the filter and the exec, and by a shell: each would wait for ever if
# the agent did not have the descriptor yet.
ALL = ("sendmsg", "sendto", "read", "close", "prctl", "capset", "setresuid", "setresgid", "setgroups",
       "execve", "openat", "stat", "newfstatat", "access", "faccessat", "umask", "futex", "exit_group",
       "rt_sigaction", "mmap", "brk", "clone", "wait4", "fcntl", "getpid", "exit", "munmap", "seccomp")


@pytest.mark.parametrize("privileged", [True, False], ids=["early filter", "late filter"])
def test_no_call_of_the_start_waits_for_an_agent_that_is_not_there_yet(
        oci, plain, agent, folder, privileged):
    """The filter is loaded before the agent has the descriptor."""
    there = agent()
    plain.set("process.noNewPrivileges", not privileged)
    notify(plain, folder, *ALL)
    result = oci.run(plain.sh("echo out"), timeout=30)
    assert (result.status, result.lines) == (0, ["out"]), result
    assert number("execve") in there.seen
    assert (number("setresuid") in there.seen) == privileged


@pytest.mark.parametrize("refused", [("sendmsg", "close", "futex", "exit")])
def test_calls_that_the_profile_refuses_are_not_needed(oci, plain, agent, folder, refused):
    there = agent(mkdir=errno.EXDEV, mkdirat=errno.EXDEV)
    notify(plain, folder, *MKDIR)
    plain.config["linux"]["seccomp"]["syscalls"].append(
        {"names": list(refused), "action": "SCMP_ACT_ERRNO"})
    result = oci.sh(plain.write(), "mkdir /tmp/x 2>&1; echo end")
    assert "cross-device" in result.out.lower(), result
    assert there.seen


def test_the_container_process_state_of_create(runsafe, bundle, agent, folder):
    """config-linux.md: ociVersion, fds, pid, metadata and the state with status creating."""
    there = agent()
    notify(bundle, folder, *MKDIR, listenerMetadata='a "b"\nMKNOD=/dev/null')
    bundle.set("annotations", {"org.example": "v\"w"})
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    sent, = there.states
    state = sent.pop("state")
    assert sent == {"ociVersion": bundle.config["ociVersion"], "fds": ["seccompFd"], "pid": pid,
                    "metadata": 'a "b"\nMKNOD=/dev/null'}
    assert {k: state[k] for k in ("ociVersion", "id", "status", "pid", "bundle", "annotations")} == {
        "ociVersion": bundle.config["ociVersion"], "id": name, "status": "creating", "pid": pid,
        "bundle": str(bundle.path), "annotations": {"org.example": "v\"w"}}
    assert len(there.fds) == 1


def test_the_container_process_state_of_exec(runsafe, bundle, agent, folder):
    """Another connection, with the pid of the process that exec starts and the container's state."""
    there = agent(mkdir=errno.EXDEV, mkdirat=errno.EXDEV)
    notify(bundle, folder, *MKDIR)
    name = runsafe.running(bundle)
    result = runsafe("exec", name, "/bin/sh", "-c", "mkdir /tmp/x 2>&1; echo end")
    assert "cross-device" in result.out.lower() and result.lines[-1] == "end", result
    _, sent = there.states
    assert sent["fds"] == ["seccompFd"] and sent["state"]["status"] == "running"
    assert sent["state"]["pid"] == runsafe.state(name)["pid"] != sent["pid"]
    assert there.seen


def test_the_agent_has_it_before_the_workload_runs(runsafe, bundle, agent, folder):
    """It is there when create returns, and the workload has not begun."""
    there = agent()
    notify(bundle, folder, *MKDIR)
    name = runsafe.create(bundle.sh("mkdir /tmp/x"))
    assert harness.wait_for(lambda: there.fds)
    assert there.seen == []
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert there.seen


def test_without_listener_metadata_there_is_no_metadata(runsafe, bundle, agent, folder):
    there = agent()
    notify(bundle, folder, *MKDIR)
    runsafe.sh(bundle, "true")
    assert "metadata" not in there.states[0]


def test_the_descriptor_is_not_in_the_workload(runsafe, bundle, agent, folder):
    """Who has it could answer for itself."""
    agent()
    notify(bundle, folder, *MKDIR)
    result = runsafe.sh(bundle, "ls -l /proc/self/fd")
    assert "seccomp" not in result.out and "anon_inode" not in result.out, result
    name = runsafe.create(bundle.args("/bin/sleep", "1000"))  # nor in what waits at the gate
    links = [os.readlink(f"/proc/{runsafe.state(name)['pid']}/fd/{fd}")
             for fd in os.listdir(f"/proc/{runsafe.state(name)['pid']}/fd")]
    assert not [link for link in links if "seccomp" in link], links


def test_the_runtime_keeps_no_descriptor(oci, plain, agent, folder):
    """An agent that ends leaves ENOSYS to the workload (seccomp_unotify(2)), no wait for ever, also
    while `run` waits in the foreground."""
    there = agent()
    notify(plain, folder, *MKDIR)
    plain.sh("read line; mkdir /tmp/x 2>&1; echo end")
    process = oci.start_process("run", "-b", plain.path, oci.id(), stdin=-1)
    assert harness.wait_for(lambda: there.fds)
    os.write(there.stopper, b"x")
    os.close(there.fds.pop())
    out, err = process.communicate("go\n", timeout=30)
    assert "not implemented" in out.lower() and "end" in out, (out, err)


@pytest.mark.parametrize("policy", ["oci", "default"])
def test_without_an_agent_the_start_fails(runsafe, bundle, folder, policy):
    """If sending to this socket fails, the runtime MUST generate an error."""
    notify(bundle, folder, *MKDIR)
    program = runsafe.with_options("--policy", policy)
    program.create_fails(bundle, "linux.seccomp.listenerPath", str(folder / "agent"),
                         "no such file or directory")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as nobody:
        nobody.bind(str(folder / "agent"))
        program.create_fails(bundle, "linux.seccomp.listenerPath", "connection refused")


def test_a_socket_of_another_type_fails_the_start(runsafe, bundle, folder):
    """This socket MUST use AF_UNIX and SOCK_STREAM."""
    notify(bundle, folder, *MKDIR)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(folder / "agent"))
        runsafe.create_fails(bundle, "linux.seccomp.listenerPath", "protocol wrong type")


def test_an_agent_that_does_not_answer_fails_the_start(runsafe, bundle, folder):
    """Nobody accepts, and the backlog is full."""
    notify(bundle, folder, *MKDIR)
    with contextlib.ExitStack() as open_sockets:
        deaf = open_sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        deaf.bind(str(folder / "agent"))
        deaf.listen(0)
        first = open_sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        first.connect(str(folder / "agent"))
        runsafe.create_fails(bundle, "linux.seccomp.listenerPath", "did not answer for 10 seconds")


def test_listener_path_is_ignored_without_notify(runsafe, bundle):
    """If the SCMP_ACT_NOTIFY action is not used this value is ignored."""
    bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/not/there"})
    runsafe.sh(bundle, "true")


@pytest.mark.parametrize("change, words", [
    ({"listenerPath": ""}, ["linux.seccomp.syscalls[0].action", "listenerPath"]),
    ({"listenerPath": "agent"}, ["linux.seccomp.listenerPath", "absolute"]),
    ({"defaultAction": "SCMP_ACT_NOTIFY"}, ["linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY"]),
    ({"syscalls": [{"names": ["mkdir", "write"], "action": "SCMP_ACT_NOTIFY"}]},
     ["linux.seccomp.syscalls[0].names", "write"]),
], ids=["no listenerPath", "a relative one", "default action", "write"])
def test_what_can_not_be_notified_is_refused_with_its_path(runsafe, bundle, folder, change, words):
    notify(bundle, folder, *MKDIR)
    bundle.config["linux"]["seccomp"].update(change)
    runsafe.create_fails(bundle.write(), *words)


def test_listener_metadata_without_listener_path_is_refused(runsafe, bundle):
    """This field MUST NOT be set if listenerPath is not set."""
    bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"})
    runsafe.create_fails(bundle, "linux.seccomp.listenerMetadata")


@pytest.mark.needs_kernel("5.19")
def test_wait_killable_recv_is_taken(oci, plain, agent, folder):
    """With a listener the kernel gets SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (that it is set is
    tests/unit/test_seccomp_compile.c's)."""
    agent()
    notify(plain, folder, *MKDIR, flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
    assert oci.sh(plain, "mkdir /tmp/x && echo made").lines == ["made"]


def test_under_default_the_built_in_profile_still_refuses(runsafe, bundle, agent, folder, probe):
    """What our profile refuses is refused, whatever an agent would say."""
    there = agent()
    notify(bundle, folder, "mount", "unshare", *MKDIR)
    found = probe(runsafe, bundle, workload.call("unshare", 0x10000000))
    assert found == {"unshare": "EPERM"}
    assert number("unshare") not in there.seen


@pytest.mark.parametrize("namespace", ["user", "time"])
def test_with_further_namespaces(oci, plain, agent, folder, namespace):
    """The thread that carries the descriptor can be made in all of them."""
    there = agent()
    plain.namespace(namespace)
    if namespace == "user":
        ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        plain.set("linux.uidMappings", ids).set("linux.gidMappings", ids)
    notify(plain, folder, *MKDIR)
    oci.sh(plain, "mkdir /dev/x || true")
    assert there.seen


def test_a_start_without_room_for_the_messenger_says_so(oci, plain, agent, folder):
    if harness.why_no_limits():
        pytest.skip("NEEDS LIMITS: " + harness.why_no_limits())
    agent()
    plain.set("linux.resources.pids", {"limit": 1})
    notify(plain, folder, *MKDIR)
    oci.create_fails(plain.args("/bin/true"), "seccomp", "pids.limit")


def test_an_ordinary_users_container_has_an_agent_too(rootless, single, agent, folder):  # noqa: F811
    """Without a right to look into the half-made process, which ptrace(2) would ask for."""
    there = agent(mkdir=errno.EXDEV, mkdirat=errno.EXDEV)
    (folder / "agent").chmod(0o666)
    notify(single, folder, *MKDIR)
    result = rootless.with_options("--cgroup=available").sh(single, "mkdir /tmp/x 2>&1; echo end")
    assert "cross-device" in result.out.lower() and there.seen, result


@pytest.mark.parametrize("action", ["SCMP_ACT_ERRNO", "SCMP_ACT_LOG"])
def test_a_filter_that_refuses_prctl_lets_the_container_outlive_create(oci, plain, action):
    """The child is told to end with the runtime while it is half made; under the filter that could
    not be taken back."""
    plain.set("process.noNewPrivileges", True)
    plain.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW",
                                "syscalls": [{"names": ["prctl"], "action": action}]})
    name = oci.create(plain.sh("sleep 1000"))
    assert oci.status(name) == "created"
    oci.start(name)
    assert oci.status(name) == "running"
    oci.delete(name, "--force")


def test_features_lists_notify(runsafe):
    found = json.loads(runsafe.ok("features").out)["linux"]["seccomp"]
    assert "SCMP_ACT_NOTIFY" in found["actions"]
    assert "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" in found["supportedFlags"]
