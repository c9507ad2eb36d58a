"""The bundles that tests/injection/kill.py kills each command with."""

import os
import subprocess

from ground import HERE

LISTENERS = {"console": HERE / "console.sock", "notify": HERE / "notify.sock"}
MANAGER = HERE / "manager.sock"
DEVICE, INSIDE = "eth5", "data0"  # on the host, and in the container
PEER = "peer5"
VETH = f"ip link add {DEVICE} type veth peer name {PEER}"


def plain(here):
    """As an engine writes it for an image that says nothing."""
    return here.engines_bundle()


def rich(here):
    """A user namespace, a terminal, hooks of all kinds, a new volume, a filter with an agent, which
    is compiled each time and kept, a time namespace, what the image has in /run copied up, a cgroup
    whose parents are not there."""
    bundle = here.engines_bundle()
    config, bundle.cold = bundle.config, True
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    spaces = config["linux"]["namespaces"] + [{"type": "user"}, {"type": "time"}]
    config["linux"].update(
        uidMappings=mapping, gidMappings=mapping, namespaces=spaces,
        timeOffsets={"boottime": {"secs": 100, "nanosecs": 0}},
        sysctl={"net.ipv4.ip_forward": "1"},
        cgroupsPath=f"/{here.parent}/above/it/{here.id}",
        seccomp={"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(LISTENERS["notify"]),
                 "syscalls": [{"names": ["swapoff"], "action": "SCMP_ACT_NOTIFY"}]})
    hook = [{"path": "/bin/true", "args": ["true"]}]
    config["hooks"] = {name: hook for name in ("prestart", "createRuntime", "createContainer",
                                               "startContainer", "poststart", "poststop")}
    config["process"]["terminal"] = True
    config["process"]["oomScoreAdj"] = 10
    bundle.file("/run/of-the-image", "copied\n")
    (bundle.rootfs / "data").mkdir()
    config["mounts"].append({"destination": "/data", "type": "bind", "options": ["rbind"],
                             "source": str(HERE / "engine/volumes/one/_data")})
    subprocess.run(["chown", "-hR", "100000:100000", str(bundle.rootfs)], check=True)
    return bundle.write()


def sealed(here):
    """The workload's user may write runsafe's own file: it executes itself again from a mount."""
    bundle = here.engines_bundle()
    bundle.config["process"]["user"] = {"uid": 1234, "gid": 1234}
    os.chown(HERE / "bin/runsafe", 1234, 1234)
    return bundle.write()


def own_path(here):
    """The cgroup that runsafe chooses."""
    bundle = here.engines_bundle()
    del bundle.config["linux"]["cgroupsPath"]
    return bundle.write()


def notify(here):
    """The service of a manager, which hears when it is ready: start waits for that."""
    os.environ["NOTIFY_SOCKET"] = str(MANAGER)
    bundle = here.engines_bundle()
    bundle.file("/bin/say", (HERE / "bin/say").read_bytes(), 0o755)
    return bundle.sh("/bin/say $NOTIFY_SOCKET READY=1; exec /bin/sleep 1000")


def networks(here):
    """A network device of the host moves into the container."""
    bundle = here.engines_bundle()
    bundle.set("linux.netDevices", {DEVICE: {"name": INSIDE}})
    return bundle


def why_not(bundle):
    """What this host lacks for it, or None."""
    if bundle == "networks" and subprocess.run(["unshare", "--net", *VETH.split()], check=False,
                                               stderr=subprocess.DEVNULL).returncode:
        return "this host makes no veth devices"
    return None


BUNDLES = {"plain": plain, "rich": rich, "sealed": sealed, "own-path": own_path,
           "notify": notify, "networks": networks}
