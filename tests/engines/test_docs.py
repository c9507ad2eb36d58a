"""What docs/docker.md, podman.md and kubernetes.md promise is proven: each row of the tables below
a heading "Troubleshooting" names its test in an HTML comment at the end of the row's last cell:

    | the symptom | why | what helps <!-- test_file.py::test_name --> |"""

import pathlib
import re

import pytest

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
