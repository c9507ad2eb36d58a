"""runtime-spec, config.md "POSIX-platform Hooks" and runtime.md "Lifecycle"."""

import json
import os
import time

import pytest

import harness

KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
AT_CREATE = KINDS[:3]


class Hooks:
    """Puts hooks into a bundle; what they write into /out is in the folder `out` outside."""

    def __init__(self, bundle, folder):
        self.bundle, self.out = bundle, folder / "out"
        self.out.mkdir()
        self.out.chmod(0o777)
        (bundle.rootfs / "out").mkdir()
        bundle.mount(destination="/out", type="bind", source=str(self.out), options=["bind", "rw"])

    def add(self, kind, script, **more):
        """A shell script as hook; $OUT is the folder to write to, wherever it runs."""
        out = "/out" if kind == "startContainer" else self.out
        entry = {"path": "/bin/sh", "args": ["sh", "-c", f"OUT={out}; {script}"], **more}
        entry.setdefault("env", ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
        self.bundle.config.setdefault("hooks", {}).setdefault(kind, []).append(entry)
        self.bundle.write()

    def read(self, name):
        path = self.out / name
        return path.read_text() if path.exists() else None


@pytest.fixture
def hooks(bundle, folder):
    return Hooks(bundle.sh("exit 0"), folder)


def whole_life(runsafe, bundle):
    """create, start, wait for the end, delete. Returns the id and the pid."""
    name = runsafe.create(bundle)
    pid = runsafe.state(name)["pid"]
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    runsafe.delete(name)
    return name, pid


@pytest.mark.parametrize("way", ["create", "run"])
def test_all_six_kinds_run_once_in_the_order_of_the_lifecycle(runsafe, bundle, hooks, way):
    """runtime.md, Lifecycle 3 to 13, and the entries of a kind in the listed order."""
    bundle.sh("echo workload >> /out/order; sleep 0.3")
    for kind in KINDS:
        for number in (1, 2):
            hooks.add(kind, f"umask 0; echo {kind} {number} >> $OUT/order")
    if way == "create":
        whole_life(runsafe, bundle)
    else:
        runsafe.run_ok(bundle)
    lines = hooks.read("order").splitlines()
    expected = [f"{kind} {number}" for kind in KINDS for number in (1, 2)]
    assert [line for line in lines if line != "workload"] == expected
    # poststart hooks and the workload run beside one another.
    assert lines.index("workload") > lines.index("startContainer 2")
    assert lines.index("workload") < lines.index("poststop 1")


def test_hooks_of_the_create_step_run_before_create_returns_and_no_others(runsafe, bundle, hooks):
    """config.md: createRuntime, createContainer as part of create; startContainer of start."""
    for kind in KINDS:
        hooks.add(kind, f"echo > $OUT/{kind}")
    name = runsafe.create(bundle)
    assert sorted(os.listdir(hooks.out)) == sorted(AT_CREATE)
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert sorted(os.listdir(hooks.out)) == sorted(KINDS[:5])
    runsafe.delete(name)
    assert sorted(os.listdir(hooks.out)) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_args_are_argv_with_its_first_word_and_env_is_all_of_the_environment(
        runsafe, bundle, hooks, kind, monkeypatch):
    """config.md: args with the semantics of execv's argv; env of environ."""
    monkeypatch.setenv("OF_THE_CALLER", "1")
    hooks.add(kind, 'tr "\\0" "\\n" < /proc/self/environ > $OUT/env; tr "\\0" "\\n" '
              '< /proc/self/cmdline > $OUT/args; exit 0', env=["ONE=1", "PATH=/usr/bin:/bin"])
    bundle.config["hooks"][kind][0]["args"][0] = "/another/sh"
    bundle.config["hooks"][kind][0]["args"] += ["", "a b"]
    bundle.write()
    whole_life(runsafe, bundle)
    args = hooks.read("args").splitlines()
    assert args[0] == "/another/sh" and args[-2:] == ["", "a b"], args
    env = set(hooks.read("env").splitlines()) - {"_=/usr/bin/tr", "_=/bin/tr"}
    assert {e for e in env if not e.startswith(("PWD=", "SHLVL=", "OLDPWD="))} == {
        "ONE=1", "PATH=/usr/bin:/bin"}


def test_a_hook_without_args_gets_its_path_as_argv(runsafe, bundle, hooks, folder):
    script = folder / "hook"
    script.write_text(f"#!/bin/sh\ntr '\\0' ' ' < /proc/$$/cmdline > {hooks.out}/args\n"
                      f"env > {hooks.out}/env\n")
    script.chmod(0o755)
    bundle.set("hooks", {"createRuntime": [{"path": str(script)}]})
    runsafe.create(bundle)
    assert hooks.read("args").split() == ["/bin/sh", str(script)]
    assert "HOME=" not in hooks.read("env")


STATUS = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
          "startContainer": "created", "poststart": "running", "poststop": "stopped"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_comes_on_standard_input(runsafe, bundle, hooks, kind):
    """config.md: the state of the container MUST be passed to hooks over stdin; pid as seen from
    the runtime, and for hooks in the container's namespace as seen there."""
    bundle.set("annotations", {"org.example": 'with "quotes" and \n newline'})
    bundle.sh("sleep 1")
    hooks.add(kind, "cat > $OUT/state")
    name, pid = whole_life(runsafe, bundle)
    state = json.loads(hooks.read("state"))
    assert state["ociVersion"] == bundle.config["ociVersion"]
    assert state["id"] == name
    assert state["status"] == STATUS[kind]
    assert state["bundle"] == str(bundle.path)
    assert state["annotations"]["org.example"] == 'with "quotes" and \n newline'
    inside = kind in ("createContainer", "startContainer")
    if kind == "poststop":
        assert not state.get("pid")
    else:
        assert state["pid"] == (1 if inside else pid)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_runs_in_the_namespaces_that_the_specification_gives_it(
        runsafe, bundle, hooks, kind):
    """config.md: prestart, createRuntime, poststart, poststop in the runtime's namespaces;
    createContainer and startContainer in the container's."""
    hooks.add(kind, "for n in mnt pid uts; do readlink /proc/self/ns/$n; done > $OUT/ns")
    whole_life(runsafe, bundle)
    seen = hooks.read("ns").split()
    ours = [os.readlink(f"/proc/self/ns/{n}") for n in ("mnt", "pid", "uts")]
    same = [a == b for a, b in zip(seen, ours, strict=True)]
    if kind in ("createContainer", "startContainer"):
        assert not any(same), (seen, ours)
    else:
        assert all(same), (seen, ours)


def test_create_container_hooks_find_their_path_outside_and_act_inside(runsafe, bundle, hooks):
    """config.md: path MUST resolve in the runtime namespace, executed in the container's; before
    pivot_root, so that a mount it makes is the container's."""
    bundle.file("/opt/mark", "below\n")
    hooks.add("createContainer", f"mount -t tmpfs none {bundle.rootfs}/opt && "
              f"echo from-the-hook > {bundle.rootfs}/opt/mark")
    assert runsafe.sh(bundle, "cat /opt/mark").out == "from-the-hook\n"
    assert (bundle.rootfs / "opt/mark").read_text() == "below\n"


@pytest.mark.parametrize("kind", ["prestart", "createRuntime"])
@pytest.mark.parametrize("options", [[], ["--no-pivot"]])
def test_runtime_hooks_may_mount_into_the_rootfs_through_the_states_pid(
        runsafe, bundle, hooks, kind, options):
    """What nvidia's hook does: it enters the mount namespace of the state's pid and mounts below
    the rootfs's path (config.md: createRuntime hooks run before the pivot_root operation)."""
    bundle.file("/opt/mark", "below\n")
    hooks.add(kind, 'pid=$(sed "s/.*\\"pid\\":\\([0-9]*\\).*/\\1/"); '
              f"nsenter -t $pid -m mount -t tmpfs none {bundle.rootfs}/opt && "
              f"nsenter -t $pid -m sh -c 'echo from-the-hook > {bundle.rootfs}/opt/mark'")
    bundle.sh("cat /opt/mark; grep -c . /proc/self/mountinfo; grep -c runsafe /proc/self/mountinfo")
    plain = runsafe.run_ok(bundle, *options)
    assert plain.lines[0] == "from-the-hook"
    assert (bundle.rootfs / "opt/mark").read_text() == "below\n"
    if not options:
        bundle.drop("hooks")
        without = runsafe.run_ok(bundle, *options)
        assert int(plain.lines[1]) == int(without.lines[1]) + 1, "only the hook's mount is more"


def test_create_runtime_hooks_find_the_network_namespace_by_the_states_pid(runsafe, bundle, hooks):
    """What docker's libnetwork hook does: the namespaces are there when createRuntime runs."""
    hooks.add("createRuntime", 'pid=$(sed "s/.*\\"pid\\":\\([0-9]*\\).*/\\1/"); '
              'readlink /proc/$pid/ns/net > $OUT/net; readlink /proc/$pid/ns/pid > $OUT/pid')
    name = runsafe.create(bundle.sh("readlink /proc/self/ns/net"))
    pid = runsafe.state(name)["pid"]
    assert hooks.read("net").strip() == os.readlink(f"/proc/{pid}/ns/net")
    assert hooks.read("net").strip() != os.readlink("/proc/self/ns/net")


def test_start_container_hooks_are_the_workloads_user_in_its_root(runsafe, bundle, hooks):
    """A hook that comes from the image is not more than the workload."""
    hooks.add("startContainer", "id -u > $OUT/id; grep -E '^(CapEff|Seccomp|NoNewPrivs):' "
              "/proc/self/status > $OUT/status; ls / > $OUT/ls")
    runsafe.run_ok(bundle)
    assert hooks.read("id") == "1000\n"
    assert hooks.read("status").split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:",
                                            "2"]
    assert "out" in hooks.read("ls").split()


