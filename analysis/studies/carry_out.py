"""A study from its name to its page, its picture and its table on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import singular
from singular.analysis.figures import png
from singular.analysis.studies import QUESTIONS, load
from singular.analysis.studies.workshop import Workshop
from singular.analysis.study import make_folder
from singular.posteriors import store
from singular.posteriors.ladder import available_cores

if TYPE_CHECKING:
    from singular.analysis.studies.workshop import Finding


@dataclass(frozen=True)
class Written:
    """What a study wrote, and how long it took.

    Attributes
    ----------
    title : str
    finding : Finding
    page, picture, rows : Path
        Markdown, PNG and CSV.
    seconds : float
    """

    title: str
    finding: Finding
    page: Path
    picture: Path
    rows: Path
    seconds: float


def carry_out(
    name: str,
    out: Path | str = "out",
    seed: int = 0,
    jobs: int | None = None,
    report: Callable[[str], None] | None = None,
) -> Written:
    """Run a study and write its page, picture and table to ``out``/name.

    Parameters
    ----------
    name : str
        One of ``studies.QUESTIONS``.
    out : path
        Folder; made if it is not there.
    seed : int
        Of data and samplers.
    jobs : int, optional
        Processes side by side; one for each core if not given.
    report : callable, optional
        Gets a line of text after each part.

    Returns
    -------
    Written

    Raises
    ------
    InputError
        If no study has this name.
    StoreError
        If a file cannot be written.
    """
    started = time.perf_counter()
    study = load(name)
    folder = Path(out) / name
    make_folder(folder)
    finding = study.run(Workshop(folder, seed, jobs or available_cores(), report))
    page, picture, rows = (folder / f"{name}.{kind}" for kind in ("md", "png", "csv"))
    text = f"""# {study.title}

{QUESTIONS[name]} Made by `singular study {name}` with singular {singular.__version__}; every number is in
[{name}.csv]({name}.csv).

![{study.title}]({name}.png)

{finding.text.strip()}
"""
    store.write(rows, finding.table.to_csv(index=False, float_format="%.6g"))
    store.write(picture, png(finding.figure))
    store.write(page, text)
    return Written(study.title, finding, page, picture, rows, time.perf_counter() - started)
