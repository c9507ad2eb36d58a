"""The issue's list of wrong input: each its own clear message, nothing left behind, status 1 for
create, and one line in the log in the form that engines read (harness: fails, create_fails)."""

import json
import os
import subprocess

import pytest

import harness

NOT_THERE = "no such file or directory"


# --- the bundle and its config.json

def test_no_bundle(runsafe, folder):
    runsafe.fails("create", "-b", folder / "nowhere", runsafe.id(),
                  words=[str(folder / "nowhere"), NOT_THERE])


def test_no_config_json(runsafe, bundle):
    (bundle.path / "config.json").unlink()
    runsafe.create_fails(bundle, "config.json", NOT_THERE)


def test_truncated_json(runsafe, bundle):
    bundle.write(json.dumps(bundle.config)[:-40])
    runsafe.create_fails(bundle, "config.json", "json")


def test_empty_json(runsafe, bundle):
    runsafe.create_fails(bundle.write(""), "config.json", "empty")


def test_a_hundred_mebibytes_of_json(runsafe, bundle):
    bundle.write(b"[" + b" " * (100 << 20) + b"]")
    runsafe.create_fails(bundle, "config.json", "16 MiB")


def test_deeply_nested_json(runsafe, bundle):
    bundle.write('{"a":' * 100_000 + "1" + "}" * 100_000)
    runsafe.create_fails(bundle, "config.json", "64")


def test_json_that_is_not_utf8(runsafe, bundle):
    bundle.write(json.dumps(bundle.config).encode().replace(b'"cwd": "/"', b'"cwd": "/\xff\xfe"'))
    runsafe.create_fails(bundle, "config.json", "utf-8")


def test_config_json_is_a_folder(runsafe, bundle):
    (bundle.path / "config.json").unlink()
    (bundle.path / "config.json").mkdir()
    runsafe.create_fails(bundle, "config.json", "is a directory")


@pytest.mark.parametrize("text", ["null", "[]", "5", '"text"', "true"])
def test_json_that_is_no_object(runsafe, bundle, text):
    runsafe.create_fails(bundle.write(text), "config.json", "object")


@pytest.mark.parametrize("text", ["{} {}", '{"ociVersion": "1.0.0",}', "// comment\n{}", "{'a': 1}"])
def test_json_that_breaks_the_grammar(runsafe, bundle, text):
    runsafe.create_fails(bundle.write(text), "config.json", "json")


@pytest.mark.parametrize("path", ["ociVersion", "root", "process.cwd", "root.path", "process.args"])
def test_a_missing_field(runsafe, bundle, path):
    runsafe.create_fails(bundle.drop(path), "config.json", path)


@pytest.mark.parametrize("path,value,expected", [
    ("ociVersion", 1, "string"),
    ("root.path", 5, "string"),
    ("root.readonly", "yes", "true"),
    ("process.args", "sh", "list"),
    ("process.args", [1], "string"),
    ("process.env", {"A": "b"}, "list"),
    ("process.user.uid", "0", "number"),
    ("process.user.uid", 1.5, "number"),
    ("process.terminal", 1, "true"),
    ("process.cwd", None, "cwd"),
    ("mounts", {}, "list"),
    ("mounts", ["/tmp"], "object"),
    ("linux.resources.memory", {"limit": "512m"}, "number"),
    ("linux.namespaces", "pid", "list"),
    ("hostname", ["a"], "string"),
    ("annotations", {"a": 5}, "string"),
])
def test_a_mistyped_field(runsafe, bundle, path, value, expected):
    runsafe.create_fails(bundle.set(path, value), "config.json", path, expected)


@pytest.mark.parametrize("value", ["2.0.0", "0.9.0", "one", "1", ""])
def test_an_oci_version_that_is_not_ours(runsafe, bundle, value):
    runsafe.create_fails(bundle.set("ociVersion", value), "config.json", "ociVersion")


@pytest.mark.parametrize("value", ["1.0.0", "1.0.2-dev", "1.1.0", "1.2.1", "1.3.0"])
def test_oci_versions_that_are_ours(runsafe, bundle, value):
    runsafe.sh(bundle.set("ociVersion", value), "true")