@pytest.mark.parametrize("kind", AT_CREATE)
def test_a_create_hook_that_fails_ends_create_and_takes_the_container_away(
        runsafe, bundle, hooks, kind):
    """runtime.md, Lifecycle 3 to 5: an error, the container is stopped, on at step 12; the
    poststop hooks run."""
    hooks.add(kind, "echo the reason >&2; exit 3")
    hooks.add(kind, "echo > $OUT/second")
    hooks.add("poststop", "cat > $OUT/poststop")
    message = runsafe.create_fails(bundle, f"hooks.{kind}[0]", "exit status 3", "the reason")
    assert "\n" not in message
    assert json.loads(hooks.read("poststop"))["status"] == "stopped"
    assert hooks.read("second") is None, "the hooks after it must not run"
    assert runsafe.ids() == []


@pytest.mark.parametrize("kind", AT_CREATE)
def test_a_create_hook_that_fails_leaves_no_pid_file_and_harms_no_other(
        runsafe, bundle, hooks, folder, kind):
    hooks.add(kind, "exit 3")
    runsafe.fails("create", "-b", bundle.path, "--pid-file", folder / "new", runsafe.id())
    assert not (folder / "new").exists()
    (folder / "old").write_text("42")
    runsafe.fails("create", "-b", bundle.path, "--pid-file", folder / "old", runsafe.id())
    assert (folder / "old").read_text() == "42"


