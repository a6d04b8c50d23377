"""What lies on the axis of temperature, one source at a time: the tempered posterior, SGLD, SGD, stopped descent."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from singular.analysis.early_stopping import learned_directions, ridge_shares
from singular.analysis.effective_parameters import descent_parameters, tempered_parameters
from singular.analysis.excess_coefficient import excess_coefficient, excess_coefficient_curve
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

EXCESS, HALF_PARAMETERS = "excess coefficient", "half the effective parameters"
ACCEPTANCE, SHARE = 0.97, 0.25
"""SGLD takes this share of the step that MALA accepts at this rate: its bias is then two percent or so."""
RECORDS = 200
"""Records of an SGD run that are read."""
DRIFT = 4.0
"""Errors by which the two halves of what is read may differ."""
LADDER: dict[str, Any] = {"chains": 4, "draws": 1000, "warmup": 300}


def curvatures_of(problem: Problem) -> np.ndarray | None:
    """Return the eigenvalues of the Hessian of L_n where it is the same everywhere, else None."""
    with x64():
        bend = jax.jit(jax.hessian(lambda z: problem.parts.split(z)[1] / problem.n))
        keys = jax.random.split(jax.random.PRNGKey(7), 2)
        first, second = (np.asarray(bend(problem.parts.prior_draw(key))) for key in keys)
    if not np.allclose(first, second, rtol=0, atol=1e-9 * np.abs(first).max()):
        return None
    values = np.linalg.eigvalsh(0.5 * (first + second))
    return np.maximum(values, 0.0)


@dataclass(frozen=True)
class Gibbs:
    """The tempered posterior at some temperatures: exact, or of one ladder.

    Attributes
    ----------
    route : str
    known : temperature -> (λ_exc, its error, flags)
    parameters : temperature -> (half the effective parameters, error, flags)
    """

    route: str
    known: Mapping[float, tuple[float, float, str]]
    parameters: Mapping[float, tuple[float, float, str]]

    @classmethod
    def of(
        cls, problem: Problem, temperatures: np.ndarray, tau: float, curvatures: np.ndarray | None, effective: bool,
        seed: int,
    ) -> Gibbs:  # fmt: skip
        """Compute both quantities at 1/(nT) for all temperatures; the second only if it is asked for."""
        from singular import posteriors

        values = sorted({float(t) for t in temperatures}, reverse=True)
        betas = [min(1.0, 1 / (problem.n * t)) for t in values]
        exact = problem.model is not None and problem.model.integral is not None
        tree = None
        if not exact or (effective and curvatures is None):
            rungs = None if not effective else sorted({0.0, *betas, 1.0, *np.geomspace(min(betas), 1.0, 8)})
            tree = posteriors.ladder(problem, rungs, seed=seed, progress=False, **LADDER)
        if exact:
            route, frame = "exact", posteriors.quadrature(problem, betas).frame
            reference = problem.reference.nll
            known = {
                t: (b * (row["mean_nll"] - reference), b * row["error_mean_nll"], "")
                for t, b, row in zip(values, betas, frame.to_dict("records"), strict=True)
            }
        else:
            assert tree is not None
            route, known = "NUTS ladder", _read_off(tree, problem, values, betas, rungs is not None)
        parameters: dict[float, tuple[float, float, str]] = {}
        if effective:
            for t, b in zip(values, betas, strict=True):
                if curvatures is not None:
                    parameters[t] = (0.5 * float(ridge_shares(curvatures, tau * t).sum()), 0.0, "")
                else:
                    assert tree is not None
                    found = tempered_parameters(tree, problem, b)
                    parameters[t] = (0.5 * found.value, 0.5 * found.mcse, "; ".join(found.flags))
        return cls(route, known, parameters)

    def excess(self, t: float) -> tuple[float, float, str]:
        """Return λ_exc at T, its error and its flags."""
        return self.known[float(t)]

    def half(self, t: float) -> tuple[float, float, str]:
        """Return half the effective parameters at T, their error and flags."""
        return self.parameters[float(t)]


def _read_off(
    tree: xr.DataTree, problem: Problem, temperatures: Sequence[float], betas: Sequence[float], on_rungs: bool
) -> dict[float, tuple[float, float, str]]:
    reference = problem.reference.nll
    more = problem.reference.flags
    if on_rungs:
        found = [excess_coefficient(tree, reference, b) for b in betas]
        return {t: (e.value, e.mcse, "; ".join((*e.flags, *more))) for t, e in zip(temperatures, found, strict=True)}
    frame = excess_coefficient_curve(tree, reference, betas, method="mbar")
    return {
        t: (row["value"], row["mcse"], "; ".join(part for part in (row["flags"], *more) if part))
        for t, row in zip(temperatures, frame.to_dict("records"), strict=True)
    }


def sgld_row(
    problem: Problem, t: float, time: float, chains: int, draws: int, seed: int
) -> tuple[str, float, float, str]:
    """Run SGLD on all data at β = 1/(nT) from draws of the prior, for a time of ``time`` after half of it."""
    from singular import posteriors
    from singular.posteriors.langevin_step import langevin_step_size

    beta = min(1.0, 1 / (problem.n * t))
    step = langevin_step_size(problem, beta, acceptance=ACCEPTANCE, seed=seed).step_size * SHARE
    with x64():
        starts = np.asarray(jax.vmap(problem.parts.prior_draw)(jax.random.split(jax.random.PRNGKey(seed), chains)))
    thin = max(1, math.ceil(2 * time / (step * draws)))
    tree = posteriors.sgld(
        problem, beta, step, chains=chains, draws=draws, burn_in=draws * thin // 2, thin=thin, seed=seed, init=starts,
        progress=False,
    )  # fmt: skip
    found = excess_coefficient(tree, problem.reference.nll, beta)
    return f"ε = {step:.2g}", found.value, found.mcse, "; ".join((*found.flags, *problem.reference.flags))


def sgd_row(
    problem: Problem, setting: Mapping[str, Any], t: float, tau: float, relaxations: float, runs: int, seed: int
) -> tuple[str, float, float, str]:
    """Run SGD from draws of the prior and read excess/T over the second half of the steps."""
    from singular import posteriors

    one = dict(setting)
    decay = "prior" if one.get("noise") == "isotropic" else t * tau
    one.setdefault("weight_decay", decay)
    mu = one.get("momentum") or 0.0
    steps = max(2 * RECORDS, math.ceil(relaxations * (1 - mu) / (one["learning_rate"] * t * tau)))
    keep = np.unique(np.linspace(steps // 2, steps, RECORDS, dtype=int))
    tree = posteriors.sgd(problem, **one, runs=runs, steps=steps, keep=keep, seed=seed, progress=False)
    excess = tree["sample_stats"]["excess"].to_numpy() / t
    alive = np.isfinite(excess).all(axis=1)
    flags = [f"{int((~alive).sum())} of {runs} runs left for infinity and are left out"] if not alive.all() else []
    told = _words(one, json.loads(tree.attrs["settings"]))
    if alive.sum() < 2:
        return told, math.nan, math.nan, "; ".join(flags)
    each = excess[alive]
    half = each.shape[1] // 2
    change = each[:, half:].mean(axis=1) - each[:, :half].mean(axis=1)
    error = change.std(ddof=1) / math.sqrt(len(change))
    if abs(change.mean()) > DRIFT * error:
        flags.append(f"not stationary: the later half of the steps is {change.mean():+.2g} ± {error:.1g} off")
    means = each.mean(axis=1)
    flags += problem.reference.flags
    return told, float(means.mean()), float(means.std(ddof=1) / math.sqrt(len(means))), "; ".join(flags)


def descent_rows(
    problem: Problem, step_size: float, steps: Sequence[int], curvatures: np.ndarray | None, runs: int, seed: int
) -> list[tuple[str, float, float, str]]:
    """Return half the effective parameters of gradient descent: in closed form on a quadratic, else by tangents."""
    told = [f"η = {step_size:g}, N = {n:,}" for n in steps]
    if curvatures is not None:
        halves = [0.5 * learned_directions(curvatures, step_size, n) for n in steps]
        return [(name, value, 0.0, "") for name, value in zip(told, halves, strict=True)]
    frame = descent_parameters(problem, step_size, list(steps), runs=runs, seed=seed)
    return [
        (name, 0.5 * row["value"], 0.5 * row["mcse"], row["flags"])
        for name, row in zip(told, frame.to_dict("records"), strict=True)
    ]


def _words(setting: Mapping[str, Any], described: Mapping[str, Any]) -> str:
    parts = [f"η = {described['learning_rate']:g}", f"B = {described['batch_size'] or 1}"]
    if described["momentum"]:
        parts.append(f"μ = {described['momentum']:g}")
    if described["sigma"] != 1.0:
        parts.append(f"σ = {described['sigma']:g}")
    return ", ".join(parts)
