"""Bash completion: what <Tab> offers is what the program takes, and make install puts it in place."""

import pathlib
import re
import shutil
import subprocess

import pytest

from harness import RUNSAFE

PROJECT = pathlib.Path(__file__).parents[2]
SCRIPT = PROJECT / "completions" / "runsafe"

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="NEEDS BASH: it is not here")

# Sources the script as bash does, and asks it what could follow the words.
ASK = """
source "$1" || exit 9
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"$(complete -p runsafe | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words, program=RUNSAFE):
    done = subprocess.run(["bash", "-c", ASK, "bash", SCRIPT, program, *map(str, words)], text=True,
                          capture_output=True, check=True, timeout=60)
    assert done.stderr == "", done.stderr
    return [line for line in done.stdout.splitlines() if line]


def output(*args):
    return subprocess.run([RUNSAFE, *args], text=True, capture_output=True, check=False, timeout=60)


def commands():
    section = output("--help").stdout.split("\nCommands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in section.splitlines()]


def options(*args):
    section = output(*args, "--help").stdout.split("\nOptions:\n")[1].split("\n\n")[0]
    found = []
    for line in section.splitlines():
        found += re.match(r" +(?:(-\w), )?(--[a-z0-9-]+)", line).groups()
    return sorted(word for word in found if word)


def test_commands_are_offered():
    """Issue 3: bash completion."""
    assert "run" in commands()
    assert offered("") == commands()
    assert offered("li") == ["list"]
    assert offered("help", "sta") == ["start", "state"]
    assert offered("--root", "/x", "--debug", "del") == ["delete"]
    assert offered("nonsense", "") == []


def test_global_options_are_offered():
    assert sorted(offered("-")) == options()
    assert offered("--cgroup-m") == ["--cgroup-manager"]


@pytest.mark.parametrize("command", commands() if shutil.which("bash") else [])
def test_the_options_of_a_command_are_offered(command):
    assert sorted(offered(command, "-")) == options(command)


@pytest.mark.parametrize("option", ["--cgroup", "--cgroup-manager", "--rootless", "--policy",
                                    "--log-format"])
def test_words_that_are_offered_for_a_global_option_are_taken(option, tmp_path):
    """Most of these words are the only ones that the script does not ask the program for."""
    def status(word):
        return output(option, word, "--root", str(tmp_path), "list").returncode

    # The policy may be a file as well: those of this folder are offered with the names.
    words = [word for word in offered(option, "") if not pathlib.Path(word).exists()]
    assert len(words) in (2, 3), words
    assert [word for word in words if status(word) != 0] == []
    assert option == "--policy" or status("nonsense") != 0


def test_values_of_options_are_offered(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert offered("run", "--bundle", f"{tmp_path}/") == [f"{tmp_path}/folder"]
    assert offered("run", "-b", f"{tmp_path}/") == [f"{tmp_path}/folder"]
    assert sorted(offered("run", "--pid-file", f"{tmp_path}/f")) == \
        [f"{tmp_path}/file", f"{tmp_path}/folder"]
    # Bash splits at "=".
    assert offered("run", "--bundle", "=", f"{tmp_path}/") == [f"{tmp_path}/folder"]
    assert offered("list", "--format", "") == ["table", "json"]
    assert offered("list", "-f", "=", "j") == ["json"]
    assert offered("update", "--cpu-idle", "") == ["0", "1"]
    assert "rootfs-writable" in offered("--allow", "root")
    assert offered("--allow", "bin") == ["bind="]
    assert offered("--allow", "bind", "=", f"{tmp_path}/fi") == [f"{tmp_path}/file"]


def test_ids_of_containers_are_offered(runsafe, bundle):
    name = runsafe.id("completed")
    runsafe.ok("create", "-b", bundle.path, name)
    root = ("--root", runsafe.root)
    assert offered(*root, "delete", "") == [name]
    assert offered(*root, "kill", "--all", name[:3]) == [name]
    assert offered("--root", "=", runsafe.root, "state", "") == [name]
    assert offered(*root, "kill", name, "KI") == ["KILL"]
    signals = offered(*root, "kill", name, "")
    assert len(signals) > 25
    for signal in signals:
        message = runsafe.fails("kill", "no-such", signal)
        assert "container does not exist" in message, (signal, message)
    assert offered(*root, "state", "no-such") == []
    # A new id is the caller's to find.
    assert offered(*root, "create", "") == []
    assert offered(*root, "state", name, "") == []
    runsafe.ok("delete", "--force", name)
    assert offered(*root, "delete", "") == []


def test_install_puts_it_where_bash_looks(tmp_path):
    """Issue 3: completion installed by make install; DESTDIR and PREFIX count, uninstall undoes."""
    if not shutil.which("make"):
        pytest.skip("NEEDS MAKE: it is not here")
    # -o all: what is installed is what is tested, not a new build.
    make = ["make", "-s", "-C", PROJECT, "-o", "all", f"RUNSAFE={RUNSAFE}", f"DESTDIR={tmp_path}",
            "PREFIX=/opt/x", "CC=true"]
    subprocess.run([*make, "install"], check=True, timeout=60, capture_output=True)
    folder = tmp_path / "opt/x/share/bash-completion/completions"
    assert (folder / "runsafe").read_text() == SCRIPT.read_text()
    for name in ("runsafe-strict", "runsafe-oci"):
        assert (folder / name).resolve() == folder / "runsafe"
    installed = tmp_path / "opt/x/bin/runsafe"
    assert offered("li", program=installed) == ["list"]
    subprocess.run([*make, "uninstall"], check=True, timeout=60, capture_output=True)
    assert [p for p in tmp_path.rglob("*") if not p.is_dir()] == []