def test_an_unknown_key_is_passed_over(runsafe, bundle):
    """config.md, "Extensibility": MUST NOT generate an error."""
    runsafe.sh(bundle.set("linux.org.example", {"deep": [1]}).set("futureKey", 5), "true")


# --- process

def test_empty_args(runsafe, bundle):
    runsafe.create_fails(bundle.set("process.args", []), "config.json", "process.args")


def test_the_program_is_not_there(runsafe, bundle):
    runsafe.fails("run", "-b", bundle.args("no-such-program").path, runsafe.id(), status=127,
                  words=["no-such-program", "executable file not found in $PATH"])
    runsafe.fails("run", "-b", bundle.args("/no/such/program").path, runsafe.id(), status=127,
                  words=["/no/such/program", NOT_THERE])


def test_create_says_it_when_the_program_is_not_there(runsafe, bundle):
    runsafe.create_fails(bundle.args("no-such-program"), "no-such-program",
                         "executable file not found in $PATH")


def test_the_program_is_not_executable(runsafe, bundle):
    bundle.file("/opt/plain", "hello\n")
    runsafe.create_fails(bundle.args("/opt/plain"), "/opt/plain", "permission denied")


def test_the_program_is_a_directory(runsafe, bundle):
    message = runsafe.create_fails(bundle.args("/opt"), "/opt")
    assert "is a directory" in message or "permission denied" in message


def test_cwd_can_not_be_made(runsafe, bundle):
    runsafe.create_fails(bundle.set("process.cwd", "/etc/passwd/x"), "/etc/passwd/x",
                         "not a directory")


def test_cwd_that_is_missing_is_made_as_runc_and_crun_do(runsafe, bundle):
    done = runsafe.run_ok(bundle.set("process.cwd", "/no/such/place").args("/bin/pwd"))
    assert done.out == "/no/such/place\n"


def test_cwd_is_relative(runsafe, bundle):
    runsafe.create_fails(bundle.set("process.cwd", "tmp"), "process.cwd", "absolute")


def test_cwd_leads_outside_by_a_link(runsafe, bundle):
    """CVE-2024-21626: a cwd of /proc/self/fd/N was the host's directory."""
    for fd in range(3, 12):
        bundle.set("process.cwd", f"/proc/self/fd/{fd}")
        left = harness.Leftovers(runsafe)
        result = runsafe.run(bundle.sh('[ . -ef "$(readlink /proc/self/cwd)" ] && echo inside'))
        assert result.status != 0 or result.out == "inside\n", result
        left.check()
    runsafe.log.unlink(missing_ok=True)
    (bundle.rootfs / "opt/out").symlink_to("../../../../../../../etc")
    inside = runsafe.sh(bundle.set("process.cwd", "/opt/out"), "cat passwd")
    assert inside.out.startswith(harness.PASSWD), "cwd is not the rootfs's /etc"


@pytest.mark.parametrize("value", [-1, 4294967296, 1 << 70, 1e300])
@pytest.mark.parametrize("path", ["process.user.uid", "process.user.gid"])
def test_a_uid_out_of_range(runsafe, bundle, path, value):
    runsafe.create_fails(bundle.set(path, value), "config.json", path)


@pytest.mark.parametrize("path,value", [
    ("process.oomScoreAdj", 1001),
    ("process.oomScoreAdj", -1001),
    ("process.user.additionalGids", [-1]),
    ("process.user.umask", 1 << 40),
    ("linux.resources.pids.limit", 1 << 65),
    ("linux.resources.cpu.shares", -5),
    ("linux.resources.memory.limit", -5),
    ("linux.resources.memory.limit", 1 << 64),
    ("linux.resources.blockIO.weight", 5),
    ("linux.resources.blockIO.weight", 70000),
])
def test_a_number_out_of_range(runsafe, bundle, path, value):
    runsafe.create_fails(bundle.set(path, value), "config.json", path)


def test_an_unknown_rlimit(runsafe, bundle):
    bundle.set("process.rlimits", [{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}])
    runsafe.create_fails(bundle, "process.rlimits", "RLIMIT_NONSENSE")


