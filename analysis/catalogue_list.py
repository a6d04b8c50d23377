"""The catalogue as one table, made models and real data: filtered, and shown to fit a terminal."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd

from singular.analysis.tables import readable
from singular.errors import unknown_name, whole
from singular.models import catalogue, real

WITH_HALF, WITH_ROUTE = 100, 160
"""Columns of a terminal from which the catalogue is shown with d/2, and with how each oracle integrates."""
NUMBERS_TAKE = 28
"""Columns that d, λ, m and the oracle take, with the space between."""


def catalogue_frame(
    family: str | None = None,
    dim: int | None = None,
    max_dim: int | None = None,
    singular: bool | None = None,
    oracle: bool | None = None,
    made: bool | None = None,
) -> pd.DataFrame:
    """Return ``models.table()`` with a row for each real problem below it, or those rows of it that are asked for.

    Parameters
    ----------
    family : str or None
        A part of the family's name, in any case.
    dim, max_dim : int or None
        Exactly that d; no larger d than that.
    singular : bool or None
        Singular models, or regular ones. Real data have no truth to be either at: they are in neither.
    oracle : bool or None
        Models with an exact finite-n oracle, or without.
    made : bool or None
        Models with a made truth, or real data.

    Raises
    ------
    InputError
        If no family's name contains ``family``, with the nearest one; or if a number is no whole one of at least 1.

    Examples
    --------
    >>> catalogue_frame(family="LOGISTIC", max_dim=4, oracle=True)["name"].tolist()
    ['logistic-2']
    """
    table = catalogue.table().astype(object)
    rows = [
        {"name": name, "family": kind, "d": dim, "d/2": Fraction(dim, 2), "oracle": "", "source": source}
        for name, kind, dim, source in real.members()
    ]
    frame = pd.concat([table, pd.DataFrame(rows, columns=table.columns).astype(object)], ignore_index=True)
    frame = frame.where(frame.notna(), None)
    keep = pd.Series(True, index=frame.index)
    if family is not None:
        keep &= frame["family"].map(lambda name: family.casefold() in name.casefold())
        if not keep.any():
            raise unknown_name("family", family, set(frame["family"]))
    if dim is not None:
        keep &= frame["d"] == whole("dim", dim, 1)
    if max_dim is not None:
        keep &= frame["d"] <= whole("max_dim", max_dim, 1)
    if singular is not None:
        keep &= frame["singular"].map(lambda value: value is not None and value == singular)
    if oracle is not None:
        keep &= (frame["oracle"] != "") == oracle
    if made is not None:
        keep &= frame["singular"].notna() == made
    return frame.loc[keep].reset_index(drop=True)


def shown_catalogue(frame: pd.DataFrame, width: int) -> pd.DataFrame:
    """Return `catalogue_frame` as strings for people, the members of a family together.

    λ is written ``≤ 5/2`` where only a bound is known, ``?`` where nothing is, and is left empty for real data.
    The column ``oracle`` is the route if there are 160 columns of ``width``, else yes or nothing; below 100, d/2 is
    left out and long names of families are cut.
    """
    families = {name: place for place, name in enumerate(dict.fromkeys(frame["family"]))}
    frame = frame.sort_values("family", key=lambda column: column.map(families), kind="stable")
    coefficients = []
    for value, bound, singular in frame[["learning_coefficient", "upper_bound", "singular"]].itertuples(index=False):
        if value is not None:
            coefficients.append(str(value))
        elif bound is not None:
            coefficients.append(f"≤ {bound}")
        else:
            coefficients.append("" if singular is None else "?")
    columns = ["name", "d", "d/2", "learning_coefficient", "multiplicity", "oracle", "family"]
    shown = readable(frame.reindex(columns=columns))
    shown["λ"] = coefficients
    if width < WITH_HALF and len(shown):
        room = max(8, width - max(map(len, shown["name"])) - NUMBERS_TAKE)
        cut = [name if len(name) <= room else f"{name[: room - 1]}…" for name in map(str, shown["family"])]
        shown = shown.drop(columns="d/2").assign(family=cut)
    if width < WITH_ROUTE:
        shown["oracle"] = ["yes" if route else "" for route in map(str, shown["oracle"])]
    return shown
