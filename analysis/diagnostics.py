"""What tells a good ladder from a bad one, per rung and per chain, and the flags that follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from singular.analysis import checks
from singular.analysis.draws import Draws, read_draws, sample_stat
from singular.analysis.thresholds import (
    MAXIMUM_DIVERGING,
    MAXIMUM_RHAT,
    MINIMUM_ESS,
    MINIMUM_OVERLAP,
    MINIMUM_SWAP_ACCEPTANCE,
    MINIMUM_TAIL,
)
from singular.analysis.unadjusted import unadjusted_flags

if TYPE_CHECKING:
    from singular.analysis.mbar import Solution


def diagnostics(ladder: xr.DataTree) -> pd.DataFrame:
    """Return the health of every rung.

    Parameters
    ----------
    ladder : DataTree
        Laid out as docs/ARCHITECTURE.md says; only ``nll`` must be there.

    Returns
    -------
    DataFrame
        One row per rung: ``beta``; ``rhat``, ``ess_bulk`` and ``ess_tail`` of nll (ArviZ, rank
        normalised, so that +inf at β = 0 counts as a large number); ``diverging`` (count);
        ``tree_depth``, ``acceptance_rate`` (means); ``swap_acceptance``, the mean swap probability with
        the next rung up, NaN on the last. NaN where the ladder does not hold the variable.

    Raises
    ------
    InputError
        If the ladder cannot be read.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), Bayesian Analysis 16, 667: R̂ and ESS.
    """
    return _table(ladder, read_draws(ladder))


def round_trips(ladder: xr.DataTree) -> np.ndarray | None:
    """Count the replicas that went from β = 0 to the top and back.

    Parameters
    ----------
    ladder : DataTree
        With ``sample_stats.replica``: which replica sits on each rung.

    Returns
    -------
    (chain,) int, or None
        Completed trips, lowest rung → highest → lowest, over all replicas of a chain. None if the ladder
        does not say where its replicas are.

    References
    ----------
    Syed, Bouchard-Côté, Deligiannidis, Doucet (2022), J. R. Stat. Soc. B 84, 321.
    """
    replica = sample_stat(ladder, "replica")
    if replica is None:
        return None
    rung_of = np.argsort(replica.values, axis=-1)  # the inverse permutation: (chain, draw, replica)
    top = rung_of.shape[-1] - 1
    if top == 0:
        return np.zeros(rung_of.shape[0], dtype=int)
    visit = np.where(rung_of == 0, -1, np.where(rung_of == top, 1, 0))
    # carry the last visited end forward: its changes are the crossings
    when = np.where(visit != 0, np.arange(visit.shape[1])[None, :, None], 0)
    last = np.take_along_axis(visit, np.maximum.accumulate(when, axis=1), axis=1)
    descents = ((last[:, :-1] == 1) & (last[:, 1:] == -1)).sum(axis=1)
    first_end = np.take_along_axis(visit, np.argmax(visit != 0, axis=1)[:, None, :], axis=1)[:, 0]
    started_high = (first_end == 1) & (descents > 0)
    return (descents - started_high).sum(axis=1)


def flags(ladder: xr.DataTree, betas: Sequence[float] | None = None) -> tuple[str, ...]:
    """Return the reasons to distrust what is read off a ladder.

    Parameters
    ----------
    ladder : DataTree
    betas : sequence of float, optional
        Rungs whose own flags matter (ESS, R̂, divergences, saturated trees, disagreement with a neighbour); all
        of them if not given. What concerns the whole ladder (swaps, round trips, an interruption) is always
        told: each draw came by all rungs.

    Returns
    -------
    tuple of str
        Such as ``"ess 143 < 400 at beta=0.161"``; empty if nothing was found. The limits and their reasons are
        in `thresholds`.

    Raises
    ------
    InputError
        If the ladder cannot be read, or a β is no rung.
    """
    draws = read_draws(ladder)
    used = range(draws.betas.size) if betas is None else [draws.index(b, "betas") for b in betas]
    return rung_flags(ladder, draws, used)


def rung_flags(ladder: xr.DataTree, draws: Draws, used: Sequence[int]) -> tuple[str, ...]:
    """Return the flags of the rungs at positions ``used`` and of the whole ladder."""
    return pick_flags(all_flags(ladder, draws, used), used)


def all_flags(
    ladder: xr.DataTree, draws: Draws, used: Sequence[int] | None = None
) -> tuple[dict[int, list[str]], list[str]]:
    """Return the flags of each rung in ``used`` (all if None), by position, and those of the whole ladder."""
    used = range(draws.betas.size) if used is None else sorted(set(used))
    table = _table(ladder, draws, used)
    samples = draws.nll[..., 0].size
    found: dict[int, list[str]] = {}
    further = checks.rung_checks(ladder, draws, used)
    columns = zip(used, table.beta, table.ess_bulk, table.rhat, table.diverging, strict=True)
    for position, beta, ess, rhat, diverging in columns:
        at = f"at beta={beta:.3g}"
        rung = found.setdefault(position, [])
        if not ess >= MINIMUM_ESS:
            rung.append(f"ess {ess:.0f} < {MINIMUM_ESS:.0f} {at}")
        if rhat > MAXIMUM_RHAT:
            rung.append(f"rhat {rhat:.3f} > {MAXIMUM_RHAT} {at}")
        if diverging > MAXIMUM_DIVERGING * samples:
            rung.append(f"{diverging:.0f} of {samples} steps diverged {at}")
        rung += further[position]
    return found, _ladder_flags(ladder, draws)


def pick_flags(found: tuple[dict[int, list[str]], list[str]], used: Sequence[int]) -> tuple[str, ...]:
    """Return the flags of the rungs at positions ``used`` and of the whole ladder, from `all_flags`."""
    rungs, whole = found
    return tuple(dict.fromkeys((*(flag for position in sorted(set(used)) for flag in rungs[position]), *whole)))


def overlap_flags(solution: Solution, betas: np.ndarray) -> tuple[str, ...]:
    """Return a flag for each pair of neighbours that MBAR hardly connects."""
    own = np.sqrt(np.diagonal(solution.overlap))
    neighbours = np.diagonal(solution.overlap, offset=1) / (own[:-1] * own[1:])
    return tuple(
        f"overlap {o:.3f} < {MINIMUM_OVERLAP} between beta={betas[i]:.3g} and {betas[i + 1]:.3g}"
        for i, o in enumerate(neighbours)
        if not o >= MINIMUM_OVERLAP
    )


def prior_tail(draws: Draws) -> float:
    """Return the Pareto k̂ of the upper tail of nll at β = 0; its mean exists if k < 1.

    +inf if a draw is infinite, −inf if β = 0 is no rung. Vehtari, Simpson, Gelman, Yao, Gabry (2024),
    J. Mach. Learn. Res. 25(72).
    """
    from arviz_stats.base.array import array_stats

    if draws.betas[0] != 0.0:
        return -np.inf
    nll = draws.nll[..., 0]
    if not np.isfinite(nll).all():
        return np.inf
    if np.ptp(nll) == 0.0 or nll.size < MINIMUM_TAIL:
        return -np.inf
    khat = array_stats.pareto_khat(nll, chain_axis=0, draw_axis=1, r_eff=1.0, tail="right")
    return np.asarray(khat).item()


def _table(ladder: xr.DataTree, draws: Draws, used: Sequence[int] | None = None) -> pd.DataFrame:
    from arviz_stats.base.array import array_stats

    kept = np.arange(draws.betas.size) if used is None else np.asarray(sorted(set(used)), dtype=int)
    nll = draws.nll[..., kept]
    finite = np.isfinite(nll)
    if not finite.all():
        nll = np.where(finite, nll, 2.0 * np.abs(nll[finite]).max() + 1.0)
    with np.errstate(invalid="ignore"):  # a constant nll has no R̂
        rhat = array_stats.rhat(nll, chain_axis=0, draw_axis=1)
    return pd.DataFrame(
        {
            "beta": draws.betas[kept],
            "rhat": rhat,
            "ess_bulk": array_stats.ess(nll, chain_axis=0, draw_axis=1, method="bulk"),
            "ess_tail": array_stats.ess(nll, chain_axis=0, draw_axis=1, method="tail", prob=0.05),
            "diverging": _over_draws(ladder, draws, "diverging", np.sum)[kept],
            "tree_depth": _over_draws(ladder, draws, "tree_depth", np.mean)[kept],
            "acceptance_rate": _over_draws(ladder, draws, "acceptance_rate", np.mean)[kept],
            "swap_acceptance": _swap_acceptance(ladder, draws)[kept],
        }
    )


def _over_draws(ladder: xr.DataTree, draws: Draws, name: str, reduce: Callable[..., np.ndarray]) -> np.ndarray:
    variable = sample_stat(ladder, name)
    if variable is None:
        return np.full(draws.betas.size, np.nan)
    return reduce(np.asarray(variable.values, dtype=np.float64), axis=(0, 1))


def _swap_acceptance(ladder: xr.DataTree, draws: Draws) -> np.ndarray:
    variable = sample_stat(ladder, "swap_probability")
    if variable is None:
        return np.full(draws.betas.size, np.nan)
    values = np.asarray(variable.values, dtype=np.float64)
    tried = np.isfinite(values)
    count = tried.sum(axis=(0, 1))
    total = np.where(tried, values, 0.0).sum(axis=(0, 1))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _ladder_flags(ladder: xr.DataTree, draws: Draws) -> list[str]:
    found = []
    if not draws.attrs.get("complete", 1):
        found.append("ladder incomplete: the run was interrupted")
    acceptance = _swap_acceptance(ladder, draws)
    for i in np.flatnonzero(acceptance < MINIMUM_SWAP_ACCEPTANCE):
        pair = f"beta={draws.betas[i]:.3g} and {draws.betas[min(i + 1, draws.betas.size - 1)]:.3g}"
        found.append(f"swap acceptance {acceptance[i]:.2f} < {MINIMUM_SWAP_ACCEPTANCE} between {pair}")
    trips = round_trips(ladder)
    if trips is not None and draws.betas.size > 1:
        found += checks.round_trip_flags(trips)
    if int(draws.attrs.get("one_start", 0)) and not draws.attrs.get("gamma", 0.0):
        found.append("all chains began at one point: R-hat does not see modes that none of them reached")
    return found + unadjusted_flags(ladder, draws)
