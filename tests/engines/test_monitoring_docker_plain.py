"""The monitoring application as people have it: the example's compose file without a line about
security or limits. Under runsafe it does the same, and keeps the same promises."""

import pytest

import monitoring
import monitoring_compose
from monitoring import PARTS
from monitoring_compose import HARDENING


@pytest.fixture(scope="module")
def system(dockerd):
    monitoring_compose.systems.load(dockerd, "monitoring")
    one = monitoring_compose.System(dockerd, without=HARDENING)
    try:
        one.up()
        yield one
    finally:
        one.done()


def test_docker_was_told_nothing(system):
    """Or this would be the other test."""
    for part in PARTS:
        config = system.engine.inspect(system.names[part], ".HostConfig")
        assert not config["CapDrop"] and not config["ReadonlyRootfs"] and not config["SecurityOpt"]
        assert not config["Memory"] and not config["NanoCpus"] and not config["PidsLimit"]


class TestPromises(monitoring_compose.Promises):
    pass


def test_it_does_its_work(system):
    monitoring.drive_readings(system)
    monitoring.drive_report(system)
    monitoring.drive_backup(system)
    monitoring.drive_cache(system)


def test_it_is_there_again_after_a_restart(system):
    monitoring.drive_readings(system, "kept")
    system("restart")
    system.wait()
    for part in PARTS:
        system.wait_for_health(part)
    assert system.read("kept") == [1.5, 2.5]
    monitoring.drive_report(system)
