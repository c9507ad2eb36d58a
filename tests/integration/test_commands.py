"""DESIGN.md section 4, "Command line": engines are the first users; and the issue's commands spec,
features and check."""

import copy
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import harness

COMMANDS = ("create start run exec state kill delete pause resume ps update events checkpoint restore "
            "list check spec features").split()
# A command that waits for a lock is given this long to show that it waits.
MOMENT = 0.3


def plain(*args, env=None, cwd=None, program=harness.RUNSAFE, **more):
    """The program without the global options of the harness."""
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, env=env, cwd=cwd,
                          timeout=harness.TIME_LIMIT, check=False, **more)
    return harness.Result(args, done.returncode, done.stdout, done.stderr)


def named(folder, name):
    """The program under another name."""
    (folder / name).symlink_to(os.path.realpath(harness.RUNSAFE))
    return folder / name


# --- words and their order

def test_version_is_what_engines_parse():
    """Docker takes the line with "version", and podman prints the whole."""
    for option in ("--version", "-v", "-version"):
        result = plain(option)
        assert re.fullmatch(r"runsafe version \d\S*\ncommit: \S+\nspec: 1\.3\.0\n", result.out)
        assert result.status == 0 and result.err == ""


@pytest.mark.parametrize("option", ["--help", "-h", "-help"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_goes_to_stdout(command, option):
    result = plain(*([command] if command else []), option)
    assert result.status == 0 and result.err == ""
    assert result.out.startswith("Usage: runsafe ")
    assert (command or "COMMAND") in result.lines[0]


def test_help_is_a_command_too():
    assert plain("help").out == plain("--help").out
    assert plain("help", "run").out == plain("run", "--help").out


def test_the_help_of_options_is_aligned():
    for command in [[], *([c] for c in COMMANDS)]:
        text = plain(*command, "--help").out.partition("Options:\n")[2].partition("\n\n")[0]
        columns = {re.match(r"(  .{2}(, |  )--\S+( \S+)?) {2,}", line).end()
                   for line in text.splitlines()}
        assert len(columns) == 1, text


def test_the_man_page_has_every_command_and_option():
    page = pathlib.Path(__file__).parents[2] / "docs/runsafe.1"
    if not page.exists():
        pytest.skip(f"{page} is not there")
    text = page.read_text().replace("\\-", "-")
    for command in COMMANDS:
        assert re.search(rf"^(\\fB|\.B ){command}\b", text, re.M), command
        for option in re.findall(r"--[a-z0-9-]+", plain(command, "--help").out):
            assert option in text, (command, option)
    for option in re.findall(r"--[a-z0-9-]+", plain("--help").out):
        assert option in text, option


def test_the_help_lists_every_command():
    listed = plain("--help").out.split("\nCommands:\n")[1].split("\n\n")[0]
    assert sorted(line.split()[0] for line in listed.splitlines()) == sorted(COMMANDS)


def test_no_command_is_an_error_with_the_usage():
    result = plain()
    assert result.status == 1 and result.out == ""
    assert result.err.startswith("Usage:") and "no command given" in result.err


@pytest.mark.parametrize("args", [
    ["--no-such", "list"], ["list", "--no-such"], ["kill"], ["kill", "a", "9", "more"], ["no-such"],
    ["--cgroup", "no-such", "list"], ["--cgroup-manager=no-such", "list"],
    ["--rootless=no-such", "list"], ["--allow", "no-such", "list"], ["list", "-f", "no-such"],
    ["create", "--preserve-fds", "no-such", "x"], ["--debug=no-such", "list"], ["--root", "", "list"]])
def test_wrong_options_reach_the_log_as_well(runsafe, args):
    message = runsafe.fails(*args)
    assert "no-such" in message or "argument" in message or "--root" in message


def test_the_log_is_found_behind_a_wrong_option(folder):
    result = plain("--no-such", "--log", folder / "log", "--log-format=json", "list")
    assert result.status == 1
    assert "no-such" in json.loads((folder / "log").read_text())["msg"]


def test_a_failure_in_text_format_is_one_line(folder):
    plain("--root", folder / "state", "--log", folder / "log", "state", "none")
    assert re.fullmatch(r'time="\S+" level=error msg="none: container does not exist"\n',
                        (folder / "log").read_text())


@pytest.mark.parametrize("form", [["--root", "R"], ["--root=R"], ["-root", "R"], ["-root=R"]])
def test_every_form_of_a_global_option(folder, form):
    form = [word.replace("R", str(folder / "state")) for word in form]
    (folder / "state").mkdir()
    assert plain(*form, "list", "-q").status == 0


def test_options_may_follow_the_id(runsafe):
    """As with runc and crun."""
    runsafe.ok("delete", runsafe.id(), "--force")


def test_runcs_global_options_are_taken(runsafe):
    runsafe.with_options("--criu", "/usr/sbin/criu", "--rootless=auto", "--systemd-cgroup", "--debug=false",
                         "--cgroup-manager", "systemd").ok("list")


def test_contradicting_cgroup_options_are_refused(folder):
    result = plain("--root", folder, "--cgroup=required", "--cgroup-manager=disabled", "list")
    assert result.status == 1 and "contradict" in result.err


# --- where and how it is called

def test_the_default_root_of_another_user(folder):
    """An empty XDG_RUNTIME_DIR is unset."""
    (folder / "xdg/runsafe").mkdir(parents=True)
    (folder / "xdg").chmod(0o000)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    result = plain("list", env={"XDG_RUNTIME_DIR": str(folder / "xdg")}, **nobody)
    assert str(folder / "xdg/runsafe") in result.err, result
    for env in ({}, {"XDG_RUNTIME_DIR": ""}):
        result = plain("state", "none", env=env, **nobody)
        assert result.err == "runsafe: none: container does not exist\n", result
    (folder / "xdg").chmod(0o755)


def test_a_relative_root_is_below_the_current_folder(runsafe, folder, bundle):
    name = runsafe.create(bundle)
    assert plain("--root", "state", "list", "-q", cwd=folder).lines == [name]


def test_works_without_standard_descriptors(runsafe, folder, bundle):
    """A file that gets the number 1 or 2 would be written into."""
    name = runsafe.create(bundle)
    script = 'exec "$@" <&- >&- 2>&-'
    for command in (["state", name], ["list"], ["kill", name, "KILL"], ["state", "none"]):
        done = subprocess.run(["sh", "-c", script, "sh", *runsafe.command(*command)], check=False,
                              timeout=harness.TIME_LIMIT)
        assert done.returncode == (1 if "none" in command else 0), command
    assert len(runsafe.log.read_text().splitlines()) == 1
    runsafe.log.unlink()
    runsafe.wait_status(name, "stopped")
    assert sorted(p.name for p in (runsafe.root / name).iterdir() if p.is_file()) == ["state.json"]


def test_a_full_stdout_is_a_failure(runsafe):
    with open("/dev/full", "wb") as full:
        for command in (["list"], ["spec"], ["features"], ["--help"], ["--version"]):
            done = subprocess.run(runsafe.command(*command), stdout=full, stderr=subprocess.PIPE,
                                  check=False, timeout=harness.TIME_LIMIT)
            assert done.returncode == 1 and b"no space left on device" in done.stderr, command
    runsafe.log.unlink()


# --- state and list

def test_state_and_features_are_json_and_nothing_else(runsafe, bundle):
    """Shims parse stdout and stderr together."""
    name = runsafe.create(bundle)
    for command in (["state", name], ["features"], ["list", "-f", "json"]):
        result = runsafe.ok(*command)
        json.loads(result.out + result.err)


def test_state_says_creating_while_a_hook_runs(runsafe, bundle, folder):
    """runtime.md, state: creating. A hook may ask for it without waiting for ever."""
    name = runsafe.id()
    command = " ".join(runsafe.command("state", name))
    bundle.set("hooks", {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"{command} >{folder}/seen 2>&1"], "timeout": 30}]})
    runsafe.ok("create", "-b", bundle.path, name)
    assert json.loads((folder / "seen").read_text())["status"] == "creating"
    assert runsafe.status(name) == "created"


