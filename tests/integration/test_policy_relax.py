"""DESIGN.md section 3, "Who may relax": --allow, annotations, policy files, and which policy rules."""

import json
import os
import subprocess

import pytest

import harness
import workload
from workload import as_engine, inside, mount_at, mounts_inside, refused, status_inside


@pytest.fixture
def engine(bundle):
    return as_engine(bundle)


@pytest.fixture
def policy_file(folder):
    """Writes a policy file and returns its name."""
    def write(text):
        path = folder / "policy.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return path
    return write


def allowed(program, *settings):
    return program.with_options(*(f"--allow={s}" for s in settings))


# --- --allow: the machine's owner

def test_allow_root(runsafe, engine):
    """root: uid 0 stays uid 0 (still without capabilities)."""
    status = status_inside(allowed(runsafe, "root"), engine)
    assert status["Uid"].split() == ["0"] * 4
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0


def test_allow_user(runsafe, engine):
    out = allowed(runsafe, "user=1500:1600").sh(engine, "id -u; id -g").out
    assert out.split() == ["1500", "1600"]


def test_allow_rootfs_writable(runsafe, engine):
    (engine.rootfs / "opt").chmod(0o777)
    allowed(runsafe, "rootfs-writable").sh(engine, "touch /opt/file")


def test_allow_rootfs_writable_does_not_write_what_config_makes_read_only(runsafe, engine):
    """where config.json lets it."""
    (engine.rootfs / "opt").chmod(0o777)
    engine.set("root.readonly", True)
    result = allowed(runsafe, "rootfs-writable").run(engine.sh("touch /opt/file"))
    assert "Read-only file system" in result.err


@pytest.mark.parametrize("option", ["", ":exec"])
def test_allow_tmpfs(runsafe, engine, option):
    """--allow tmpfs=PATH[:exec]."""
    engine.file("/srv/data", "from the image\n")
    program = allowed(runsafe, f"tmpfs=/srv{option}")
    options = mount_at(mounts_inside(program, engine), "/srv")[1]
    assert {"nosuid", "nodev"} <= options
    assert ("noexec" in options) == (option == "")
    assert program.sh(engine, "cat /srv/data; touch /srv/new").out == "from the image\n"
    assert not (engine.rootfs / "srv/new").exists()


def test_allow_new_privileges(runsafe, engine):
    assert status_inside(allowed(runsafe, "new-privileges"), engine)["NoNewPrivs"] == "0"


def test_allow_memfd_exec(runsafe, engine):
    if not os.path.exists("/proc/sys/vm/memfd_noexec"):
        pytest.skip("this kernel has no vm.memfd_noexec")
    script = "echo memfd=$(cat /proc/sys/vm/memfd_noexec)"
    assert inside(allowed(runsafe, "memfd-exec"), engine, script)["memfd"] == "0"


def test_allow_unmask(runsafe, engine):
    assert allowed(runsafe, "unmask=/proc/interrupts").sh(engine, "cat /proc/interrupts").out != ""
    found = mounts_inside(allowed(runsafe, "unmask=all"), engine)
    assert "/proc/sys" not in [m[0] for m in found]


def test_allow_bind(runsafe, engine):
    engine.mount(destination="/opt", type="bind", source="/dev", options=["bind"])
    refused(runsafe, engine, "--allow bind=/dev")
    assert "null" in allowed(runsafe, "bind=/dev").sh(engine, "ls /opt").lines


@pytest.mark.parametrize("kind, setting", [("pid", "host-pid"), ("network", "host-network"),
                                           ("ipc", "host-ipc"), ("uts", "host-uts"),
                                           ("cgroup", "host-cgroup")])
@pytest.mark.parametrize("way", ["absent", "path"])
def test_allow_a_namespace_of_the_host(runsafe, engine, kind, setting, way):
    name = {"network": "net"}.get(kind, kind)
    if kind == "uts":
        engine.drop("hostname")
    if way == "path":
        engine.namespace(kind, path=f"/proc/{os.getpid()}/ns/{name}")
    else:
        engine.namespace(kind, drop=True)
    program = allowed(runsafe, setting)
    pid = workload.pid_of(program, program.running(engine))
    assert workload.namespace_of(pid, name) == workload.namespace_of("self", name)


