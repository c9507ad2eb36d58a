"""What the containers of tests/injection/fail.py look like, and which ways are tried with them."""

import copy
import json
import os
import pathlib
import subprocess

import ground
import ways


def controllers():
    try:
        return set(pathlib.Path("/sys/fs/cgroup/cgroup.controllers").read_text().split())
    except OSError:
        return set()


def has_capability(number):
    text = pathlib.Path("/proc/self/status").read_text()
    return int(text.partition("CapEff:")[2].split()[0], 16) >> number & 1


def huge_pages():
    """A page size that the hugetlb controller limits: a limit that is there where memory is not."""
    sizes = sorted(int(p.name.split("-")[1][:-2]) for p in
                   pathlib.Path("/sys/kernel/mm/hugepages").glob("hugepages-*"))
    return f"{sizes[0] // 1024}MB" if sizes and "hugetlb" in controllers() else None


BASE = json.loads("""{
 "ociVersion": "1.1.0", "hostname": "injected", "domainname": "of.injection",
 "root": {"path": "rootfs", "readonly": true},
 "process": {"terminal": false, "user": {"uid": 1234, "gid": 1234, "additionalGids": [5, 1001]},
  "env": ["PATH=/bin", "HOME=/tmp"], "cwd": "/tmp", "noNewPrivileges": true, "oomScoreAdj": 500,
  "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [],
   "ambient": []},
  "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 512},
   {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]},
 "mounts": [
  {"destination": "/proc", "type": "proc", "source": "proc",
   "options": ["nosuid", "noexec", "nodev"]},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
   "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
  {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
   "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
  {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
   "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs",
   "options": ["nosuid", "noexec", "nodev", "ro"]},
  {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
   "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]},
  {"destination": "/data", "type": "bind", "source": "/etc/ld.so.conf.d",
   "options": ["rbind", "ro", "nosuid", "nodev", "noexec", "rprivate"]},
  {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
   "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=1m"]}],
 "linux": {"cgroupsPath": "/@PARENT@/c",
  "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
   {"type": "mount"}, {"type": "cgroup"}],
  "sysctl": {"net.ipv4.tcp_keepalive_time": "123", "kernel.msgmax": "8000"},
  "resources": {"devices": [{"allow": false, "access": "rwm"},
   {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}]},
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts",
   "/sys/firmware"],
  "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", 
   "syscalls": [{"names": ["keyctl", "add_key", "unshare", "mount", "bpf", "userfaultfd"],
    "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}}}""")
LIMITS = {"memory": {"limit": 256 << 20, "swap": 256 << 20}, "pids": {"limit": 60},
          "cpu": {"quota": 80000, "period": 100000, "shares": 512}}
ALSO_TRIED = ["/proc/sys/kernel/msgmax", "/proc/sys/kernel/hostname",
              "/proc/sys/net/ipv4/tcp_keepalive_time", "/proc/sys/net/ipv4/ping_group_range",
              "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/vm/memfd_noexec"]


def base():
    config = copy.deepcopy(BASE)
    machine = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[os.uname().machine]
    config["linux"]["seccomp"]["architectures"] = [machine]
    if huge_pages():
        config["linux"]["resources"]["hugepageLimits"] = [
            {"pageSize": huge_pages(), "limit": 4 << 20}]
    if controllers() >= {"cpu", "memory", "pids"}:
        config["linux"]["resources"].update(copy.deepcopy(LIMITS))
    return config


def rich():
    """With what few ask for: hooks, priorities, personality, a time namespace."""
    config = base()
    config["process"].update(
        scheduler={"policy": "SCHED_BATCH", "nice": 5},
        ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6})
    config["linux"].update(personality={"domain": "LINUX"},
                           timeOffsets={"boottime": {"secs": 1000, "nanosecs": 0}})
    config["linux"]["namespaces"].append({"type": "time"})
    hook = {"path": "/bin/true", "args": ["true"]}
    config["hooks"] = {name: [hook] for name in
                       ("createRuntime", "createContainer", "poststart", "poststop")}
    config["hooks"]["startContainer"] = [{"path": "/readback", "args": ["readback", "-q"]}]
    config["mounts"][-1]["options"].append("tmpcopyup")
    return config


