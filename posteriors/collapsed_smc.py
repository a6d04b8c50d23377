"""Sequential Monte Carlo with a normal block integrated out: free energies of conditionally linear models.

Particles are the parameters without the block. From β to β′ they are weighed by the ratio of their collapsed
likelihoods, which is no power of one likelihood; then the block is drawn from its conditional and the moves of the
family renew the whole. The product of the mean weights is an unbiased estimate of Z, and independent replicates give
its error. It shares with the ladder the moves alone: neither NUTS, nor swaps, nor MBAR.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import jax
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.errors import InputError, whole
from singular.models.density import compiled, map_rows
from singular.models.problem import Problem
from singular.posteriors.kernels import collapsed, renewed_by_moves, sweep_of
from singular.posteriors.precision import keep_compiled_programs, x64

LEAST_ESS = 0.6
"""Share of effective particles that a step in β leaves."""
BISECTIONS = 40


def collapsed_smc(
    problem: Problem,
    betas: Sequence[float] = (1.0,),
    particles: int = 512,
    replicates: int = 16,
    sweeps: int = 2,
    seed: int = 0,
) -> pd.DataFrame:
    """Return F_n(β) and E_β[nL_n] of a model that declares a block and moves that renew every site.

    A pilot places the steps in β so that the weights of each leave a share of 0.6 of the particles effective; the
    replicates then run with these steps.

    Parameters
    ----------
    problem : Problem
    betas : sequence of float
        Where to tell the answer, each in (0, 1].
    particles, replicates, sweeps : int
        Particles of a replicate, independent replicates (at least 2; the error of k of them is itself uncertain by a
        share of 1/√(2k)), and sweeps of all moves after each step.
    seed : int

    Returns
    -------
    DataFrame
        One row for each β, rising: ``beta``, ``free_energy`` and ``mcse`` (−log of the mean of the estimates of Z,
        nats), ``mean_nll`` and ``mean_nll_mcse`` (mean and standard error over replicates, nats), ``spread`` (standard
        deviation of −log Z over replicates), ``flags``.

    Raises
    ------
    InputError
        If the model declares no block or its moves do not renew every site, or an argument is not allowed.

    References
    ----------
    Del Moral, Doucet & Jasra (2006), JRSS B 68, 411-436: sequential Monte Carlo samplers.
    """
    wanted = np.unique(np.asarray(betas, dtype=float))
    if wanted.size == 0 or not (np.isfinite(wanted).all() and wanted[0] > 0 and wanted[-1] <= 1):
        raise InputError(f"betas={betas!r}: allowed are numbers above 0 and at most 1")
    whole("particles", particles, 32)
    whole("replicates", replicates, 2)
    whole("sweeps", sweeps, 1)
    whole("seed", seed, 0)
    if not renewed_by_moves(problem) or problem.declared is None or problem.declared.block is None:
        raise InputError(
            f"problem={problem.name!r}: allowed are models that declare a block and moves that renew every site"
        )
    keep_compiled_programs()
    with x64():
        parts, density = collapsed(problem), problem.parts
        likelihood = compiled("smc weights", _weights, parts.log_likelihood)
        renew = compiled(
            f"smc moves {sweeps}", partial(_renew, sweeps), parts.restore, sweep_of(problem), density.split
        )
        runs, schedule = [], None
        for run in range(replicates + 1):
            keys = jax.random.split(jax.random.fold_in(jax.random.PRNGKey(seed), run))
            z = np.asarray(map_rows(density.prior_draw, jax.random.split(keys[0], particles)))
            found = _descend(likelihood, renew, z[:, parts.rest], keys[1], parts.rest, wanted, schedule)
            if schedule is None:
                schedule = found["beta"].to_numpy()
            else:
                runs.append(found.set_index("beta").loc[wanted])
    log_z = np.stack([run["log_z"] for run in runs])
    means = np.stack([run["mean_nll"] for run in runs])
    mean = np.asarray(logsumexp(log_z, axis=0)) - math.log(replicates)
    spread = log_z.std(axis=0, ddof=1)
    return pd.DataFrame(
        {
            "beta": wanted,
            "free_energy": -mean,
            "mcse": np.std(np.exp(log_z - mean), axis=0, ddof=1) / math.sqrt(replicates),
            "mean_nll": means.mean(axis=0),
            "mean_nll_mcse": means.std(axis=0, ddof=1) / math.sqrt(replicates),
            "spread": spread,
            "flags": [f"replicates differ by {s:.1f} nats" if s > 1 else "" for s in spread],
        }
    )


def _weights(log_likelihood):
    return lambda u, beta: jax.lax.map(lambda row: log_likelihood(row, beta), u, batch_size=64)


def _renew(sweeps, restore, sweep, split):
    def one(beta, inputs):
        key, u = inputs
        z = restore(key, u, beta)
        z = jax.lax.fori_loop(0, sweeps, lambda i, z: sweep(jax.random.fold_in(key, i + 1), z, beta), z)
        return z, split(z)[1]

    return lambda keys, u, beta: jax.lax.map(partial(one, beta), (keys, u), batch_size=64)


def _descend(likelihood, renew, u, key, rest, wanted, schedule) -> pd.DataFrame:
    """Return log Z and the mean nll at each β of one run; without a schedule its steps are found as it goes."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    beta, log_z, rows, step = 0.0, 0.0, [], 0
    while beta < wanted[-1]:
        here = np.asarray(likelihood(u, beta)) if beta > 0 else np.zeros(len(u))
        if schedule is None:
            target = float(wanted[wanted > beta][0])
            following = _next(likelihood, u, here, beta, target)
        else:
            following = float(schedule[step])
        weight = np.asarray(likelihood(u, following)) - here
        log_z += float(logsumexp(weight)) - math.log(len(u))
        u = u[_systematic(rng, np.exp(weight - logsumexp(weight)))]
        z, nll = renew(jax.random.split(jax.random.fold_in(key, step), len(u)), u, following)
        u, beta, step = np.asarray(z)[:, rest], following, step + 1
        rows.append({"beta": beta, "log_z": log_z, "mean_nll": float(np.mean(np.asarray(nll)))})
    return pd.DataFrame(rows)


def _next(likelihood, u, here, beta: float, target: float) -> float:
    """Return the largest step up to ``target`` that leaves enough particles effective, by bisection of its log."""

    def enough(candidate: float) -> bool:
        weight = np.asarray(likelihood(u, candidate)) - here
        share = np.exp(weight - weight.max())
        return share.sum() ** 2 / np.sum(share**2) >= LEAST_ESS * len(u)

    if enough(target):
        return target
    low, high = math.log(max(target - beta, 1e-12) * 1e-9), math.log(target - beta)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if enough(beta + math.exp(middle)) else (low, middle)
        if high - low < 0.02:
            break
    return beta + math.exp(low)


def _systematic(rng: np.random.Generator, share: np.ndarray) -> np.ndarray:
    """Return the indices that systematic resampling keeps."""
    points = (rng.random() + np.arange(share.size)) / share.size
    return np.minimum(np.searchsorted(np.cumsum(share), points), share.size - 1)
