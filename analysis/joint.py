"""The joint Monte Carlo error of several estimates from one ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from singular.analysis.estimate import Estimate
from singular.analysis.trust import block_means
from singular.errors import InputError

TIMES_AUTOCORRELATION = 10
"""Length of a block in autocorrelation times: the means of neighbouring blocks then correlate by 5 % at most."""
FEWEST_BLOCKS = 8
"""Blocks of each chain, whatever the autocorrelation: longer ones would leave too few to correlate."""


def covariance(estimates: Sequence[Estimate]) -> np.ndarray:
    """Return the joint Monte Carlo covariance of estimates that share their draws.

    Their correlations are those of the means of blocks of their influences (multivariate batch means: Vats, Flegal
    and Jones, 2019), the blocks ten times as long as the longest of the autocorrelation times N mcse²/sd²
    where the chains allow it, and at least 8 a chain; each is then scaled by the two ``mcse``. So the diagonal is
    ``mcse``² exactly, the matrix is positive semidefinite, and the variance of a sum Σ c_i estimate_i is cᵀ C c.
    A correlation r has itself an error of about (1 − r²)/√blocks; for the difference of two nearly equal estimates,
    `difference`, which has the error of the difference of their influences, is sharper.

    Parameters
    ----------
    estimates : sequence of Estimate
        With influences of one shape, from one ladder (or from ladders with as many chains and draws that are
        independent, whose covariance comes out as 0 within its error).

    Returns
    -------
    (estimate, estimate) float
        In the product of the two units. NaN in rows and columns of estimates without an error, 0 in those of
        estimates without Monte Carlo error.

    Raises
    ------
    InputError
        If there are no estimates, or their influences differ in shape.

    References
    ----------
    Vats, Flegal and Jones (2019), Biometrika 106, 321: multivariate output analysis.
    """
    if not estimates:
        raise InputError("estimates=() is empty; at least one estimate is needed")
    shapes = [e.influence.shape for e in estimates]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError(
                f"estimates[{i}]: influence has shape {shape}, the first one's is {shapes[0]}; a joint error needs "
                "one shape (chain, draw)"
            )
    mcse = np.array([e.mcse for e in estimates])
    result = np.where(np.isnan(mcse[:, None] * mcse), np.nan, 0.0)
    live = np.flatnonzero(mcse > 0.0).tolist()
    if not live:
        return result
    influence = np.stack([estimates[i].influence for i in live])
    spread = influence.std(axis=(1, 2))
    means = block_means(influence / spread[:, None, None], _block_length(mcse[live] / spread, shapes[0]))
    means = means.reshape(len(live), -1)
    means = means - means.mean(axis=1, keepdims=True)
    size = np.sqrt(np.sum(means**2, axis=1))
    direction = means / np.where(size > 0.0, size, 1.0)[:, None]
    correlation = direction @ direction.T
    np.fill_diagonal(correlation, 1.0)
    result[np.ix_(live, live)] = correlation * np.outer(mcse[live], mcse[live])
    return result


def _block_length(relative: np.ndarray, shape: tuple[int, ...]) -> int:
    """``relative`` is mcse in units of the sd: its square times the number of draws is the autocorrelation time."""
    chains, draws = shape
    wanted = math.ceil(TIMES_AUTOCORRELATION * chains * draws * float(np.max(relative**2)))
    return max(1, min(wanted, draws // FEWEST_BLOCKS))