@pytest.mark.parametrize("way", ["create", "run"])
def test_a_start_container_hook_that_fails_keeps_the_workload_from_running(
        runsafe, bundle, hooks, way):
    """runtime.md, Lifecycle 7: an error, the container is stopped, on at step 12."""
    bundle.sh("echo ran > /out/ran")
    hooks.add("startContainer", "echo the reason; exit 3")
    hooks.add("poststop", "cat > $OUT/poststop")
    words = ["hooks.startContainer[0]", "exit status 3", "the reason"]
    if way == "run":
        runsafe.fails("run", "-b", bundle.path, runsafe.id(), words=words)
    else:
        name = runsafe.create(bundle)
        runsafe.fails("start", name, words=words)
        runsafe.wait_status(name, "stopped")
        runsafe.delete(name)
    assert hooks.read("ran") is None
    assert json.loads(hooks.read("poststop"))["status"] == "stopped"
    assert runsafe.ids() == []


@pytest.mark.parametrize("way", ["create", "run"])
def test_a_poststart_hook_that_fails_stops_the_container(runsafe, bundle, hooks, way):
    """runtime.md, Lifecycle 9: an error, the container is stopped, on at step 12."""
    bundle.args("/bin/sleep", "1000")
    hooks.add("poststart", "echo the reason; exit 3")
    hooks.add("poststart", "echo > $OUT/second")
    hooks.add("poststop", "cat > $OUT/poststop")
    words = ["hooks.poststart[0]", "exit status 3", "the reason"]
    if way == "run":
        runsafe.fails("run", "-b", bundle.path, runsafe.id(), words=words)
    else:
        name = runsafe.create(bundle)
        runsafe.fails("start", name, words=words)
        assert runsafe.status(name) == "stopped"
        runsafe.delete(name)
    assert hooks.read("second") is None
    assert json.loads(hooks.read("poststop"))["status"] == "stopped"
    assert runsafe.ids() == []


