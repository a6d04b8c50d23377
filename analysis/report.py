"""The report: one HTML file that needs nothing else, with its pictures inside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table as it is to be read: every cell a string already."""

    caption: str
    frame: pd.DataFrame


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows; ``caption`` is its alternative text too."""

    caption: str
    png: bytes

    @property
    def source(self) -> str:
        """The picture as a ``data:`` address."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, then tables, then pictures; ``folded`` ones open on a click."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    folded: bool = False
    sections: Sequence[Section] = field(default_factory=tuple)


def render(title: str, findings: Sequence[str], sections: Sequence[Section], facts: Mapping[str, str]) -> str:
    """Return the report as one HTML page.

    Parameters
    ----------
    title : str
    findings : sequence of str
        What was found, a sentence each, at the head of the page.
    sections : sequence of Section
    facts : mapping
        Settings and versions, for the foot of the page. Never a path or a host.

    Returns
    -------
    str
        HTML without scripts and without any address to fetch; every text is escaped.

    Examples
    --------
    >>> page = render("A study", ["2 < 3"], [Section("One", ["text"])], {"seed": "0"})
    >>> "2 &lt; 3" in page, "http" in page
    (True, False)
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = resources.files("singular.analysis").joinpath("templates", "report.html").read_text(encoding="utf-8")
    template = environment.from_string(text)
    return template.render(title=title, findings=findings, sections=sections, facts=facts)
