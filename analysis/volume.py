"""The prior volume of {K < ε}, by multilevel splitting: what λ and m say how fast it vanishes.

V(ε) ~ C ε^λ (−log ε)^(m−1). Particles drawn from the prior are confined to {K < ε} for a falling sequence of ε:
those outside are replaced by copies of those inside, and all are then moved by Markov steps that keep the prior
conditioned on K < ε. The product of the shares that survive is an unbiased estimate of V, however slowly the
steps mix; what slow mixing costs is variance, and independent replicates show it. The same for the loss of one data
set, L_n(w) − L_n(w0), and within a region, which is made part of every level set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.errors import InputError, unknown_name, whole
from singular.models.problem import Problem

if TYPE_CHECKING:
    from singular.models.base import Model

Region = str | Callable[[Any], Any]
"""Name of a phase of a catalogue model, or a predicate of the constrained parameters, in JAX."""

MOST_LEVELS = 600
DISAGREE = 0.5
"""Standard deviation of log V over replicates, in nats, from which it is flagged."""
BELOW = 0.01
"""L_n below L_n(w0) by this share of the smallest ε is flagged: V(ε) is then that of ε raised by as much."""


@dataclass(frozen=True)
class Volume:
    """The prior mass of {K < ε}, or of {L_n − L_n(w0) < ε}, on falling ε; of the part in a region if there is one.

    Attributes
    ----------
    frame : DataFrame
        One row for each level, ε falling: ``epsilon`` (nats an observation), ``log_volume`` (log of the mean over
        replicates of V, nats), ``mcse`` (its Monte Carlo standard error, from the replicates), ``acceptance`` (share
        of the moves accepted at this level).
    curves : (replicates, levels) float
        log V of each independent replicate at the same ε.
    model : str
        Name of the model or problem.
    flags : tuple of str
        Reasons to distrust the curve, or why it ends early; empty if there is none.
    region : str or None
        Name of the region.
    """

    frame: pd.DataFrame
    curves: np.ndarray
    model: str
    flags: tuple[str, ...] = ()
    region: str | None = None


def volume(
    model: Model | Problem,
    lowest: float = 1e-12,
    particles: int = 4096,
    replicates: int = 8,
    sweeps: int = 10,
    levels: int = MOST_LEVELS,
    seed: int = 0,
    region: Region | None = None,
    reference_nll: float | None = None,
) -> Volume:
    """Return the prior volume of {K < ε} from ε of the order of K at the prior down to ``lowest``.

    A pilot run sets the levels, each of which half the particles survive, and learns at which scales moves are
    accepted; the replicates then run with levels and proposals held fixed. For a problem K is replaced by the loss of
    its data, L_n(w) − L_n(w0): there V(ε) is what a posterior of that data can see, down to ε of about λ/n.

    Parameters
    ----------
    model : Model or Problem
        A model with ``excess_loss``, whose K is taken; or a problem, whose L_n = nll/n is.
    lowest : float
        Smallest ε, in nats an observation, 0 < ε < 1. The curve ends earlier, with a flag, where rounding in K
        would show.
    particles : int
        Particles of a replicate, an even number of at least 64.
    replicates : int
        Independent runs, at least 2: their spread is the error.
    sweeps : int
        Moves of each particle at each level.
    levels : int
        Most levels, from 1 to `MOST_LEVELS`, each of which halves the volume: the curve ends there if not before.
    seed : int
    region : str or callable, optional
        Only this part of parameter space: a phase of the (catalogue) model by name, or a predicate of the
        constrained parameters with any leading batch dimension, which must be traceable by JAX. The mass is under
        the whole prior, not given the region, so that those of disjoint regions add up.
    reference_nll : float, optional
        nL_n(w0) of a problem, nats; ``problem.reference.nll`` if not given, the least that an optimiser found. With
        a larger one, such as that of the truth, points have losses below 0: they count as inside at every ε, V(ε)
        tends to their mass, and a flag says so.

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        If the model has no excess loss, the region is unknown, no predicate or no particle is drawn in it, or an
        argument is not allowed.

    References
    ----------
    Watanabe (2009), Algebraic Geometry and Statistical Learning Theory, chapter 4 (the volume's law);
    Cérou, Del Moral, Furon & Guyader (2012), Statistics and Computing 22, 795-808 (splitting for rare events);
    Ter Braak (2006), Statistics and Computing 16, 239-249 (moves along differences of particles).
    """
    name, inside = region_named(model, region)
    if not isinstance(model, Problem):
        if model.excess_loss is None:
            raise InputError(f"model={model.name!r} has no excess loss, whose volume could be measured")
        if reference_nll is not None:
            raise InputError(f"reference_nll={reference_nll!r}: the K of a model has none; allowed with a problem")
    reference = reference_of(model, reference_nll) if isinstance(model, Problem) else 0.0
    if not 0 < lowest < 1:
        raise InputError(f"lowest={lowest!r}: allowed is 0 < lowest < 1")
    whole("replicates", replicates, 2)
    whole("sweeps", sweeps, 1)
    whole("levels", levels, 1, MOST_LEVELS)
    whole("seed", seed, 0)
    if whole("particles", particles, 64) % 2:
        raise InputError(f"particles={particles!r}: allowed is an even number")
    from singular.analysis import splitting

    target = splitting.Target(model, reference, inside)
    pilot, runs = splitting.descend(target, lowest, particles, replicates, sweeps, levels, seed)
    count = int(pilot["count"])
    epsilon = pilot["epsilon"][:count]
    shares = np.stack([r["share"][:count] for r in runs])
    alive = int(np.argmax(np.append((shares == 0).any(axis=0), True)))
    if alive == 0:
        where = model.name if name is None else f"{model.name} in {name}"
        raise InputError(f"particles={particles}: a replicate of {where!r} lost all of them; more are needed")
    # a region that holds less than half the prior takes a level without a bound on K
    kept = np.flatnonzero(np.isfinite(epsilon[:alive]))
    if kept.size == 0:
        raise InputError(f"levels={levels}: no level is left below that of the region {name!r} itself")
    curves = np.cumsum(np.log(shares[:, :alive]), axis=1)[:, kept]
    acceptance = np.mean([r["acceptance"][:alive] for r in runs], axis=0)[kept]
    epsilon = epsilon[kept]
    mean = np.asarray(logsumexp(curves, axis=0)) - math.log(replicates)
    mcse = np.std(np.exp(curves - mean), axis=0, ddof=1) / math.sqrt(replicates)
    frame = pd.DataFrame({"epsilon": epsilon, "log_volume": mean, "mcse": mcse, "acceptance": acceptance})
    flags = list(model.reference.flags) if isinstance(model, Problem) and reference_nll is None else []
    if epsilon[-1] > lowest:
        why = "a replicate died out" if alive < count else "rounding in K" if count < levels else "no more levels"
        flags.append(f"ends at {epsilon[-1]:.1e}: {why}")
    if np.std(curves[:, -1], ddof=1) > DISAGREE:
        flags.append(f"replicates differ by {np.std(curves[:, -1], ddof=1):.1f} nats")
    least = float(min(run["least"] for run in [pilot, *runs]))
    if least < -BELOW * epsilon[-1]:
        flags.append(f"the loss is below its reference by up to {-least:.1e}: V does not vanish with ε")
    return Volume(frame, curves, model.name, tuple(flags), name)


def region_named(model: Model | Problem, region: Region | None) -> tuple[str | None, Callable[[Any], Any] | None]:
    """Return the name and the predicate of a region, both None if there is none.

    Raises
    ------
    InputError
        If the catalogue model has no phase of this name, or the region is neither a name nor callable.
    """
    if region is None:
        return None, None
    if callable(region):
        return getattr(region, "__name__", type(region).__name__), region
    catalogued = model.model if isinstance(model, Problem) else model
    phases = {} if catalogued is None else catalogued.phases
    if region not in phases:
        raise unknown_name("region", region, phases)
    return region, phases[region]


def reference_of(problem: Problem, reference_nll: float | None) -> float:
    """Return nL_n(w0): the number given, checked, or else that of the problem's reference."""
    if reference_nll is None:
        return problem.reference.nll
    if not isinstance(reference_nll, int | float | np.number) or not math.isfinite(reference_nll):
        raise InputError(f"reference_nll={reference_nll!r}: allowed is a finite number, in nats")
    return float(reference_nll)
