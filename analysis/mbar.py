"""The multistate Bennett acceptance ratio: all draws of all rungs at once, with an honest error.

With v the nll, β_k the rungs and T draws on each, the free energies f_k solve Σ_n W_nk = 1,
W_nk = exp(f_k − β_k v_n) / Σ_j T exp(f_j − β_j v_n): Shirts and Chodera (2008), J. Chem. Phys. 129, 124105,
eq. 11. They are the minimum of a convex function (their eq. C5, C6), found here by Newton's method.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from singular.errors import SamplingError

TOLERANCE = 1e-11
"""Largest |Σ_n W_nk − 1| at the solution."""


class Solution(NamedTuple):
    """Free energies of all rungs and what is needed for any other β.

    Attributes
    ----------
    free_energy : (beta,) float
        −log Z(β_k)/Z(β_0), nats.
    influence : (chain, draw, beta) float
        Of each of them.
    overlap : (beta, beta) float
        Probability that a draw of rung i would be counted to rung j; rows sum to one.
    weights : (chain, draw, beta, beta) float
        W: the last axis is k, the one before it the rung the draw comes from.
    log_density : (chain, draw, beta) float
        log of the mixture density that all draws come from, up to the prior: log Σ_j T exp(f_j − β_j v).
    nll : (chain, draw, beta) float
        v: nll less ``lowest``.
    lowest : float
        The smallest nll, in nats.
    """

    free_energy: np.ndarray
    influence: np.ndarray
    overlap: np.ndarray
    weights: np.ndarray
    log_density: np.ndarray
    nll: np.ndarray
    lowest: float


def solve(nll: np.ndarray, betas: np.ndarray, solver: str = "newton") -> Solution:
    """Solve the MBAR equations and linearise them.

    The influence of f is −J⁻¹ (Y_t − mean Y), where Y_t sums W over the draws of round t on all rungs and
    J is the derivative of Σ_n W_nk − 1 with respect to f, with f_0 held at 0. Swaps and autocorrelation
    are then in the series Y_t, where the error of the original paper takes all draws for independent.

    Parameters
    ----------
    nll : (chain, draw, beta) float
        nats; +inf is allowed where β = 0.
    betas : (beta,) float
        Ascending.
    solver : {"newton", "pymbar"}
        ``"pymbar"`` hands the equations to the package of that name (Chodera and Shirts): the same
        solution, slower, compiled anew for each shape.

    Raises
    ------
    SamplingError
        If no solution is found.
    """
    chains, draws, rungs = nll.shape
    lowest = float(nll.min())
    shifted = nll - lowest
    energies = _reduced(shifted.reshape(-1, 1), betas)
    per_rung = chains * draws
    start = stepping_stones(shifted.reshape(per_rung, rungs), betas)
    find = _pymbar if solver == "pymbar" else _newton
    f = find(energies, per_rung, start)

    weights, log_density = _weights(energies, f, per_rung)
    overlap = per_rung * _gram(weights)
    jacobian = np.diag(weights.sum(axis=0)) - overlap
    rounds = weights.reshape(per_rung, rungs, rungs).sum(axis=1)
    influence = np.zeros((per_rung, rungs))
    influence[:, 1:] = -per_rung * _solve(jacobian[1:, 1:], (rounds - rounds.mean(axis=0))[:, 1:].T).T
    return Solution(
        free_energy=f + lowest * (betas - betas[0]),
        influence=influence.reshape(chains, draws, rungs),
        overlap=overlap,
        weights=weights.reshape(chains, draws, rungs, rungs),
        log_density=log_density.reshape(nll.shape),
        nll=shifted,
        lowest=lowest,
    )


def reweight(solution: Solution, beta: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Carry all draws over to any β.

    Returns
    -------
    free_energy : float
        −log Z(β)/Z(β_0), nats.
    influence : (chain, draw) float
        Of the free energy.
    weights : (chain, draw, beta) float
        Sum to one; expectations at β are weighted sums over all draws of all rungs.
    """
    exponent = -_reduced(solution.nll[..., None], np.array([beta]))[..., 0] - solution.log_density
    top = exponent.max()
    mass = np.exp(exponent - top)
    total = mass.sum()
    weights = mass / total
    influence = -_centred_rounds(weights) + _through_free_energy(solution, weights)
    value = -(np.log(total) + top) + solution.lowest * beta
    return float(value), influence, weights


