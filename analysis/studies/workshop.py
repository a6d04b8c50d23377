"""Where a study works: its parts are computed side by side and kept when they are done."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import singular
from singular.analysis.pool import side_by_side
from singular.analysis.study import make_folder
from singular.posteriors import store
from singular.posteriors.ladder import available_cores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part = tuple[Any, ...]
"""What one part of a study is about: numbers and strings, such as (name, n, seed)."""


@dataclass(frozen=True)
class Finding:
    """What a study found.

    Attributes
    ----------
    table : DataFrame
        Tidy: every number with its error, exact value and flags.
    figure : Figure
        The one picture.
    text : str
        The page as Markdown, without heading, figure and origin. Every number in it is made from the table.
    shown : DataFrame
        The few rows and columns that people read: strings, with headings for people.
    """

    table: pd.DataFrame
    figure: Figure
    text: str
    shown: pd.DataFrame


@dataclass(frozen=True)
class Study:
    """A question and how it is answered.

    Attributes
    ----------
    name, title : str
    run : (Workshop) -> Finding
    """

    name: str
    title: str
    run: Callable[[Workshop], Finding]


@dataclass(frozen=True)
class Workshop:
    """Where the parts of a study are computed.

    Attributes
    ----------
    folder : Path
        What is done is kept in its subfolder ``parts``.
    seed : int
    jobs : int
        Processes side by side.
    report : callable or None
        Gets a line of text after each part.
    """

    folder: Path
    seed: int = 0
    jobs: int = field(default_factory=available_cores)
    report: Callable[[str], None] | None = None

    def parts(self, function: Callable[..., pd.DataFrame], items: Sequence[Part]) -> list[pd.DataFrame]:
        """Return function(*item) for every item, in their order; those done before are read back.

        A part is taken again if the item and every source file of the package are what they were: a number never
        outlives the program that made it. Long ones should come first.

        Parameters
        ----------
        function : callable
            Of a module; returns a frame of numbers, strings and booleans.
        items : sequence of tuple
            Numbers and strings.
        """
        place = self.folder / "parts"
        make_folder(place)
        paths = {item: place / _name(function, item) for item in items}
        missing = [item for item in dict.fromkeys(items) if not paths[item].exists()]
        before, done = time.perf_counter(), len(paths) - len(missing)
        if self.report is not None and done:
            self.report(f"{function.__name__}: {done} of {len(paths)} parts are there already")
        work = _Kept(function.__module__, function.__name__)
        for item, _ in side_by_side(work, [(item, paths[item]) for item in missing], self.jobs):
            done += 1
            if self.report is not None:
                spent = time.perf_counter() - before
                left = spent * (len(paths) - done) / max(1, done - len(paths) + len(missing))
                about = " ".join(map(str, item[0]))
                self.report(
                    f"[{done}/{len(paths)}] {function.__name__} {about}   ({spent:.0f} s, about {left:.0f} s left)"
                )
        return [_read(paths[item]) for item in items]


@dataclass(frozen=True)
class _Kept:
    """A function of a module that writes what it returns: named, not held, so that it goes to another process."""

    module: str
    function: str

    def __call__(self, job: tuple[Part, Path]) -> None:
        item, path = job
        frame = getattr(import_module(self.module), self.function)(*item)
        store.write(path, frame.to_csv(index=False, na_rep="nan"))


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=["nan"])


def _name(function: Callable[..., Any], item: Part) -> str:
    """Return the file name of a part: what it is about, and a digest of all that decides it."""
    told = json.dumps([function.__module__, function.__name__, item, _program()])
    about = "-".join(str(value) for value in item).replace("/", "_").replace(" ", "_")
    return f"{function.__name__}-{about[:60]}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.csv"


@cache
def _program() -> str:
    """Return a digest of the package's source files."""
    digest = hashlib.sha256()
    sources = [
        Path(folder, name)
        for folder, _, names in os.walk(Path(singular.__file__).parent, followlinks=True)
        for name in names
        if name.endswith(".py")
    ]
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()
