"""runsafe that runs in a chroot itself: a build root, a rescue system, a newcomer's test root."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

import harness

SETS = ("bounding", "effective", "permitted")


@pytest.fixture
def chroot(folder):
    """A folder with runsafe, what it is linked to, /proc and /dev; "/" in it is no mount."""
    top = folder / "chroot"
    (top / "bin").mkdir(parents=True)
    shutil.copy(harness.RUNSAFE, top / "bin/runsafe")
    linked = subprocess.run(["ldd", harness.RUNSAFE], capture_output=True, text=True, check=True)
    for library in re.findall(r"(/\S+) \(0x", linked.stdout):
        place = top / library.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    # binds: what is mounted below them (cgroup2) comes along.
    for name in ("proc", "sys", "dev"):
        (top / name).mkdir()
        subprocess.run(["mount", "--rbind", f"/{name}", top / name], check=True)
        subprocess.run(["mount", "--make-rprivate", top / name], check=True)
    yield top
    for name in ("proc", "sys", "dev"):
        subprocess.run(["umount", "-l", top / name], check=True)


def run_in(chroot, new_bundle, change, *options):
    bundle = new_bundle("chroot/bundle")
    change(bundle)
    bundle.write()
    limits = ["--cgroup=available"] if harness.why_no_limits() else []
    return subprocess.run(["chroot", chroot, "/bin/runsafe", *limits, *options, "run", "/bundle/"],
                          capture_output=True, text=True, timeout=harness.TIME_LIMIT, check=False)


def test_runsafe_runs_in_a_chroot_whose_root_is_no_mount(chroot, new_bundle):
    done = run_in(chroot, new_bundle, lambda b: b.sh("id -u; ls /"))
    assert done.returncode == 0, done
    assert done.stdout.split()[0] == "1000"
    assert "bundle" not in done.stdout


def test_the_real_root_is_not_in_the_mount_namespace_of_a_container_from_a_chroot(
        chroot, new_bundle, folder):
    """setns(2) into one's own mount namespace goes to its root: that must be the container's."""
    marker = folder / "of-the-host"
    marker.touch()

    def privileged(bundle):
        bundle.config["process"]["capabilities"] = {
            s: ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE"] for s in SETS}
        bundle.config["process"].update(noNewPrivileges=False, user={"uid": 0, "gid": 0})
        bundle.args("nsenter", "--mount=/proc/self/ns/mnt", "/bin/sh", "-c",
                    f"test -e {marker} && echo the host; test -e /etc/passwd && echo own; "
                    "ls /bundle")

    done = run_in(chroot, new_bundle, privileged, "--policy", "oci")
    assert done.stdout == "own\n", done
    assert "/bundle: No such file" in done.stderr, done


def test_hooks_of_a_chroot_are_looked_up_in_it(chroot, new_bundle):
    """config.md, hooks: createContainer's path resolves in the runtime namespace."""
    shutil.copy(shutil.which("busybox", path="/bin:/usr/bin"), chroot / "bin/busybox")
    hook = {"path": "/bin/busybox", "args": ["busybox", "touch"]}

    def hooks(bundle):
        bundle.args("/bin/true")
        bundle.config["hooks"] = {
            kind: [{**hook, "args": [*hook["args"], f"/{kind}-ran"]}]
            for kind in ("createRuntime", "createContainer", "poststart", "poststop")}

    done = run_in(chroot, new_bundle, hooks)
    assert done.returncode == 0, done
    for kind in ("createRuntime", "createContainer", "poststart", "poststop"):
        assert (chroot / f"{kind}-ran").exists(), kind
        assert not pathlib.Path(f"/{kind}-ran").exists()
        assert not os.path.exists(chroot / "bundle/rootfs" / f"{kind}-ran")
