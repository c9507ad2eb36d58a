"""DESIGN.md section 3, the table row by row: default, strict and oci, seen from inside the
workload and, where the kernel tells, from outside. test_policy_files.py has the rows on files,
test_policy_relax.py who may relax them."""

import ctypes
import json
import os

import pytest

import harness
import workload
from workload import as_engine, inside, refused, status_inside, status_outside

NAMESPACES = {"pid": "pid", "mount": "mnt", "ipc": "ipc", "uts": "uts", "network": "net",
              "cgroup": "cgroup"}


@pytest.fixture
def engine(bundle):
    """What an engine writes when nobody said anything."""
    return as_engine(bundle)


@pytest.fixture
def strict(runsafe):
    return runsafe.with_options("--policy", "strict")


@pytest.fixture
def oci(runsafe):
    return runsafe.with_options("--policy", "oci")


def sleeper(program, bundle):
    """A running container's pid on the host."""
    return workload.pid_of(program, program.running(bundle))


# --- uid 0, or no user

def test_row_root_becomes_1000_seen_from_inside(runsafe, engine):
    """uid 0: 1000:1000."""
    assert runsafe.sh(engine, "id -u; id -g; id -G").out.split() == ["1000", "1000", "1000"]


def test_row_root_becomes_1000_seen_from_outside(runsafe, engine):
    """uid 0: 1000:1000, in all four of the kernel's ids."""
    status = status_outside(sleeper(runsafe, engine))
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4
    assert status["Groups"].split() in ([], ["1000"])


def test_row_no_user_becomes_1000(runsafe, engine):
    """or no user: 1000:1000."""
    engine.drop("process.user")
    assert runsafe.sh(engine, "id -u; id -g").out.split() == ["1000", "1000"]


def test_row_root_is_refused_by_strict(strict, bundle):
    bundle.set("process.user", {"uid": 0, "gid": 0})
    strict.create_fails(bundle, "process.user.uid", "policy strict")


def test_row_no_user_is_refused_by_strict(strict, bundle):
    bundle.drop("process.user")
    strict.create_fails(bundle, "process.user", "policy strict")


def test_row_strict_starts_what_is_written_well(strict, bundle):
    assert strict.sh(bundle, "id -u").out == "1000\n"


def test_row_root_stays_root_under_oci(oci, engine):
    assert oci.sh(engine, "id -u; id -g; echo $HOME").out.split() == ["0", "0", "/root"]


def test_row_home_is_tmp_home_where_the_rootfs_does_not_know_the_uid(runsafe, engine):
    """HOME follows: else /tmp/home, made there with mode 0700."""
    out = runsafe.sh(engine, "echo $HOME; stat -c '%a %u %g' $HOME; cd && touch file").out
    assert out.splitlines() == ["/tmp/home", "700 1000 1000"]


def test_row_home_is_that_of_the_uid_in_the_rootfs(runsafe, engine):
    """HOME follows: home of that uid in the rootfs's passwd."""
    engine.file("/etc/passwd", harness.PASSWD + "web:x:1000:1000::/srv/web:/bin/sh\n")
    assert runsafe.sh(engine, "echo $HOME; whoami").out == "/srv/web\nweb\n"


@pytest.mark.parametrize("home", ["relative/home", "/with\x01control", ""])
def test_row_home_of_the_rootfs_must_be_absolute_and_clean(runsafe, engine, home):
    """if it is absolute and free of ':' and control bytes, else /tmp/home."""
    engine.file("/etc/passwd", f"web:x:1000:1000::{home}:/bin/sh\n")
    assert runsafe.sh(engine, "echo $HOME").out == "/tmp/home\n"


@pytest.mark.parametrize("home", ["/tmp/a:b", "/tmp/a\nroot:x:0:0::/:/bin/sh"])
def test_row_home_with_a_colon_or_newline_is_refused(runsafe, engine, home):
    """It would become a line of /etc/passwd."""
    engine.set("process.user", {"uid": 1234, "gid": 1234})
    engine.set("process.env", ["PATH=/bin", f"HOME={home}"])
    runsafe.create_fails(engine, "process.env[1]", "HOME")


# --- another uid

def test_row_another_user_is_kept(runsafe, engine):
    """another uid: kept; others (fsGroup) stay."""
    engine.set("process.user", {"uid": 1234, "gid": 5678, "additionalGids": [2000, 3000]})
    assert runsafe.sh(engine, "id -u; id -g; id -G").out.split() == [
        "1234", "5678", "5678", "2000", "3000"]


