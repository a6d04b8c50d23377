"""Exponents of costs: slopes in log-log, what they should be, and whether they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

FLAT = 0.03
"""A cost is flat if it grows by an exponent less than this: by less than 7 % where n grows tenfold."""
LINEAR = 0.1
"""A cost is linear if its exponent is no further from 1."""
FROM = 10_000
"""Rows from which a pass over them outweighs all else: exponents of what takes all rows are fitted from there on."""
ALL_ROWS = ("all rows, NumPyro", "summing up")
START = "start and end of a ladder"
ROUNDS = ("rungs", "padding", "chains")
"""Panels in which a whole round is what counts."""


def slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the exponent s of y ∝ x^s and its standard error, by least squares in logarithms: three points at least.

    Examples
    --------
    >>> exponent, _ = slope(np.array([1.0, 10.0, 100.0]), np.array([2.0, 200.0, 20000.0]))
    >>> round(exponent, 6)
    2.0
    """
    coefficients, covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    return float(coefficients[0]), float(np.sqrt(covariance[0, 0]))


def expected(panel: str, kernel: str, sums: bool, cores: int) -> str:
    """Return what a cost should be by the way the package is made: flat, linear, or nothing that we would say."""
    if panel == "n" and kernel != START:
        return "linear" if kernel in ALL_ROWS or not sums else "flat"
    return "linear" if panel == "rungs" or (panel == "chains" and cores == 1) else ""


def exponents(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each curve: its exponent, what it should be, and whether it is.

    Parameters
    ----------
    rows : DataFrame
        From `cost_rounds.alternate`.

    Returns
    -------
    DataFrame
        ``panel``, ``model``, ``kernel``, ``cores``, ``unit``; ``exponent`` and ``error``; ``expected`` (flat, linear or
        empty) and ``met`` (None where nothing is expected); ``start`` and ``end`` of what is varied, and the
        seconds there, ``first`` and ``last``.
    """
    found = []
    for (panel, model, kernel, cores), own in rows.groupby(["panel", "model", "kernel", "cores"], sort=False):
        own = own.sort_values("x")
        what = "seconds a round" if panel in ROUNDS else "seconds a unit"
        want = expected(panel, kernel, bool(own["sums"].iloc[0]), cores)
        fitted = own[own["x"] >= FROM] if panel == "n" and want == "linear" else own
        exponent, error = slope(fitted["x"].to_numpy(), fitted[what].to_numpy())
        met = {"flat": abs(exponent) < FLAT, "linear": abs(exponent - 1) < LINEAR, "": None}[want]
        found.append(
            {"panel": panel, "model": model, "kernel": kernel, "cores": cores,
             "unit": "round" if panel in ROUNDS else own["unit"].iloc[0], "exponent": exponent, "error": error,
             "expected": want, "met": met, "start": own["x"].iloc[0], "end": own["x"].iloc[-1],
             "first": own[what].iloc[0], "last": own[what].iloc[-1]}
        )  # fmt: skip
    return pd.DataFrame(found)


def count(fits: pd.DataFrame, want: str) -> str:
    """Return how many of the curves that should be flat or linear are.

    Examples
    --------
    >>> count(pd.DataFrame({"expected": ["flat", "flat", "linear"], "met": [True, False, True]}), "flat")
    '1 of 2'
    """
    own = fits[fits["expected"] == want]
    return f"{int(own['met'].sum())} of {len(own)}"
