"""Every number of a ladder for people: a few tables, what each estimates, and all flags below."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from singular.analysis import figures
from singular.analysis.every_number import EveryNumber, every_number
from singular.analysis.figures_coefficients import exact_curves, learning_coefficients
from singular.analysis.study import check_target
from singular.analysis.tables import headline, narrow, readable
from singular.posteriors import store

WBIC = {"wbic": "WBIC", "wbic_offset": "WBIC − F", "adjusted_wbic": "WBIC + ν"}
PREDICTIVE = {
    "waic": "WAIC",
    "cross_validation": "PSIS-LOO",
    "training_loss": "training loss Tₙ",
    "functional_variance": "functional variance Vₙ",
    "singular_fluctuation": "singular fluctuation ν",
}
SYMBOLS = {"free_energy": "F", "wbic": "WBIC", "learning_coefficient": "λ_eff"}
COEFFICIENTS = ("learning_coefficient", "effective_learning_coefficient", "excess_coefficient")


class Shown(NamedTuple):
    """A table as it is to be read: every cell a string, flags and other remarks in ``notes``."""

    title: str
    frame: pd.DataFrame
    notes: list[str]


def numbers_of_file(path: Path | str, out: Path | None = None, picture: Path | None = None) -> EveryNumber:
    """Return every number of a stored ladder; keep the rows in ``out`` (CSV) and draw the coefficients (PNG) if asked.

    Raises
    ------
    StoreError
        If there is no such ladder or a file cannot be written: both are looked at first.
    InputError
        As `every_number`.
    """
    for target in (out, picture):
        if target is not None:
            check_target(target)
    numbers = every_number(store.load(path), fine=picture is not None)
    if out is not None:
        store.write(out, numbers.rows.to_csv(index=False))
    if picture is not None:
        store.write(picture, coefficient_picture(numbers))
    return numbers


def shown_numbers(numbers: EveryNumber) -> list[Shown]:
    """Return the tables of one ladder: evidence, WBIC, learning coefficients, prediction, other priors.

    What a ladder does not give has no table. A curve over β is told at 1/log n and at 1 alone.
    """
    rows = numbers.rows
    held = set(rows["quantity"])
    tables = [_evidence(rows), _wbic(rows), *_coefficients(numbers)]
    if "waic" in held:
        tables.append(_predictive(rows))
    if "free_energy_shift" in held:
        tables.append(_priors(rows))
    return tables


def heading(numbers: EveryNumber) -> str:
    """Return what the ladder is of and how long it is, in a line."""
    about = numbers.about
    seed = f", data seed {about['seed']}" if about.get("seed") is not None else ""
    size = f"{about['chains']} chains × {about['draws']} draws on {about['rungs']} rungs"
    return f"{about.get('problem')}, n = {about.get('n')}{seed}: {size}"


def shown_summary(rows: pd.DataFrame) -> Shown:
    """Return the table of the main numbers of a fresh ladder."""
    frame = headline(rows)
    return _shown("", _numbered(frame), "number", ["discretisation_error", "exact"], beta=True)


def shown_comparison(rows: pd.DataFrame) -> list[Shown]:
    """Return a table for each problem of a comparison."""
    tables = []
    for name, own in rows.groupby("problem", sort=False):
        first = own.iloc[0]
        seed = "" if pd.isna(first["seed"]) else f", seed {first['seed']:.0f}"
        title = f"{name}, n = {first['n']}{seed}: every method beside the oracle"
        tables.append(_shown(title, _numbered(own), "number", ["exact", "z"], beta=True))
    return tables


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """Name each row after its quantity and its method."""
    pairs = zip(rows["quantity"], rows["method"], strict=True)
    names = [SYMBOLS[q] if q == m else f"{SYMBOLS[q]} by {m}" for q, m in pairs]
    return rows.assign(number=names)


def coefficient_picture(numbers: EveryNumber, name: str | None = None) -> bytes:
    """Return the picture of all learning coefficients over β as the bytes of a PNG file.

    Parameters
    ----------
    numbers : EveryNumber
        Made with ``fine=True`` if the exact curve is to be drawn.
    name : str, optional
        For the title; problem and n if not given.
    """
    problem, about = numbers.problem, numbers.about
    exact = numbers.exact
    if exact is not None and problem is not None:
        exact = exact_curves(exact, problem.reference.nll)
    known = None if problem is None or problem.model is None else problem.model.exact
    dim = about.get("dim")
    figure = learning_coefficients(
        numbers.coefficients,
        1 / math.log(float(about["n"])),
        exact=exact,
        learning_coefficient=None if known is None else float(known.value),
        half_dim=None if dim is None else float(dim) / 2,
        name=f"{about.get('problem')}, n = {about['n']}" if name is None else name,
    )
    return figures.png(figure)


def _evidence(rows: pd.DataFrame) -> Shown:
    own = rows.loc[rows["quantity"] == "free_energy"]
    return _shown("Evidence: F_n(1) = −log evidence, nats", own, "method", ["discretisation_error", "exact"])


def _wbic(rows: pd.DataFrame) -> Shown:
    own = rows.loc[rows["quantity"].isin(WBIC)].copy()
    own["number"] = own["quantity"].map(WBIC)
    return _shown("WBIC: E_β[nLₙ] at β = 1/log n, nats", own, "number", ["exact"])


def _coefficients(numbers: EveryNumber) -> list[Shown]:
    """Return one table at β = 1/log n, with the windows about it, and one at β = 1."""
    rows, problem = numbers.rows, numbers.problem
    wbic = float(rows.loc[rows["quantity"] == "wbic", "beta"].iloc[0])
    own = rows.loc[rows["quantity"].isin(COEFFICIENTS)].copy()
    own["method"] = own["method"].where(own["method"] != "rung", "variance")
    own["estimates"] = own["target"]
    own = own.sort_values(by="target", kind="stable")
    # at 1/log n the curve is `learning_coefficient` by mbar and variance, once more
    low = own.loc[(own["quantity"] != "effective_learning_coefficient") & np.isclose(own["beta"], wbic, rtol=1e-6)]
    known = None if problem is None or problem.model is None else problem.model.exact
    limits = [] if known is None else [f"their limit is λ = {known.value}"]
    limits += [] if problem is None else [f"d/2 = {problem.dim / 2:g}"]
    title = f"Learning coefficients at β = 1/log n = {wbic:.4g}, comparable where they estimate the same"
    return [
        _shown("; ".join([title, *limits]), low, "method", ["exact", "estimates"]),
        _shown("Learning coefficients at β = 1", own.loc[own["beta"] == 1.0], "method", ["exact", "estimates"]),
    ]


def _predictive(rows: pd.DataFrame) -> Shown:
    own = rows.loc[rows["quantity"].isin(PREDICTIVE)].copy()
    own["number"] = own["quantity"].map(PREDICTIVE)
    own["estimates"] = own["target"]
    own = own.sort_values(by="quantity", key=lambda c: c.map(list(PREDICTIVE).index), kind="stable")
    title = "Prediction: ± is what more draws would remove, ± over data what more observations would"
    return _shown(title, own, "number", ["se_data", "estimates"])


def _priors(rows: pd.DataFrame) -> Shown:
    shift = rows.loc[rows["quantity"] == "free_energy_shift"].set_index("factor")
    there = rows.loc[rows["quantity"] == "free_energy_other_prior"].set_index("factor")
    frame = pd.DataFrame(
        {
            "prior scales": [f"× {factor:g}" for factor in shift.index],
            "shift": shift["value"],
            "shift_mcse": shift["mcse"],
            "moved": there["value"],
            "moved_mcse": there["mcse"],
            "flags": there["flags"],
        }
    )
    shown = readable(frame).rename(columns={"shift": "change of F", "moved": "F"})
    notes = [f"Estimated: {target}" for target in shift["target"]]
    table, flags = narrow(shown)
    return Shown("Other priors: F_n(1) by reweighting the draws at β = 1, nats", table, [*flags, *notes])


def _shown(title: str, own: pd.DataFrame, first: str, more: list[str], beta: bool = False) -> Shown:
    """Return the rows ``own`` with the columns ``first``, β if asked for, value ± mcse and ``more``; flags below."""
    kept = own.assign(mcse=own["mcse"].where(own["mcse"] != 0.0))  # no error where there are no draws
    columns = [first, *(["beta"] if beta else []), "value", "mcse", *more, "flags"]
    return Shown(title, *narrow(readable(kept.loc[:, columns].reset_index(drop=True))))
