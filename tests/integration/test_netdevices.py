"""config-linux.md, "Network Devices": linux.netDevices. All in a network namespace of the test's
own, which is the runtime's: no device of this machine is touched."""

import copy
import json
import subprocess

import pytest

import harness
from test_rootless import rootless, single, user  # noqa: F401 (fixtures)


class Network:
    """A network namespace that is kept by a process."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "sleep", "1000"], stdin=subprocess.DEVNULL)
        self.path = f"/proc/{self.keeper.pid}/ns/net"
        own = self.inode("/proc/self/ns/net")
        assert harness.wait_for(lambda: self.inode(self.path) not in (own, None))

    @staticmethod
    def inode(path):
        try:
            return harness.os.stat(path).st_ino
        except OSError:
            return None

    def ip(self, *words, check=True):
        done = subprocess.run(["nsenter", f"--net={self.path}", "ip", "-json", *map(str, words)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else []

    def veth(self, name, peer):
        """A device that can be moved, with a peer that stays and is up."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", peer)
        self.ip("link", "set", peer, "up")

    def devices(self):
        return {link["ifname"]: link for link in self.ip("address", "show")}

    def close(self):
        self.keeper.kill()
        self.keeper.wait()


def global_addresses(link):
    return [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"]


@pytest.fixture
def networks():
    made = []

    def make():
        made.append(Network())
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def network(networks):
    """The network namespace that the runtime is called in."""
    one = networks()
    try:
        one.veth("eth5", "peer5")
    except AssertionError as error:
        pytest.skip(f"NEEDS VETH DEVICES: {error}")
    return one


class Inside(harness.Runsafe):
    """runsafe, called in that network namespace."""

    network = None

    def command(self, *args):
        return ["nsenter", f"--net={self.network.path}", *super().command(*args)]


@pytest.fixture
def program(runsafe, network):
    """The program in the test's network, under oci."""
    one = copy.copy(runsafe.with_options("--policy", "oci"))
    one.__class__ = Inside
    one.network = network
    return one


LINKS = "cd /sys/class/net && for d in *; do echo $d=$(cat $d/flags),$(cat $d/mtu),$(cat $d/address); done"


def links(program, bundle, script=LINKS):
    """{name: [flags, mtu, mac]} as the workload sees it."""
    return {n: v.split(",") for n, v in program.sh(bundle, script).facts().items()}


def inside(program, bundle):
    """What `ip` says of the namespace of a container that runs."""
    name = program.running(bundle)
    there = copy.copy(program.network)
    there.path = f"/proc/{program.state(name)['pid']}/ns/net"
    found = there.devices()
    program.delete(name, "--force")
    return found


def up(link):
    return "UP" in link["flags"]


def test_a_device_is_moved_and_set_up(program, plain):
    """A set of network devices that MUST be made available; state up after moving."""
    plain.set("linux.netDevices", {"eth5": {}})
    name = program.create(plain.args("/bin/sleep", "1000"))
    assert "eth5" not in program.network.devices()
    program.start(name)
    result = program.ok("exec", name, "cat", "/sys/class/net/eth5/flags")
    assert int(result.out, 16) & 1
    program.delete(name, "--force")


@pytest.mark.parametrize("policy", ["oci", "default"])
def test_a_device_is_renamed(program, plain, policy):
    """name: the name of the network device inside the container namespace."""
    program.options[-1] = policy
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}})
    found = inside(program, plain)
    assert set(found) == {"lo", "data0"} and up(found["data0"]) and up(found["lo"])
    assert "eth5" not in program.network.devices()


def test_a_template_gets_the_first_free_number(program, plain):
    """%d: the kernel will generate a unique name."""
    for n in (6, 7):
        program.network.veth(f"eth{n}", f"peer{n}")
    plain.set("linux.netDevices", {"eth5": {"name": "net%d"}, "eth6": {"name": "net%d"},
                                   "eth7": {"name": "net1"}})
    found = inside(program, plain)
    assert len(found) == 4 and {"net0", "net1"} <= set(found), set(found)
    assert all(n.startswith("net") or n == "lo" for n in found)


