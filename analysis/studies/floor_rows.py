"""What the studies of the noise floor share: problems whose loss is known exactly, and rows read off ensembles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd

from singular import models
from singular.analysis.estimate import Estimate
from singular.analysis.studies.cells import z_of
from singular.models.problem import Problem

if TYPE_CHECKING:
    import xarray as xr

COLUMNS = (
    "part", "problem", "noise", "learning_rate", "batch_size", "momentum", "weight_decay", "temperature", "steps",
    "runs", "quantity", "value", "mcse", "exact", "exact_is", "z", "gibbs", "ratio", "ratio_mcse", "flags",
)  # fmt: skip
COEFFICIENT = "excess / T"
MOVING = 4.0
"""Errors between the two halves of a window beyond which a mean over it is said to be still moving."""
CARRIES = 0.1
"""Share of a mean that one run may hold."""
FEWEST = 30
"""Runs below which an error between runs is not trusted."""


def quadratic(curvatures: Sequence[float]) -> Problem:
    """Return a regression of mean loss ½ Σ h_i w_i² and a constant: row i has the input √(d h_i) e_i and y = 0."""
    h = np.asarray(curvatures, dtype=float)
    density = models.linear_regression(h.size).density
    problem = Problem.from_numpyro(density, x=np.diag(np.sqrt(h.size * h)), y=np.zeros(h.size))
    return problem.replace(name="quadratic " + ", ".join(f"{value:g}" for value in h))


def scaled_regression(curvatures: Sequence[float], n: int, seed: int) -> Problem:
    """Return a regression on inputs with E[x xᵀ] = diag h, whose residuals have a mean square of exactly 1.

    The truth is 0: the noise of a minibatch's gradient is close to σ² H at the optimum, σ² = 1.
    """
    h = np.asarray(curvatures, dtype=float)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, h.size)) * np.sqrt(h)
    y = rng.standard_normal(n)
    kept = x[:, h > 0]
    residual = y - kept @ np.linalg.lstsq(kept, y, rcond=None)[0]
    y = y / math.sqrt(np.mean(residual**2))
    problem = Problem.from_numpyro(models.linear_regression(h.size).density, x=x, y=y)
    return problem.replace(name="regression " + ", ".join(f"{value:g}" for value in h))


def near_product(scale: float) -> Problem:
    """Return the problem of mean loss K = ½ (w1² w2² + ε² (w1² + w2²)) and a constant: regular, but for ε = 0.

    One observation y = 0 of the mean (w1 w2, ε w1, ε w2) under standard normal noise; w1, w2 ~ N(0, 1).
    """

    def density(y):
        w1, w2 = (numpyro.sample(name, dist.Normal(0.0, 1.0)) for name in ("w1", "w2"))
        mean = jnp.stack([w1 * w2, scale * w1, scale * w2])
        numpyro.sample("y", dist.Normal(mean, 1.0).to_event(1), obs=y[0])

    return Problem.from_numpyro(density, y=np.zeros((1, 3))).replace(name=f"near-product-{scale:g}", n=1)


def relaxation(curvatures: Sequence[float], learning_rate: float, momentum: float) -> float:
    """Return in how many steps the slowest of some directions forgets all but 1/e of where it was."""
    radii = []
    for h in curvatures:
        step = np.array([[1 - learning_rate * h, momentum], [-learning_rate * h, momentum]])
        radii.append(np.abs(np.linalg.eigvals(step)).max())
    return -1 / math.log(max(radii))


def window_mean(tree: xr.DataTree, first: int = 0, scale: float = 1.0) -> Estimate:
    """Return the mean excess loss over runs and the records from step ``first`` on, its error that between runs.

    Parameters
    ----------
    tree : DataTree
        From ``posteriors.sgd``.
    first : int
        The step at which the window begins.
    scale : float
        What mean and error are divided by, such as a temperature.

    Returns
    -------
    Estimate
        Over the runs that stayed. Flagged if runs left for infinity, if the halves of the window differ by more than
        `MOVING` errors, if one run holds more than `CARRIES` of the sum, and if there are fewer than `FEWEST` runs.
    """
    stats = tree["sample_stats"]
    excess = stats["excess"].sel(step=slice(first, None)).values
    lost = stats["diverged"].values
    return mean_over_runs(excess[~lost] / scale, int(lost.sum()))


def mean_over_runs(values: np.ndarray, lost: int = 0) -> Estimate:
    """Return the mean of (run, record) values with the error between runs and the flags of `window_mean`."""
    runs, records = values.shape
    flags = [f"{lost} of {lost + runs} runs left for infinity and are not in the mean"] if lost else []
    if runs < FEWEST:
        flags.append(f"{runs} runs < {FEWEST}")
    if runs < 2:
        return Estimate(np.nan, np.nan, target="mean over a window", method="ensemble", flags=tuple(flags))
    each = values.mean(axis=1)
    value, mcse = float(each.mean()), float(each.std(ddof=1) / math.sqrt(runs))
    if records > 3:
        move = values[:, records // 2 :].mean(axis=1) - values[:, : records // 2].mean(axis=1)
        error = move.std(ddof=1) / math.sqrt(runs)
        if abs(move.mean()) > MOVING * error > 0:
            flags.append(f"still moving: the halves of the window differ by {move.mean() / error:+.1f} errors")
    total = np.abs(each).sum()
    if total > 0 and np.abs(each).max() > CARRIES * total:
        flags.append(f"one run holds {np.abs(each).max() / total:.0%} of the mean")
    return Estimate(
        value, mcse, target="mean over a window", method="ensemble", flags=tuple(flags),
        influence=(each - value)[:, None],
    )  # fmt: skip


def row_of(
    about: Mapping[str, Any],
    quantity: str,
    found: Estimate,
    exact: float = math.nan,
    exact_is: str = "",
    gibbs: float = math.nan,
) -> dict[str, Any]:
    """Return one row of `COLUMNS`: a number beside its exact value and that of the Gibbs law at its temperature."""
    row = {
        **about, "quantity": quantity, "value": found.value, "mcse": found.mcse, "exact": exact, "exact_is": exact_is,
        "z": z_of(found.value, found.mcse, exact), "gibbs": gibbs, "ratio": found.value / gibbs,
        "ratio_mcse": found.mcse / gibbs, "flags": "; ".join(found.flags),
    }  # fmt: skip
    return {name: row.get(name, math.nan) for name in COLUMNS}


def curve_rows(about: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows of an exact curve: ``value`` is exact and has no error."""
    rows = [{**about, "mcse": 0.0, "flags": "", **point} for point in points]
    return pd.DataFrame([{name: row.get(name, math.nan) for name in COLUMNS} for row in rows])
