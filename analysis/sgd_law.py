"""Constant-step SGD on a quadratic whose gradient noise does not depend on w: the law at step N and for ever.

    v ← μ v − η P (A (w − m) + ξ),  w ← w + v,   Cov ξ = ρ C,   A = H + γ I

with momentum μ, preconditioner P, weight decay γ. u = P^(−1/2) w follows the same recursion with P^(1/2) A P^(1/2) and
P^(1/2) C P^(1/2) and no preconditioner, and in the eigenvectors of the former each pair of directions is on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from singular.analysis.law_inputs import axes_of, batch_factor, number, per_direction, semidefinite, spectrum_of
from singular.analysis.linear_recursion import moments_after, stationary_moments
from singular.analysis.starts import Start
from singular.errors import InputError, whole

NO_NOISE = "no noise: there is no temperature, and no coefficient"
WANDERS = "flat directions wander: their variance grows without limit and is left out of the covariance"
SAME = 1e-9


@dataclass(frozen=True)
class SGDLaw:
    """The first two moments of w under constant-step SGD; with normal noise from a normal start, its law.

    Attributes
    ----------
    mean : (d,) float
        From the minimum.
    covariance : (d, d) float
    excess : float
        E[L] − L0 = ½ tr(HΣ) + ½ meanᵀ H mean, in the unit of the loss.
    temperature : float
        ησ²/(2B(1−μ)) (or what the function says), in the unit of the loss.
    excess_coefficient : float
        excess/temperature: what SGD reads for the learning coefficient. It is that of a tempered posterior only if
        the law is Gibbs.
    gibbs_temperature : float
        tr(AΣ)/r, the temperature that r directions would have if energy were shared equally.
    gibbs_departure : float
        Greatest entry of A^(1/2) Σ A^(1/2)/``gibbs_temperature`` − I over the curved directions: 0 if and only if the
        second moments are those of exp(−(L + ½ γ |w − m|²)/T), here at this step size.
    is_gibbs : bool
        The stationary law tends to exp(−L/T) as η → 0: C ∝ P^(−1), isotropic noise without preconditioner. Always
        False at a finite number of steps and where noise depends on w.
    flags : tuple of str
    """

    mean: np.ndarray
    covariance: np.ndarray
    excess: float
    temperature: float
    excess_coefficient: float
    gibbs_temperature: float
    gibbs_departure: float
    is_gibbs: bool
    flags: tuple[str, ...] = ()


def additive_sgd(
    hessian: ArrayLike,
    noise: ArrayLike,
    step_size: float,
    *,
    batch_size: int = 1,
    n: int | None = None,
    momentum: float = 0.0,
    preconditioner: ArrayLike | None = None,
    weight_decay: float = 0.0,
    decay_centre: float | np.ndarray = 0.0,
    noise_level: float | None = None,
    start: Start | None = None,
    steps: int | None = None,
) -> SGDLaw:
    """Return the law of SGD with additive noise on ½ wᵀHw, stationary or after N steps.

    Without momentum Σ_ij = (η/B) C_ij/(h_i + h_j − η h_i h_j) in the eigenvectors of H, so that the excess is
    (η/B) Σ C_ii/(2 (2 − η h_i)) over h_i > 0. Three cases, with T = ησ²/(2B):

    - C = σ² I: variances T/(h_i (1 − ηh_i/2)), coefficient Σ 1/(2 − ηh_i) → r/2: Gibbs up to O(η);
    - C = σ² H (a well-specified model at its optimum): T/(1 − ηh_i/2), isotropic in w, coefficient
      Σ h_i/(2 − ηh_i) → ½ tr H, which is no count of directions: no equipartition, not Gibbs;
    - C = σ² H and P = H^(−1): Gibbs, see `natural_gradient_sgd`.

    With momentum a direction has the variance (η c/B)(1+μ)/[(1−μ) h (2(1+μ) − ηh)], stable if ηh < 2(1+μ).

    Parameters
    ----------
    hessian : (d,) or (d, d) float
        H of the mean loss; (d,) are eigenvalues, or a diagonal.
    noise : float, (d,) or (d, d) float
        C, the covariance of the gradient of one observation; a number is σ² I.
    step_size : float
        η > 0.
    batch_size, n : int
        B; with replacement, or subsets of n without if ``n`` is given: see `batch_factor`.
    momentum : float
        0 ≤ μ < 1, heavy ball: v ← μv − ηg, w ← w + v, v = 0 at the start.
    preconditioner : (d,) or (d, d) float, optional
        P, positive definite.
    weight_decay, decay_centre : float; float or (d,) float
        γ ≥ 0 and m: γ (w − m) is added to the gradient. A Gibbs law then has a prior N(m, T/γ), and the excess
        coefficient is that of `tempered_quadratic` at τ = γ/T, t = 1/T, as η → 0.
    noise_level : float, optional
        σ² in the temperature; if not given, the mean of C over the directions with h > 0.
    start : Gaussian or Box, optional
        Independent coordinates of w; needed with ``steps``.
    steps : int, optional
        N ≥ 0; the stationary law if not given.

    Raises
    ------
    InputError
        If an argument is not as above, or the stationary law does not exist.

    References
    ----------
    Mandt, Hoffman and Blei (2017), arXiv:1704.04289, in continuous time; Liu, Ziyin and Ueda (2021),
    arXiv:2012.03636, and Ziyin et al. (2021), arXiv:2102.05375, in discrete time.

    Examples
    --------
    >>> h = [3.0, 1.0, 0.3, 0.1]
    >>> round(additive_sgd(h, 1.0, 0.2).excess_coefficient, 6)
    2.290356
    >>> law = additive_sgd(h, h, 0.2, noise_level=1.0)
    >>> round(law.excess_coefficient, 6), law.is_gibbs
    (2.903557, False)
    """
    h_matrix = semidefinite("hessian", hessian)
    dim = h_matrix.shape[0]
    c_matrix = semidefinite("noise", noise, dim)
    eta = number("step_size", step_size)
    mu = number("momentum", momentum, zero=True, most=1.0)
    gamma = number("weight_decay", weight_decay, zero=True)
    rho = batch_factor(batch_size, n)
    drift = h_matrix + gamma * np.eye(dim)
    root, back = _root(preconditioner, dim)
    a, axes = axes_of(root @ drift @ root)
    to_w, to_u = root @ axes, axes.T @ back
    c = to_w.T @ c_matrix @ to_w
    curved = a > 0
    pull = gamma * to_w.T @ per_direction("decay_centre", decay_centre, dim)
    fixed = np.where(curved, pull / np.where(curved, a, 1.0), 0.0)
    flags: tuple[str, ...] = ()
    if steps is None:
        unstable = eta * a.max() >= 2 * (1 + mu)
        if unstable or not curved.any():
            raise InputError(
                f"step_size={step_size!r}: a stationary law needs some curvature, and step_size times the greatest "
                f"({a.max():.4g}) below {2 * (1 + mu):.4g}"
            )
        mean, covariance = fixed, stationary_moments(a, eta * eta * rho * c, eta, mu)
        if np.any(np.diag(c)[~curved] > 1e-12 * np.diag(c).max()):
            flags = (WANDERS,)
    else:
        if start is None:
            raise InputError("start=None: the law after a number of steps needs a start, Gaussian or Box")
        first, second = start.moments(dim)
        mean, covariance = moments_after(
            whole("steps", steps, 0), a, eta * eta * rho * c, eta, mu, to_u @ first - fixed, to_u * second @ to_u.T
        )
        mean = mean + fixed
    level = _level(noise_level, h_matrix, c_matrix)
    whitened = np.sqrt(a)[:, None] * covariance * np.sqrt(a)
    shared, departure = _departure(whitened[np.ix_(curved, curved)])
    limit = _departure(c[np.ix_(curved, curved)])[1]
    w_mean, w_covariance = to_w @ mean, to_w @ covariance @ to_w.T
    excess = float(0.5 * np.sum(h_matrix * w_covariance) + 0.5 * w_mean @ h_matrix @ w_mean)
    temperature = eta * level * rho / (2 * (1 - mu))
    if temperature == 0:
        flags = (*flags, NO_NOISE)
    return SGDLaw(
        mean=w_mean,
        covariance=w_covariance,
        excess=excess,
        temperature=temperature,
        excess_coefficient=excess / temperature if temperature > 0 else np.nan,
        gibbs_temperature=shared,
        gibbs_departure=departure,
        is_gibbs=steps is None and limit < SAME,
        flags=flags,
    )


def natural_gradient_sgd(
    hessian: ArrayLike,
    noise_level: float,
    step_size: float,
    *,
    batch_size: int = 1,
    n: int | None = None,
    momentum: float = 0.0,
) -> SGDLaw:
    """Return the stationary law with noise σ² H and preconditioner H^(−1): exp(−L/T') exactly, at any step size.

    T' = ησ²ρ(1+μ)/((1−μ)(2(1+μ) − η)), which is ησ²/(B(2−η)) without momentum; the coefficient is d/2 for all
    0 < η < 2(1+μ).

    Parameters
    ----------
    hessian : (d,) or (d, d) float
        H, positive definite.
    noise_level : float
        σ² > 0.
    step_size, batch_size, n, momentum
        As in `additive_sgd`.

    Examples
    --------
    >>> law = natural_gradient_sgd([3.0, 1.0, 0.3, 0.1], 1.0, 0.2)
    >>> round(law.temperature, 6), round(law.excess_coefficient, 12), law.is_gibbs
    (0.111111, 2.0, True)
    """
    matrix = semidefinite("hessian", hessian)
    if axes_of(matrix)[0].min() <= 0:
        raise InputError("hessian must be positive definite: its inverse is the preconditioner")
    level = number("noise_level", noise_level)
    law = additive_sgd(
        matrix,
        level * matrix,
        step_size,
        batch_size=batch_size,
        n=n,
        momentum=momentum,
        preconditioner=np.linalg.inv(matrix),
        noise_level=level,
    )
    temperature = natural_gradient_temperature(level, step_size, batch_size=batch_size, n=n, momentum=momentum)
    return replace(law, temperature=temperature, excess_coefficient=law.excess / temperature)


def natural_gradient_temperature(
    noise_level: float, step_size: float, *, batch_size: int = 1, n: int | None = None, momentum: float = 0.0
) -> float:
    """Return T' = ησ²ρ(1+μ)/((1−μ)(2(1+μ) − η)), at which natural-gradient SGD with noise σ² H is Gibbs."""
    mu = number("momentum", momentum, zero=True, most=1.0)
    eta = number("step_size", step_size, most=2 * (1 + mu))
    rho = batch_factor(batch_size, n)
    return eta * number("noise_level", noise_level) * rho * (1 + mu) / ((1 - mu) * (2 * (1 + mu) - eta))


def largest_step(curvatures: ArrayLike, momentum: float = 0.0) -> float:
    """Return 2(1+μ)/h_max, the step size from which SGD with additive noise is unstable; infinite if all is flat."""
    greatest = spectrum_of(curvatures).max()
    mu = number("momentum", momentum, zero=True, most=1.0)
    return float(2 * (1 + mu) / greatest) if greatest > 0 else np.inf


def heat_capacity(curvatures: ArrayLike, step_size: float, steps: int | None = None) -> float:
    """Return ∂E[L_N]/∂T of plain SGD with isotropic noise, T = ησ²/(2B): Σ (1 − a_i)/(2 − η h_i) over h_i > 0.

    As η → 0 it is half of `learned_directions(…, count="residual")`, and for N → ∞ (``steps`` None) the coefficient
    that SGD reads: learned directions are the degrees of freedom which noise has heated.

    Raises
    ------
    InputError
        If a step is not stable, η h_i ≥ 2.
    """
    h = spectrum_of(curvatures)
    rate = number("step_size", step_size) * h[h > 0]
    if rate.size and rate.max() >= 2:
        raise InputError(f"step_size={step_size!r} must be below {largest_step(h):.6g}")
    left = 0.0 if steps is None else (1 - rate) ** (2 * whole("steps", steps, 0))
    return float(np.sum((1 - left) / (2 - rate)))


def _root(preconditioner: ArrayLike | None, dim: int) -> tuple[np.ndarray, np.ndarray]:
    if preconditioner is None:
        return np.eye(dim), np.eye(dim)
    values, vectors = axes_of(semidefinite("preconditioner", preconditioner, dim))
    if values.min() <= 0:
        raise InputError("preconditioner must be positive definite")
    return vectors * np.sqrt(values) @ vectors.T, vectors / np.sqrt(values) @ vectors.T


def _level(given: float | None, hessian: np.ndarray, noise: np.ndarray) -> float:
    if given is not None:
        return number("noise_level", given)
    h, axes = axes_of(hessian)
    if not np.any(h > 0):
        return float(np.trace(noise) / h.size)
    curved = axes[:, h > 0]
    return float(np.sum(curved * (noise @ curved)) / curved.shape[1])


def _departure(matrix: np.ndarray) -> tuple[float, float]:
    shared = float(np.trace(matrix)) / max(len(matrix), 1)
    if not shared > 0:
        return 0.0, np.nan
    return shared, float(np.abs(matrix / shared - np.eye(len(matrix))).max())