def test_an_rlimit_given_twice(runsafe, bundle):
    """config.md: a duplicated type MUST generate an error."""
    one = {"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64}
    runsafe.create_fails(bundle.set("process.rlimits", [one, one]), "RLIMIT_NOFILE")


def test_a_soft_limit_above_the_hard_one(runsafe, bundle):
    bundle.set("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 65, "hard": 64}])
    runsafe.create_fails(bundle, "rlimits")


# --- root

def test_rootfs_is_missing(runsafe, bundle):
    runsafe.create_fails(bundle.set("root.path", "nowhere"), "nowhere", NOT_THERE)


def test_rootfs_is_a_file(runsafe, bundle):
    (bundle.path / "file").write_text("")
    runsafe.create_fails(bundle.set("root.path", "file"), "file", "not a directory")


def test_rootfs_is_a_symlink(runsafe, bundle):
    (bundle.path / "link").symlink_to("rootfs")
    runsafe.create_fails(bundle.set("root.path", "link"), "link")


# --- the id

@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "x" * 300, "a b", "a\nb", "ä", "a%", "../x"])
def test_an_id_that_is_not_one(runsafe, bundle, name):
    runsafe.fails("create", "-b", bundle.path, "--", name, words=["id"])
    assert runsafe.ids() == []


def test_an_id_that_looks_like_an_option(runsafe, bundle):
    runsafe.fails("create", "-b", bundle.path, "--", "-x", words=["id"])


def test_an_id_in_use(runsafe, bundle, new_bundle):
    name = runsafe.create(bundle)
    runsafe.fails("create", "-b", new_bundle("other").path, name, words=[name, "exist"])
    assert runsafe.state(name)["bundle"] == str(bundle.path)


# --- mounts

def test_a_mount_source_that_is_missing(runsafe, bundle):
    bundle.mount(destination="/opt", type="bind", source="/no/such/source", options=["bind"])
    runsafe.create_fails(bundle, "mounts[", "/no/such/source", NOT_THERE)


def test_a_mount_destination_that_leads_outside(runsafe, bundle, folder):
    """CVE-2019-16884 and its kin: the link is resolved inside the rootfs."""
    outside = folder / "outside"
    outside.mkdir()
    (bundle.rootfs / "opt/link").symlink_to(outside)
    (bundle.path / "source").mkdir()
    (bundle.path / "source/mark").write_text("x")
    bundle.mount(destination="/opt/link", type="bind", source="source", options=["bind"])
    bundle.set("root.readonly", True)
    left = harness.Leftovers(runsafe)
    result = runsafe.run(bundle.sh("ls /opt/link/"))
    assert not list(outside.iterdir())
    # Either it was mounted on the place inside that the link means, or it was refused.
    assert (result.status, result.out) == (0, "mark\n") or result.status == 1, result
    left.check()
    runsafe.log.unlink(missing_ok=True)


def test_a_mount_destination_with_dots_stays_inside(runsafe, bundle, folder):
    (bundle.path / "source").mkdir()
    (bundle.path / "source/mark").write_text("x")
    bundle.mount(destination="/opt/../../../../../../opt", type="bind", source="source",
                 options=["bind"])
    assert runsafe.sh(bundle, "ls /opt").out == "mark\n"


def test_an_unknown_mount_type(runsafe, bundle):
    bundle.mount(destination="/opt", type="nonsensefs", source="none", options=[])
    runsafe.create_fails(bundle, "mounts[", "nonsensefs")


def test_a_mount_without_destination(runsafe, bundle):
    runsafe.create_fails(bundle.mount(type="tmpfs", source="tmpfs"), "mounts[", "destination")


# --- linux

def test_an_unknown_namespace(runsafe, bundle):
    bundle.config["linux"]["namespaces"].append({"type": "nonsense"})
    runsafe.create_fails(bundle.write(), "linux.namespaces", "nonsense")


def test_a_namespace_given_twice(runsafe, bundle):
    """config-linux.md: the same type twice MUST generate an error."""
    bundle.config["linux"]["namespaces"].append({"type": "pid"})
    runsafe.create_fails(bundle.write(), "linux.namespaces", "pid")


def test_a_namespace_path_that_is_not_one(runsafe, bundle, folder):
    (folder / "plain").write_text("")
    runsafe.create_fails(bundle.namespace("network", folder / "plain"), str(folder / "plain"))
    runsafe.create_fails(bundle.namespace("network", folder / "none"), str(folder / "none"), NOT_THERE)
    runsafe.create_fails(bundle.namespace("network", "relative"), "linux.namespaces")