def test_row_gid_0_alone_becomes_1000(runsafe, engine):
    engine.set("process.user", {"uid": 1234, "gid": 0})
    assert runsafe.sh(engine, "id -u; id -g; id -G").out.split() == ["1234", "1000", "1000"]


def test_row_group_0_leaves_the_additional_groups(runsafe, engine):
    engine.set("process.user", {"uid": 1234, "gid": 1234, "additionalGids": [0, 2000]})
    assert runsafe.sh(engine, "id -G").out.split() == ["1234", "2000"]


@pytest.mark.parametrize("user", [{"uid": 1234, "gid": 0},
                                  {"uid": 1234, "gid": 1234, "additionalGids": [0]}])
def test_row_gid_0_is_refused_by_strict(strict, bundle, user):
    bundle.set("process.user", user)
    strict.create_fails(bundle, "process.user", "root's group")


def test_row_another_user_is_as_written_under_oci(oci, engine):
    engine.set("process.user", {"uid": 1234, "gid": 0, "additionalGids": [0, 2000]})
    out = oci.sh(engine, "id -u; id -g; id -G").out.split()
    assert out[:2] == ["1234", "0"]
    assert set(out[2:]) == {"0", "2000"}


# --- 1000 not mapped

def map_users(bundle, first, size=500):
    bundle.namespace("user")
    for key in ("uidMappings", "gidMappings"):
        bundle.set(f"linux.{key}", [{"containerID": first, "hostID": 100000, "size": size}])


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_row_an_unmapped_user_is_refused_naming_the_mapping(runsafe, bundle, policy):
    """1000 not mapped in the container's user namespace: refused, naming the mapping."""
    map_users(bundle, 0)
    refused(runsafe, bundle, "1000", "not mapped", "0-499 to 100000-100499",
            options=("--policy", policy))


def test_row_a_mapped_user_is_taken(runsafe, bundle):
    map_users(bundle, 0, 5000)
    bundle.rootfs.chmod(0o755)
    assert status_outside(sleeper(runsafe, bundle))["Uid"].split() == ["101000"] * 4


def test_row_a_mapping_to_root_of_the_host_is_refused(runsafe, bundle):
    bundle.namespace("user")
    for key in ("uidMappings", "gidMappings"):
        bundle.set(f"linux.{key}", [{"containerID": 1000, "hostID": 0, "size": 1}])
    runsafe.create_fails(bundle, "linux.uidMappings", "root on the host")


# --- capabilities

@pytest.mark.parametrize("policy", ["default", "strict"])
def test_row_capabilities_none_in_all_five_sets(runsafe, bundle, policy):
    """none, in all five sets and the bounding set, from inside."""
    bundle.cap(*workload.USUAL_CAPABILITIES)
    status = status_inside(runsafe.with_options("--policy", policy), bundle)
    assert {s: int(status[s], 16) for s in workload.CAPABILITY_SETS} == dict.fromkeys(
        workload.CAPABILITY_SETS, 0)


def test_row_capabilities_none_seen_from_outside(runsafe, engine):
    status = status_outside(sleeper(runsafe, engine))
    assert [int(status[s], 16) for s in workload.CAPABILITY_SETS] == [0] * 5


def test_row_capabilities_absent_are_none(runsafe, engine):
    engine.drop("process.capabilities")
    status = status_inside(runsafe, engine)
    assert [int(status[s], 16) for s in workload.CAPABILITY_SETS] == [0] * 5


def test_row_capabilities_as_written_under_oci(oci, engine):
    status = status_inside(oci, engine)
    assert status["CapBnd"] == status["CapPrm"] == status["CapEff"] == workload.USUAL_BITS


def test_row_a_capability_on_purpose_is_given_for_real(runsafe, engine):
    """given to the non-root workload for real, ambient set included."""
    given = runsafe.with_options("--allow", "capability=CAP_CHOWN")
    status = status_inside(given, engine)
    assert [int(status[s], 16) for s in workload.CAPABILITY_SETS] == [1] * 5
    assert given.sh(engine, "touch /tmp/f && chown 4444 /tmp/f && stat -c %u /tmp/f; id -u"
                    ).out.split() == ["4444", "1000"]


def test_row_a_capability_on_purpose_is_refused_by_strict(strict, bundle):
    refused(strict, bundle, "--allow capability", options=("--allow", "capability=CAP_CHOWN"))