def test_a_list_of_six_columns(runsafe, bundle):
    name = runsafe.running(bundle)
    head, line = runsafe.ok("list").lines
    assert head.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    state = runsafe.state(name)
    assert line.split() == [name, str(state["pid"]), "running", str(bundle.path), state["created"], "root"]
    for word in ("PID", "STATUS", "BUNDLE", "CREATED", "OWNER"):
        assert line[head.index(word) - 1] == " " and line[head.index(word)] != " ", (head, line)


def test_other_runtimes_containers_are_left_alone(runsafe, bundle):
    """DESIGN.md section 4: Docker gives all runtimes one root."""
    name = runsafe.create(bundle)
    theirs = runsafe.root / "theirs"
    theirs.mkdir()
    (theirs / "state.json").write_text('{"id": "theirs", "init_process_pid": 1, "status": "running"}')
    assert runsafe.ok("list", "-q").lines == [name]
    for command in ("state", "start", "delete", "kill"):
        runsafe.fails(command, "theirs", words=["container does not exist"])
    runsafe.ok("delete", "--force", "theirs")
    runsafe.fails("create", "-b", bundle.path, "theirs", words=["already exists"])
    assert (theirs / "state.json").read_text().startswith('{"id": "theirs"')
    harness.shutil.rmtree(theirs)


