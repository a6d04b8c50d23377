"""Learning coefficients across n: the slope of F_n on log n, its increments, and the learning curve n G_n.

Pure functions of tidy frames, one row for each n and data seed. Monte Carlo error and error over data sets are
two numbers throughout: more draws remove the first, more data sets the second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import digamma

from singular.analysis.thresholds import FEW_DATA_SETS
from singular.errors import InputError


@dataclass(frozen=True)
class AcrossDataSets:
    """One number from several data sets.

    Attributes
    ----------
    value : float
    mcse : float
        Monte Carlo standard error: what more draws on the same data sets would remove.
    data_error : float
        Standard error of the mean over data sets, the Monte Carlo part taken out (0 if that is all there is);
        NaN for one data set. Against the mean over all data sets the error is ``total_error``.
    target : str
    method : str
    data_sets : int
    flags : tuple of str
    """

    value: float
    mcse: float
    data_error: float
    target: str
    method: str
    data_sets: int
    flags: tuple[str, ...] = ()

    @property
    def total_error(self) -> float:
        """Both errors in squares: of ``value`` as an estimate of the mean over data."""
        return math.hypot(self.mcse, self.data_error)


class _Table:
    """The frame as arrays (seed, n), every seed with every n."""

    def __init__(self, frame: pd.DataFrame, columns: Sequence[str], least_sizes: int) -> None:
        missing = [c for c in ("n", "seed", *columns) if c not in frame]
        if missing:
            raise InputError(f"frame lacks the columns {missing}; needed: n, seed, {', '.join(columns)}")
        if frame.duplicated(["n", "seed"]).any():
            raise InputError("frame has two rows of one n and seed; allowed is one number for each data set")
        wide = {c: frame.pivot(index="seed", columns="n", values=c) for c in columns}
        first = wide[columns[0]]
        self.sizes = first.columns.to_numpy(dtype=np.float64)
        self.arrays = {c: w.to_numpy(dtype=np.float64) for c, w in wide.items()}
        for name, values in self.arrays.items():
            if not np.isfinite(values).all():
                raise InputError(
                    f"frame: {name} is missing or not finite for {int((~np.isfinite(values)).sum())} of the "
                    f"{values.size} pairs of n and seed; every seed needs every n"
                )
        if "mcse" in self.arrays and (self.arrays["mcse"] < 0).any():
            raise InputError("frame: mcse must be at least 0")
        if self.sizes.size < least_sizes or not np.all(self.sizes > 0):
            raise InputError(f"frame: n={self.sizes.tolist()}; needed are {least_sizes} different sizes above 0")


def slope_contrast(
    sizes: Sequence[float] | np.ndarray, multiplicity: bool = False, weights: Sequence[float] | np.ndarray | None = None
) -> np.ndarray:
    """Return the matrix that takes F_n − nL_n(w0) at ``sizes`` to the terms of the fit.

    Least squares of λ log n + c, or of λ log n + c − (m − 1) log log n.

    Parameters
    ----------
    sizes : (k,) float
        Observations; above 1 with the multiplicity's term.
    multiplicity : bool
    weights : (k,) float, optional
        Above 0; equal if not given, as F_n − nL_n(w0) varies over data by O(1) at every n.

    Returns
    -------
    (2 or 3, k) float
        Rows: slope, constant, and m − 1 if asked for.
    """
    n = np.asarray(sizes, dtype=np.float64)
    w = np.ones_like(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != n.shape or not np.all(np.isfinite(w) & (w > 0)):
        raise InputError(f"weights={w.tolist()} must be one number above 0 for each of the sizes {n.tolist()}")
    columns = [np.log(n), np.ones_like(n)]
    if multiplicity:
        if not np.all(n > 1):
            raise InputError(f"sizes={n.tolist()}: log log n needs n > 1")
        columns.append(-np.log(np.log(n)))
    if n.size < len(columns):
        raise InputError(f"sizes={n.tolist()}: {len(columns)} terms need at least as many sizes")
    root = np.sqrt(w)
    return np.linalg.pinv(root[:, None] * np.stack(columns, axis=1), rcond=1e-12) * root


def evidence_slope(
    frame: pd.DataFrame, multiplicity: bool = False, weights: Mapping[float, float] | None = None
) -> dict[str, AcrossDataSets]:
    """Regress F_n − nL_n(w0) on log n.

    F_n = nL_n(w0) + λ log n − (m − 1) log log n + O_p(1) (Watanabe, 2009). The first term grows with n and is
    known only with w0: it is subtracted, data set by data set.

    Parameters
    ----------
    frame : DataFrame
        Columns ``n``, ``seed``, ``free_energy`` F_n, ``reference_nll`` nL_n(w0) and ``mcse`` of the first, nats.
        Every seed with every n. The data sets of one seed may be nested; seeds are independent.
    multiplicity : bool
        Whether to fit the log log n term too.
    weights : mapping n -> float, optional
        Of the regression; equal if not given.

    Returns
    -------
    dict of AcrossDataSets
        ``slope`` (stands for λ), ``constant`` (nats), and ``multiplicity`` (for m − 1) if asked for. Each is the
        mean over seeds of the fits to single seeds, which are as independent as the seeds, whatever ties the n of
        one. The target is the same fit to the mean over data of F_n − nL_n(w0), a finite-n number.

    Raises
    ------
    InputError
        If columns are missing, a seed lacks an n, numbers are not finite, or there are too few sizes.
    """
    table = _Table(frame, ("free_energy", "reference_nll", "mcse"), 3 if multiplicity else 2)
    chosen = None
    if weights is not None:
        if set(weights) != set(table.sizes):
            raise InputError(f"weights={dict(weights)!r} must name the sizes {table.sizes.tolist()}")
        chosen = [weights[n] for n in table.sizes]
    contrast = slope_contrast(table.sizes, multiplicity, chosen)
    excess = table.arrays["free_energy"] - table.arrays["reference_nll"]
    span = f"least squares of F_n - nL_n(w0) on log n over n in [{table.sizes[0]:g}, {table.sizes[-1]:g}]"
    span += f", {table.sizes.size} sizes, {'equal' if chosen is None else 'given'} weights"
    span += ", with the log log n term" if multiplicity else ""
    names = ("slope", "constant", "multiplicity")
    return {
        name: _over_seeds(excess @ row, table.arrays["mcse"] ** 2 @ row**2, f"{name} of the {span}", "evidence-slope")
        for name, row in zip(names, contrast, strict=False)
    }


def evidence_increments(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the learning coefficient between neighbouring n, from increments of the free energy.

    E[F_{n+1}] − E[F_n] = E[G_n], the mean Bayes generalisation loss of n observations, and E[G_n] − S ≈ λ/n for
    the entropy S = E[L_n(w0)]. For n < n′ with data of n′ that begin with those of n, the increment of
    F_n − nL_n(w0), over Σ_{k=n}^{n′−1} 1/k, has as its mean the mean of k (E[G_k] − S) with weights 1/k. Subtracting
    nL_n(w0) rather than nS leaves the mean and takes the noise of the data out.

    Parameters
    ----------
    frame : DataFrame
        As for `evidence_slope`; n whole numbers, and the data of one seed nested.

    Returns
    -------
    DataFrame
        One row per interval: ``quantity, n, next_n, method, value, mcse, data_error, data_sets, target, flags``.

    References
    ----------
    Watanabe (2009), Algebraic Geometry and Statistical Learning Theory: E[G_n] as the increment of E[F_n].
    """
    table = _Table(frame, ("free_energy", "reference_nll", "mcse"), 2)
    if not np.array_equal(table.sizes, np.round(table.sizes)):
        raise InputError(f"frame: n={table.sizes.tolist()} must be whole numbers")
    excess = table.arrays["free_energy"] - table.arrays["reference_nll"]
    variance = table.arrays["mcse"] ** 2
    rows = []
    for i, (n, after) in enumerate(zip(table.sizes[:-1], table.sizes[1:], strict=True)):
        harmonic = float(digamma(after) - digamma(n))  # Σ 1/k over n ≤ k < n′
        number = _over_seeds(
            (excess[:, i + 1] - excess[:, i]) / harmonic,
            (variance[:, i + 1] + variance[:, i]) / harmonic**2,
            f"mean of k (E[G_k] - S) over {n:g} <= k < {after:g}, weights 1/k",
            "free-energy-increment",
        )
        rows.append(_row("learning_curve", n, after, number))
    return pd.DataFrame(rows)


