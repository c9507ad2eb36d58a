"""Issue 3: events (--stats, --interval; runc's JSON; OOM as it happens)."""

import json
import os
import select
import subprocess
import time

import pytest

import harness


def stats(runsafe, name):
    lines = runsafe.ok("events", "--stats", name).lines
    assert len(lines) == 1, lines
    event = json.loads(lines[0])
    assert (event["type"], event["id"]) == ("stats", name)
    return event["data"]


def group(runsafe, name):
    with open(f"/proc/{runsafe.state(name)['pid']}/cgroup", encoding="ascii") as f:
        path = [line.strip()[3:] for line in f if line.startswith("0::")][0]
    return harness.CGROUP / path.lstrip("/")


def line_in(process, seconds):
    """The next line as JSON; None when none comes in time."""
    if not select.select([process.stdout], [], [], seconds)[0]:
        return None
    return json.loads(process.stdout.readline())


@pytest.fixture
def watch(runsafe):
    """`events` as a process, ended after the test."""
    started = []

    def start(name, *options):
        process = runsafe.start_process("events", *options, name, bufsize=1)
        started.append(process)
        return process
    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_stats_have_runcs_names(runsafe, bundle):
    """runc's types/events.go: what shims and cAdvisor decode."""
    data = stats(runsafe, runsafe.running(bundle))
    assert set(data) == {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt",
                         "network_interfaces"}
    assert {"kernel", "user"} <= set(data["cpu"]["usage"])
    assert isinstance(data["cpu"]["throttling"], dict)
    for kind in ("usage", "swap", "kernel", "kernelTCP"):
        assert {"limit", "failcnt"} <= set(data["memory"][kind])
    assert isinstance(data["memory"]["event_count"], dict)
    if "psi" in data["cpu"]:
        for kind in ("some", "full"):
            assert set(data["cpu"]["psi"][kind]) == {"avg10", "avg60", "avg300", "total"}
            assert all(isinstance(n, (int, float)) for n in data["cpu"]["psi"][kind].values())


def test_cpu_time_is_counted_in_nanoseconds(runsafe, bundle):
    name = runsafe.create(bundle.sh("while :; do :; done"))
    runsafe.start(name)

    def used():
        return stats(runsafe, name)["cpu"]["usage"].get("total", 0)
    assert harness.wait_for(lambda: used() > 200_000_000)
    usage = stats(runsafe, name)["cpu"]["usage"]
    in_file = int((group(runsafe, name) / "cpu.stat").read_text().split()[1]) * 1000
    assert usage["total"] <= in_file < usage["total"] + 10_000_000_000
    assert abs(usage["total"] - usage["user"] - usage["kernel"]) <= 2000


def test_lines_come_at_each_interval_and_end_with_the_container(runsafe, bundle, watch):
    """runc: the first after one interval; the command ends by itself when the container stops."""
    name = runsafe.running(bundle)
    begin = time.monotonic()
    process = watch(name, "--interval", "300ms")
    for number in (1, 2, 3):
        assert line_in(process, 20)["type"] == "stats"
        assert time.monotonic() - begin >= 0.3 * number
    runsafe.ok("kill", name, "KILL")
    assert process.wait(timeout=harness.TIME_LIMIT) == 0
    assert process.stderr.read() == ""


def test_events_end_at_once_also_with_a_long_interval(runsafe, bundle, watch):
    name = runsafe.running(bundle)
    process = watch(name, "--interval=2h45m0.5s")
    time.sleep(0.3)
    assert process.poll() is None
    runsafe.delete(name, "--force")
    assert process.wait(timeout=20) == 0
    assert process.stdout.read() == "" and process.stderr.read() == ""


@pytest.mark.parametrize("text", ["1s", "1.5s", "1m30s", "500ms", "1us", "1\u00b5s", "10ns", "+1s",
                                  ".5s", "1h"])
def test_intervals_are_durations_as_go_writes_them(runsafe, bundle, text):
    runsafe.ok("events", "--interval", text, "--stats", runsafe.running(bundle))


