"""Who the workload is: users, groups and capabilities that it was not to have."""

import json
import os
import struct

import pytest

import workload
from attacks import escaped

STATUS = ("/bin/cat", "/proc/self/status")
TOO_MUCH = "ids are whole numbers from 0 to 4294967294, or an error: in every place that takes one"
OVERFLOW = ("CVE-2024-40635, CVE-2026-46680", "a user id above its range, which wraps to 0", TOO_MUCH)


def ids(result, name="Uid"):
    """The ids of a `cat /proc/self/status` that ran; None where nothing did."""
    line = result.facts().get(name)
    return None if line is None else [int(n) for n in line.split()]


def process_of(bundle, *args, **more):
    """A process object for exec --process: the bundle's own with changes."""
    return dict(bundle.config["process"], args=list(args), **more)


def exec_process(runtime, name, process):
    """exec of a process object; a text is taken as it is."""
    path = runtime.folder / "process.json"
    path.write_text(process if isinstance(process, str) else json.dumps(process))
    return runtime("exec", "--process", path, name)


# --- numbers

# Written as they are into JSON. Whatever the number comes to, it is neither 0 nor 1.
NUMBERS = ["4294967296", "4294967297", "8589934592", "18446744073709551616", "18446744073709551617",
           "36893488147419103232", "-1", "-4294967296", "-18446744073709551616", "4294967295",
           "1e3", "4294967296.0", "0.5", "1.5", "4.294967296e9", '"1000"', '"4294967296"', '"root"',
           "true", "[]", "{}"]
# These are users like any other; the largest two not to runc.
GOOD = [5, 2147483647, 2147483648, 4294967294]


def with_number(config, number):
    """The text of a JSON object in which the text @ID@ becomes a number."""
    return json.dumps(config).replace('"@ID@"', number)


@pytest.mark.attack(*OVERFLOW)
@pytest.mark.parametrize("command", ["run", "exec"])
@pytest.mark.parametrize("field, shown", [("uid", "Uid"), ("gid", "Gid"), ("additionalGids", "Groups")])
def test_an_id_beyond_its_range_in_json(runtime, victim, command, field, shown):
    """process.user of config.json, and of exec's process.json."""
    victim.cap().set("process.user", {"uid": 1000, "gid": 1000})

    def become(number):
        user = {"uid": 1000, "gid": 1000, field: ["@ID@"] if shown == "Groups" else "@ID@"}
        if command == "exec":
            return exec_process(runtime, name, with_number(process_of(victim, *STATUS, user=user), number))
        config = dict(victim.config, process=process_of(victim, *STATUS, user=user))
        return runtime.run(victim.write(with_number(config, number)))

    name = runtime.running(victim) if command == "exec" else None
    for number in GOOD if runtime.ours else GOOD[:2]:
        seen = become(str(number))
        assert number in (ids(seen, shown) or []), seen
    wrong = [n for n in NUMBERS if {0, 1} & set(ids(become(n), shown) or [])]
    escaped(wrong, f"{field} {', '.join(wrong)} of {command} became 0")


@pytest.mark.attack(*OVERFLOW)
@pytest.mark.parametrize("field", ["hostID", "containerID", "size"])
def test_an_id_beyond_its_range_in_a_mapping(runtime, victim, field):
    """linux.uidMappings: 4294967296 would be the host's root."""
    for path in [victim.rootfs, *victim.rootfs.rglob("*")]:
        os.lchown(path, 100000, 100000)
    victim.namespace("user").cap().set("process.user", {"uid": 1000, "gid": 1000})
    good = {"containerID": 0, "hostID": 100000, "size": 65536}
    victim.set("linux.gidMappings", [good]).set("linux.uidMappings", [good])
    cat = ("/bin/cat", "/proc/self/uid_map")
    assert runtime.run(victim.args(*cat)).out.split() == ["0", "100000", "65536"]
    for number in NUMBERS:
        more = [dict(good, containerID=70000, hostID=200000, size=10) | {field: "@ID@"}]
        victim.config["linux"]["uidMappings"] = [good, *more]
        seen = runtime.run(victim.write(with_number(victim.config, number)))
        hosts = [int(line.split()[1]) for line in seen.lines] if seen.status == 0 else []
        escaped({0, 1} & set(hosts), f"{field} {number} of a mapping became the host's root")