def expectation(solution: Solution, weights: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
    """Return E_β[values] and its influence, given the weights `reweight` returned for β.

    Parameters
    ----------
    weights, values : (chain, draw, beta) float

    Returns
    -------
    mean : float
    influence : (chain, draw) float
        Holds what the draws do directly and what they do through the free energies of the rungs.
    """
    weighted = weights > 0
    mean = float(np.sum(weights[weighted] * values[weighted]))
    deviation = np.zeros_like(weights)
    deviation[weighted] = weights[weighted] * (values[weighted] - mean)
    return mean, _centred_rounds(deviation) - _through_free_energy(solution, deviation)


def stepping_stones(nll: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """Return F at each rung by importance sampling from each rung to the next one up, nats.

    ``nll`` is (draws, beta) and may be +inf where β = 0. Xie et al. (2011), Syst. Biol. 60, 150.
    """
    exponent = -np.diff(betas) * nll[:, :-1]
    top = exponent.max(axis=0)
    steps = top + np.log(np.mean(np.exp(exponent - top), axis=0))
    return np.concatenate([[0.0], -np.cumsum(steps)])


def _reduced(nll: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """β v, with 0 · ∞ = 0: the prior gives a draw its weight whatever its likelihood."""
    shape = np.broadcast_shapes(nll.shape, betas.shape)
    return np.multiply(nll, betas, where=np.broadcast_to(betas != 0.0, shape), out=np.zeros(shape))


def _weights(energies: np.ndarray, f: np.ndarray, per_rung: int) -> tuple[np.ndarray, np.ndarray]:
    weights = f - energies
    top = weights.max(axis=1, keepdims=True)
    weights -= top
    np.exp(weights, out=weights)
    total = per_rung * weights.sum(axis=1, keepdims=True)
    weights /= total
    return weights, (np.log(total) + top)[:, 0]


def _gram(weights: np.ndarray) -> np.ndarray:
    """WᵀW, round by round: one product over all draws goes to BLAS threads, which crawl on a busy machine."""
    rungs = weights.shape[1]
    rounds = weights.reshape(-1, rungs, rungs)
    return np.matmul(rounds.transpose(0, 2, 1), rounds).sum(axis=0)


def _newton(energies: np.ndarray, per_rung: int, start: np.ndarray, iterations: int = 200) -> np.ndarray:
    """Minimise Σ_n log Σ_j T exp(f_j − u_nj) − T Σ_j f_j, with f_0 = 0."""
    f = start - start[0]
    weights, log_density = _weights(energies, f, per_rung)
    for _ in range(iterations):
        sums = weights.sum(axis=0)
        gradient = sums - 1.0
        if np.max(np.abs(gradient)) < TOLERANCE:
            return f
        hessian = np.diag(sums) - per_rung * _gram(weights)
        step = np.zeros_like(f)
        step[1:] = -_solve(hessian[1:, 1:], gradient[1:])
        near = np.max(np.abs(step)) < 1e-12 * max(1.0, np.max(np.abs(f)))
        objective = _objective(log_density, f, per_rung)
        # the self-consistent update never ascends, and serves where Newton's quadratic is a bad picture
        for direction, size in [(step, 0.5**i) for i in range(6)] + [(-np.log(sums), 1.0)]:
            trial = f + size * direction
            trial -= trial[0]
            weights, log_density = _weights(energies, trial, per_rung)
            if _objective(log_density, trial, per_rung) <= objective + 1e-12 * abs(objective):
                break
        f = trial
        if near:
            return f
    raise SamplingError(
        f"the MBAR equations were not solved in {iterations} iterations (largest residual "
        f"{np.max(np.abs(gradient)):.2g}): the rungs do not overlap; put more rungs between them"
    )


def _objective(log_density: np.ndarray, f: np.ndarray, per_rung: int) -> float:
    return float(log_density.sum() / per_rung - f.sum())


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve with a matrix that is singular where rungs do not overlap."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=None)[0]


def _pymbar(energies: np.ndarray, per_rung: int, start: np.ndarray) -> np.ndarray:
    """Hand the equations to pymbar, and leave no trace of it in NumPy's and JAX's global state."""
    import jax

    with jax.enable_x64(True):
        logging.getLogger("pymbar").setLevel(logging.ERROR)
        from pymbar import MBAR

        answer = MBAR(
            np.ascontiguousarray(energies.T),
            np.full(energies.shape[1], per_rung),
            initial_f_k=start,
            relative_tolerance=1e-12,
            rseed=0,  # without a seed it would reseed NumPy's global generator; with one it draws nothing
            solver_protocol=({"method": "adaptive", "options": {"min_sc_iter": 0}},),
        ).f_k
    return np.asarray(answer, dtype=np.float64) - float(answer[0])


def _centred_rounds(weighted: np.ndarray) -> np.ndarray:
    """Sum over the rungs of each round, scaled so that the mean over rounds is the sum, and centred."""
    rounds = weighted.sum(axis=-1) * weighted[..., 0].size
    return rounds - rounds.mean()


def _through_free_energy(solution: Solution, weighted: np.ndarray) -> np.ndarray:
    """Σ_l (Σ_n weighted_n T W_nl) · influence of f_l."""
    per_rung = weighted[..., 0].size
    slopes = per_rung * np.einsum("cdk,cdkl->l", weighted, solution.weights, optimize=True)
    return solution.influence @ slopes
