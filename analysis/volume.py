"""The prior volume of {K < ε}, by multilevel splitting: what λ and m say how fast it vanishes.

V(ε) ~ C ε^λ (−log ε)^(m−1). Particles drawn from the prior are confined to {K < ε} for a falling sequence of ε:
those outside are replaced by copies of those inside, and all are then moved by Markov steps that keep the prior
conditioned on K < ε. The product of the shares that survive is an unbiased estimate of V, however slowly the
steps mix; what slow mixing costs is variance, and independent replicates show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from singular.errors import InputError, whole

if TYPE_CHECKING:
    from singular.models.base import Model

MOST_LEVELS = 600
DISAGREE = 0.5
"""Standard deviation of log V over replicates, in nats, from which it is flagged."""


@dataclass(frozen=True)
class Volume:
    """The prior mass of {K < ε} on falling ε.

    Attributes
    ----------
    frame : DataFrame
        One row for each level, ε falling: ``epsilon`` (nats an observation), ``log_volume`` (log of the mean over
        replicates of V, nats), ``mcse`` (its Monte Carlo standard error, from the replicates), ``acceptance`` (share
        of the moves accepted at this level).
    curves : (replicates, levels) float
        log V of each independent replicate at the same ε.
    model : str
        Name of the model.
    flags : tuple of str
        Reasons to distrust the curve, or why it ends early; empty if there is none.
    """

    frame: pd.DataFrame
    curves: np.ndarray
    model: str
    flags: tuple[str, ...] = ()


def volume(
    model: Model,
    lowest: float = 1e-12,
    particles: int = 4096,
    replicates: int = 8,
    sweeps: int = 10,
    levels: int = MOST_LEVELS,
    seed: int = 0,
) -> Volume:
    """Return the prior volume of {K < ε} from ε of the order of K at the prior down to ``lowest``.

    A pilot run sets the levels, each of which half the particles survive, and learns at which scales moves are
    accepted; the replicates then run with levels and proposals held fixed.

    Parameters
    ----------
    model : Model
        With ``excess_loss``.
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

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        If the model has no excess loss, or an argument is not allowed.

    References
    ----------
    Watanabe (2009), Algebraic Geometry and Statistical Learning Theory, chapter 4 (the volume's law);
    Cérou, Del Moral, Furon & Guyader (2012), Statistics and Computing 22, 795-808 (splitting for rare events);
    Ter Braak (2006), Statistics and Computing 16, 239-249 (moves along differences of particles).
    """
    if model.excess_loss is None:
        raise InputError(f"model={model.name!r} has no excess loss, whose volume could be measured")
    if not 0 < lowest < 1:
        raise InputError(f"lowest={lowest!r}: allowed is 0 < lowest < 1")
    whole("replicates", replicates, 2)
    whole("sweeps", sweeps, 1)
    whole("levels", levels, 1, MOST_LEVELS)
    whole("seed", seed, 0)
    if whole("particles", particles, 64) % 2:
        raise InputError(f"particles={particles!r}: allowed is an even number")
    from singular.analysis import splitting

    pilot, runs = splitting.descend(model, lowest, particles, replicates, sweeps, levels, seed)
    count = int(pilot["count"])
    epsilon = pilot["epsilon"][:count]
    shares = np.stack([r["share"][:count] for r in runs])
    alive = int(np.argmax(np.append((shares == 0).any(axis=0), True)))
    if alive == 0:
        raise InputError(f"particles={particles}: a replicate of {model.name!r} lost all of them; more are needed")
    epsilon, curves = epsilon[:alive], np.cumsum(np.log(shares[:, :alive]), axis=1)
    mean = np.asarray(logsumexp(curves, axis=0)) - math.log(replicates)
    mcse = np.std(np.exp(curves - mean), axis=0, ddof=1) / math.sqrt(replicates)
    acceptance = np.mean([r["acceptance"][:alive] for r in runs], axis=0)
    frame = pd.DataFrame({"epsilon": epsilon, "log_volume": mean, "mcse": mcse, "acceptance": acceptance})
    flags = []
    if epsilon[-1] > lowest:
        why = "a replicate died out" if alive < count else "rounding in K" if count < levels else "no more levels"
        flags.append(f"ends at {epsilon[-1]:.1e}: {why}")
    if np.std(curves[:, -1], ddof=1) > DISAGREE:
        flags.append(f"replicates differ by {np.std(curves[:, -1], ddof=1):.1f} nats")
    return Volume(frame, curves, model.name, tuple(flags))