def user_namespace():
    config = base()
    config["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config["linux"].update(uidMappings=mapping, gidMappings=mapping)
    return config


def root_user():
    """As engines ask for it: the default policy gives it an account, a home and files."""
    config = base()
    config["process"]["user"] = {"uid": 0, "gid": 0}
    config["process"]["env"] = ["PATH=/bin"]
    config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/tmp"]
    config["process"]["cwd"] = "/"
    return config


CONFIGS = {"base": base, "rich": rich, "user": user_namespace, "root": root_user}
# name: (class or None for Command, config)
WAYS = {
    "run": (ways.Run, "base"), "exec": (ways.Exec, "base"),
    "create": (ways.Create, "base"), "start": (ways.Start, "base"),
    "run-cold": (ways.Cold, "base"),
    "run-rich": (ways.Run, "rich"), "start-rich": (ways.Start, "rich"),
    "exec-rich": (ways.Exec, "rich"),
    "run-user": (ways.Run, "user"), "exec-user": (ways.Exec, "user"),
    "run-root": (ways.Run, "root"),
}
UPDATE = ground.HERE / "update.json"
STATES = (("running",), ("running",))
COMMANDS = {
    "state": {"words": ("state", "c"), "after": STATES},
    "state-paused": {"before": (("pause", "c"),), "words": ("state", "c"),
                     "after": (("paused",), ("paused",)), "undo": (("resume", "c"),),
                     "undo_if": None},
    "state-stopped": {"before": (("kill", "c", "KILL"),), "words": ("state", "c"), "fresh": True,
                      "after": (("stopped",), ("stopped",)), "ended": True},
    "list": {"words": ("list", "-f", "json"), "after": STATES},
    "ps": {"words": ("ps", "c"), "after": STATES},
    "events": {"words": ("events", "--stats", "c"), "after": STATES},
    "pause": {"words": ("pause", "c"), "after": (("paused",), ("running",)),
              "undo": (("resume", "c"),)},
    "resume": {"before": (("pause", "c"),), "words": ("resume", "c"),
               "after": (("running",), ("paused",)), "undo": (("resume", "c"),),
               "undo_if": False},
    "update": {"words": ("update", "-r", str(UPDATE), "c"), "after": STATES, "fresh": True},
    "kill": {"words": ("kill", "c", "KILL"), "fresh": True,
             "after": (("stopped",), ("running", "stopped"))},
    "delete": {"before": (("kill", "c", "KILL"),), "words": ("delete", "c"), "fresh": True,
               "gone": True},
    "delete-force": {"words": ("delete", "--force", "c"), "fresh": True, "gone": True},
    "check": {"words": ("check", "c"), "after": STATES},
    "check-bundle": {"words": ("check", str(ground.HERE / "bundle-root")), "holds": False},
    "spec": {"words": ("spec",), "holds": False},
    "features": {"words": ("features",), "holds": False},
}
RUNSAFE_ALONE = {"check", "check-bundle", "spec", "features"}


def names(ours, quick):
    """run and exec first: they are what has to be tried."""
    found = [n for n in WAYS if not quick or n in ("run", "exec", "create", "start")]
    found += [n for n in COMMANDS if ours or n not in RUNSAFE_ALONE]
    return found


def arguments(config, words):
    config = copy.deepcopy(config)
    config["process"]["args"] = [str(w) for w in words]
    return config


def make(here, name):
    """The way of that name on a worker's ground."""
    kind, shape = WAYS.get(name, (None, "root" if name == "check-bundle" else "base"))
    config = CONFIGS[shape]()
    if "--cgroup-manager=disabled" in here.runtime.options:
        del config["linux"]["resources"], config["linux"]["cgroupsPath"]
    paths = [*config["linux"]["maskedPaths"], *config["linux"]["readonlyPaths"], *ALSO_TRIED,
             "/", "/etc", "/sys", "/sys/fs/cgroup", "/tmp", "/var/tmp", "/dev/shm", "/run", "/data",
             "/etc/passwd"]
    config = arguments(config, [*ways.READBACK, *paths])
    (ground.HERE / "process.json").write_text(json.dumps(config["process"]))
    waiting = arguments(config, ["/readback", "-w"])
    waiting.pop("hooks", None)
    if kind:
        way = kind(here, name, shape, config)
        way.paths = paths
    else:
        way = ways.Command(here, name, shape, config, **COMMANDS[name])
    way.waiting = here.bundle(f"waiting-{shape}", waiting)
    size = huge_pages()
    limits = {"hugepageLimits": [{"pageSize": size, "limit": 8 << 20}]} if size else {}
    if controllers() >= {"cpu", "memory", "pids"}:
        limits.update(pids={"limit": 50}, cpu={"quota": 70000, "period": 100000},
                      memory={"limit": 128 << 20, "swap": 128 << 20})
    UPDATE.write_text(json.dumps(limits))
    return way


def check_baseline(way, runtime):
    """That the undisturbed read-back has what the config asks for, or nothing could be missed."""
    if not isinstance(way.expected, list):
        return
    text = "\n".join(way.expected).replace("\t", " ")
    wanted = ["CapBnd: 0000000000000000", "CapEff: 0000000000000000", "CapAmb: 0000000000000000",
              "CapInh: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "terminal: ENXIO",
              "SigBlk: 0000000000000000", "SigIgn: 0000000000000000",
              "domainname: of.injection", "/proc/self/oom_score_adj: 500", "rlimit 7: 512 512",
              "rlimit 4: 0 0", "path /proc/sys/kernel/msgmax", ": 8000"]
    if not runtime.ours:
        wanted = [w for w in wanted if not w.startswith(("domainname", "SigIgn"))]
    if way.name.startswith("exec"):
        wanted = [w for w in wanted if "rlimit" not in w and (runtime.ours or "oom_score" not in w)]
    missing = [w for w in wanted if w not in text]
    for kind in ("pid", "mnt", "net", "ipc", "uts", "cgroup"):
        whose = "the container's" if way.name.startswith("exec") else "new"
        if f"namespace {kind}: {whose}" not in text:
            missing.append(f"namespace {kind}: {whose}")
    if not isinstance(way, ways.Exec) and "outside: 1 in the cgroup" not in text and \
            "--cgroup-manager=disabled" not in runtime.options:
        missing.append("outside: 1 in the cgroup")
    if missing:
        raise AssertionError(f"{way.name}: the undisturbed read-back lacks {missing}:\n{text}")


def version(runtime):
    return subprocess.run([runtime.path, "--version"], capture_output=True, text=True,
                          check=False).stdout.splitlines()[0]