def test_allow_seccomp_lets_a_group_through_by_name(runsafe, engine, probe):
    """ptrace (it can be allowed by name, for debuggers)."""
    trace = workload.call("ptrace", 0, 0, 0, 0)
    assert probe(runsafe, engine, trace) == {"ptrace": "EPERM"}
    assert probe(allowed(runsafe, "seccomp=ptrace"), engine, trace) == {"ptrace": "OK"}


def test_allow_systemd_property(runsafe, engine):
    engine.set("annotations", {"org.systemd.property.ExecStartPre": "'/bin/x'"})
    refused(runsafe, engine, "org.systemd.property.ExecStartPre")
    allowed(runsafe, "systemd-property=ExecStartPre").sh(engine, "true")


@pytest.mark.parametrize("setting, expected", [
    ("memory=2g", 2 << 30), ("cpus=2", 200000), ("pids=77", 77), ("memory=unlimited", None)])
def test_allow_limits(runsafe, engine, setting, expected):
    out = json.loads(allowed(runsafe, setting)("check", "--json", f"{engine.path}/").out)
    resources = out["effective"]["linux"]["resources"]
    found = {"memory": resources.get("memory", {}).get("limit"),
             "cpus": resources["cpu"]["quota"], "pids": resources["pids"]["limit"]}
    assert found[setting.partition("=")[0]] == expected


@pytest.mark.parametrize("setting", ["no-such-name", "rootfs_writable", "tmpfs", "tmpfs=relative",
                                     "tmpfs=/proc/x", "tmpfs=/", "tmpfs=/x:suid", "user=0",
                                     "user=1000:0", "capability=CAP_NONE", "memory=lots",
                                     "pids=0", "seccomp=everything", "root=yes"])
def test_allow_of_what_is_unknown_or_wrong_is_an_error(runsafe, bundle, setting):
    refused(runsafe, bundle, setting.partition("=")[0], options=(f"--allow={setting}",))


@pytest.mark.parametrize("setting", ["root", "capability=CAP_CHOWN", "host-network", "host-pid",
                                     "new-privileges", "shared-propagation", "user=5000"])
def test_allow_under_strict_is_refused_where_it_would_break_it(runsafe, bundle, setting):
    refused(runsafe, bundle, "--allow " + setting.partition("=")[0], "policy",
            options=("--policy=strict", f"--allow={setting}"))


def test_allow_of_the_image_is_no_word_of_the_owner(runsafe, engine):
    """config.json has no way to say it."""
    engine.set("allow", ["root"]).set("process.allow", ["root"])
    assert runsafe.sh(engine, "id -u").out == "1000\n"


# --- annotations: an image may have brought them

def test_annotation_one_more_tmpfs(runsafe, engine):
    engine.annotate(tmpfs="/srv")
    assert {"nosuid", "nodev", "noexec"} <= mount_at(mounts_inside(runsafe, engine), "/srv")[1]


def test_annotation_tmpfs_never_with_exec(runsafe, engine):
    runsafe.create_fails(engine.annotate(tmpfs="/srv:exec"), "annotations.io.runsafe.tmpfs", "exec")


def test_annotation_another_non_zero_user(runsafe, engine):
    engine.annotate(user="1500:1600")
    assert runsafe.sh(engine, "id -u; id -g").out.split() == ["1500", "1600"]


@pytest.mark.parametrize("user", ["0", "1000:0", "root", "-1", "4294967295", ""])
def test_annotation_never_makes_root(runsafe, engine, user):
    runsafe.create_fails(engine.annotate(user=user), "annotations.io.runsafe.user")


@pytest.mark.parametrize("name, smaller, larger", [("memory", "64m", "2g"), ("cpus", "0.5", "4"),
                                                   ("pids", "10", "5000")])
