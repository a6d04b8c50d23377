"""Rank correlations of measured numbers, with what is over when a third is held fixed, and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from singular.errors import InputError, unknown_name, whole

METHODS = ("spearman", "kendall")
LEAST = 5
FEW = 10
"""Items below which an interval is flagged: resampled ranks of so few take few values."""
COVERAGE = 0.95


@dataclass(frozen=True)
class RankCorrelation:
    """A rank correlation and its interval.

    Attributes
    ----------
    value : float
        Of the numbers as they were measured.
    low, high : float
        Ends of the 95 % interval.
    items : int
    method : str
    flags : tuple of str
    """

    value: float
    low: float
    high: float
    items: int
    method: str
    flags: tuple[str, ...] = ()


def rank_correlation(
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    given: Sequence[float] | np.ndarray | None = None,
    x_error: Sequence[float] | np.ndarray | None = None,
    y_error: Sequence[float] | np.ndarray | None = None,
    method: str = "spearman",
    resamples: int = 2000,
    seed: int = 0,
) -> RankCorrelation:
    """Return Spearman's ρ or Kendall's τ_b of x and y, or the partial one given a third number.

    The partial correlation is (r_xy − r_xz r_yz)/√((1 − r_xz²)(1 − r_yz²)) of the three rank correlations. The
    interval is that of the percentiles over resampled items, to whose numbers normal errors of the stated size are
    added anew each time: errors of measurement make it wider, and since the numbers carry them already they also draw
    it towards 0.

    Parameters
    ----------
    x, y : (M,) float
    given : (M,) float, optional
        z, taken for exact.
    x_error, y_error : (M,) float, optional
        Standard errors, at least 0; exact if not given.
    method : {"spearman", "kendall"}
    resamples : int
        At least 100.
    seed : int

    Returns
    -------
    RankCorrelation
        NaN, with a flag, where one of the numbers is constant, or x or y is a monotone function of what is given.

    Raises
    ------
    InputError
        If the numbers are not finite and of one length of at least 5, or an argument is not allowed.

    References
    ----------
    Kendall (1942), Biometrika 32, 277-283: partial rank correlation. Efron and Tibshirani (1993), An Introduction to
    the Bootstrap, chapter 13: percentile intervals.

    Examples
    --------
    >>> rank_correlation([1, 2, 3, 4, 5, 6], [1, 4, 9, 16, 25, 36]).value
    1.0
    """
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    whole("resamples", resamples, least=100)
    whole("seed", seed, least=0)
    first = _numbers("x", x, None)
    size = len(first)
    if size < LEAST:
        raise InputError(f"x has {size} numbers; allowed are at least {LEAST}")
    numbers = [first, _numbers("y", y, size)] + ([] if given is None else [_numbers("given", given, size)])
    errors = [
        np.zeros(size) if error is None else _numbers(name, error, size)
        for name, error in (("x_error", x_error), ("y_error", y_error))
    ]
    if any((error < 0).any() for error in errors):
        raise InputError("x_error and y_error: allowed are numbers of at least 0")
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, size, size=(resamples, size))
    drawn = [values[chosen] for values in numbers]
    for place, error in enumerate(errors):
        drawn[place] = drawn[place] + error[chosen] * rng.normal(size=chosen.shape)
    value = float(_correlation([values[None] for values in numbers], method)[0])
    spread = _correlation(drawn, method)
    spread = spread[np.isfinite(spread)]
    flags = []
    if size < FEW:
        flags.append(f"{size} items < {FEW}")
    if not np.isfinite(value):
        flags.append("not defined: a constant number, or one that the given one decides")
    if len(spread) < 0.9 * resamples:
        flags.append(f"defined on {len(spread)} of {resamples} resamples")
    low, high = np.quantile(spread, [0.5 - COVERAGE / 2, 0.5 + COVERAGE / 2]) if len(spread) else (np.nan, np.nan)
    return RankCorrelation(value, float(low), float(high), size, method, tuple(flags))


def _numbers(name: str, values: Sequence[float] | np.ndarray, size: int | None) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or (size is not None and len(array) != size) or not np.isfinite(array).all():
        wanted = "one dimension" if size is None else f"length {size}"
        raise InputError(f"{name} has shape {array.shape}; allowed are finite numbers of {wanted}")
    return array


def _correlation(numbers: list[np.ndarray], method: str) -> np.ndarray:
    """Return the correlation, or the partial one, of each row of (B, M) arrays."""
    pair = _spearman if method == "spearman" else _kendall
    x, y = numbers[:2]
    r = pair(x, y)
    if len(numbers) == 2:
        return r
    with_x, with_y = pair(x, numbers[2]), pair(y, numbers[2])
    rest = (1 - with_x**2) * (1 - with_y**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rest > 1e-12, (r - with_x * with_y) / np.sqrt(np.maximum(rest, 1e-300)), np.nan)


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    ranks = [rankdata(values, axis=1) for values in (x, y)]
    first, second = (values - values.mean(axis=1, keepdims=True) for values in ranks)
    return _ratio(first * second, first, second)


def _kendall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    upper = np.triu_indices(x.shape[1], 1)
    first, second = (np.sign(values[:, upper[0]] - values[:, upper[1]]) for values in (x, y))
    return _ratio(first * second, first, second)


def _ratio(products: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.where(scale > 0, products.sum(axis=1) / scale, np.nan), -1.0, 1.0)