def test_permanent_global_addresses_are_kept(program, plain):
    """All permanent IP addresses of any family with global scope; no others."""
    ip = program.network.ip
    ip("link", "set", "eth5", "mtu", "1400", "address", "02:00:00:00:00:55", "txqueuelen", "77")
    ip("link", "set", "eth5", "up")
    ip("address", "add", "192.0.2.1/24", "dev", "eth5", "label", "eth5:web", "broadcast", "192.0.2.255")
    ip("address", "add", "192.0.2.2/24", "dev", "eth5")  # secondary
    ip("address", "add", "198.51.100.1", "peer", "198.51.100.2/32", "dev", "eth5")
    ip("address", "add", "2001:db8::1/64", "dev", "eth5", "nodad", "preferred_lft", "0")
    ip("address", "add", "203.0.113.9/24", "dev", "eth5", "valid_lft", "1000", "preferred_lft", "900")
    ip("address", "add", "169.254.3.3/16", "dev", "eth5", "scope", "link")
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}})
    link = inside(program, plain)["data0"]
    assert sorted(global_addresses(link)) == ["192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/32",
                                             "2001:db8::1/64"]
    found = {a["local"]: a for a in link["addr_info"]}
    assert found["192.0.2.1"]["label"] == "data0:web" and found["192.0.2.1"]["broadcast"] == "192.0.2.255"
    assert found["192.0.2.2"].get("secondary")
    assert found["198.51.100.1"]["address"] == "198.51.100.2"
    assert found["2001:db8::1"].get("nodad") and found["2001:db8::1"].get("deprecated")
    assert "169.254.3.3" not in found
    assert (link["mtu"], link["address"], link["txqlen"]) == (1400, "02:00:00:00:00:55", 77)


def test_a_device_that_was_down_keeps_its_addresses_too(program, plain):
    program.network.ip("address", "add", "2001:db8::2/64", "dev", "eth5")
    plain.set("linux.netDevices", {"eth5": {}})
    link = inside(program, plain)["eth5"]
    assert up(link) and global_addresses(link) == ["2001:db8::2/64"]


def test_what_the_peer_sends_arrives(program, plain):
    program.network.ip("address", "add", "192.0.2.9/24", "dev", "peer5")
    program.network.ip("address", "add", "192.0.2.10/24", "dev", "eth5")
    plain.set("linux.netDevices", {"eth5": {}})
    result = program.sh(plain, "ping -c 1 -w 10 192.0.2.9")
    assert "1 packets received" in result.out, result


def test_a_namespace_by_path(program, plain, networks):
    """Joined, not made: the device stays there when the container is gone."""
    other = networks()
    plain.namespace("network", other.path).set("linux.netDevices", {"eth5": {"name": "data0"}})
    name = program.create(plain.args("/bin/true"))
    assert up(other.devices()["data0"])
    program.delete(name, "--force")
    assert "data0" in other.devices() and "eth5" not in program.network.devices()


def test_in_a_user_namespace(program, plain):
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", ids).set("linux.gidMappings", ids)
    program.network.ip("address", "add", "192.0.2.1/24", "dev", "eth5")
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}})
    link = inside(program, plain)["data0"]
    assert up(link) and global_addresses(link) == ["192.0.2.1/24"]


def test_in_a_user_namespace_with_a_network_by_path(program, plain, networks):
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    plain.namespace("user").set("linux.uidMappings", ids).set("linux.gidMappings", ids)
    plain.config["mounts"] = [m for m in plain.config["mounts"] if not m["destination"].startswith("/sys")]
    other = networks()
    plain.namespace("network", other.path).set("linux.netDevices", {"eth5": {}})
    name = program.create(plain.args("/bin/true"))
    assert up(other.devices()["eth5"])
    program.delete(name, "--force")