def test_annotation_limits_only_go_down(runsafe, engine, name, smaller, larger):
    """smaller limits."""
    assert workload.check(runsafe, engine.annotate(**{name: smaller}))[0] == 1
    runsafe.create_fails(engine.annotate(**{name: larger}), f"annotations.io.runsafe.{name}",
                         "raise")
    runsafe.create_fails(engine.annotate(**{name: "unlimited"}), f"io.runsafe.{name}")


RELAXING = {"root": "true", "rootfs-writable": "true", "capability": "CAP_SYS_ADMIN",
            "new-privileges": "true", "host-network": "true", "host-pid": "true",
            "host-ipc": "true", "unmask": "all", "seccomp": "ptrace", "bind": "/",
            "device": "/dev/mem", "sysctl": "kernel.core_pattern", "memfd-exec": "true",
            "shared-propagation": "true", "systemd-property": "ExecStartPre"}


@pytest.mark.parametrize("name, policy", [(n, "default") for n in RELAXING] +
                         [("root", "strict"), ("root", "oci"), ("unmask", "oci")])
def test_annotation_that_weakens_is_an_error(runsafe, bundle, name, policy):
    """an annotation counts only if the policy lists NAME; not accepted is an error that says
    which file would accept it."""
    bundle.annotate(**{name: RELAXING[name]})
    refused(runsafe, bundle, f"annotations.io.runsafe.{name}", "not accepted", "policy.json",
            f"--allow {name}", options=("--policy", policy))


@pytest.mark.parametrize("name", ["tmpfs", "user", "memory"])
def test_annotation_none_is_listed_by_strict(runsafe, bundle, name):
    bundle.annotate(**{name: {"tmpfs": "/srv", "user": "1500", "memory": "1m"}[name]})
    refused(runsafe, bundle, f"annotations.io.runsafe.{name}", options=("--policy", "strict"))


@pytest.mark.parametrize("name", ["rootfs-writeable", "Root", "tmpfs.more", ""])
def test_annotation_that_is_unknown_is_an_error(runsafe, bundle, name):
    """a misspelt one must not leave somebody less, or more, protected than they think."""
    runsafe.create_fails(bundle.annotate(**{name: "true"}), f"annotations.io.runsafe.{name}",
                         "no annotation of that name")


@pytest.mark.parametrize("name", ["ExecStartPre", "ExecStopPost", "Slice", "MemoryMax"])
def test_annotation_for_systemd_that_makes_the_host_act_is_an_error(runsafe, bundle, name):
    bundle.set("annotations", {f"org.systemd.property.{name}": "'/bin/sh'"})
    runsafe.create_fails(bundle, f"org.systemd.property.{name}", "systemdProperties")


@pytest.mark.parametrize("name", ["KillSignal", "TimeoutStopUSec", "CollectMode", "After",
                                  "DefaultDependencies"])
def test_annotation_for_systemd_that_is_harmless_is_honoured(runsafe, bundle, name):
    bundle.set("annotations", {f"org.systemd.property.{name}": "'x'"})
    runsafe.sh(bundle, "true")


@pytest.mark.parametrize("name", ["run.oci.hooks.stderr", "run.oci.handler", "org.criu.config",
                                  "run.oci.keep_original_groups"])
def test_annotation_of_other_runtimes_is_not_obeyed(runsafe, engine, folder, name):
    """anything else that would make the host do something on an annotation's word is not."""
    target = folder / "written"
    engine.set("annotations", {name: str(target)}).set("process.user.additionalGids", [0])
    assert "0" not in runsafe.sh(engine, "id -G").out.split()
    assert not target.exists()


# --- policy files

def test_policy_file_that_extends_default(runsafe, engine, policy_file):
    """a policy is a small JSON file: what it does not say is that of the one it extends."""
    path = policy_file({"name": "mine", "extends": "default", "user": {"uid": 4000, "gid": 4001},
                        "annotations": ["root"]})
    program = runsafe.with_options("--policy", path)
    assert program.sh(engine, "id -u; id -g; touch /x 2>&1 | grep -o Read-only").out.split() == [
        "4000", "4001", "Read-only"]


