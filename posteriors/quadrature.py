"""The oracle: exact free energy, mean and variance of nll, and phase masses at any β."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.errors import InputError
from singular.models.base import Data, Integral, Model, Nodes

NUMBERS = ("free_energy", "mean_nll", "variance_nll", "effective_learning_coefficient")
WITH_ERROR = ("free_energy", "mean_nll", "effective_learning_coefficient")
ELEMENTS = 4_000_000
"""Nodes × observations evaluated at once: about 32 MB for each array of that size."""
GRID_POINTS = 256
"""Values an excess loss is summed over at a node, about: decides how many nodes are taken at once."""
TERMS = 4_000_000
"""Nodes × inverse temperatures kept at once, 32 MB for each of the three terms and each phase."""


@dataclass(frozen=True)
class Exact:
    """Exact numbers of one problem over β.

    Attributes
    ----------
    frame : DataFrame
        One row for each β asked for, in that order: ``beta``, ``free_energy``, ``mean_nll``,
        ``variance_nll`` (nats, nats, nats²), ``effective_learning_coefficient`` (β² Var), the
        ``error_…`` of the first, second and last of them, and ``phase:<name>``, posterior masses.
        An error is the difference from a coarser rule, which overstates it (for F no less than |F(0)|,
        which should be 0), or one standard error over the replicates of a randomised rule.
    route : str
        What is done in closed form and what numerically.
    problem : str
        Name of the problem.
    """

    frame: pd.DataFrame
    route: str
    problem: str

    def at(self, beta: float) -> pd.Series:
        """Return the row at ``beta``.

        Raises
        ------
        InputError
            If no row has this β to within a relative 1e-9.
        """
        held = self.frame["beta"].to_numpy()
        match = np.flatnonzero(np.isclose(held, beta, rtol=1e-9, atol=1e-15))
        if match.size == 0:
            raise InputError(f"beta={beta!r} is not held; allowed: {', '.join(f'{b:g}' for b in held)}")
        return self.frame.iloc[match[0]]


def quadrature(problem: Any, betas: Sequence[float] | np.ndarray | float) -> Exact:
    """Return the exact tempered evidence of a problem and its derivatives.

    F(β) = −log Σ_i exp(w_i + ℓ_i(β)) over the model's nodes, with ℓ_i(β) the log of what is integrated
    in closed form at node i. With p_i the normalised terms, E_β[nL_n] = −Σ p_i ℓ_i′ and
    Var_β(nL_n) = Var_p(ℓ′) + Σ p_i ℓ_i″: the exact derivatives of the sum, ℓ′ and ℓ″ by forward-mode
    differentiation. All in float64.

    Parameters
    ----------
    problem : Problem
        With ``model`` (whose ``integral`` is used), ``kwargs`` (the data), ``n`` and ``name``.
    betas : float or sequence of float
        Inverse temperatures in [0, 1].

    Returns
    -------
    Exact

    Raises
    ------
    InputError
        If the problem has no exact integral, or a β is not a number in [0, 1].
    """
    model = problem.model
    if model is None or model.integral is None:
        raise InputError(f"problem={problem.name!r} has no exact integral: allowed is a catalogue model with one")
    grid = _checked(betas)
    data = {name: np.asarray(value, dtype=np.float64) for name, value in problem.kwargs.items()}
    fine = model.integral.nodes(data, 0)
    coarse = model.integral.nodes(data, -1) if fine.replicates == 1 else None
    group = min(len(grid), max(1, TERMS // len(fine.log_weights)))
    parts = []
    for start in range(0, len(grid), group):
        some = np.resize(grid[start : start + group], group)  # padded: every group of one shape
        parts.append(_with_errors(model.integral, fine, coarse, some, data, problem.n))
    numbers = {name: np.concatenate([part[name] for part in parts])[: len(grid)] for name in parts[0]}
    names = [*NUMBERS, *(f"error_{name}" for name in WITH_ERROR)]
    names += [name for name in numbers if name.startswith("phase:")]
    frame = pd.DataFrame({"beta": grid, **{name: numbers[name] for name in names}})
    return Exact(frame, model.integral.route, problem.name)


def population(model: Model, sizes: Sequence[float] | np.ndarray) -> pd.DataFrame:
    """Return log Z(t) = log ∫ φ(w) exp(−t K(w)) dw, the evidence of t observations without their noise.

    Z(t) ~ C t^(−λ) (log t)^(m−1): its decay is what defines λ and m (Watanabe 2009, chapter 4), so this is
    how an exact coefficient is checked without its formula.

    Parameters
    ----------
    model : Model
        With ``population``.
    sizes : sequence of float
        t ≥ 0, in observations.

    Returns
    -------
    DataFrame
        One row for each t: ``t``, ``log_z`` (nats), ``mean_excess`` E_t[K] (nats an observation),
        ``coefficient`` t² Var_t(K), and ``error_log_z``, the difference from a coarser rule.

    Raises
    ------
    InputError
        If the model has no population integral, or a size is negative or not finite.
    """
    if model.population is None:
        raise InputError(f"model={model.name!r} has no population integral")
    grid = np.atleast_1d(np.asarray(sizes, dtype=np.float64))
    if grid.ndim != 1 or grid.size == 0 or not np.all(np.isfinite(grid) & (grid >= 0)):
        raise InputError(f"sizes={sizes!r}: allowed are finite numbers of at least 0")
    fine, coarse = (model.population.nodes({}, level) for level in (0, -1))
    numbers = _with_errors(model.population, fine, None if fine.replicates > 1 else coarse, grid, {}, GRID_POINTS)
    return pd.DataFrame(
        {
            "t": grid,
            "log_z": -numbers["free_energy"],
            "mean_excess": numbers["mean_nll"],
            "coefficient": numbers["effective_learning_coefficient"],
            "error_log_z": numbers["error_free_energy"],
        }
    )


def _checked(betas: Any) -> np.ndarray:
    grid = np.atleast_1d(np.asarray(betas, dtype=np.float64))
    if grid.ndim != 1 or grid.size == 0:
        raise InputError(f"betas={betas!r}: allowed is one number or a sequence of them")
    if not np.all((grid >= 0) & (grid <= 1)):
        raise InputError(f"betas={grid[~((grid >= 0) & (grid <= 1))].tolist()}: allowed is 0 ≤ β ≤ 1")
    return grid


def _with_errors(
    integral: Integral, fine: Nodes, coarse: Nodes | None, betas: np.ndarray, data: Data, n: int
) -> dict[str, np.ndarray]:
    terms = _terms(integral, fine, betas, data, n)
    numbers = _numbers(fine.log_weights, betas, terms)
    if coarse is None:
        errors = _spread(fine, betas, terms)
    else:
        other = _numbers(coarse.log_weights, betas, _terms(integral, coarse, betas, data, n))
        errors = {name: np.abs(numbers[name] - other[name]) for name in WITH_ERROR}
        missing = abs(float(np.asarray(logsumexp(fine.log_weights))))  # left out of the prior by both levels: F(0) = 0
        errors["free_energy"] = np.maximum(errors["free_energy"], missing)
    return {**numbers, **{f"error_{name}": error for name, error in errors.items()}}


@partial(jax.jit, static_argnums=(0, 1))
def _evaluate(log_likelihood, regions, points, betas, data):
    """Return ℓ, ℓ′, ℓ″ and each region's mass, all (beta, node)."""

    def at(beta):
        def value(b):
            return log_likelihood(points, b, data)

        def slope(b):
            return jax.jvp(value, (b,), (jnp.ones_like(b),))

        (primal, first), (_, second) = jax.jvp(slope, (beta,), (jnp.ones_like(beta),))
        return primal, first, second, *(region(points, beta, data) for region in regions)

    return jax.vmap(at)(betas)


