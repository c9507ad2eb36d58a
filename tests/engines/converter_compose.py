"""The converter under Docker compose, started from docs/examples/converter, and what is promised of
it however its compose file is written."""

import json
import os
import pathlib
import re
import shutil
import tempfile

import converter
import engines
import systems
from engines import run, wait_for
from test_docker_compose import Compose

EXAMPLE = systems.EXAMPLES / "converter"
# RUNTIME=runc shows whose failure one is, RUNTIME=runsafe-oci that the promises can fail.
RUNTIME = os.environ.get("RUNTIME", "runsafe")
# What runsafe does or has a value for without being asked.
HARDENING = ("read_only", "cap_drop", "security_opt", "mem_limit", "memswap_limit", "cpus",
             "pids_limit")


class System(converter.System):
    """The converter in a folder of its own. without: keys that its service goes without."""

    def __init__(self, docker, without=()):
        super().__init__(docker, name="converter-converter-1")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="converter-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.compose = Compose(docker, self.folder)
        shutil.copy(EXAMPLE / "compose.yaml", self.folder)
        # dockerd refuses cpus where there is no such controller, and passes over the others.
        without = {*without, *(() if engines.has_limits() else ("cpus",))}
        lines = ["healthcheck: {retries: 1}", *(f"{key}: !reset null" for key in without)]
        (self.folder / "compose.override.yaml").write_text(
            f"services:\n  converter: {{{', '.join(lines)}}}\n")
        self.env = {**os.environ, "RUNTIME": RUNTIME, "HEALTH_INTERVAL": "1s",
                    "DISPLAY_SIZE": "%dx%dx24" % converter.SIZE}
        # As the README says it, but for the password.
        run("sh", "-c", "umask 077; mkdir -p secrets && cat >secrets/vnc_password && "
            "chmod 444 secrets/vnc_password", cwd=self.folder, input=converter.PASSWORD + "\n")

    def __call__(self, *words, **options):
        return self.compose(*words, env=self.env, timeout=150, **options)

    def up(self):
        self("up", "-d", "--wait", "--wait-timeout", str(120 * engines.SLOWER))

    def dockers_health(self):
        return self.engine.inspect(self.name, ".State.Health.Status")

    def wait_for_health(self, what="healthy", seconds=60):
        wait_for(f"Docker says {what}", lambda: self.dockers_health() == what, seconds)

    def volume(self):
        """The folder of Wine's volume, on the host."""
        return pathlib.Path(self.engine.inspect("converter_wine", ".Mountpoint"))

    def done(self):
        self("down", "-v", "-t", "5")
        left = self.engine("ps", "-aq").text + self.engine("volume", "ls", "-q").text
        assert not left and not self.engine.states(), left
        shutil.rmtree(self.folder)


class Promises:
    """For a module that has the fixture `system`, the running converter."""

    def test_it_is_healthy(self, system):
        system.wait_for_health()

    def test_every_thread_is_hardened(self, system):
        """No root, no capability in any of the five sets, no_new_privs, a filter; Wine's threads
        and an exec of root's among them, seen from outside."""
        system.engine("exec", "-d", "-u", "root", system.name, "sleep", "30")
        wait_for("sleep runs", lambda: "sleep" in system.engine("top", system.name).out)
        converter.assert_processes(system)

    def test_the_guides_commands_show_no_root(self, system):
        """whoami, ps aux inside and docker top outside."""
        converter.assert_user(system)
        assert system.engine("exec", "-u", "root", system.name, "id", "-u").text == "1000"
        # A health check's exec that is just entering is runsafe still, and root: look again.
        def users(words, column):
            lines = [line.split() for line in words().out.splitlines()[1:]]
            assert len(lines) >= 12, lines
            return {line[column] for line in lines}

        wait_for("ps aux shows nobody but app",
                 lambda: users(lambda: system.exec("ps", "aux"), 0) == {"app"})
        wait_for("docker top shows nobody but 1000", lambda: users(
            lambda: system.engine("top", system.name, "-eo", "pid,uid"), 1) == {"1000"})
        said = system.exec("ps", "aux").out
        for program in ("supervisord", "Xvfb", "x11vnc", "wineserver", "notepad.exe"):
            assert program in said, (program, said)

    def test_stats_counts_the_container(self, system):
        said = json.loads(system.engine("stats", "--no-stream", "--format", "json",
                                        system.name).out)
        assert said["Name"] == system.name
        if engines.has_limits():
            assert int(said["PIDs"]) >= 30 and said["MemUsage"].endswith("/ 1GiB"), said

    def test_the_root_file_system_and_tmp(self, system):
        converter.assert_rootfs(system)

    def test_the_secret_is_nowhere_but_in_its_file(self, system):
        """A compose file binds it as it is on the host, where its folder is root's."""
        converter.assert_secret(system, "444")
        for image_says in ("inspect", "history"):
            options = ("--no-trunc",) if image_says == "history" else ()
            assert converter.PASSWORD not in system.engine(image_says, *options, "converter").out

    def test_the_secret_is_for_root_and_the_workload(self, system):
        """Neither for other users of the host, nor in what dockerd and runsafe write down."""
        for path in (system.folder / "secrets", system.folder / "secrets/vnc_password"):
            refused = run("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "cat",
                          path, check=False)
            assert "Permission denied" in refused.err
        docker = system.engine
        places = (docker.exec_root, docker.folder, docker.data / "containers",
                  docker.data / "image", "/run/runsafe", system.volume() / "system.reg",
                  system.volume() / "user.reg")
        assert converter.files_with(converter.PASSWORD, *places) == []
        assert len(docker.states()) == 1

    def test_the_new_volume_is_the_workloads(self, system):
        st = system.volume().stat()
        assert (st.st_uid, st.st_gid) == (1000, 1000)
        assert system.shell("touch /wine/.x && rm /wine/.x && echo written") == "written\n"

    def test_nothing_is_said_of_root_and_nothing_was_refused(self, system):
        """No program warns that it is root, or complains about what it may not do."""
        words = r"superuser|as root|Permission denied|Operation not permitted|Read-only"
        assert not re.search(words, system.logs(), re.I), system.logs()