@pytest.mark.attack(*OVERFLOW)
@pytest.mark.parametrize("uid", [0, 1000])
def test_an_id_beyond_its_range_in_the_images_passwd(runtime, victim, uid):
    """A user whose number wraps to that of the workload is not the workload's; nor is one whose
    name is the number (CVE-2026-46680)."""
    name = f"{2**32 + uid}"
    victim.file("/etc/passwd", f"evil:x:{name}:{name}::/evil:/bin/sh\n{name}:x:0:0::/evil:/bin/sh\n"
                               f"{uid}:x:0:0::/evil:/bin/sh\n" * (uid != 0))
    victim.set("process.env", ["PATH=/bin"]).set("process.user", {"uid": uid, "gid": uid})
    done = runtime.run(victim.sh("id -u; echo $HOME"))
    assert done.status == 0, done
    seen, home = done.lines
    escaped(uid != 0 and seen == "0", f"user {uid} became root")
    escaped(home == "/evil", f"user {uid} got the home of user {name}")


@pytest.mark.attack(*OVERFLOW)
@pytest.mark.parametrize("runtime", ["default"], indirect=True)
@pytest.mark.parametrize("way", ["annotation", "--allow", "policy file"])
def test_an_id_beyond_its_range_in_a_policy(runtime, victim, way):
    """What root becomes is chosen by an annotation, the command line, or a policy of one's own."""
    for text, good in [("1234", True)] + [(n.strip('"'), False) for n in NUMBERS]:
        program = runtime
        victim.config.pop("annotations", None)
        if way == "annotation":
            victim.annotate(user=text)
        elif way == "--allow":
            program = runtime.with_options("--allow", f"user={text}")
        else:
            path = runtime.folder / "policy.json"
            path.write_text('{"extends": "default", "user": {"uid": %s, "gid": 7}}' % text)
            program = runtime.with_options("--policy", path)
        seen = ids(program.run(victim.args(*STATUS)))
        assert not good or seen == [1234] * 4, seen
        escaped(seen and {0, 1} & set(seen), f"{way} {text} became {seen}")


WORDS = ["root", "12x", "", "1000:", ":5", "-1", "+1", " 1", "1 ", "0x0", "0x10", "1e3", "1.5", "1,2",
         "4294967295", "4294967296", "4294968296", "18446744073709551616", "18446744073709552616",
         "-4294967296", "1000:4294967296", "1000:-4294967296", "1000:wheel", "1:2:3"]


@pytest.mark.attack("CVE-2026-30892", "exec --user of a number, which runs as root",
                    "--user is parsed by digits; what is no number of 32 bits is an error")
def test_exec_as_a_user(runtime, victim):
    """crun 1.19 to 1.26 took `--user 1` for root."""
    victim.cap().set("process.user", {"uid": 1000, "gid": 1000})
    name = runtime.running(victim)
    for text in ["1", "5", "1000", "65534", "2147483648", "4294967294", "1:1", "5:6", "1000:1000"]:
        seen = runtime("exec", "--user", text, name, *STATUS)
        escaped((ids(seen) or [1])[0] == 0, f"--user {text} ran as root")
        if runtime.ours:
            assert ids(seen)[0] == int(text.partition(":")[0]), seen
    for text in WORDS:
        seen = runtime("exec", "--user", text, name, *STATUS)
        escaped((ids(seen) or [1])[0] == 0, f"--user {text!r} ran as root")
        escaped(text.startswith("1000:") and (ids(seen, "Gid") or [1])[0] == 0,
                f"--user {text!r} ran in root's group")


@pytest.mark.attack(*OVERFLOW)
def test_exec_with_more_groups(runtime, victim):
    """exec --additional-gids."""
    victim.cap().set("process.user", {"uid": 1000, "gid": 1000})
    name = runtime.running(victim)
    if "additional-gids" not in runtime("exec", "--help").out:
        pytest.skip("no exec --additional-gids")
    assert 7 in ids(runtime("exec", "--additional-gids", "7", name, *STATUS), "Groups")
    for text in WORDS:
        seen = ids(runtime("exec", f"--additional-gids={text}", name, *STATUS), "Groups")
        escaped(seen and 0 in seen, f"--additional-gids {text!r} became root's group")


# --- groups

@pytest.mark.attack("CVE-2022-36109, CVE-2022-2989",
                    "a set-group-ID program gives up the group that a file is denied to",
                    "the groups of config.json are set as they are, the primary one among them")