# --- no_new_privs and the session keyring

@pytest.mark.parametrize("policy", ["default", "strict"])
def test_row_no_new_privs_always(runsafe, bundle, policy):
    bundle.set("process.noNewPrivileges", False)
    program = runsafe.with_options("--policy", policy)
    assert status_inside(program, bundle)["NoNewPrivs"] == "1"
    assert status_outside(sleeper(program, bundle))["NoNewPrivs"] == "1"


@pytest.mark.parametrize("written", [False, True])
def test_row_no_new_privs_as_written_under_oci(oci, engine, written):
    engine.set("process.noNewPrivileges", written)
    assert status_inside(oci, engine)["NoNewPrivs"] == str(int(written))


def with_a_key():
    """Gives the process that becomes runsafe a session keyring with a key in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(250, 1, None)  # keyctl(KEYCTL_JOIN_SESSION_KEYRING)
    libc.syscall(248, b"user", b"runsafe-test-key", b"secret", 6, -3)  # add_key


def keys_seen(program, bundle, *options):
    result = program.run(bundle.sh("cat /proc/keys"), *options, preexec_fn=with_a_key)
    assert result.status == 0, result
    return result.out


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
@pytest.mark.parametrize("policy", ["default", "strict", "oci"])
def test_row_a_new_session_keyring(runsafe, bundle, policy):
    """a new empty session keyring: always (keyring: unless --no-new-keyring)."""
    bundle.set("linux.maskedPaths", [])
    allow = [] if policy == "oci" else ["--allow", "unmask=/proc/keys"]
    program = runsafe.with_options("--policy", policy, *allow)
    assert "runsafe-test-key" not in keys_seen(program, bundle)
    assert "runsafe-test-key" in keys_seen(program, bundle, "--no-new-keyring")


# --- seccomp

ENGINES_PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                   "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO",
                                 "errnoRet": 5}]}


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_row_seccomp_the_built_in_profile_always(runsafe, bundle, policy):
    """the built-in profile, always."""
    bundle.config["linux"].pop("seccomp", None)
    program = runsafe.with_options("--policy", policy)
    status = status_inside(program, bundle)
    # The second one only lets it "leave" the groups that it does not have (docs/seccomp.md).
    assert (status["Seccomp"], status["Seccomp_filters"]) == ("2", "2")
    assert status_outside(sleeper(program, bundle))["Seccomp"] == "2"


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_row_seccomp_the_engines_profile_as_well(runsafe, bundle, policy):
    """the engine's own profile as well, when there is one."""
    bundle.set("linux.seccomp", ENGINES_PROFILE)
    program = runsafe.with_options("--policy", policy)
    assert status_inside(program, bundle)["Seccomp_filters"] == "3"
    result = program.run(bundle.sh("mkdir /tmp/x"))
    assert "Input/output error" in result.err
    assert "Operation not permitted" in program.run(bundle.sh("unshare -U true")).err


def test_row_seccomp_none_if_none_under_oci(oci, engine):
    assert status_inside(oci, engine)["Seccomp"] == "0"


@pytest.mark.parametrize("nnp", [True, False])
def test_row_seccomp_as_written_under_oci(oci, engine, nnp):
    engine.set("linux.seccomp", ENGINES_PROFILE).set("process.noNewPrivileges", nnp)
    assert status_inside(oci, engine)["Seccomp_filters"] == "1"
    assert "Input/output error" in oci.run(engine.sh("mkdir /tmp/x")).err


# --- namespaces

def own_and_host(pid, name):
    return workload.namespace_of(pid, name), workload.namespace_of("self", name)


@pytest.mark.parametrize("kind", NAMESPACES)
def test_row_namespaces_are_not_the_hosts(runsafe, bundle, kind):
    """pid, mount, ipc, uts, network and cgroup not the host's."""
    own, host = own_and_host(sleeper(runsafe, bundle), NAMESPACES[kind])
    assert own != host


def test_row_no_list_of_namespaces_makes_all(runsafe, engine):
    engine.drop("linux.namespaces")
    pid = sleeper(runsafe, engine)
    for name in NAMESPACES.values():
        own, host = own_and_host(pid, name)
        assert own != host, name


@pytest.mark.parametrize("kind", ["mount", "uts", "cgroup"])
def test_row_a_list_without_mount_uts_or_cgroup_gets_it(runsafe, engine, kind):
    engine.namespace(kind, drop=True)
    own, host = own_and_host(sleeper(runsafe, engine), NAMESPACES[kind])
    assert own != host


