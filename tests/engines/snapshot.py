"""What a container looks like from inside, to hold one runtime beside another."""

import re

SCRIPT = r"""
section() { echo "## $1"; }
section status; cat /proc/self/status
section mounts; cat /proc/self/mountinfo
section id; id; umask; pwd; hostname; cat /proc/sys/kernel/domainname
section environment; env | sort
section limits; cat /proc/self/limits
section dev; ls -lan /dev /dev/pts /dev/shm 2>&1
section descriptors; ls -l /proc/self/fd | grep -v ' 3 '
section proc; cat /proc/self/uid_map /proc/self/gid_map /proc/self/oom_score_adj /proc/self/oom_adj
cat /proc/self/timens_offsets /proc/self/cgroup /proc/self/personality /proc/self/attr/current 2>&1
cat /proc/1/comm; ls /proc/self/ns
section sysctl; cd /proc/sys/net/ipv4
head ip_forward ip_unprivileged_port_start ping_group_range ../../vm/memfd_noexec ../../kernel/msgmax
section writable
for path in / /etc /tmp /dev /dev/shm /sys /sys/fs/cgroup /proc/sys/kernel/domainname /proc/sysrq-trigger \
/proc/irq /proc/bus /etc/hosts /etc/resolv.conf /run /v /b /t /u; do
[ ! -e $path ] || if [ -w $path ]; then echo "$path yes"; else echo "$path no"; fi; done
section readable
for path in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/scsi /sys/firmware /proc/acpi \
/sys/devices/virtual/powercap; do
echo "$path $(ls -A $path 2>/dev/null | wc -w) $(head -c 1 $path 2>/dev/null | wc -c)"; done
section owners; stat -c '%n %F %a %u:%g' /dev /dev/shm /dev/mqueue /proc /sys /tmp /run /t /u /v /b /w /w/x 2>&1
section network; ls /sys/class/net
section end
"""

# Set by the kernel, by chance, or by when one looks.
PASSING = re.compile(r"(Pid|PPid|Tgid|NS[a-z]+|SigQ|FDSize|Vm\w+|Rss\w+|(non)?voluntary_ctxt_switches):")
# Masked by a tmpfs of our own, by runc with /dev/null and one tmpfs for each: only that they are.
MASKED = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
          "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/interrupts"}
MASKS = MASKED | {f"/sys/devices/system/cpu/cpu{n}/thermal_throttle" for n in range(512)}


def mount(line):
    """A line of mountinfo without what differs from one container to the next. A file system's own
    options count for those that are the container's own; runc makes sysfs read-only there, too."""
    left, _, right = line.partition(" - ")
    words, (kind, _, super_options) = left.split(), right.split(maxsplit=2)
    where, options, optional = words[4], words[5], words[6:]
    if where in MASKS:
        return f"{where} masked"
    # Docker says no word of a named volume's propagation: rprivate here and in its manual, rslave
    # with runc.
    shared = " ".join(sorted(word.split(":")[0] for word in optional if where != "/v"))
    own = super_options if kind in ("tmpfs", "devpts",
                                    "mqueue") and not where.startswith("/etc") else ""
    # Since kernel 6.8 mounts are listed by their age; a bind's is when its source was cloned.
    return f"{where} {options} [{shared}] {kind} {own}"


def without_chance(line):
    line = re.sub(r"\b[0-9a-f]{12,64}\b", "ID", line)
    line = re.sub(r"\w{3} +\d+ \d\d:\d\d", "TIME", line)
    return re.sub(r"(pipe|socket):\[\d+\]", r"\1", line)


def parse(text):
    """Of what SCRIPT printed: {section: lines}, made comparable."""
    assert "## end" in text, text[-2000:]
    sections = {}
    for part in text.split("## ")[1:]:
        name, _, body = part.partition("\n")
        sections[name] = [without_chance(line) for line in body.splitlines()]
    sections["status"] = [line for line in sections["status"] if not PASSING.match(line)]
    sections["mounts"] = sorted(mount(line) for line in sections["mounts"])
    return sections