def learning_curve(frame: pd.DataFrame) -> pd.DataFrame:
    """Return n (G_n − S) at each n, from generalisation losses that were measured.

    Parameters
    ----------
    frame : DataFrame
        Columns ``n``, ``seed``, ``generalisation_loss`` G_n and ``entropy`` S (nats per observation; if G_n is a
        mean over test data, the mean of −log p(x | w0) over the same data serves better), ``mcse`` of G_n. Every
        seed with every n.

    Returns
    -------
    DataFrame
        One row per n: ``quantity, n, next_n, method, value, mcse, data_error, data_sets, target, flags``; ``next_n``
        is n + 1.
    """
    table = _Table(frame, ("generalisation_loss", "entropy", "mcse"), 1)
    rows = []
    for i, n in enumerate(table.sizes):
        number = _over_seeds(
            n * (table.arrays["generalisation_loss"][:, i] - table.arrays["entropy"][:, i]),
            (n * table.arrays["mcse"][:, i]) ** 2,
            f"n (E[G_n] - S) at n={n:g}",
            "generalisation-loss",
        )
        rows.append(_row("learning_curve", n, n + 1, number))
    return pd.DataFrame(rows)


def _row(quantity: str, n: float, after: float, number: AcrossDataSets) -> dict[str, object]:
    return {
        "quantity": quantity,
        "n": n,
        "next_n": after,
        "method": number.method,
        "value": number.value,
        "mcse": number.mcse,
        "data_error": number.data_error,
        "data_sets": number.data_sets,
        "target": number.target,
        "flags": "; ".join(number.flags),
    }


def _over_seeds(values: np.ndarray, variances: np.ndarray, target: str, method: str) -> AcrossDataSets:
    """Average over seeds; ``variances`` are the Monte Carlo ones of ``values``."""
    count = values.size
    mcse = math.sqrt(float(variances.sum())) / count
    if count == 1:
        found = ("one data set: no error over data",)
        return AcrossDataSets(float(values[0]), mcse, math.nan, target, method, 1, found)
    spread = float(values.var(ddof=1)) / count
    data_error = math.sqrt(max(0.0, spread - mcse**2))
    found = (f"{count} data sets < {FEW_DATA_SETS}: the error over data is rough",) if count < FEW_DATA_SETS else ()
    return AcrossDataSets(float(values.mean()), mcse, data_error, target, method, count, found)