@pytest.mark.parametrize("command", ["run", "exec"])
def test_a_group_that_is_denied_something(runtime, victim, command, probe_program):
    """A mode 0604 keeps group 1000 out. A set-group-ID program leaves the primary group behind, so
    it has to be among the supplementary ones, too; engines write it there."""
    denied = victim.file("/opt/denied", "not for group 1000\n", 0o604)
    os.chown(denied, 0, 1000)
    program = victim.file("/opt/open", probe_program("probe").read_bytes())
    os.chown(program, 0, 5)
    program.chmod(0o2755)
    args = ("/opt/open", workload.call("openat", -100, "@/opt/denied", 0))

    def read(*groups):
        user = {"uid": 1000, "gid": 1000, "additionalGids": list(groups)}
        if command == "run":
            return runtime.run(victim.cap().set("process.user", user).args(*args)).out
        return exec_process(runtime, name, process_of(victim, *args, user=user)).out

    name = runtime.running(victim.cap()) if command == "exec" else None
    if runtime.name != "default":  # no_new_privs: no such program works
        assert read() == "openat=OK\n"
    done = read(1000)
    escaped("OK" in done, f"{command} left group 1000 out of the supplementary ones")
    assert done == "openat=EACCES\n"


@pytest.mark.attack("CVE-2022-36109, CVE-2022-2989", "groups of the caller come along",
                    "setgroups always, also to none")
@pytest.mark.parametrize("command", ["run", "exec"])
@pytest.mark.parametrize("own", [[], [1000], [1000, 2147483647]])
def test_groups_are_those_of_the_configuration(runtime, victim, command, own):
    victim.cap().set("process.user", {"uid": 1000, "gid": 1000, "additionalGids": own})
    name = runtime.running(victim) if command == "exec" else None
    caller = {"preexec_fn": lambda: os.setgroups([0, 4242])}
    done = (runtime.run(victim.args(*STATUS), **caller) if command == "run"
            else runtime("exec", name, *STATUS, **caller))
    seen = set(ids(done, "Groups"))
    escaped(seen & {0, 4242}, f"{command} kept groups {sorted(seen & {0, 4242})} of the caller")
    assert set(own) <= seen <= set(own) | {1000}, done


# --- inheritable capabilities

INHERITABLE = ("CVE-2022-29162, CVE-2022-27650",
               "a file with inheritable capabilities gives them to a user who was to have none",
               "the inheritable set is config.json's; exec --cap adds to it only what was asked for")
NET_RAW = 13


def with_file_capabilities(bundle, number):
    """/opt/cat, whose file has the capability inheritable, and effective (capabilities(7), "File
    capability extended attribute versioning")."""
    program = bundle.file("/opt/cat", (bundle.rootfs / "bin/busybox").read_bytes(), 0o755)
    os.setxattr(program, "security.capability", struct.pack("<5I", 0x02000001, 0, 1 << number, 0, 0))


@pytest.fixture
def with_net_raw(victim):
    """CAP_NET_RAW in the three sets in which Docker writes it, and such a file."""
    with_file_capabilities(victim, NET_RAW)
    names = workload.USUAL_CAPABILITIES
    victim.set("process.capabilities", {s: names for s in ("bounding", "permitted", "effective")})
    return victim


@pytest.mark.attack(*INHERITABLE)
@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("command", [("run",), ("exec",), ("exec", "--cap", "CAP_CHOWN")],
                         ids=["run", "exec", "exec --cap"])
def test_inheritable_capabilities(runtime, with_net_raw, uid, command):
    victim = with_net_raw.set("process.user", {"uid": uid, "gid": uid})
    name = runtime.running(victim) if command[0] == "exec" else None

    def look(program):
        if command[0] == "run":
            return runtime.run(victim.args(program, "/proc/self/status"))
        return runtime(*command, name, program, "/proc/self/status")

    asked = 1 << 0 if "--cap" in command and uid else 0
    first = look("/bin/cat").facts()
    if not first and runtime.name == "default":
        return  # the policy refuses the capability that was asked for
    more = int(first["CapInh"], 16) & ~asked
    escaped(more, f"{' '.join(command)} as {uid} has CapInh {more:016x}")
    if uid:
        got = int(look("/opt/cat").facts()["CapEff"], 16)
        escaped(got & 1 << NET_RAW, f"{' '.join(command)} as {uid} got CAP_NET_RAW by a file")


@pytest.mark.attack(*INHERITABLE)
def test_inheritable_capabilities_that_config_gives_work(runtime, with_net_raw):
    """The control: it is by the inheritable set that such a file gives a capability."""
    victim = with_net_raw.set("process.user", {"uid": 1000, "gid": 1000})
    victim.set("process.capabilities.inheritable", ["CAP_NET_RAW"])
    done = runtime.run(victim.args("/opt/cat", "/proc/self/status"))
    got = int(done.facts()["CapEff"], 16) >> NET_RAW & 1
    assert got == (runtime.name != "default"), done