# --- kill and delete

def test_a_signal_does_not_reach_a_recycled_pid(runsafe, bundle):
    """The start time tells another process with the workload's number."""
    name = runsafe.create(bundle)
    pid = runsafe.state(name)["pid"]
    file = runsafe.root / name / "state.json"
    text = file.read_text()
    file.write_text(re.sub(r'"startTime":(\d+)', lambda m: f'"startTime":{int(m[1]) - 1}', text))
    assert runsafe.status(name) == "stopped"
    runsafe.fails("kill", name, "KILL", words=["container not running"])
    assert os.path.isdir(f"/proc/{pid}") and not harness.is_zombie(pid)
    file.write_text(text)
    runsafe.ok("kill", name, "KILL")
    runsafe.wait_status(name, "stopped")


def test_a_container_of_an_earlier_boot_is_stopped_and_can_be_deleted(runsafe, bundle):
    name = runsafe.running(bundle)
    pid = runsafe.state(name)["pid"]
    file = runsafe.root / name / "state.json"
    text = file.read_text()
    file.write_text(re.sub(r'"bootId":"[^"]*"', '"bootId":"00000000-0000-0000-0000-000000000000"', text))
    assert runsafe.status(name) == "stopped"
    runsafe.fails("kill", name, "KILL", words=["container not running"])
    runsafe.ok("kill", "--all", name, "KILL")
    assert os.path.isdir(f"/proc/{pid}") and not harness.is_zombie(pid)
    file.write_text(text)
    runsafe.delete(name, "--force")


def test_deleting_a_running_container_says_what_it_is(runsafe, bundle):
    name = runsafe.running(bundle)
    message = runsafe.fails("delete", name)
    assert message == f"cannot delete container {name} that is not stopped: running"


def test_a_created_container_can_be_deleted(runsafe, bundle):
    """As with runc and crun: nothing of the workload has run yet."""
    name = runsafe.create(bundle)
    runsafe.delete(name)
    assert runsafe.ids() == []


@pytest.mark.parametrize("files", [[], ["state.json.new"], ["gate", "report"]])
def test_what_a_killed_create_leaves_is_cleaned_up(runsafe, bundle, files):
    place = runsafe.root / "left"
    for again in (False, True):
        place.mkdir(parents=True)
        for file in files:
            (place / file).write_text("")
        runsafe.fails("state", "left", words=["container does not exist"])
        assert runsafe.ok("list", "-q").out == ""
        if again:
            runsafe.ok("create", "-b", bundle.path, "left")
        runsafe.ok("delete", "--force", "left")
        assert not place.exists()


