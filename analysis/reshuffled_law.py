"""SGD in epochs: every observation once, in a new order each time. The noise of an epoch sums to 0, and cools SGD.

Means of disjoint minibatches of B out of n have covariances Cov(ξ_k, ξ_l) = C (δ_kl n/B − 1)/(n − 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from singular.analysis.law_inputs import axes_of, number, semidefinite
from singular.analysis.sgd_law import SGDLaw, additive_sgd
from singular.analysis.streaming_law import moments_law
from singular.errors import InputError, whole


def reshuffled_sgd(
    hessian: ArrayLike,
    noise: ArrayLike,
    step_size: float,
    *,
    batch_size: int,
    n: int,
    noise_level: float | None = None,
    position: int | None = None,
) -> SGDLaw:
    """Return the stationary law of SGD in reshuffled epochs, with additive noise on ½ wᵀHw.

    After k steps of an epoch of M = n/B, with r_i = 1 − ηh_i and x = r_i r_j, in the eigenvectors of H,

        Σ_k = x^k Σ_0 + η² C_ij/(n − 1) [ (n/B) Σ_{l<k} x^l − (Σ_{l<k} r_i^l)(Σ_{l<k} r_j^l) ],   Σ_M = Σ_0.

    A flat direction does not wander: its noise is 0 over an epoch. Where ηhM ≪ 1 the excess is of order η² and not of
    order η, and the temperature ησ²ρ/2 of independent subsets is no temperature of this.

    Parameters
    ----------
    hessian, noise, step_size, noise_level
        As in `additive_sgd`: C is normalised by 1/n and is the same at every w.
    batch_size, n : int
        B, which must divide n, and n.
    position : int, optional
        k, from 1 to M; the mean over all positions if not given.

    Returns
    -------
    SGDLaw
        ``temperature`` is that of independent subsets of the same size; ``is_gibbs`` False.

    Raises
    ------
    InputError
        If an argument is not as above, or η h ≥ 2.

    References
    ----------
    Kühn and Rosenow (2023), arXiv:2306.05300: the same anticorrelation, with momentum.

    Examples
    --------
    >>> law = reshuffled_sgd([1.0, 0.0], 1.0, 0.01, batch_size=1, n=10)
    >>> round(law.excess_coefficient, 4), bool(law.covariance[1, 1] < 2e-4)
    (0.0181, True)
    """
    matrix = semidefinite("hessian", hessian)
    c_matrix = semidefinite("noise", noise, matrix.shape[0])
    eta = number("step_size", step_size)
    n = whole("n", n, 2)
    size = whole("batch_size", batch_size, 1, n)
    if n % size:
        raise InputError(f"batch_size={batch_size!r}: allowed are divisors of n={n}")
    epoch = n // size
    h, axes = axes_of(matrix)
    c = axes.T @ c_matrix @ axes
    ratio = 1 - eta * h
    powers = ratio[:, None] ** np.arange(epoch)
    sums = np.cumsum(powers, axis=1)
    pairs = powers[:, None, :] * powers[None, :, :]
    forcing = np.cumsum(pairs, axis=2) * (n / size) - sums[:, None, :] * sums[None, :, :]
    forcing *= (eta**2 / (n - 1)) * c[:, :, None]
    curved = (h[:, None] > 0) | (h[None, :] > 0)
    x = np.multiply.outer(ratio, ratio)
    left = np.where(curved, 1 - x**epoch, 1.0)
    begin = np.where(curved, forcing[:, :, -1], 0.0) / left
    every = x[:, :, None] ** np.arange(1, epoch + 1) * begin[:, :, None] + forcing
    chosen = every.mean(axis=2) if position is None else every[:, :, whole("position", position, 1, epoch) - 1]
    # independent subsets have the temperature, and refuse what is not stable
    temperature = additive_sgd(matrix, c_matrix, eta, batch_size=size, n=n, noise_level=noise_level).temperature
    return moments_law(matrix, np.zeros(h.size), axes @ chosen @ axes.T, temperature)