@pytest.mark.parametrize("kind", ["pid", "network", "ipc"])
def test_row_a_list_without_pid_network_or_ipc_is_refused(runsafe, engine, kind):
    """somebody wants the host's: refused, naming what would allow it."""
    engine.namespace(kind, drop=True)
    runsafe.create_fails(engine, f"no {kind} namespace", f"--allow host-{kind}")


@pytest.mark.parametrize("kind", NAMESPACES)
def test_row_a_missing_namespace_is_refused_by_strict(strict, bundle, kind):
    bundle.namespace(kind, drop=True)
    strict.create_fails(bundle, f"no {kind} namespace")


def test_row_no_list_of_namespaces_is_refused_by_strict(strict, bundle):
    bundle.drop("linux.namespaces")
    strict.create_fails(bundle, "namespace", "policy strict")


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "cgroup"])
def test_row_namespaces_as_written_under_oci(oci, engine, kind):
    engine.namespace(kind, drop=True)
    own, host = own_and_host(sleeper(oci, engine), NAMESPACES[kind])
    assert own == host


@pytest.mark.parametrize("policy", ["default", "strict"])
@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup"])
def test_row_a_path_to_the_hosts_namespace_is_refused(runsafe, bundle, folder, kind, policy):
    """not the host's: compared by inode, so another name of it does not help."""
    link = folder / "innocent"
    link.symlink_to(f"/proc/{os.getpid()}/ns/{NAMESPACES[kind]}")
    bundle.drop("hostname") if kind == "uts" else None
    bundle.namespace(kind, path=link)
    refused(runsafe, bundle, f"host's own {kind} namespace", options=("--policy", policy))


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "uts", "cgroup"])
def test_row_a_namespace_of_another_container_is_joined(runsafe, new_bundle, kind):
    """new, or joined by path (pods)."""
    first = sleeper(runsafe, new_bundle("first"))
    second = new_bundle("second").namespace(kind, path=f"/proc/{first}/ns/{NAMESPACES[kind]}")
    if kind == "uts":
        second.drop("hostname")
    pid = sleeper(runsafe, second)
    assert (workload.namespace_of(pid, NAMESPACES[kind]) ==
            workload.namespace_of(first, NAMESPACES[kind]))
    # The first process of a pid namespace only ends when all others there were waited for, and
    # that is our part here.
    os.kill(pid, 9)
    assert harness.wait_for(lambda: harness.reap() or not os.path.exists(f"/proc/{pid}"))


# --- limits

def limits_of(program, bundle):
    """What check says the workload ends up with: (memory, memory and swap, quota, pids)."""
    result = program("check", "--json", str(bundle.path) + "/")
    resources = json.loads(result.out)["effective"]["linux"].get("resources", {})
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    return (memory.get("limit"), memory.get("swap"), cpu.get("quota"),
            resources.get("pids", {}).get("limit"))


GIB = 1 << 30


def test_row_limits_fill_what_config_leaves_open(runsafe, engine):
    """memory 1 GiB, swap 0, 1 CPU, 1024 pids."""
    assert limits_of(runsafe, engine) == (GIB, GIB, 100000, 1024)


@pytest.mark.parametrize("nothing", [-1, 0])
def test_row_limits_of_minus_one_and_zero_count_as_none(runsafe, engine, nothing):
    """-1 and absent count as none; 0 too for cpu and memory, since Docker writes it."""
    engine.set("linux.resources", {"memory": {"limit": nothing, "swap": nothing},
                                   "cpu": {"quota": nothing, "shares": 0}})
    assert limits_of(runsafe, engine)[:3] == (GIB, GIB, 100000)


def test_row_limit_of_zero_pids_is_a_real_one(runsafe, engine):
    engine.set("linux.resources", {"pids": {"limit": 0}})
    assert limits_of(runsafe, engine)[3] == 0


def test_row_limits_that_config_sets_are_kept(runsafe, engine):
    engine.set("linux.resources", {"memory": {"limit": 5 * GIB, "swap": 6 * GIB},
                                   "cpu": {"quota": 250000, "period": 100000},
                                   "pids": {"limit": 5000}})
    assert limits_of(runsafe, engine) == (5 * GIB, 6 * GIB, 250000, 5000)


@pytest.mark.parametrize("key", ["memory", "cpu", "pids"])
def test_row_limits_must_be_set_under_strict(strict, bundle, key):
    del bundle.config["linux"]["resources"][key]
    strict.create_fails(bundle.write(), f"linux.resources.{key}", "not set")


