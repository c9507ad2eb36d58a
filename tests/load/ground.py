"""What is there of all that a runtime makes and has to give back: counted before, counted after.

tests/load/run gives the tests namespaces and a cgroup of their own, so processes, mounts, cgroups,
descriptors, sockets and files are ours alone and have to be the same afterwards. What the kernel
counts for the whole machine (keys, BPF programs, memory, objects) others move, too, and it keeps some
for the next container: of that a line through many rounds is looked at (class Rounds), and in a
machine of our own the counts themselves.
"""

import ctypes
import os
import pathlib
import re
import statistics
import time

import harness

CGROUP = harness.CGROUP
# What each container is made of, by the names of /proc/slabinfo, and of how many: also namespaces that
# nothing but a forgotten reference holds.
OBJECTS = {"task_struct": 1, "signal_cache": 1, "mm_struct": 1, "nsproxy": 1, "net_namespace": 1,
           "pid_namespace": 1, "uts_namespace": 1, "mqueue_inode_cache": 1, "key_jar": 1,
           "keys": 1, "BPF programs": 1, "open files": 13, "sock_inode_cache": 14, "mnt_cache": 23,
           "shmem_inode_cache": 30, "kernfs_node_cache": 100}
# KiB that the kernel may hold more for each container that was: one that is forgotten takes twenty
# times as much, be it only its empty cgroup. Others' processes move the rest of kernel_memory() more
# than that, and of ours all are counted.
KEPT_KIB, KEPT_IN = 2.0, ("SUnreclaim", "Percpu")
# The stack of a task, which is VmallocUsed as well. Those of the kernel's own workers come and go
# also on a machine of ours.
STACK_KIB = 16

libc = ctypes.CDLL(None, use_errno=True)
BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
MEMBARRIER = {"x86_64": 324, "aarch64": 283}[os.uname().machine]


def bpf_programs():
    """How many the kernel holds (BPF_PROG_GET_NEXT_ID)."""
    attributes, count = (ctypes.c_uint32 * 32)(), 0
    while libc.syscall(BPF, 11, attributes, ctypes.sizeof(attributes)) == 0:
        attributes[0] = attributes[1]
        count += 1
    return count


def keys():
    """Of all users, as far as this user namespace sees them."""
    text = pathlib.Path("/proc/key-users").read_text()
    return sum(int(n) for n in re.findall(r":\s*\d+ (\d+)/", text))


def processes():
    """The kernel's own, which it makes and ends as it has work, count for nobody."""
    return {int(p) for p in os.listdir("/proc")
            if p.isdigit() and not harness.is_zombie(p) and not is_kernels(p)}


def is_kernels(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return bool(int(text.rpartition(")")[2].split()[6]) & 0x200000)  # PF_KTHREAD


def namespaces():
    """Of all processes that there are: {(kind, inode)}."""
    found = set()
    for pid in processes():
        folder = f"/proc/{pid}/ns"
        try:
            found |= {os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}
        except OSError:
            continue
    return found


def descriptors(pid):
    """{target: how often} of a process."""
    found = {}
    folder = f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        try:
            target = re.sub(r":\[\d+\]", "", os.readlink(f"{folder}/{fd}"))
        except OSError:
            continue
        if not target.startswith(f"/proc/{pid}/fd"):
            found[target] = found.get(target, 0) + 1
    return found


def cgroup_stat():
    lines = (CGROUP / "cgroup.stat").read_text().splitlines()
    return {name: int(value) for name, value in map(str.split, lines)}


def sockets():
    """Of our network namespace; /proc/net/unix counts what is bound or connected."""
    text = pathlib.Path("/proc/net/sockstat").read_text()
    return int(re.search(r"^sockets: used (\d+)", text, re.M)[1])


def states(root):
    """Without the compiled profiles, as many as may be kept."""
    names = set(os.listdir(root)) if root.exists() else set()
    return sorted(names - {harness.KEPT} if harness.kept_filters(root) is not None else names)


def files(*tops):
    return sum(len(names) + len(set(folders) - {harness.KEPT}) for top in tops
               for folder, folders, names in os.walk(top) if not folder.endswith(f"/{harness.KEPT}"))


def objects():
    """Of these kinds of the kernel's, how many are in use."""
    try:
        lines = pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]
    except OSError:
        return {}
    found = {line.split()[0]: int(line.split()[1]) for line in lines if line.split()[0] in OBJECTS}
    found.update(Ground.count_machines())
    found["open files"] = int(pathlib.Path("/proc/sys/fs/file-nr").read_text().split()[0])
    return found


