"""What the evidence benchmark compares: problems with an exact evidence, answers, and this package's own tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from singular import analysis, models, posteriors

N = 300
AT_FOUR, FROM_TEN = 1.0, 0.1
GOALS: Mapping[str, float | None] = {
    "tanh-2": AT_FOUR,
    "tanh-2-1": AT_FOUR,
    "linear-4": AT_FOUR,
    "reduced-rank-2-2-2-1": None,
    "matrix-factor-3-2-2-r1": FROM_TEN,
    "reduced-rank-3-3-2-1": FROM_TEN,
    "reduced-rank-2-6-2-1": FROM_TEN,
}
"""Problem -> largest ratio of our yardstick to the best peer's: at four parameters, and from ten up."""
CONTROLS = ("nll_virial", "log_prior_virial")
"""What a ladder's control variates are made of: without it, the same draws are read off plainly."""
READINGS = ("mbar", "ti", "stepping-stone")


class Answer(NamedTuple):
    """One estimate of F_n(1) = −log evidence.

    Attributes
    ----------
    method : str
        How it was read off.
    value, claimed : float
        Nats; the error that the tool claims, one standard deviation, NaN where it claims none.
    likelihoods, gradients : int
        Evaluations of log p(D | w) without and with its gradient, all those of warm-up and pilots included.
    flags : str
    """

    method: str
    value: float
    claimed: float
    likelihoods: int
    gradients: int
    flags: str = ""


def problem_of(name: str, seed: int, n: int = N) -> models.Problem:
    """Return the problem with the data of this seed; one of 16 parameters is a family's, not the catalogue's."""
    if name == "reduced-rank-2-6-2-1":
        return models.Problem.from_model(models.reduced_rank(inputs=2, outputs=6, hidden=2, rank=1), n, seed)
    return models.problem(name, n=n, seed=seed)


def answer(estimate: analysis.Estimate, likelihoods: int, gradients: int, method: str = "") -> Answer:
    """Return an estimate of this package as an answer."""
    flags = "; ".join(estimate.flags)
    return Answer(method or estimate.method, estimate.value, estimate.mcse, likelihoods, gradients, flags)


def our_ladder(problem: models.Problem, seed: int) -> list[Answer]:
    """Sample one ladder at default settings, and read it off in every way there is."""
    tree = posteriors.ladder(problem, seed=seed, progress=False, cores=1)
    gradients = int(tree.attrs["gradient_evaluations"])
    answers = [answer(analysis.free_energy(tree, method), 0, gradients) for method in READINGS]
    plain = analysis.free_energy(without_controls(tree), "mbar")
    bridge = analysis.bridge(tree, problem)
    return [
        *answers,
        answer(plain, 0, gradients, "mbar without control variates"),
        answer(bridge, bridge_likelihoods(tree), gradients),
    ]


def our_smc(problem: models.Problem, seed: int) -> list[Answer]:
    """Run sequential Monte Carlo at default settings."""
    run = posteriors.smc(problem, seed=seed)
    return [answer(analysis.free_energy_smc(run), run.likelihood_evaluations, run.gradient_evaluations)]


def without_controls(tree: xr.DataTree) -> xr.DataTree:
    """Return the ladder without what control variates are made of."""
    stats = tree["sample_stats"].to_dataset()
    plain = xr.DataTree.from_dict({"/sample_stats": stats.drop_vars(CONTROLS, errors="ignore")})
    plain.attrs.update(tree.attrs)
    return plain


def bridge_likelihoods(tree: xr.DataTree) -> int:
    """Return how often the bridge evaluates the likelihood: at each draw it bridges, and at its mirror image.

    A quarter of the draws is what the normal is fitted to; the rest is met by as many draws of the normal.
    """
    sizes = tree["sample_stats"].sizes
    return 4 * sizes["chain"] * (sizes["draw"] - sizes["draw"] // 4)


def ladder_of(nll: np.ndarray, betas: Sequence[float], sites: Mapping[str, np.ndarray] | None = None) -> xr.DataTree:
    """Return draws made elsewhere as a ladder that the estimators of this package read.

    ``nll`` is (chain, draw, beta); ``sites`` are (chain, draw, …), for a ladder of one rung.
    """
    leading = ("chain", "draw", "beta")
    coordinates = {"beta": np.asarray(betas, dtype=float)}
    posterior = {
        name: ((*leading, *(f"{name}_dim_{i}" for i in range(a.ndim - 2))), a[:, :, None])
        for name, a in (sites or {}).items()
    }
    groups = {"/sample_stats": {"nll": (leading, nll)}, "/posterior": posterior}
    return xr.DataTree.from_dict({k: xr.Dataset(v, coords=coordinates) for k, v in groups.items()})
