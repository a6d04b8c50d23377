"""Exact stationary laws of SGLD on quadratic losses, which its draws are held against.

The sampler is z ← z − (ε/2) (nβ ∇L_B(z) + γ (z − z*)) + √ε ξ with L_B the mean loss of a minibatch. The coefficient
is of the excess form, nβ (E[L_n] − L_n(z*)), under the law that the *discretised* chain settles in: it differs from the
localised posterior's by a bias of the step and one of the minibatch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from singular.errors import InputError


def quadratic_sgld_coefficient(
    curvatures: Sequence[float] | np.ndarray,
    gamma: float,
    t: float,
    step_size: float,
    offset: Sequence[float] | np.ndarray | float = 0.0,
    noise: Sequence[float] | np.ndarray | float = 0.0,
) -> float:
    """Return the coefficient that SGLD reads on L(w) = ½ Σ h_i w_i², its stationary law exact.

    In each direction, with a_i = t h_i + γ and the centre at δ_i from the minimum, the law is normal with mean
    γ δ_i/a_i from the minimum and variance s_i = [1 + (ε/4) t² c_i] / (a_i (1 − ε a_i/4)), so that

        λ̂ = ½ Σ t h_i [ s_i + (γ δ_i/a_i)² − δ_i² ].

    Parameters
    ----------
    curvatures : (d,) float
        h_i ≥ 0, eigenvalues of the Hessian of the mean loss.
    gamma, t : float
        γ ≥ 0 and t = nβ > 0; every a_i must be above 0.
    step_size : float
        ε ≥ 0; 0 is the exact sampler, `quadratic_local_coefficient` if the centre is the minimum.
    offset : (d,) float or float
        δ_i, where the centre lies. Off the minimum the coefficient may be negative without any fault of the sampler.
    noise : (d,) float or float
        c_i, variance of the minibatch gradient of the *mean* loss; additive, in the eigenbasis of the Hessian.

    Raises
    ------
    InputError
        If an argument is not as above, or the step is not stable: ε a_i < 4 is needed.

    References
    ----------
    AR(1) law of the update, direction by direction. Vollmer, Zygalakis and Teh (2016), J. Mach. Learn. Res. 17(159):
    the bias of SGLD to first order, on the same example.

    Examples
    --------
    >>> h = [4.0, 1.0, 0.1, 0.01]
    >>> round(quadratic_sgld_coefficient(h, gamma=10.0, t=1000.0, step_size=0.0), 6)
    1.698348
    >>> round(quadratic_sgld_coefficient(h, gamma=10.0, t=1000.0, step_size=2e-4), 6)
    1.85252
    >>> round(quadratic_sgld_coefficient(h, gamma=10.0, t=1000.0, step_size=0.0, offset=0.1), 3)
    -23.834
    """
    h = np.asarray(curvatures, dtype=np.float64)
    if h.ndim != 1 or h.size == 0 or not np.all(np.isfinite(h) & (h >= 0)):
        raise InputError(f"curvatures={curvatures!r} must be finite numbers of at least 0")
    delta, c = (np.broadcast_to(np.asarray(v, dtype=np.float64), h.shape) for v in (offset, noise))
    if not np.all(np.isfinite(delta)):
        raise InputError(f"offset={offset!r} must be finite")
    if not np.all(np.isfinite(c) & (c >= 0)):
        raise InputError(f"noise={noise!r} must be finite and at least 0")
    for name, value, least in (("gamma", gamma, 0.0), ("t", t, np.nextafter(0, 1)), ("step_size", step_size, 0.0)):
        if not (np.isfinite(value) and value >= least):
            raise InputError(f"{name}={value!r} must be a finite number {'above 0' if least else 'of at least 0'}")
    a = t * h + gamma
    if not (np.all(a > 0) and step_size * a.max() < 4):
        raise InputError(
            f"step_size={step_size!r}, gamma={gamma!r}: a stationary law needs every precision t h + γ "
            f"above 0 and step_size times the largest ({a.max():.4g}) below 4"
        )
    variance = (1 + 0.25 * step_size * t**2 * c) / (a * (1 - 0.25 * step_size * a))
    return float(0.5 * np.sum(t * h * (variance + (gamma * delta / a) ** 2 - delta**2)))


def regression_sgld_coefficient(
    x: np.ndarray,
    y: np.ndarray,
    beta: float,
    gamma: float,
    step_size: float,
    batch_size: int | None = None,
    replacement: bool = True,
) -> float:
    """Return the coefficient that SGLD reads on linear regression with unit noise, minibatch noise included exactly.

    The centre is the least-squares point. Gradient noise is multiplicative there: the random Hessian of a minibatch
    enters as well as its residuals. The covariance Σ of w solves the linear equation

        vec Σ = E[M⊗M] vec Σ + (ε nβ/2)² ρ vec C + ε vec I,   M = I − (ε/2) (nβ A_B + γ I),

    A_B the mean of x xᵀ over the minibatch, C the mean of r² x xᵀ over all data, r residuals.

    Parameters
    ----------
    x : (n, d) float
    y : (n,) float
    beta, gamma, step_size : float
    batch_size : int, optional
        B; all observations if not given.
    replacement : bool
        ρ = 1/B with, (n − B)/(B (n − 1)) without replacement.

    Returns
    -------
    float
        nβ tr(HΣ)/2, H the mean of x xᵀ.

    Raises
    ------
    InputError
        If the shapes disagree, or the second moments of the chain grow without limit.

    Examples
    --------
    All data at once is the quadratic:

    >>> x, y = np.array([[1.0], [2.0]]), np.array([1.0, 0.0])
    >>> regression_sgld_coefficient(x, y, 1.0, 1.0, 0.1) == quadratic_sgld_coefficient([2.5], 1.0, 2.0, 0.1)
    True
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise InputError(f"x, y have shapes {x.shape} and {y.shape}: (n, d) and (n,) are needed")
    n, d = x.shape
    size = n if batch_size is None else batch_size
    if not 1 <= size <= n:
        raise InputError(f"batch_size={batch_size!r} must be a whole number from 1 to n={n}")
    spread = 1 / size if replacement and size < n else (n - size) / (size * max(n - 1, 1))
    hessian = x.T @ x / n
    if spread == 0:
        h = np.maximum(np.linalg.eigvalsh(hessian), 0.0)
        return quadratic_sgld_coefficient(h, gamma, n * beta, step_size)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    noise = (x * residual[:, None] ** 2).T @ x / n
    squares = np.einsum("ni,nj,nk,nl->ikjl", x, x, x, x).reshape(d * d, d * d) / n
    mean = np.eye(d) - 0.5 * step_size * (n * beta * hessian + gamma * np.eye(d))
    scale = 0.5 * step_size * n * beta
    second = np.kron(mean, mean) + scale**2 * spread * (squares - np.kron(hessian, hessian))
    if not np.abs(np.linalg.eigvals(second)).max() < 1:
        raise InputError(f"step_size={step_size!r}: the second moments of SGLD grow without limit; take a smaller one")
    forcing = (scale**2 * spread * noise + step_size * np.eye(d)).ravel()
    covariance = np.linalg.solve(np.eye(d * d) - second, forcing).reshape(d, d)
    return float(0.5 * n * beta * np.trace(hessian @ covariance))