@pytest.mark.parametrize("text", ["0", "0s", "-1s", "-0.5h"])
def test_an_interval_must_be_greater_than_0(runsafe, text):
    """runc's words."""
    runsafe.fails("events", "--interval", text, "x",
                  words=["duration interval must be greater than 0"])


@pytest.mark.parametrize("text", ["5", "", "s", ".s", "1.2.3s", "1 s", "1s ", "5x", "1s2", "0x5s",
                                  "1e3s", "+", "--1s"])
def test_what_is_no_duration_is_an_error(runsafe, text):
    runsafe.fails("events", f"--interval={text}", "x", words=["--interval", "duration"])


def test_events_need_a_container_that_runs(runsafe, bundle):
    runsafe.fails("events", runsafe.id(), words=["container does not exist"])
    name = runsafe.create(bundle.sh("exit 0"))
    runsafe.start(name)
    runsafe.wait_status(name, "stopped")
    runsafe.fails("events", name, words=["container not running"])
    runsafe.fails("events", "--stats", name, words=["container not running"])


def test_events_of_a_created_and_of_a_paused_container(runsafe, bundle):
    name = runsafe.create(bundle.args("/bin/sleep", "1000"))
    stats(runsafe, name)
    runsafe.start(name)
    runsafe.ok("pause", name)
    stats(runsafe, name)


def test_events_without_a_cgroup_are_refused(runsafe, bundle):
    name = runsafe.with_options("--cgroup=none").running(bundle)
    runsafe.fails("events", "--stats", name, words=[name, "cgroup", "made without one"])


def test_a_reader_that_is_gone_ends_events(runsafe, bundle, watch):
    process = watch(runsafe.running(bundle), "--interval", "100ms")
    assert line_in(process, 20)
    process.stdout.close()
    assert process.wait(timeout=20) != 0


def test_a_full_stdout_is_a_failure(runsafe, bundle):
    name = runsafe.running(bundle)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(runsafe.command("events", "--interval", "50ms", name), stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "standard output" in done.stderr
    runsafe.log.unlink()


@pytest.mark.needs_limits
def test_memory_and_pids_are_what_the_cgroups_files_say(oci, plain):
    plain.config["linux"]["resources"] = {"memory": {"limit": 256 << 20, "swap": 300 << 20},
                                          "pids": {"limit": 77}}
    name = oci.running(plain.write())
    data = stats(oci, name)
    memory = data["memory"]
    assert memory["usage"]["limit"] == 256 << 20
    assert 0 < memory["usage"]["usage"] <= 256 << 20
    assert memory["raw"]["anon"] > 0 and "file" in memory["raw"]
    if os.path.exists("/proc/swaps"):
        assert memory["swap"]["limit"] == 300 << 20
    assert data["pids"] == {"current": 1, "limit": 77}


@pytest.mark.needs_limits
def test_no_limit_is_the_largest_number(oci, plain):
    """runc: "max" as 2^64 - 1 for memory, and pids without a limit."""
    data = stats(oci, oci.running(plain))
    assert data["memory"]["usage"]["limit"] == 2**64 - 1
    assert data["pids"] == {"current": 1}


@pytest.mark.needs_limits
def test_an_oom_kill_is_told_as_it_happens(oci, plain, watch):
    """runc: {"type":"oom","id":ID}; also when it is the first process that is killed."""
    plain.config["linux"]["resources"] = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}
    plain.sh("while [ ! -e /go ]; do sleep 0.1; done; tail /dev/zero; "
             "rm /go; while [ ! -e /go ]; do sleep 0.1; done; exec tail /dev/zero")
    name = oci.create(plain)
    oci.start(name)
    process = watch(name, "--interval", "1h")
    time.sleep(1)
    (plain.rootfs / "go").touch()
    assert line_in(process, 60) == {"type": "oom", "id": name}
    assert harness.wait_for(lambda: not (plain.rootfs / "go").exists())
    assert process.poll() is None
    (plain.rootfs / "go").touch()
    assert line_in(process, 60) == {"type": "oom", "id": name}
    assert process.wait(timeout=60) == 0
    assert process.stdout.read() == ""
    oci.wait_status(name, "stopped")