def test_policy_file_may_accept_an_annotation_that_weakens(runsafe, engine, policy_file):
    path = policy_file({"name": "mine", "extends": "default", "annotations": ["root"]})
    program = runsafe.with_options("--policy", path)
    assert program.sh(engine.annotate(root="true"), "id -u").out == "0\n"
    refused(program, engine.annotate(unmask="all"), "io.runsafe.unmask", str(path))


def test_policy_file_may_say_that_nothing_may_be_allowed(runsafe, engine, policy_file):
    path = policy_file({"name": "closed", "extends": "default", "allow": []})
    refused(runsafe, engine, "--allow root", str(path),
            options=("--policy", path, "--allow", "root"))


def test_policy_file_may_relax(runsafe, engine, policy_file):
    path = policy_file({"extends": "default", "name": "soft", "rootfs": {"readonly": False},
                        "capabilities": {"give": ["CAP_NET_RAW"]}, "seccomp": {"allow": ["ptrace"]}})
    program = runsafe.with_options("--policy", path)
    assert "rw" in mount_at(mounts_inside(program, engine), "/")[1]
    assert int(status_inside(program, engine)["CapEff"], 16) == 1 << 13


def test_policy_file_that_extends_strict_refuses_root(runsafe, engine, policy_file):
    path = policy_file({"name": "site", "extends": "strict", "limits": {"memory": "1g"}})
    refused(runsafe, engine, "process.user", "policy site", options=("--policy", path))


@pytest.mark.parametrize("text, word", [
    ("", "expected"), ("{", "expected"), ('{"extends": "nobody"}', "extends"),
    ('{"extends": "default", "rootfs": {"readonyl": false}}', "readonyl"),
    ('{"extends": "default", "limits": {"memory": "lots"}}', "limits.memory"),
    ('{"extends": "default", "user": {"uid": 0}}', "user.uid"),
    ('{"extends": "default", "annotations": ["no-such"]}', "annotations")])
def test_policy_file_that_is_broken_is_an_error(runsafe, bundle, policy_file, text, word):
    """a policy file that is missing, broken or has an unknown key."""
    path = policy_file(text)
    message = refused(runsafe, bundle, str(path), options=("--policy", path))
    assert word in message or not text or text == "{", message


def test_policy_file_that_is_missing_is_an_error(runsafe, bundle, folder):
    refused(runsafe, bundle, str(folder / "none.json"), "no such file",
            options=("--policy", folder / "none.json"))


@pytest.mark.parametrize("name", ["Default", "none", "lax"])
def test_policy_of_an_unknown_name_is_an_error(runsafe, bundle, name):
    refused(runsafe, bundle, name, options=("--policy", name))


# --- which policy rules

def called(runsafe, folder, name, monkeypatch):
    """The program under another name, as dockerd finds it: a symlink."""
    link = folder / name
    link.symlink_to(harness.RUNSAFE)
    monkeypatch.setattr(harness, "RUNSAFE", str(link))
    return runsafe


def test_the_name_it_is_called_by_chooses_oci(runsafe, engine, folder, monkeypatch):
    """else the name the program was called by (runsafe-oci, runsafe-strict: symlinks)."""
    program = called(runsafe, folder, "runsafe-oci", monkeypatch)
    assert program.sh(engine, "id -u").out == "0\n"


def test_the_name_it_is_called_by_chooses_strict(runsafe, engine, folder, monkeypatch):
    called(runsafe, folder, "runsafe-strict", monkeypatch).create_fails(engine, "policy strict")


def test_policy_option_goes_before_the_name(runsafe, engine, folder, monkeypatch):
    program = called(runsafe, folder, "runsafe-oci", monkeypatch)
    assert program.with_options("--policy", "default").sh(engine, "id -u").out == "1000\n"


def test_a_name_of_a_policy_that_is_not_there_is_an_error(runsafe, engine, folder, monkeypatch):
    """Somebody meant another policy than default."""
    called(runsafe, folder, "runsafe-lax", monkeypatch).create_fails(engine, "runsafe-lax")