def _terms(integral: Integral, nodes: Nodes, betas: np.ndarray, data: Data, n: int) -> Mapping[str, np.ndarray]:
    """Evaluate over all nodes, a chunk at a time and every chunk of one shape; the last node fills it up."""
    count = len(nodes.log_weights)
    names = ["value", "first", "second", *(f"phase:{name}" for name in integral.regions)]
    chunk = min(_rounded(count), max(64, ELEMENTS // max(n, 16 * len(betas))))
    pieces = []
    with jax.enable_x64(True):
        device_data = {name: jnp.asarray(value) for name, value in data.items()}
        for start in range(0, count, chunk):
            index = np.minimum(np.arange(start, start + chunk), count - 1)
            out = _evaluate(
                integral.log_likelihood,
                tuple(integral.regions.values()),
                jnp.asarray(nodes.points[index]),
                jnp.asarray(betas),
                device_data,
            )
            pieces.append([np.asarray(column)[:, : count - start] for column in out])
    return {name: np.concatenate(part, axis=1) for name, part in zip(names, zip(*pieces, strict=True), strict=True)}


def _rounded(count: int) -> int:
    """Return the next number of three leading bits: a program compiled for it serves all data sets of about as many."""
    unit = 1 << max(0, count.bit_length() - 3)
    return -(-count // unit) * unit


def _numbers(log_weights: np.ndarray, betas: np.ndarray, terms: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    logs = log_weights + terms["value"]
    log_evidence = np.asarray(logsumexp(logs, axis=1))
    share = np.exp(logs - log_evidence[:, None])
    share /= share.sum(axis=1, keepdims=True)
    mean = np.sum(share * terms["first"], axis=1)
    variance = np.sum(share * ((terms["first"] - mean[:, None]) ** 2 + terms["second"]), axis=1)
    masses = {name: np.sum(share * v, axis=1) for name, v in terms.items() if name.startswith("phase:")}
    return {
        "free_energy": -log_evidence,
        "mean_nll": -mean,
        "variance_nll": variance,
        "effective_learning_coefficient": betas**2 * variance,
        **masses,
    }


def _spread(nodes: Nodes, betas: np.ndarray, terms: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return one standard error of each number, over the blocks of a randomised rule."""
    blocks = np.split(np.arange(len(nodes.log_weights)), nodes.replicates)
    each = [_numbers(nodes.log_weights[b], betas, {name: v[:, b] for name, v in terms.items()}) for b in blocks]
    return {name: np.std([r[name] for r in each], axis=0, ddof=1) / np.sqrt(nodes.replicates) for name in WITH_ERROR}