def test_a_create_that_is_killed_midway_can_be_deleted(runsafe, bundle, folder):
    """SIGKILL while a hook runs: no command hangs on it, and nothing is left after delete."""
    name = runsafe.id()
    bundle.set("hooks", {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo $$ >{folder}/pid; exec sleep 1000"]}]})
    maker = runsafe.start_process("create", "-b", bundle.path, name, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
    assert harness.wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    waiting = runsafe.start_process("delete", "--force", name)
    time.sleep(MOMENT)
    assert waiting.poll() is None, "delete waits for the create at work"
    maker.send_signal(signal.SIGKILL)
    maker.wait()
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    assert waiting.wait(timeout=harness.TIME_LIMIT) == 0, waiting.communicate()
    waiting.communicate()
    assert runsafe.ids() == []


def test_poststop_hooks_of_delete_see_a_stopped_container(runsafe, bundle, folder):
    """runtime.md, lifecycle 12 and 13: after the container is gone; a hook that fails stops neither
    the others nor the delete."""
    name = runsafe.id()
    look = f"cat >{folder}/seen; test ! -e {runsafe.root}/{name} && echo gone >{folder}/gone"
    bundle.set("hooks", {"poststop": [{"path": "/bin/false"},
                                      {"path": "/bin/sh", "args": ["sh", "-c", look]}]})
    bundle.set("annotations", {"org.example": '"pid":7, {"status":"x"}'})
    runsafe.ok("create", "-b", bundle.path, name)
    runsafe.delete(name, "--force")
    seen = json.loads((folder / "seen").read_text())
    assert seen["id"] == name and seen["status"] == "stopped" and not seen["pid"]
    assert seen["annotations"] == {"org.example": '"pid":7, {"status":"x"}'}
    assert (folder / "gone").exists()


# --- cgroup managers

@pytest.mark.parametrize("options", [["--systemd-cgroup"], ["--cgroup-manager=systemd"]])
@pytest.mark.parametrize("command", ["create", "run"])
@pytest.mark.skipif(harness.SYSTEMD, reason="systemd is there")
def test_the_systemd_driver_without_systemd_is_refused(runsafe, bundle, options, command):
    other = runsafe.with_options(*options)
    other.fails(command, "-b", bundle.path, other.id(),
                words=["systemd cgroup driver", "--cgroup-manager cgroupfs"])
    assert runsafe.ids() == []


def test_later_commands_go_by_the_state(runsafe, bundle):
    """Shims call delete without --systemd-cgroup; and with it, where create had none."""
    name = runsafe.running(bundle)
    other = runsafe.with_options("--systemd-cgroup")
    other.ok("state", name)
    other.ok("kill", name, "KILL")
    other.wait_status(name, "stopped")
    other.delete(name)


# --- which policy rules

def policy_of(result):
    return json.loads(result.out)["policy"]


def test_the_policy_by_name_by_file_and_by_the_programs_name(runsafe, bundle, folder):
    check = ["check", "--json", bundle.path]
    assert policy_of(runsafe(*check)) == "default"
    for name in ("default", "strict", "oci"):
        assert policy_of(plain("--policy", name, *check)) == name
        assert policy_of(plain(*check, program=named(folder, f"runsafe-{name}"))) == name
    mine = folder / "mine.json"
    mine.write_text('{"name": "mine", "extends": "strict"}')
    assert policy_of(plain("--policy", mine, *check)) == "mine"
    assert policy_of(plain("--policy", "mine.json", *check, cwd=folder)) == "mine"
    # The option goes before the name.
    assert policy_of(plain("--policy", "strict", *check, program=folder / "runsafe-oci")) == "strict"


def test_a_misspelt_program_name_is_refused(folder, bundle):
    result = plain("check", bundle.path, program=named(folder, "runsafe-strickt"))
    assert result.status == 1 and result.out == ""
    assert 'no built-in policy "strickt"' in result.err


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_a_policy_that_is_no_file(folder, bundle, kind):
    place = folder / "policy.json"
    place.mkdir() if kind == "directory" else os.mkfifo(place)
    result = plain("--policy", place, "check", bundle.path)
    assert result.status == 1 and str(place) in result.err and result.out == ""


@pytest.mark.alone
def test_the_machines_policy(bundle):
    place = pathlib.Path("/etc/runsafe/policy.json")
    assert not place.exists(), "this machine has a policy of its own"
    place.parent.mkdir(exist_ok=True)
    try:
        place.write_text('{"name": "machine", "extends": "default"}')
        assert policy_of(plain("check", "--json", bundle.path)) == "machine"
        assert policy_of(plain("--policy", "oci", "check", "--json", bundle.path)) == "oci"
        # What is broken is no reason to fall back on something else.
        place.write_text("{")
        result = plain("check", bundle.path)
        assert result.status == 1 and str(place) in result.err
    finally:
        place.unlink()


# --- check

def test_check_ends_with_0_when_nothing_had_to_be_changed(runsafe, bundle):
    result = runsafe.ok("check", bundle.path)
    assert "starts as config.json says" in result.lines[0]
    facts = dict(line.strip().split(None, 1) for line in result.lines if line.startswith("  ")
                 if len(line.split()) > 1)
    assert facts["user"] == "1000:1000"
    assert facts["capabilities"] == "none"
    assert facts["rootfs"] == "read-only"
    assert facts["seccomp"] == "the built-in filter"
    assert {"/tmp", "/var/tmp", "/run"} <= set(facts["tmpfs"].split(", "))
    assert facts["memory"] == "1 GiB"
    assert facts["processes"] == "1024"


def test_check_ends_with_1_when_something_was_changed(runsafe, bundle):
    bundle.set("process.user", {"uid": 0, "gid": 0}).set("root.readonly", False)
    result = runsafe("check", bundle.path)
    assert result.status == 1 and result.err == "", result
    changed = result.out.partition("Changed:\n")[2].partition("\n\n")[0]
    assert "root.readonly: was false: made true" in changed
    assert "process.user" in changed


def test_check_ends_with_2_when_it_would_be_refused(runsafe, bundle):
    bundle.namespace("pid", drop=True).namespace("network", drop=True)
    result = runsafe("check", bundle.path)
    assert result.status == 2 and result.err == "", result
    refused = result.out.partition("Refused:\n")[2].partition("\n\n")[0]
    assert "pid" in refused and "network" in refused, "all of them at once"


def test_check_that_fails_says_so_on_stderr(runsafe, folder):
    for argument in (folder / "none/", runsafe.id()):
        result = runsafe("check", argument)
        assert result.status == 1 and result.out == "" and result.err.startswith("runsafe: ")
    runsafe.log.unlink()


def test_check_in_json(runsafe, bundle):
    bundle.set("root.readonly", False)
    result = json.loads(runsafe("check", "--json", bundle.path).out)
    assert result["policy"] == "default" and result["result"] == "changed"
    assert any(f["kind"] == "changed" and f["path"] == "root.readonly" for f in result["findings"])
    assert result["effective"]["root"]["readonly"] is True


def test_check_makes_nothing(runsafe, bundle, folder):
    before = bundle.listing(), sorted(folder.iterdir())
    plain("--root", folder / "state", "check", bundle.path)
    assert (bundle.listing(), sorted(folder.iterdir())) == before


def test_check_of_a_container_shows_what_was_changed(runsafe, bundle):
    """The findings are kept in the state."""
    bundle.set("root.readonly", False)
    name = runsafe.create(bundle)
    bundle.set("root.readonly", True)
    result = runsafe("check", name)
    assert result.status == 1 and result.err == ""
    assert "root.readonly: was false: made true" in result.out
    assert json.loads(runsafe("check", "--json", name).out)["effective"]["root"]["readonly"] is True


# --- spec and features

def test_spec_writes_into_a_bundle_and_overwrites_nothing(runsafe, folder):
    printed = runsafe.ok("spec").out
    (folder / "new").mkdir()
    runsafe.ok("spec", "--bundle", folder / "new")
    assert (folder / "new/config.json").read_text() == printed
    (folder / "new/config.json").write_text("mine")
    runsafe.fails("spec", "-b", folder / "new", words=["config.json", "already"])
    assert (folder / "new/config.json").read_text() == "mine"
    runsafe.fails("spec", "-b", folder / "none", words=["no such file or directory"])


def test_features_has_the_structure_of_features_md(runsafe):
    features = json.loads(runsafe.ok("features").out)
    assert features["ociVersionMin"] == "1.0.0"
    assert features["ociVersionMax"] == "1.3.0"
    assert len(features["hooks"]) == 6
    assert {"ro", "rw", "bind", "rbind", "rro", "nosuid", "rnosuid", "rprivate",
            "tmpcopyup"} <= set(features["mountOptions"])
    linux = features["linux"]
    assert set(linux["namespaces"]) == {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"}
    assert {"CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"} <= set(linux["capabilities"])
    assert linux["cgroup"]["v2"] is True and linux["cgroup"]["v1"] is False
    assert linux["seccomp"]["enabled"] is True
    assert {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"} <= set(linux["seccomp"]["actions"])
    assert "SCMP_CMP_MASKED_EQ" in linux["seccomp"]["operators"]
    assert {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"} <= set(linux["seccomp"]["archs"])
    assert set(features) == {"ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux",
                             "annotations", "potentiallyUnsafeConfigAnnotations"}
    assert {key: set(linux[key]) for key in linux if isinstance(linux[key], dict)} == {
        "cgroup": {"v1", "v2", "systemd", "systemdUser", "rdma"},
        "seccomp": {"enabled", "actions", "operators", "archs", "knownFlags", "supportedFlags"},
        "apparmor": {"enabled"}, "selinux": {"enabled"}, "netDevices": {"enabled"},
        "memoryPolicy": {"modes", "flags"}, "intelRdt": {"enabled", "schemata", "monitoring"},
        "mountExtensions": {"idmap"}}
    # Each is built, and has its own tests; cgroup v1 alone is what runsafe does without.
    for part in ("apparmor", "selinux", "intelRdt", "netDevices"):
        assert all(linux[part].values()), part
    assert linux["mountExtensions"] == {"idmap": {"enabled": True}}
    assert [key for key, value in linux["cgroup"].items() if not value] == ["v1"]
    assert {"io.runsafe.", "org.criu.config", "org.systemd.property."} == \
        set(features["potentiallyUnsafeConfigAnnotations"])


FEATURE_LISTS = ["hooks", "mountOptions", "linux.namespaces", "linux.capabilities",
                 "linux.seccomp.actions", "linux.seccomp.operators", "linux.seccomp.archs",
                 "linux.seccomp.knownFlags", "linux.seccomp.supportedFlags",
                 "linux.memoryPolicy.modes", "linux.memoryPolicy.flags"]


def use_of_a_word(bundle, name, word):
    """Puts the word where features.md says that it must be recognized."""
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    if name == "hooks":
        bundle.set("hooks", {word: [{"path": "relative"}]})
    elif name == "mountOptions":
        bundle.mount(destination="/mnt", type="bind", source="/srv", options=["bind", word])
    elif name == "linux.namespaces":
        bundle.namespace(word)
        if word == "user":
            for key in ("uidMappings", "gidMappings"):
                bundle.set(f"linux.{key}", [{"containerID": 0, "hostID": 0, "size": 65536}])
    elif name == "linux.capabilities":
        bundle.set("process.capabilities", {"bounding": [word]})
    elif name.startswith("linux.seccomp"):
        if name.endswith("actions"):
            rule["action"] = word
            seccomp["listenerPath"] = "/x"
        elif name.endswith("operators"):
            rule["args"] = [{"index": 0, "value": 1, "op": word}]
        else:
            seccomp["architectures" if name.endswith("archs") else "flags"] = [word]
        bundle.set("linux.seccomp", seccomp)
    elif name == "linux.memoryPolicy.modes":
        nodes = {} if word in ("MPOL_DEFAULT", "MPOL_LOCAL") else {"nodes": "0"}
        bundle.set("linux.memoryPolicy", {"mode": word, **nodes})
    else:
        bundle.set("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0", "flags": [word]})


@pytest.mark.parametrize("name", FEATURE_LISTS)
def test_words_of_features_are_recognized(runsafe, bundle, name):
    """features.md: the runtime MUST recognize the elements of these lists."""
    def judged(word):
        """What `check` says, which plans the start but does not make it."""
        before = copy.deepcopy(bundle.config)
        use_of_a_word(bundle, name, word)
        result = runsafe.with_options("--policy", "oci", "--cgroup", "available")(
            "check", bundle.path)
        bundle.config = before
        return result.out + result.err

    words = json.loads(runsafe.ok("features").out)
    for key in name.split("."):
        words = words[key]
    assert len(words) == len(set(words)) > 2
    if name == "hooks":
        # A key that is not known would be passed over, and with it the path that is wrong.
        assert [w for w in words if f"hooks.{w}[0].path" not in judged(w)] == []
        return
    complaints = [line for line in judged("NONSENSE").splitlines() if "NONSENSE" in line
                  and not line.startswith("  bounding set")]
    assert complaints
    for word in words:
        text = judged(word)
        assert [c for c in complaints if c.replace("NONSENSE", word) in text] == []
        assert "expected" not in text, (word, text)


# --- run's generated id

def test_a_generated_id_comes_from_the_folders_name(runsafe, new_bundle):
    bundle = new_bundle("my web%site").args("/bin/sleep", "1000")
    runsafe.ok("run", "--detach", f"{bundle.path}/")
    runsafe.ok("run", "--detach", f"{bundle.path}/")
    one, two = runsafe.ids()
    assert re.fullmatch(r"mywebsite-[0-9a-f]{8}", one) and re.fullmatch(r"mywebsite-[0-9a-f]{8}", two)
    assert one != two
