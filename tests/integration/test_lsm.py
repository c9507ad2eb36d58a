"""config.md "Linux Process" and config-linux.md "Mount Label": AppArmor and SELinux."""

import pathlib
import shutil
import subprocess

import pytest

ENABLED = pathlib.Path("/sys/module/apparmor/parameters/enabled")
PROFILE = """
profile NAME flags=(attach_disconnected,mediate_deleted) {
  capability,
  file,
  mount,
  network,
  ptrace,
  signal,
  umount,
  unix,
  deny /etc/secret r,
}
"""


def apparmor_is_on():
    return ENABLED.exists() and ENABLED.read_text(encoding="ascii").startswith("Y")


def selinux_is_on():
    return "\tselinuxfs\n" in pathlib.Path("/proc/filesystems").read_text(encoding="ascii")


without_apparmor = pytest.mark.skipif(apparmor_is_on(), reason="NEEDS A KERNEL WITHOUT APPARMOR")
without_selinux = pytest.mark.skipif(selinux_is_on(), reason="NEEDS A KERNEL WITHOUT SELINUX")


@pytest.fixture
def profile(folder):
    """profile("name") loads one that lets everything through but reading /etc/secret."""
    if not apparmor_is_on() or not shutil.which("apparmor_parser"):
        pytest.skip("NEEDS APPARMOR: a kernel with it (the virtual machine's) and its parser")
    loaded = []

    def load(name):
        file = folder / f"{name}.profile"
        file.write_text(PROFILE.replace("NAME", name), encoding="ascii")
        subprocess.run(["apparmor_parser", "-K", "-r", file], check=True)
        loaded.append(file)
        return name

    yield load
    for file in loaded:
        subprocess.run(["apparmor_parser", "-K", "-R", file], check=True)


def confined(bundle, name):
    """A bundle whose workload says under which profile it runs and whether that bites."""
    bundle.file("/etc/secret", "secret\n")
    bundle.file("/etc/open", "open\n")
    bundle.set("process.apparmorProfile", name)
    return bundle.sh("cat /proc/1/attr/current; cat /etc/open; cat /etc/secret; true")


def assert_confined(result, name):
    assert result.status == 0, result
    assert result.lines == [f"{name} (enforce)", "open"], result
    assert "Permission denied" in result.err, result


def test_apparmor_profile_is_applied(oci, plain, profile):
    """apparmorProfile specifies the name of the AppArmor profile for the process."""
    name = profile("runsafe-test")
    assert_confined(oci.run(confined(plain, name)), name)


def test_apparmor_profile_under_the_default_policy(runsafe, bundle, profile):
    """What Docker writes on a host with AppArmor works with no_new_privs and another user."""
    name = profile("docker-default")
    assert_confined(runsafe.run(confined(bundle, name)), name)


def test_apparmor_profile_in_a_user_namespace(oci, plain, profile):
    """Its file is written as the namespace's root, who owns nothing of the host's."""
    name = profile("runsafe-test")
    plain.namespace("user")
    for key in ("linux.uidMappings", "linux.gidMappings"):
        plain.set(key, [{"containerID": 0, "hostID": 100000, "size": 65536}])
    assert_confined(oci.run(confined(plain, name)), name)


def test_apparmor_unconfined(oci, plain, profile):
    """"unconfined" is no profile."""
    profile("runsafe-test")
    result = oci.run(confined(plain, "unconfined"))
    assert result.lines == ["unconfined", "open", "secret"], result


def test_apparmor_profile_that_is_not_loaded_is_refused(oci, plain, profile):
    """A protection that can not be applied stops the start, with its name."""
    profile("runsafe-test")
    oci.create_fails(confined(plain, "runsafe-other"), "apparmorProfile", "runsafe-other",
                     "no such profile is loaded")


def test_apparmor_profile_of_exec(oci, plain, profile):
    """exec runs under the container's profile, or the one of --apparmor."""
    name, other = profile("runsafe-test"), profile("runsafe-other")
    plain.set("process.apparmorProfile", name)
    container = oci.running(plain)
    out = oci.ok("exec", container, "cat", "/proc/self/attr/current").out
    assert out.strip() == f"{name} (enforce)"
    out = oci.ok("exec", "--apparmor", other, container, "cat", "/proc/self/attr/current").out
    assert out.strip() == f"{other} (enforce)"
    oci.fails("exec", "--apparmor", "runsafe-none", container, "true", words=["runsafe-none"],
              status=255)


@without_apparmor
@pytest.mark.parametrize("policy", ["oci", "default"])
def test_apparmor_profile_without_apparmor_is_refused(runsafe, bundle, policy):
    """Refused, not passed over, where the kernel does not have the module."""
    bundle.set("process.apparmorProfile", "docker-default")
    runsafe.with_options("--policy", policy).create_fails(
        bundle, "process.apparmorProfile", "docker-default", "without AppArmor")


@without_apparmor
@pytest.mark.parametrize("name", ["unconfined", ""])
def test_apparmor_unconfined_without_apparmor_is_what_there_is(runsafe, bundle, name):
    """Without the module everything is unconfined."""
    bundle.set("process.apparmorProfile", name)
    runsafe.sh(bundle, "true")


def test_apparmor_profile_is_one_word(oci, plain):
    """A line break in it is refused before anything is written to the kernel."""
    plain.set("process.apparmorProfile", "a\nexec b")
    oci.create_fails(plain, "process.apparmorProfile")


@without_selinux
@pytest.mark.parametrize("policy", ["oci", "default"])
@pytest.mark.parametrize("path, label", [
    ("process.selinuxLabel", "system_u:system_r:container_t:s0:c1,c2"),
    ("linux.mountLabel", "system_u:object_r:container_file_t:s0:c1,c2"),
])
def test_selinux_labels_without_selinux_are_refused(runsafe, bundle, policy, path, label):
    """selinuxLabel and mountLabel: refused, not passed over, without SELinux."""
    bundle.set(path, label)
    runsafe.with_options("--policy", policy).create_fails(bundle, path, label, "without SELinux")


@without_selinux
def test_selinux_labels_that_are_empty_ask_for_nothing(runsafe, bundle):
    """Docker writes "" where it does not use SELinux."""
    bundle.set("process.selinuxLabel", "").set("linux.mountLabel", "")
    runsafe.sh(bundle, "true")
