"""Marks that the figures of several studies have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from singular.analysis.figures import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERRORS = 2
"""Monte Carlo errors that a bar has on either side."""


def points(axes: Axes, rows: pd.DataFrame, x: str | pd.Series, **style: Any) -> None:
    """Draw ``value`` ± `ERRORS` ``mcse`` of rows against a column or a series, as unjoined marks if not told."""
    at = rows[x] if isinstance(x, str) else x
    axes.errorbar(at, rows["value"], yerr=ERRORS * rows["mcse"], **{"ls": "", "capsize": 3, **style})


def mark_wbic(axes: Axes, n: int) -> None:
    """Mark β = 1/log n, where WBIC reads, on an axis of β with shares from 0 to 1."""
    axes.axvline(1 / math.log(n), color=GREY, ls=":", lw=1.2)
    axes.annotate("1/log n", (1 / math.log(n), 0.97), fontsize=8, color=GREY, ha="right", rotation=90, va="top")