def test_a_poststop_hook_that_fails_is_logged_only_and_the_next_runs(runsafe, bundle, hooks):
    """runtime.md, Lifecycle 13: a warning, but the remaining hooks and lifecycle continue. A
    command that succeeds writes nothing, so the warning takes --debug."""
    hooks.add("poststop", "echo the reason; exit 3")
    hooks.add("poststop", "echo > $OUT/second")
    whole_life(runsafe, bundle)
    assert hooks.read("second") is not None
    name = runsafe.create(bundle)
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    assert runsafe.with_options("--debug")("delete", name).status == 0
    lines = [json.loads(line) for line in runsafe.log.read_text().splitlines()]
    assert any("hooks.poststop[0]" in e["msg"] and "the reason" in e["msg"] for e in lines), lines
    assert not any(e["level"] == "error" for e in lines)
    runsafe.log.unlink()


def test_poststop_hooks_run_after_delete_force_too(runsafe, bundle, hooks):
    """config.md: poststop hooks MUST be called after the container is deleted."""
    hooks.add("poststop", "cat > $OUT/poststop")
    name = runsafe.running(bundle)
    runsafe.delete(name, "--force")
    assert json.loads(hooks.read("poststop"))["id"] == name


def test_poststop_hooks_come_when_the_container_is_gone(runsafe, bundle, hooks):
    """config.md: after the container is deleted, but before the delete operation returns."""
    hooks.add("poststop", f"ls {runsafe.root} > $OUT/ids")
    whole_life(runsafe, bundle)
    assert hooks.read("ids") == ""


@pytest.mark.parametrize("kind", AT_CREATE)
def test_a_hook_killed_by_a_signal_is_a_failure_that_names_it(runsafe, bundle, hooks, kind):
    hooks.add(kind, "kill -9 $$")
    runsafe.create_fails(bundle, f"hooks.{kind}[0]", "signal 9")


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_hook_that_hangs_is_killed_at_its_timeout_with_its_children(
        runsafe, bundle, hooks, kind):
    """config.md: timeout is the number of seconds before aborting the hook."""
    bundle.args("/bin/sleep", "1000")
    hooks.add(kind, "sleep 4242 & sleep 4242", timeout=1)
    begin = time.monotonic()
    words = [f"hooks.{kind}[0]", "timeout of 1 s"]
    if kind in AT_CREATE:
        runsafe.create_fails(bundle, *words)
    else:
        name = runsafe.create(bundle)
        runsafe.fails("start", name, words=words)
        runsafe.delete(name)
    assert 1 <= time.monotonic() - begin < 30
    assert harness.wait_for(
        lambda: not any("4242" in harness.cmdline(p) for p in harness.children()), 5)


def test_a_poststop_hook_that_hangs_does_not_keep_delete_waiting(runsafe, bundle, hooks):
    hooks.add("poststop", "sleep 4242", timeout=1)
    begin = time.monotonic()
    whole_life(runsafe, bundle)
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("timeout", [60, 3_000_000, 2**31 - 1])
def test_a_hook_that_ends_in_time_is_not_kept_or_cut(runsafe, bundle, hooks, timeout):
    """Also where seconds in milliseconds do not fit an int."""
    hooks.add("createRuntime", "sleep 0.2; echo > $OUT/done", timeout=timeout)
    runsafe.create(bundle)
    assert hooks.read("done") is not None


def test_a_hook_that_leaves_a_daemon_behind_does_not_keep_create_waiting(runsafe, bundle, hooks):
    """A child that holds the hook's standard output open is no reason to wait."""
    hooks.add("createRuntime", "sleep 4343 & echo $! > $OUT/pid")
    begin = time.monotonic()
    runsafe.create(bundle)
    assert time.monotonic() - begin < 30
    os.kill(int(hooks.read("pid")), 9)


