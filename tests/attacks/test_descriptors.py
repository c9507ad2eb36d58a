"""CVE-2024-21626: descriptors of the runtime or its caller that a container gets hold of."""

import hashlib
import os
import pathlib

import pytest

from attacks import escaped

BY = "getcwd must be inside the new root; all descriptors are closed before program and cwd are used"
# Those that a runtime has open itself, and one that its caller has leaked.
NUMBERS = [*range(3, 12), 42]


def leak(path):
    """Gives the process that becomes the runtime an open folder of the host."""
    def open_it():
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        os.dup2(fd, 42, inheritable=True)
        os.close(fd)
    return {"preexec_fn": open_it, "close_fds": False}


def look(secret):
    """A shell script that reads the host's file from wherever it is."""
    return f"""echo ran
        for up in . .. ../.. ../../.. ../../../.. ../../../../../../../../../../..; do
            cat $up{secret} ./{secret.name} 2>/dev/null; done; true"""


def judge(done, secret, number):
    escaped(secret.read_text() in done.out, f"read a file of the host by descriptor {number}")


@pytest.mark.attack("CVE-2024-21626", "the working directory is a descriptor of the host's, "
                    "/proc/self/fd/N", BY)
@pytest.mark.parametrize("way", ["", "/..", "symlink", "symlink of a symlink"])
def test_cwd_through_a_descriptor(runtime, victim, secret, way):
    assert runtime.run(victim.sh(look(secret))).out == "ran\n"
    for number in NUMBERS:
        path = f"/proc/self/fd/{number}"
        if way.startswith("symlink"):
            for name in ("work", "again"):
                (victim.rootfs / name).unlink(missing_ok=True)
            (victim.rootfs / "work").symlink_to(path)
            (victim.rootfs / "again").symlink_to("work")
            path = "/again" if "of" in way else "/work"
        victim.set("process.cwd", path + ("/.." if way == "/.." else ""))
        judge(runtime.run(victim, **leak(secret.parent)), secret, number)


@pytest.mark.attack("CVE-2024-21626", "the working directory of exec is a descriptor of the host's",
                    BY)
@pytest.mark.parametrize("way", ["/proc/self/fd/{}", "/proc/self/fd/{}/..", "/work{}"])
def test_cwd_of_exec_through_a_descriptor(runtime, victim, secret, way):
    for number in NUMBERS:
        (victim.rootfs / f"work{number}").symlink_to(f"/proc/self/fd/{number}")
    name = runtime.running(victim)
    script = ("/bin/sh", "-c", look(secret))
    assert runtime("exec", name, *script).out == "ran\n"
    for number in NUMBERS:
        done = runtime("exec", "--cwd", way.format(number), name, *script, **leak(secret.parent))
        judge(done, secret, number)


@pytest.mark.attack("CVE-2024-21626", "the program is one of the host's, by a descriptor; root in "
                    "the container then writes to it by /proc/self/exe", BY)
@pytest.mark.parametrize("command", ["run", "exec"])
@pytest.mark.parametrize("way", ["/proc/self/fd/{}", "/start{}"])
def test_a_program_of_the_host_through_a_descriptor(runtime, victim, folder, command, way):
    """The host's program writes to itself in the original's third form; that it runs is enough."""
    tools = folder / "tools"
    tools.mkdir()
    program = tools / "tool"
    program.write_bytes((victim.rootfs / "bin/busybox").read_bytes())
    program.chmod(0o755)
    before = hashlib.sha256(program.read_bytes()).digest()
    up = "../" * 12
    name = runtime.running(victim) if command == "exec" else None
    for number in NUMBERS:
        (victim.rootfs / f"start{number}").symlink_to(f"/proc/self/fd/{number}")
        for below in ("tool", up + str(program).lstrip("/")):
            words = [f"{way.format(number)}/{below}", "echo", "the host's"]
            if command == "run":
                done = runtime.run(victim.args(*words), **leak(tools))
            else:
                done = runtime("exec", name, *words, **leak(tools))
            escaped("the host's\n" in done.out, f"ran a program of the host by descriptor {number}")
    assert hashlib.sha256(program.read_bytes()).digest() == before


@pytest.mark.attack("CVE-2024-21626", "a descriptor of the caller's stays open in the workload",
                    "everything from 3 up is closed, but what --preserve-fds names")
@pytest.mark.parametrize("command", ["run", "exec"])
def test_a_leaked_descriptor_reaches_the_workload(runtime, victim, secret, command):
    script = ("/bin/sh", "-c", f"echo ran; cat /proc/self/fd/42/{secret.name}; ls -l /proc/self/fd")
    if command == "run":
        done = runtime.run(victim.args(*script), **leak(secret.parent))
    else:
        done = runtime("exec", runtime.running(victim), *script, **leak(secret.parent))
    assert "ran" in done.out
    judge(done, secret, 42)


@pytest.mark.attack("CVE-2024-21626", "a later process of the container looks for folders of the "
                    "host in the descriptors of the one that waits for its start",
                    "the process at its gate has no folder or file of the host open")
def test_the_process_at_its_gate_has_no_folder_of_the_host(runtime, victim):
    """As the container's root, whose exec is in the same pid namespace, would see it."""
    name = runtime.create(victim.args("/bin/sleep", "1000"))
    pid = runtime.state(name)["pid"]
    folders = []
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(link)
        if int(link.name) > 2 and target.startswith("/") and link.is_dir():
            folders.append(target)
    escaped(folders, f"it has {', '.join(folders)}")
