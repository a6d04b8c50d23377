"""The index of the validation pages: every page has a row, every command exists, every figure is on its page."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "validation"
ROW = re.compile(
    r"^\| \[[^\]]+\]\((?P<page>[^)]+)\) \| (?P<question>[^|]+) \| (?P<answer>[^|]+) \| `make (?P<target>[a-z-]+)` \|"
)


def rows() -> list[dict[str, str]]:
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    found = [ROW.match(line) for line in lines if line.startswith("| [")]
    assert all(found)
    return [match.groupdict() for match in found if match]


def test_every_page_has_a_row_and_every_row_a_page():
    listed = [(FOLDER / row["page"]).resolve() for row in rows()]
    assert len(listed) == len(set(listed))
    assert all(page.is_file() for page in listed)
    assert {page.resolve() for page in FOLDER.glob("*.md")} - set(listed) == {(FOLDER / "README.md").resolve()}


def test_every_command_is_a_target():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {row["target"] for row in rows()} <= set(targets)


def test_every_figure_quoted_stands_on_its_page():
    for row in rows():
        text = " ".join((FOLDER / row["page"]).read_text(encoding="utf-8").split())
        figures = re.findall(r"\*\*(.+?)\*\*", row["answer"])
        assert figures
        assert [figure for figure in figures if figure not in text] == []