def test_another_name_is_default(runsafe, engine, folder, monkeypatch):
    program = called(runsafe, folder, "container-runtime", monkeypatch)
    assert program.sh(engine, "id -u").out == "1000\n"


def with_machine_policy(program, bundle, text, name="policy", change="true"):
    """run where the machine has an /etc/runsafe/policy.json, or NAME.json."""
    script = ('mount -t tmpfs tmpfs /etc && mkdir /etc/runsafe && printf %s "$0" '
              f'>/etc/runsafe/{name}.json && {change} && exec "$@"')
    command = program.command("run", "-b", bundle.path, program.id())
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script,
                           text, *command], capture_output=True, text=True, check=False)


def test_the_machines_policy_file_rules(runsafe, engine):
    """else /etc/runsafe/policy.json, else default."""
    engine.sh("id -u")
    done = with_machine_policy(runsafe, engine,
                               '{"name": "site", "extends": "default", "user": {"uid": 7777}}')
    assert (done.stdout, done.stderr) == ("7777\n", "")


def test_the_name_it_is_called_by_chooses_a_file_of_the_machine(runsafe, engine, folder, monkeypatch):
    """runsafe-web is /etc/runsafe/web.json: engines that pass no options choose by a symlink."""
    engine.sh("id -u")
    program = called(runsafe, folder, "runsafe-web", monkeypatch)
    text = '{"extends": "default", "user": {"uid": 7777}}'
    done = with_machine_policy(program, engine, text, "web")
    assert (done.stdout, done.stderr) == ("7777\n", "")
    done = with_machine_policy(program, engine, text, "wep")
    assert done.returncode == 1 and "/etc/runsafe/web.json" in done.stderr
    runsafe.log.unlink()


@pytest.mark.parametrize("change, said", [
    ("chmod 666 /etc/runsafe/web.json", "it may be written by others"),
    ("chown 1000 /etc/runsafe/web.json", "it may be written by others"),
    ("chown :1000 /etc/runsafe/web.json && chmod 664 /etc/runsafe/web.json", "it may be written"),
    ("chmod 777 /etc/runsafe", "/etc/runsafe may be written by others"),
])
def test_a_policy_of_the_machine_that_others_may_write_does_not_count(runsafe, engine, folder,
                                                                      monkeypatch, change, said):
    """Its folder neither: there they could put another in its place."""
    program = called(runsafe, folder, "runsafe-web", monkeypatch)
    done = with_machine_policy(program, engine.sh("id -u"), '{"extends": "oci"}', "web", change)
    assert done.returncode == 1 and said in done.stderr and done.stdout == ""
    runsafe.log.unlink()


def test_a_built_in_policy_is_not_replaced_by_a_file(runsafe, engine, folder, monkeypatch):
    """runsafe-strict is always the built-in one."""
    engine.sh("id -u")
    program = called(runsafe, folder, "runsafe-strict", monkeypatch)
    done = with_machine_policy(program, engine, '{"extends": "oci"}', "strict")
    assert done.returncode == 1 and "policy strict" in done.stderr
    runsafe.log.unlink()


def test_the_machines_policy_file_that_is_broken_is_an_error(runsafe, engine):
    """Never fail open: not passed over."""
    engine.sh("id -u")
    done = with_machine_policy(runsafe, engine, '{"name": "site", "extends": ')
    assert done.returncode == 1 and done.stdout == ""
    assert "/etc/runsafe/policy.json" in done.stderr
    runsafe.log.unlink()


def test_the_state_records_the_policy(runsafe, engine, policy_file):
    """The state records the policy that a container was made under."""
    path = policy_file({"name": "mine", "extends": "default"})
    program = runsafe.with_options("--policy", path)
    name = program.create(engine)
    state = json.loads((runsafe.root / name / "state.json").read_text())
    assert state["policy"] == "mine"
    assert '"extends": "default"' in state["policyText"]
    assert "policy mine" in runsafe("check", name).out
