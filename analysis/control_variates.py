"""Control variates from the virial identity: series whose mean is known to be 0, and what they take off an error.

Along the field v(z) = h(z) (z − c), integration by parts under p_β ∝ φ exp(−β nll) gives

    E_β[ h · (d + (z − c)·∇log φ − β (z − c)·∇nll) + (z − c)·∇h ] = 0,

for any centre c and any smooth h. Here h is 1, nll or log φ: three series for each rung, whatever d is. Where nll is
quadratic about c, or homogeneous in z − c, as it is about a crossing of optimal sets, the first one *is* nll up to a
constant, and the second one its square: there E_β[nL_n] and its variance are left with almost no Monte Carlo error.
(For K homogeneous of degree k and a flat prior the first identity reads β E_β[K] = d/k, the λ of that cone.)

Assaraf and Caffarel (1999), Phys. Rev. Lett. 83, 4682: zero-variance estimators. Mira, Solgi and Imparato (2013), Stat.
Comput. 23, 653: the same for Markov chain Monte Carlo. Oates, Papamarkou and Girolami (2016), J. Am. Stat. Assoc. 111,
634: for the evidence by thermodynamic integration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from singular.analysis.thresholds import LARGEST_SHARE, MAXIMUM_DISAGREEMENT, ROUNDS_PER_CONTROL
from singular.analysis.trust import monte_carlo_error

SAME = 1e-10
"""Eigenvalue of the correlations of controls, over the largest, below which they count as one."""


def virial_series(
    nll: np.ndarray, log_prior: np.ndarray, nll_virial: np.ndarray, log_prior_virial: np.ndarray, beta: float, dim: int
) -> np.ndarray:
    """Return the series of one rung with mean 0 under p_β, for h = 1, nll and log φ.

    Parameters
    ----------
    nll, log_prior : (chain, draw) float
        nats; the prior density on the unconstrained space.
    nll_virial, log_prior_virial : (chain, draw) float
        (z − c)·∇ of each, c fixed before these draws were made.
    beta : float
    dim : int
        d.

    Returns
    -------
    (chain, draw, series) float
        Those that serve: finite, not constant, no single draw the most of their scatter. None of them where the mean
        of the first is not 0 within its error, as where nll jumps or a gradient is wrong. nll and log φ enter h with
        their mean taken away and in units of their standard deviation, which leaves the space that the series span as
        it is.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        plain = dim + log_prior_virial - beta * nll_virial
        found = [plain]
        for value, virial in ((nll, nll_virial), (log_prior, log_prior_virial)):
            spread = np.std(value)
            found.append((value - value.mean()) / spread * plain + virial / spread)
    holds = np.isfinite(plain).all() and abs(plain.mean()) <= MAXIMUM_DISAGREEMENT * monte_carlo_error(plain)
    kept = [series for series in found if holds and _serves(series)]
    return np.stack(kept, axis=-1) if kept else np.zeros((*nll.shape, 0))


def _serves(series: np.ndarray) -> bool:
    squares = np.square(series)
    return bool(np.isfinite(squares).all() and np.ptp(series) > 0 and squares.max() <= LARGEST_SHARE * squares.sum())


class _Fold(NamedTuple):
    """Rows of the series, and what least squares on all other rows needs: their sum, number and inverse scatter."""

    rows: np.ndarray
    sum_elsewhere: np.ndarray
    count_elsewhere: int
    inverse_scatter: np.ndarray


@dataclass(frozen=True, eq=False)
class Controls:
    """Series of known mean 0, to be fitted to an influence.

    Attributes
    ----------
    series : (chain, draw, control) float
    """

    series: np.ndarray

    @cached_property
    def _folds(self) -> list[_Fold]:
        parts = _apart(self.series / self.series.std(axis=(0, 1)))
        sums, counts = np.stack([part.sum(axis=0) for part in parts]), np.array([len(part) for part in parts])
        # einsum, not @: products of tall matrices go to BLAS threads, which crawl on a busy machine
        squares = np.stack([np.einsum("tk,tl->kl", part, part) for part in parts])
        sums, counts, squares = (a.sum(axis=0) - a for a in (sums, counts, squares))
        scatter = squares - sums[:, :, None] * sums[:, None, :] / counts[:, None, None]
        inverse = np.linalg.pinv(scatter, rcond=SAME, hermitian=True)
        return [_Fold(*fold) for fold in zip(parts, sums, counts, inverse, strict=True)]

    def fitted(self, influence: np.ndarray) -> np.ndarray:
        """Return the combination of the series that is nearest to ``influence``, (chain, draw).

        The coefficients of a chain are least squares on all the other chains (of each half of a single chain on the
        other half), so that the mean of the combination stays 0 up to products of independent errors.
        """
        pieces = _apart(influence)
        totals = np.array([piece.sum() for piece in pieces])
        products = np.stack([np.einsum("tk,t->k", f.rows, y) for f, y in zip(self._folds, pieces, strict=True)])
        totals, products = totals.sum() - totals, products.sum(axis=0) - products
        answers = []
        for fold, total, product in zip(self._folds, totals, products, strict=True):
            covariance = product - fold.sum_elsewhere * total / fold.count_elsewhere
            answers.append(np.einsum("tk,k->t", fold.rows, fold.inverse_scatter @ covariance))
        return np.concatenate(answers).reshape(influence.shape)


def _apart(values: np.ndarray) -> list[np.ndarray]:
    """Cut (chain, draw, …) into its chains, or a single chain into its halves."""
    return list(values) if len(values) > 1 else np.array_split(values[0], 2)


def gathered(parts: Sequence[np.ndarray]) -> Controls | None:
    """Return the controls of several rungs together: all, or where the rounds are too few for so many the first of each
    rung, or None.
    """
    for chosen in (parts, [part[..., :1] for part in parts]):
        series = np.concatenate(chosen, axis=-1)
        chains, draws, count = series.shape
        if 0 < ROUNDS_PER_CONTROL * count <= chains * draws:
            return Controls(series)
    return None
