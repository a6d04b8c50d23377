"""The score of a submission for people: one table a target by family, one by problem, and what to look at below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from singular.analysis.number_tables import Shown
from singular.analysis.score import LEVELS
from singular.analysis.scoring import Score
from singular.analysis.submission import OURS
from singular.analysis.tables import digits, narrow, readable
from singular.analysis.targets import LOCAL, TARGETS

MOST_TOLD = 20
"""Estimates told one by one below the tables."""
TOLD_ERROR = 1e-6
"""Error of an exact value from which it is told."""
HEADINGS = {"count": "rows", "rmse": "RMSE", "rms_z": "rms z", "median_error": "claimed ±", "gamma": "γ"}


def shown_score(score: Score) -> list[Shown]:
    """Return the tables of a score: by family for each target, then by problem, with its notes under the last."""
    tables = [_table(score.families, target, ["family", "method"]) for target in _targets(score)]
    detail = [
        _table(score.problems, target, ["problem", "n", *(["gamma"] if target == LOCAL else []), "method"])
        for target in _targets(score)
    ]
    last = detail[-1]
    return [*tables, *detail[:-1], last._replace(notes=[*last.notes, *notes(score.rows)])]


def notes(rows: pd.DataFrame) -> list[str]:
    """Return what to look at: estimates far off their claimed errors, our flags, and exact values that are not exact.

    An estimate off by more than 4 errors is told with what it claimed.
    """
    lines = [
        f"* {row['problem']}, n = {row['n']}, seed {row['seed']}, {row['quantity']}, {row['method']}: {row['flags']}"
        for row in rows.loc[rows["flags"] != ""].to_dict("records")
    ]
    if len(lines) > MOST_TOLD:
        lines = [*lines[:MOST_TOLD], f"* and {len(lines) - MOST_TOLD} more: column flags of rows.csv"]
    for target, own in rows.loc[rows["exact_error"] > TOLD_ERROR].groupby("quantity", sort=False):
        routes = " | ".join(dict.fromkeys(own["exact_route"]))
        lines.append(
            f"{target}: exact values have errors up to {own['exact_error'].max():.1g}, counted in z, by: {routes}"
        )
    if OURS in set(rows["method"]):
        lines.append(f"{OURS} is our own ladder on the same data; its gradients serve all targets of a problem at once")
    return lines


def _targets(score: Score) -> list[str]:
    return [target for target in TARGETS if target in set(score.rows["quantity"])]


def _table(frame: pd.DataFrame, target: str, keys: list[str]) -> Shown:
    own = frame.loc[frame["quantity"] == target].reset_index(drop=True)
    records = own.to_dict("records")
    shown = own[keys].assign(
        count=own["count"],
        bias=[_with_error(row, "bias") for row in records],
        rmse=[_with_error(row, "rmse") for row in records],
        median_error=[_short(value) for value in own["median_error"]],
        rms_z=[_short(value) for value in own["rms_z"]],
    )
    for level in LEVELS:
        shown[f"in {level} %"] = [_share(row, level) for row in records]
    shown["gradients a row"] = [_short(value, 3) for value in own["gradients_per_row"]]
    if "gamma" in keys:
        shown["gamma"] = [f"{value:g}" for value in own["gamma"]]
    symbol, unit, definition = TARGETS[target]
    about = definition if keys[0] == "family" else "by problem"
    title = f"{target}, {symbol}{f' in {unit}' if unit else ''}: {about}"
    return Shown(title, *narrow(readable(shown).rename(columns=HEADINGS)))


def _with_error(row: Mapping[Any, Any], name: str) -> str:
    """Return a number ± its error; of one row, which has none, to the digits of the claimed error."""
    value, error = row[name], row[f"{name}_mcse"]
    if not math.isnan(error):
        return f"{value:.{digits(error)}f} ± {error:.{digits(error)}f}"
    return f"{value:.{digits(row['median_error'])}f}"


def _short(value: float, figures: int = 2) -> str:
    return "" if math.isnan(value) else f"{value:.{figures}g}"


def _share(row: Mapping[Any, Any], level: int) -> str:
    share, low, high = (row[f"coverage_{level}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(share):
        return ""
    return f"{share:.2f}" if level != LEVELS[-1] else f"{share:.2f} [{low:.2f}, {high:.2f}]"