def kernel_memory():
    """KiB that the kernel holds and can not give back when asked."""
    values = dict(re.findall(r"^(\w+): +(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M))
    kept = {name: int(values.get(name, 0))
            for name in ("SUnreclaim", "KernelStack", "PageTables", "Percpu", "VmallocUsed")}
    stacks = STACK_KIB * sum(is_kernels(p) for p in os.listdir("/proc") if p.isdigit())
    for name in ("KernelStack", "VmallocUsed"):
        kept[name] -= stacks
    return kept


def settle():
    """Lets the kernel bury its dead: a grace period of RCU, twice, since cgroups and namespaces go
    by way of two."""
    harness.reap()
    for _ in range(2):
        if libc.syscall(MEMBARRIER, 1, 0, 0):
            time.sleep(0.1)


def drop_caches():
    """Names and inodes that are only remembered."""
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("2\n")


class Ground:
    """Counts of what is there. root: the folder of states; tops: folders in which nothing may stay."""

    def __init__(self, root, *tops):
        self.root, self.tops = pathlib.Path(root), tops
        settle()
        self.ours, self.machines = self.count_ours(), self.count_machines()

    def count_ours(self):
        harness.reap()
        stat = cgroup_stat()
        return {
            "processes": processes(),
            "namespaces": namespaces(),
            "mounts": sorted(harness.mounts()),
            "cgroups": {c for c in harness.cgroups()},
            # A group's memory part lives on while a page or an object of the kernel's is remembered
            # that it was the first to use; the others only while somebody holds them (Linux 6.12).
            "cgroups that are dying": stat.get("nr_dying_subsys_pids",
                                               stat["nr_dying_descendants"]),
            "our descriptors": descriptors("self"),
            "sockets": sockets(),
            "files": files(*self.tops),
            "states": states(self.root),
        }

    @staticmethod
    def count_machines():
        return {"keys": keys(), "BPF programs": bpf_programs()}

    def difference(self):
        """What is more now than it was, in words."""
        said = []
        for name, now in self.count_ours().items():
            before = self.ours[name]
            if now > before if isinstance(now, int) else now != before:
                said.append(f"{name}: {changes(before, now)}")
        for name, now in self.count_machines().items():
            if harness.ALONE and now > self.machines[name]:
                said.append(f"{name}: {self.machines[name]}, now {now}")
        return said

    def check(self, containers, seconds=20):
        """All is as it was, within the time that the kernel takes to bury its dead."""
        end = time.monotonic() + seconds
        while said := self.difference():
            assert time.monotonic() < end, f"left behind by {containers}: " + "; ".join(said)
            settle()
            time.sleep(0.2)


def changes(before, now):
    if isinstance(now, int):
        return f"{before}, now {now}"
    if isinstance(now, dict):
        return {k: (before.get(k, 0), now.get(k, 0)) for k in {*before, *now}
                if before.get(k, 0) != now.get(k, 0)}
    if isinstance(now, set) and all(isinstance(one, int) for one in now - before):
        return [f"{pid} {harness.cmdline(pid)}" for pid in now - before] or f"{before - now} gone"
    more, less = [one for one in now if one not in before], [one for one in before if one not in now]
    return f"{len(more)} more {more[:3]}, {len(less)} gone {less[:3]}"


def slope(points):
    """What is more for each container, by a line through rounds [(containers until then, value)]: the
    median of the slopes between all pairs (Theil and Sen), which one odd round does not move."""
    return statistics.median((b[1] - a[1]) / (b[0] - a[0])
                             for i, a in enumerate(points) for b in points[i + 1:])


class Rounds:
    """What the kernel holds, round by round: a line through the rounds shows a leak, where one
    difference shows what others on this machine do."""

    def __init__(self):
        self.points = []

    def look(self, containers):
        settle()
        self.points.append((containers, {**kernel_memory(), **objects()}))

    def slopes(self):
        return {name: slope([(n, values[name]) for n, values in self.points])
                for name in self.points[0][1]}

    def leaks(self):
        """What stays for at least every second container, and the kernel's memory for each; in words."""
        slopes = self.slopes()
        memory = {name: round(slopes.pop(name), 3) for name in kernel_memory()}
        said = [f"{name}: {value:.2f} for each" for name, value in slopes.items()
                if value > OBJECTS[name] / 2]
        if sum(memory[name] for name in (memory if harness.ALONE else KEPT_IN)) > KEPT_KIB:
            said.append(f"KiB of memory for each: {memory}")
        return said, memory