def test_it_is_never_moved_back(program, plain):
    """The runtime MUST NOT attempt to move the interface out of the namespace before deletion: the
    kernel takes a virtual one away with the namespace, and its peer."""
    plain.set("linux.netDevices", {"eth5": {}})
    name = program.create(plain.args("/bin/true"))
    program.start(name)
    program.wait_status(name, "stopped")
    program.delete(name)
    assert harness.wait_for(lambda: set(program.network.devices()) == {"lo"})


def test_it_ends_with_the_container_while_run_waits(program, plain):
    """Nothing of the runtime's holds the namespace."""
    plain.set("linux.netDevices", {"eth5": {}})
    program.run_ok(plain.args("/bin/true"))
    assert harness.wait_for(lambda: set(program.network.devices()) == {"lo"})


def test_hooks_find_it_there(program, plain, folder):
    """Before createRuntime hooks, which may want to configure it."""
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}})
    script = f"cat > {folder}/given; pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' {folder}/given); " \
             f"nsenter --net=/proc/$pid/ns/net ip link > {folder}/links"
    plain.set("hooks", {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script],
                                           "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]})
    program.run_ok(plain.args("/bin/true"))
    assert "data0" in (folder / "links").read_text()


def test_a_sysctl_for_it_can_be_set(program, plain):
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}})
    plain.set("linux.sysctl", {"net.ipv4.conf.data0.forwarding": "1"})
    assert program.sh(plain, "cat /proc/sys/net/ipv4/conf/data0/forwarding").lines == ["1"]


# --- what can not be


def unchanged(program, plain, *words):
    """create fails, and the runtime's devices are as before."""
    before = [program.network.ip("-details", "address", "show", "eth5"), set(program.network.devices())]
    program.create_fails(plain, *words)
    after = [program.network.ip("-details", "address", "show", "eth5"), set(program.network.devices())]
    for one in before + after:
        for link in one if isinstance(one, list) else []:
            link.pop("ifindex")
    assert before == after


def test_a_device_that_is_not_there(program, plain):
    plain.set("linux.netDevices", {"eth5": {}, "eth9": {}})
    unchanged(program, plain, "linux.netDevices.eth9", "no such device")


@pytest.mark.parametrize("devices, words", [
    ({"eth5": {"name": "lo"}}, ["linux.netDevices.eth5", "lo", "exists"]),
    ({"eth5": {"name": "same"}, "peer5": {"name": "same"}}, ["linux.netDevices", "same"]),
    ({"lo": {"name": "lo9"}}, ["linux.netDevices.lo", "loopback"]),
], ids=["lo", "twice", "the loopback"])
def test_a_name_that_is_taken(program, plain, devices, words):
    """The runtime MUST generate an error."""
    plain.set("linux.netDevices", devices)
    unchanged(program, plain, *words)


@pytest.mark.parametrize("name", ["x" * 16, "a/b", "a b", "..", "a%s", "%d%d", "a:b"])
def test_a_name_that_no_device_can_have(program, plain, name):
    plain.set("linux.netDevices", {"eth5": {"name": name}})
    unchanged(program, plain, "linux.netDevices.eth5.name")


def test_a_name_that_is_taken_in_a_joined_namespace(program, plain, networks):
    other = networks()
    other.veth("eth5", "other5")
    plain.namespace("network", other.path)
    plain.set("linux.netDevices", {"eth5": {}})
    unchanged(program, plain, "linux.netDevices.eth5", "eth5", "exists")
    # The host's name is taken there, the one that it shall have is not.
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}})
    name = program.create(plain.args("/bin/true"))
    assert {"eth5", "data0"} <= set(other.devices())
    program.delete(name, "--force")


