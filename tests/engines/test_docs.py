"""What docs/docker.md, podman.md and kubernetes.md promise is proven: each row of the tables below
a heading "Troubleshooting" names its test in an HTML comment at the end of the row's last cell:

    | the symptom | why | what helps <!-- test_file.py::test_name --> |"""

import json
import pathlib
import re
import textwrap

import pytest

from engines import run

HERE = pathlib.Path(__file__).parent
DOCS = HERE.parent.parent / "docs"
NAMES = ("docker", "podman", "kubernetes")


def rows_of(text):
    """The rows, without the head, of all tables in the section Troubleshooting."""
    section = re.search(r"^## Troubleshooting.*?$(.*?)(?=^## |\Z)", text, re.M | re.S)
    lines = section.group(1).splitlines() if section else []
    rows, inside = [], False
    for line in lines:
        if re.fullmatch(r"[|: -]+", line) and "-" in line:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside:
            rows.append(line)
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_each_row_of_a_troubleshooting_table_names_a_test_that_exists(name):
    rows = rows_of((DOCS / f"{name}.md").read_text())
    assert rows, f"docs/{name}.md has no rows below a heading '## Troubleshooting'"
    wrong = []
    for row in rows:
        tests = re.findall(r"(test_\w+\.py)::(test_\w+)", "".join(re.findall("<!--(.*?)-->", row)))
        files = {file: HERE / file for file, _ in tests}
        missing = [f"{file}::{test}" for file, test in tests if not files[file].is_file()
                   or not re.search(rf"^def {test}\(", files[file].read_text(), re.M)]
        if missing or not tests:
            wrong.append(f"{row[:60]}...: {'no test named' if not tests else missing}")
    assert not wrong, f"docs/{name}.md:\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_page_links_to_is_there(name):
    text = (DOCS / f"{name}.md").read_text()
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    gone = [link for link in links if "://" not in link and not (DOCS / link).exists()]
    assert not gone


def blocks(text, language):
    """The blocks of code in that language; those in lists are indented."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.M | re.S)
    return [textwrap.dedent(block) for _, block in found]


@pytest.fixture
def bundle(folder):
    (folder / "rootfs").mkdir()
    (folder / "config.json").write_text(run("runsafe", "spec").out)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_policies_of_a_page_are_policies(name, bundle):
    """JSON with a key of policies, in a block or behind the word policy."""
    text = (DOCS / f"{name}.md").read_text()
    policies = re.findall(r"policy `(\{.*?\})`", text)
    for block in blocks(text, "json"):
        keys = json.loads(block).keys()
        if keys & {"extends", "user", "capabilities", "seccomp", "rootfs"}:
            policies.append(block)
    for number, policy in enumerate(policies):
        (bundle / "policy.json").write_text(policy.replace("NAME", "memfd-exec"))
        done = run("runsafe", "--policy", bundle / "policy.json", "check", bundle, check=False)
        assert not done.err and "ends up with" in done.out, (number, policy, done)


@pytest.mark.parametrize("name", NAMES)
def test_the_options_of_a_page_are_known(name, bundle):
    text = (DOCS / f"{name}.md").read_text()
    said = set(re.findall(r"(?:--allow[ =]|\ballow=)([a-z][a-z-]*(?:=[^\s`\"',)]+)?)", text))
    for option in sorted(said):
        done = run("runsafe", "--allow", option, "check", bundle, check=False)
        assert not done.err and "ends up with" in done.out, (option, done)


def test_the_compose_file_is_one():
    for block in blocks((DOCS / "docker.md").read_text(), "yaml"):
        services = json.loads(run("docker", "compose", "-f", "-", "config", "--format", "json",
                                  input=block).out)["services"]
        assert {one["runtime"] for one in services.values()} == {"runsafe"}
        assert services["web"]["annotations"] == {"io.runsafe.tmpfs": "/var/cache/nginx"}