def test_row_limits_as_written_under_oci(oci, engine):
    assert limits_of(oci, engine) == (None, None, None, None)


def cgroup_files(program, name):
    path = harness.CGROUP / json.loads(
        (program.root / name / "state.json").read_text())["cgroupPath"].lstrip("/")
    return {f: (path / f).read_text().strip()
            for f in ("memory.max", "memory.swap.max", "cpu.max", "pids.max")
            if (path / f).exists()}


@pytest.mark.needs_limits
def test_row_limits_are_in_force_before_the_workload_starts(runsafe, engine):
    assert cgroup_files(runsafe, runsafe.create(engine)) == {
        "memory.max": str(GIB), "memory.swap.max": "0", "cpu.max": "100000 100000",
        "pids.max": "1024"}


@pytest.mark.needs_limits
def test_row_limits_none_are_in_force_under_oci(oci, engine):
    files = cgroup_files(oci, oci.create(engine))
    assert files["memory.max"] == files["pids.max"] == "max"
    assert files["cpu.max"].split()[0] == "max"


# --- sysctl

def sysctls(program, bundle):
    return inside(program, bundle, """
        echo port=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
        echo ping=$(cat /proc/sys/net/ipv4/ping_group_range)
        echo memfd=$(cat /proc/sys/vm/memfd_noexec 2>/dev/null)""")


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_row_sysctl_low_ports_and_ping_need_no_capability(runsafe, bundle, policy):
    facts = sysctls(runsafe.with_options("--policy", policy), bundle)
    assert (facts["port"], facts["ping"]) == ("0", "1000 1000")


def test_row_sysctl_port_80_can_be_listened_on(runsafe, engine):
    engine.sh("(sleep 0.3; echo hello | nc 127.0.0.1 80) & nc -l -p 80; echo status $?")
    assert runsafe.run_ok(engine).out == "hello\nstatus 0\n"


def test_row_sysctl_ping_group_is_the_workloads(runsafe, engine):
    engine.set("process.user", {"uid": 1234, "gid": 5678})
    assert sysctls(runsafe, engine)["ping"] == "5678 5678"


def test_row_sysctl_of_config_is_kept(runsafe, engine):
    """unless config sets them."""
    engine.set("linux.sysctl", {"net.ipv4.ip_unprivileged_port_start": "500"})
    facts = sysctls(runsafe, engine)
    assert (facts["port"], facts["ping"]) == ("500", "1000 1000")


@pytest.mark.needs_kernel("6.3")
def test_row_sysctl_memfd_noexec_in_a_new_pid_namespace(runsafe, engine):
    """vm.memfd_noexec=2 (1 before kernel 6.6)."""
    words = os.uname().release.split(".")
    expected = "2" if (int(words[0]), int(words[1].split("-")[0])) >= (6, 6) else "1"
    assert sysctls(runsafe, engine)["memfd"] == expected


def test_row_sysctl_in_a_joined_network_namespace_too(runsafe, new_bundle):
    """in a network namespace that is not the host's, new or joined."""
    first = sleeper(runsafe.with_options("--policy", "oci"), as_engine(new_bundle("first")))
    second = as_engine(new_bundle("second")).namespace("network", path=f"/proc/{first}/ns/net")
    assert sysctls(runsafe, second)["port"] == "0"


def test_row_sysctl_as_written_under_oci(oci, engine):
    facts = sysctls(oci, engine)
    assert (facts["port"], facts["ping"]) == ("1024", "1 0")
    assert facts["memfd"] in ("", "0")


@pytest.mark.parametrize("policy", ["default", "strict", "oci"])
@pytest.mark.parametrize("name", ["kernel.core_pattern", "kernel/core_pattern", "vm.swappiness"])
def test_row_a_sysctl_of_the_whole_machine_is_refused(runsafe, bundle, name, policy):
    bundle.set("linux.sysctl", {name: "60"})
    refused(runsafe, bundle, "linux.sysctl", "the host's", options=("--policy", policy))


def test_row_a_sysctl_of_the_hosts_network_is_refused(runsafe, engine):
    """Where the host's network is let through, its settings are not."""
    engine.namespace("network", drop=True).set("linux.sysctl", {"net.ipv4.ip_forward": "1"})
    refused(runsafe, engine, "net.ipv4.ip_forward", "network", options=("--allow", "host-network"))
