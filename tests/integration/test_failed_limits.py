"""tests/injection/fail.py where there are real limits: each call about the container's cgroup fails
once, and no workload runs without a limit that it should have."""

import os
import pathlib
import re
import subprocess

import pytest

import harness
import workload

FAIL = pathlib.Path(__file__).parents[1] / "injection/fail"
FILES = r"cgroup|memory|cpu|pids|hugetlb"


@pytest.mark.needs_limits
def test_a_limit_that_can_not_be_set_ends_the_start():
    done = subprocess.run(
        [FAIL, "-q", "-s", "100", "-j", "1", "-n", "open|write|mkdir", "-f", FILES, "run"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "RUNSAFE": harness.RUNSAFE, "RUNSAFE_PROBES": str(workload.PROBES)})
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = re.search(r"^  all +\d+ +(\d+)", done.stdout, re.MULTILINE)
    assert tried and int(tried[1]) >= 20, done.stdout
