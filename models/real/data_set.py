"""What a real data set is: the data, the models of growing size put to them, and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import numpy as np

from singular.errors import unknown_name, whole
from singular.models.problem import Problem

FILES = (
    "acidity",
    "carcinoma",
    "deaths",
    "diabetes",
    "faithful",
    "galaxies",
    "holzinger",
    "iris",
    "linnerud",
    "mcycle",
    "nile",
    "pine",
    "wine",
)
"""The data that ship with the package."""


@dataclass(frozen=True)
class DataSet:
    """A real data set and a family of models for it, one for each size.

    Attributes
    ----------
    name : str
        Of the data; a problem is called ``name-size``.
    title : str
        What the data are, in a few words.
    family : str
        Of the models, as in the catalogue: ``normal mixture``.
    n : int
        Number of observations.
    data : str
        What was measured, with units, and what is done to it before it is modelled.
    argument : str
        The size's name in code: the only argument of ``build``.
    counts : str
        What the size counts, in words.
    sizes : range
        The sizes to choose from.
    dim : callable
        d, the number of free parameters, as a function of the size.
    likelihood, prior : str
        Each in one line, as a formula.
    note : str
        Why the choice of a size is singular here, and what to look for: a short paragraph.
    source : str
        Who published the data; for tables.
    licence : str
        Under what terms they ship here.
    references : tuple of str
        Author, year, title: where data, model or prior are from.
    build : callable
        Size -> `Problem`.
    unbounded_from : int or None
        The least size at which the likelihood has no maximum; None if it always has a least upper bound.
    """

    name: str
    title: str
    family: str
    n: int
    data: str
    argument: str
    counts: str
    sizes: range
    dim: Callable[[int], int]
    likelihood: str
    prior: str
    note: str
    source: str
    licence: str
    references: tuple[str, ...]
    build: Callable[[int], Problem]
    unbounded_from: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its problems, by size."""
        return tuple(f"{self.name}-{size}" for size in self.sizes)

    def unbounded(self, size: int) -> bool:
        """Say whether the likelihood of this size has no maximum."""
        return self.unbounded_from is not None and size >= self.unbounded_from


def read(name: str) -> dict[str, np.ndarray]:
    """Read one of the data files as float64 columns.

    Parameters
    ----------
    name : str
        One of `FILES`: a data set's name.

    Returns
    -------
    dict of (n,) float64 arrays
        Column name -> values; the names end in the unit where there is one. ``data/README.md`` tells of each.

    Raises
    ------
    InputError
        If there is no file of that name; the message has the nearest one.

    Examples
    --------
    >>> float(read("nile")["flow_1e8_m3"].mean())
    919.35
    """
    if name not in FILES:
        raise unknown_name("name", name, FILES)
    text = resources.files("singular.models").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = text.split()
    table = np.array([row.split(",") for row in rows], dtype=np.float64)
    return dict(zip(header.split(","), table.T, strict=True))


def standardised(name: str, *columns: str) -> np.ndarray:
    """Return columns of a data file, each with mean 0 and standard deviation 1 (divisor n): (n, number of columns)."""
    table = read(name)
    values = np.stack([table[column] for column in columns], axis=1)
    return (values - values.mean(axis=0)) / values.std(axis=0)


def size_in(argument: str, value: object, sizes: range) -> int:
    """Return ``value`` if it is one of ``sizes``, else raise `InputError` with what is allowed."""
    return whole(argument, value, sizes.start, sizes.stop - 1)