def test_a_namespace_path_of_another_kind(runsafe, bundle):
    """config-linux.md: MUST generate an error if the path is not of the type."""
    runsafe.create_fails(bundle.namespace("network", "/proc/self/ns/uts"), "linux.namespaces")


@pytest.mark.parametrize("value", [{"defaultAction": "SCMP_ACT_NONSENSE"},
                                   {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                                       {"names": ["read"], "action": "SCMP_ACT_NONSENSE"}]}])
def test_an_unknown_seccomp_action(runsafe, bundle, value):
    runsafe.create_fails(bundle.set("linux.seccomp", value), "linux.seccomp", "SCMP_ACT_NONSENSE")


@pytest.mark.parametrize("key, value", [
    ("linux.seccomp.listenerMetadata", {"listenerMetadata": "m"}),
    ("linux.seccomp.listenerPath", {"listenerPath": "relative"}),
    ("linux.seccomp.defaultAction", {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/x"}),
    ("linux.seccomp.syscalls[0].action", {"syscalls": [{"names": ["mkdir"],
                                                        "action": "SCMP_ACT_NOTIFY"}]}),
    ("linux.seccomp.syscalls[0].names", {"syscalls": [{"names": ["write"],
                                                       "action": "SCMP_ACT_NOTIFY"}],
                                         "listenerPath": "/x"})])
def test_a_seccomp_listener_that_can_not_work(runsafe, bundle, key, value):
    """config-linux.md: listenerMetadata MUST NOT be set if listenerPath is not set."""
    bundle.set("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", **value})
    runsafe.create_fails(bundle, key)


def test_seccomp_without_default_action(runsafe, bundle):
    runsafe.create_fails(bundle.set("linux.seccomp", {"syscalls": []}), "linux.seccomp.defaultAction")


# --- hooks

@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer", "startContainer",
                                  "poststart", "poststop"])
def test_a_hook_without_a_path(runsafe, bundle, kind):
    bundle.set("hooks", {kind: [{"args": ["x"]}]})
    runsafe.create_fails(bundle, f"hooks.{kind}[0]", "path")


def test_a_hook_with_a_relative_path(runsafe, bundle):
    bundle.set("hooks", {"createRuntime": [{"path": "bin/true"}]})
    runsafe.create_fails(bundle, "hooks.createRuntime[0].path", "absolute")


def test_a_hook_with_a_timeout_of_zero(runsafe, bundle):
    """config.md: timeout MUST be greater than zero."""
    bundle.set("hooks", {"createRuntime": [{"path": "/bin/true", "timeout": 0}]})
    runsafe.create_fails(bundle, "hooks.createRuntime[0].timeout")


def test_a_hook_that_fails_stops_create(runsafe, bundle):
    bundle.set("hooks", {"createRuntime": [{"path": "/bin/false"}]})
    runsafe.create_fails(bundle, "hook", "/bin/false")


# --- who may relax

def test_an_unknown_annotation_of_ours(runsafe, bundle):
    runsafe.create_fails(bundle.annotate(**{"rootfs-writeable": "true"}),
                         "io.runsafe.rootfs-writeable")


def test_a_relaxing_annotation_is_not_accepted(runsafe, bundle):
    """The message names the file that would accept it."""
    runsafe.create_fails(bundle.annotate(**{"rootfs-writable": "true"}),
                         "io.runsafe.rootfs-writable", "policy")


def test_an_unknown_name_after_allow(runsafe, bundle):
    runsafe.with_options("--allow", "nonsense").create_fails(bundle, "--allow", "nonsense")


# --- HOME from the image

@pytest.mark.parametrize("home", ["/srv\nevil", "/srv:x", "relative", "/srv\x01"])
def test_a_home_that_would_break_passwd(runsafe, bundle, home):
    """DESIGN.md section 3: absolute and free of ":" and control bytes, or else /tmp/home."""
    fields = f"app:x:1000:1000::{home}:/bin/sh\n"
    bundle.file("/etc/passwd", harness.PASSWD + fields)
    result = runsafe.sh(bundle.set("process.user", {"uid": 0, "gid": 0}),
                        "echo HOME=$HOME; echo x >$HOME/probe 2>/dev/null; cat /etc/passwd")
    assert result.facts()["HOME"] in ("/srv", "/tmp/home")
    # The image's own lines are its own affair; none of ours may come from its HOME.
    theirs = (harness.PASSWD + fields).splitlines()
    assert [line for line in result.lines[1:] if line not in theirs] == [], result


