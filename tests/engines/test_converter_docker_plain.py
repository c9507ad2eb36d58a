"""The converter as people have it: the example's compose file without a line about security or
limits. Under runsafe it does the same, and keeps the same promises."""

import pytest

import converter
import converter_compose
import systems


@pytest.fixture(scope="module")
def system(dockerd):
    systems.load(dockerd, "converter")
    one = converter_compose.System(dockerd, without=converter_compose.HARDENING)
    try:
        one.up()
        yield one
    finally:
        one.done()


def test_docker_was_told_nothing(system):
    """Or this would be the other test."""
    config = system.engine.inspect(system.name, ".HostConfig")
    assert not config["CapDrop"] and not config["ReadonlyRootfs"] and not config["SecurityOpt"]
    assert not config["Memory"] and not config["NanoCpus"] and not config["PidsLimit"]


class TestPromises(converter_compose.Promises):
    pass


def test_it_does_its_work(system):
    converter.drive_programs(system)
    converter.drive_conversion(system)
    converter.drive_picture(system)
    converter.drive_wrong_password(system)
    converter.assert_ports(system)


def test_it_is_there_again_after_a_restart(system):
    converter.drive_kept(system, "restart", lambda: system("restart"))