HUGE = {f"org.example.{n}": "x" * 1000 for n in range(300)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_larger_than_a_pipe_reaches_the_hook_whole(runsafe, bundle, hooks, kind):
    """A pipe holds 64 KiB; this state has 300."""
    bundle.set("annotations", HUGE).sh("sleep 0.5")
    hooks.add(kind, "sleep 0.2; cat > $OUT/state")
    whole_life(runsafe, bundle)
    assert json.loads(hooks.read("state"))["annotations"] == HUGE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("script", ["sleep 0.2", "exec 0<&-; sleep 0.2", "head -c 10"])
def test_a_hook_that_does_not_read_its_input_is_no_failure(runsafe, bundle, hooks, kind, script):
    bundle.set("annotations", HUGE)
    hooks.add(kind, f"{script}; echo > $OUT/done")
    whole_life(runsafe, bundle)
    assert hooks.read("done") is not None


@pytest.mark.parametrize("kind", AT_CREATE)
def test_a_hook_that_writes_much_neither_hangs_nor_floods_the_message(
        runsafe, bundle, hooks, kind):
    hooks.add(kind, "head -c 1000000 /dev/zero | tr '\\0' x; exit 3")
    message = runsafe.create_fails(bundle, f"hooks.{kind}[0]", "exit status 3", "xxx")
    assert len(message) < 1500


@pytest.mark.parametrize("kind", AT_CREATE)
@pytest.mark.parametrize("path,word", [("/no/such/hook", "no such file or directory"),
                                       ("/etc/passwd", "permission denied"),
                                       ("/etc", "permission denied")])
def test_a_hook_that_cannot_be_executed_is_a_failure_with_its_path(
        runsafe, bundle, hooks, kind, path, word):
    bundle.set("hooks", {kind: [{"path": path}]})
    runsafe.create_fails(bundle, f"hooks.{kind}[0]", path, word)


def test_a_start_container_hook_is_looked_for_in_the_container(runsafe, bundle, hooks, folder):
    """config.md: startContainer: path MUST resolve in the container namespace."""
    script = folder / "only-outside"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    bundle.set("hooks", {"startContainer": [{"path": str(script)}]})
    name = runsafe.create(bundle)
    runsafe.fails("start", name, words=[str(script), "no such file or directory"])


def test_hooks_may_ask_for_the_containers_state(runsafe, bundle, hooks):
    """The lock of a create in progress does not hold its own hook up."""
    state = " ".join(runsafe.command("state"))
    name = runsafe.id()
    for kind in ("createRuntime", "poststart"):
        hooks.add(kind, f"{state} {name} > $OUT/{kind}", timeout=20)
    bundle.args("/bin/sleep", "1000")
    runsafe.ok("create", "-b", bundle.path, name)
    runsafe.start(name)
    assert json.loads(hooks.read("createRuntime"))["status"] == "creating"
    assert json.loads(hooks.read("poststart"))["status"] == "running"


def test_hooks_work_where_the_caller_ignores_sigchld(runsafe, bundle, hooks):
    """wait(2), notes: an ignored SIGCHLD is inherited, and children could not be waited for."""
    hooks.add("createRuntime", "echo > $OUT/done")
    command = runsafe.command("run", "-b", bundle.sh("exit 4").path, runsafe.id())
    result = harness.subprocess.run(["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", *command],
                                    capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 4, result
    assert hooks.read("done") is not None


def test_hooks_have_no_descriptors_of_the_runtime_and_default_signals(runsafe, bundle, hooks):
    for kind in KINDS:
        hooks.add(kind, f"ls /proc/self/fd | wc -l > $OUT/{kind}; "
                  f"grep -E '^Sig(Blk|Ign)' /proc/self/status >> $OUT/{kind}")
    whole_life(runsafe, bundle)
    for kind in KINDS:
        # ls has its folder open, too; busybox' own shell ignores SIGQUIT (bit 2).
        words = hooks.read(kind).split()
        assert words[:4] == ["4", "SigBlk:", "0" * 16, "SigIgn:"], (kind, words)
        assert int(words[4], 16) & ~4 == 0, (kind, words)