@pytest.mark.parametrize("home", ["HOME=/srv\nroot::0:0::/:/bin/sh", "HOME=/a:b"])
def test_a_home_in_env_that_would_break_passwd(runsafe, bundle, home):
    """The line for the workload in /etc/passwd holds HOME: it must not bring lines of its own."""
    bundle.config["process"]["user"] = {"uid": 4321, "gid": 4321}
    bundle.config["process"]["env"].append(home)
    result = runsafe.run(bundle.sh("cat /etc/passwd"))
    if result.status:
        assert "HOME" in result.err
        runsafe.log.unlink()
        return
    ours = [line for line in result.lines if line not in harness.PASSWD.splitlines()]
    assert len(ours) == 1 and ours[0].count(":") == 6, result
    assert ours[0].split(":")[2] == "4321"


# --- the machine

@pytest.mark.alone
def test_run_is_full(runsafe, bundle, folder):
    """State that can not be written whole is not written at all."""
    place = folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-n", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
    try:
        with open(place / "filler", "wb") as f:
            try:
                while True:
                    f.write(b"x" * 4096)
                    f.flush()
            except OSError:
                pass
        runsafe.root = place / "state"
        runsafe.fails("create", "-b", bundle.path, runsafe.id(), words=["no space left on device"])
        assert not list(place.glob("state/*"))
    finally:
        runsafe.root = folder / "state"
        subprocess.run(["umount", "-n", place], check=True)


def test_no_permission(runsafe, bundle):
    """Another user than root, without a user namespace of its own."""
    result = runsafe("create", "-b", bundle.path, runsafe.id(), user=65534, group=65534,
                     extra_groups=[])
    assert result.status == 1
    assert "permission denied" in result.err or "not permitted" in result.err, result
    assert runsafe.ids() == []


def test_the_log_can_not_be_written(runsafe, bundle, folder):
    runsafe.log = folder / "no/such/folder/log"
    result = runsafe("create", "-b", bundle.path, runsafe.id())
    assert result.status == 1
    assert str(runsafe.log) in result.err and NOT_THERE in result.err
    assert runsafe.ids() == []


# --- policy files

@pytest.mark.parametrize("text,words", [
    ("{", ["json"]),
    ("", ["empty"]),
    ("[]", ["object"]),
    ('{"name": "x", "nonsense": 1}', ["nonsense"]),
    ('{"name": "x", "capabilities": {"nonsense": 1}}', ["capabilities", "nonsense"]),
    ('{"name": "x", "noNewPrivileges": "yes"}', ["noNewPrivileges"]),
    ('{"name": "x", "extends": "nonsense"}', ["nonsense"]),
])
def test_a_policy_file_that_is_broken(runsafe, bundle, folder, text, words):
    policy = folder / "policy.json"
    policy.write_text(text)
    runsafe.with_options("--policy", policy).create_fails(bundle, str(policy), *words)


def test_a_policy_file_that_is_missing(runsafe, bundle, folder):
    policy = folder / "nowhere.json"
    runsafe.with_options("--policy", policy).create_fails(bundle, str(policy), NOT_THERE)


def test_a_policy_name_that_is_none(runsafe, bundle):
    runsafe.with_options("--policy", "lenient").create_fails(bundle, "lenient")


@pytest.mark.parametrize("option", ["--policy", "--allow", "--root", "--log"])
def test_a_global_option_without_its_value(runsafe, option):
    done = subprocess.run([harness.RUNSAFE, option], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and option.lstrip("-") in done.stderr, done


def test_hooks_do_not_run_when_config_is_wrong(runsafe, bundle, folder):
    mark = folder / "mark"
    bundle.set("hooks", {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"touch {mark}"]}]})
    runsafe.create_fails(bundle.set("process.cwd", "relative"), "process.cwd")
    assert not os.path.exists(mark)
