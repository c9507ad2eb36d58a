"""The monitoring application under Docker compose, started from docs/examples/monitoring, and what
is promised of each of its parts however its compose file is written."""

import os
import pathlib
import re
import shutil
import tempfile

import pytest

import engines
import monitoring
import systems
from engines import run, wait_for
from monitoring import PARTS
from test_docker_compose import Compose

EXAMPLE = systems.EXAMPLES / "monitoring"
# RUNTIME=runc shows whose failure one is, RUNTIME=runsafe-oci that the promises can fail.
RUNTIME = os.environ.get("RUNTIME", "runsafe")
# What runsafe does or has a value for without being asked.
HARDENING = ("read_only", "cap_drop", "security_opt", "mem_limit", "memswap_limit", "cpus",
             "pids_limit")
each_part = pytest.mark.parametrize("part", PARTS)


class System(monitoring.System):
    """The application in a folder of its own. without: keys that each service goes without."""

    def __init__(self, docker, without=(), port=8080):
        super().__init__(docker, {part: f"monitoring-{part}-1" for part in PARTS}, port, None)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="monitoring-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.compose = Compose(docker, self.folder)
        shutil.copy(EXAMPLE / "compose.yaml", self.folder)
        # dockerd refuses cpus where there is no such controller, and passes over the others.
        without = {*without, *(() if engines.has_limits() else ("cpus",))}
        # Two failed checks are enough here, and nobody answers for names that Docker does not know.
        lines = ["healthcheck: {retries: 2}", "dns: 127.0.0.1",
                 *(f"{key}: !reset null" for key in without)]
        services = {part: list(lines) for part in PARTS}
        if RUNTIME != "runsafe":
            # The image knows nobody of uid 1000, so Celery can not become one there.
            services["worker"].append(
                "command: [celery, -A, tasks, worker, --loglevel=INFO, -B, -s, /tmp/beat]")
        (self.folder / "compose.override.yaml").write_text("services:\n" + "".join(
            f"  {part}: {{{', '.join(lines)}}}\n" for part, lines in services.items()))
        self.env = {**os.environ, "PORT": str(port), "RUNTIME": RUNTIME, "HEALTH_INTERVAL": "1s",
                    "REPORT_SECONDS": "2"}
        # As the README says it.
        run("sh", "-c", "umask 077; mkdir -p secrets && openssl rand -hex 24 "
            ">secrets/database_password && chmod 444 secrets/database_password", cwd=self.folder)
        self.secret = (self.folder / "secrets/database_password").read_text().strip()
        assert len(self.secret) == 48

    def __call__(self, *words, **options):
        return self.compose(*words, env=self.env, timeout=150, **options)

    def up(self):
        self("up", "-d", "--wait", "--wait-timeout", str(120 * engines.SLOWER))

    def health(self, part):
        return self.engine.inspect(self.names[part], ".State.Health.Status")

    def wait_for_health(self, part, what="healthy"):
        wait_for(f"{part} is {what}", lambda: self.health(part) == what, 60)

    def volume(self, part):
        """The folder of a part's volume, on the host."""
        name = {"backend": "backups"}.get(part, part)
        return pathlib.Path(self.engine.inspect(f"monitoring_{name}", ".Mountpoint"))

    def done(self):
        self("down", "-v", "-t", "2")
        left = self.engine("ps", "-aq").text + self.engine("volume", "ls", "-q").text
        assert not left and not self.engine.states(), left
        shutil.rmtree(self.folder)


class Promises:
    """For a module that has the fixture `system`, the running application."""

    def test_all_parts_are_healthy(self, system):
        for part in PARTS:
            system.wait_for_health(part)

    @each_part
    def test_every_thread_is_hardened(self, system, part):
        """No root, no capability in any of the five sets, no_new_privs, a filter; seen from
        outside, and an exec of root's among them."""
        system.engine("exec", "-d", "-u", "root", system.names[part], "sleep", "30")
        wait_for("sleep runs", lambda: "sleep" in system.engine("top", system.names[part]).out)
        monitoring.assert_processes(system, part)

    @each_part
    def test_the_guides_commands_show_no_root(self, system, part):
        """whoami, ps aux inside and docker top outside."""
        monitoring.assert_user(system, part)
        lines = system.exec(part, "ps", "aux").out.splitlines()
        assert len(lines) >= 2 and {line.split()[0] for line in lines[1:]} == {
            monitoring.USERS[part]}, lines
        lines = system.engine("top", system.names[part], "-eo", "pid,uid,gid").out.splitlines()
        uid, gid = system.uid(part)
        assert len(lines) >= 2
        assert {tuple(line.split()[1:]) for line in lines[1:]} == {(str(uid), str(gid))}

    @each_part
    def test_the_root_file_system_and_tmp(self, system, part):
        monitoring.assert_rootfs(system, part)

    @each_part
    def test_the_secret_is_nowhere_but_in_its_file(self, system, part):
        monitoring.assert_secret_hidden(system, part)
        if part in monitoring.SECRET:
            # A compose file binds it as it is on the host, where its folder is root's.
            monitoring.assert_secret_file(system, part, mode="444")
        else:
            assert system.exec(part, "ls", "/run/secrets", check=False).status != 0

    def test_the_secret_is_for_root_and_the_workloads(self, system):
        """Neither for other users of the host, nor in what dockerd and runsafe write down."""
        for path in (system.folder / "secrets", system.folder / "secrets/database_password"):
            refused = run("setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups", "cat",
                          path, check=False)
            assert "Permission denied" in refused.err
        docker = system.engine
        places = (docker.exec_root, docker.folder, docker.data / "containers",
                  docker.data / "image", docker.data / "volumes", "/run/runsafe")
        assert monitoring.files_with(system.secret, *places) == []
        assert len(docker.states()) == len(PARTS)
        for image in systems.IMAGES["monitoring"]:
            assert system.secret not in docker("history", "--no-trunc", image).out
            assert system.secret not in docker("inspect", image).out

    @pytest.mark.parametrize("part", monitoring.VOLUMES)
    def test_a_new_volume_is_the_workloads(self, system, part):
        st = system.volume(part).stat()
        assert (st.st_uid, st.st_gid) == system.uid(part)
        place = monitoring.VOLUMES[part]
        assert system.shell(part, f"touch {place}/.x && rm {place}/.x && echo written") == (
            "written\n")

    def test_nothing_is_said_of_root_and_nothing_was_refused(self, system):
        """No part warns that it is root, or complains about what it may not do."""
        words = r"superuser|as root|Permission denied|Operation not permitted|Read-only"
        for part in PARTS:
            assert not re.search(words, system.logs(part)), system.logs(part)