@pytest.mark.parametrize("policy", ["oci", "default"])
def test_without_a_network_namespace_of_its_own(program, plain, policy):
    plain.set("linux.netDevices", {"eth5": {}})
    program.options[-1] = policy
    if policy == "default":
        program.options += ["--allow", "host-network"]
    for path in (None, program.network.path):
        plain.namespace("network", path, drop=path is None)
        plain.config["mounts"] = [m for m in plain.config["mounts"] if not m["destination"].startswith("/sys")]
        unchanged(program, plain.write(), "linux.netDevices.eth5", "network namespace")


def test_a_start_that_fails_later_gives_the_devices_back(program, plain):
    """Nothing is left behind, and nothing is lost: with name, addresses and state."""
    ip = program.network.ip
    program.network.veth("eth6", "peer6")
    ip("address", "add", "192.0.2.1/24", "dev", "eth5", "label", "eth5:web")
    ip("address", "add", "2001:db8::1/64", "dev", "eth5", "nodad")
    ip("link", "set", "eth5", "up")
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}, "eth6": {"name": "net%d"}})
    program.create_fails(plain.args("/not/there"), "/not/there")
    found = program.network.devices()
    assert set(found) == {"lo", "eth5", "peer5", "eth6", "peer6"}
    assert up(found["eth5"]) and not up(found["eth6"])
    assert sorted(global_addresses(found["eth5"])) == ["192.0.2.1/24", "2001:db8::1/64"]
    assert [a["label"] for a in found["eth5"]["addr_info"] if a["family"] == "inet"] == ["eth5:web"]


def test_what_the_kernel_does_not_move_is_told_and_the_others_come_back(program, plain):
    """A bridge belongs to its namespace for good; eth5 was moved before it."""
    try:
        program.network.ip("link", "add", "zbridge", "type", "bridge")
    except AssertionError as error:
        pytest.skip(f"NEEDS BRIDGES: {error}")
    program.network.ip("address", "add", "192.0.2.1/24", "dev", "eth5")
    program.network.ip("link", "set", "eth5", "up")
    plain.set("linux.netDevices", {"eth5": {"name": "data0"}, "zbridge": {}})
    program.create_fails(plain, "linux.netDevices.zbridge", "moving it")
    found = program.network.devices()
    assert set(found) == {"lo", "eth5", "peer5", "zbridge"}
    assert up(found["eth5"]) and global_addresses(found["eth5"]) == ["192.0.2.1/24"]


def test_an_address_that_can_not_be_kept_fails_the_start(program, plain, networks):
    """MUST preserve: not passed over where the container's network has IPv6 turned off."""
    other = networks()
    subprocess.run(["nsenter", f"--net={other.path}", "sh", "-c",
                    "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"], check=True)
    program.network.ip("address", "add", "2001:db8::1/64", "dev", "eth5", "nodad")
    plain.namespace("network", other.path).set("linux.netDevices", {"eth5": {}})
    program.create_fails(plain, "linux.netDevices.eth5", "addresses")
    assert set(other.devices()) == {"lo"}
    assert global_addresses(program.network.devices()["eth5"]) == ["2001:db8::1/64"]


def test_a_joined_namespace_keeps_no_device_of_a_failed_start(program, plain, networks):
    other = networks()
    plain.namespace("network", other.path).set("linux.netDevices", {"eth5": {"name": "data0"}})
    program.create_fails(plain.args("/not/there"), "/not/there")
    assert set(other.devices()) == {"lo"} and "eth5" in program.network.devices()


@pytest.mark.parametrize("name", ["lo", "eth0"])
def test_an_ordinary_user_is_told_that_it_needs_root(rootless, single, name):  # noqa: F811
    single.set("linux.netDevices", {name: {"name": "data0"}})
    rootless.with_options("--cgroup=available").create_fails(
        single, f"linux.netDevices.{name}", "only root")


def test_features_lists_net_devices(runsafe):
    assert json.loads(runsafe.ok("features").out)["linux"]["netDevices"]["enabled"] is True
