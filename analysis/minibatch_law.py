"""SGD with minibatches of one fixed data set, on linear regression: exact moments, noise that depends on w included.

With b the minibatch and r the residuals of least squares, w − ŵ ← (I − η A_b)(w − ŵ) + η r_b, where A_b and r_b are
means of x xᵀ and of x r. Every second moment follows from E[M_b ⊗ M_b] = M ⊗ M + ρ Cov(M_1 ⊗ M_1), where M_1 is the
step, as a matrix on (w − ŵ, v, 1), by one observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from singular.analysis.law_inputs import batch_factor, number
from singular.analysis.sgd_law import SGDLaw
from singular.analysis.starts import Start
from singular.analysis.streaming_law import moments_law
from singular.errors import InputError, whole

MOST_SQUARES = 1600
"""The matrix on second moments has up to that many rows: d ≤ 38, with momentum 18."""


def minibatch_regression(
    x: np.ndarray,
    y: np.ndarray,
    step_size: float,
    *,
    batch_size: int,
    replacement: bool = True,
    momentum: float = 0.0,
    start: Start | None = None,
    steps: int | None = None,
) -> SGDLaw:
    """Return the moments of minibatch SGD on ½ mean (y − x w)², about least squares, stationary or after N steps.

    Parameters
    ----------
    x : (n, d) float
    y : (n,) float
    step_size : float
        η > 0.
    batch_size : int
        B; at most n without replacement.
    replacement : bool
        With, or a fresh subset each step without; epochs of reshuffled data are another law.
    momentum : float
        0 ≤ μ < 1.
    start : Gaussian or Box, optional
        Of w − ŵ in the coordinates of x, ŵ the least-squares point of least norm; with ``steps``.
    steps : int, optional
        N ≥ 0; stationary if not given.

    Returns
    -------
    SGDLaw
        About ŵ. ``excess`` is of the training loss, over its minimum; ``temperature`` is η ρ σ²/(2 (1−μ)) with σ² the
        mean squared residual. Directions without data stay at their start, which the stationary law leaves out.

    Raises
    ------
    InputError
        If an argument is not as above, the second moments grow without limit (see `minibatch_largest_step`), or there
        are too many parameters for the matrix on second moments.

    References
    ----------
    The recursion itself. Ziyin, Liu, Mori and Ueda (2021), arXiv:2102.05375, treat minibatch noise in discrete time.

    Examples
    --------
    >>> x, y = np.array([[1.0], [2.0], [1.0]]), np.array([1.0, 0.0, 2.0])
    >>> bool(minibatch_regression(x, y, 0.1, batch_size=3, replacement=False).excess < 1e-25)
    True
    """
    data = _Data.of(x, y)
    eta = number("step_size", step_size)
    mu = number("momentum", momentum, zero=True, most=1.0)
    rho = batch_factor(batch_size, None if replacement else len(data.z))
    squares, single = data.operators(eta, rho, mu)
    rank, size = data.z.shape[1], single.shape[0]
    if steps is None:
        rest = squares[:-1, :-1]
        if not np.abs(np.linalg.eigvals(rest)).max() < 1:
            raise InputError(f"step_size={step_size!r}: the second moments grow without limit; take a smaller step")
        second = np.append(np.linalg.solve(np.eye(size**2 - 1) - rest, squares[:-1, -1]), 1.0).reshape(size, size)
        mean, covariance = np.zeros(rank), second[:rank, :rank]
        mean_w, covariance_w = data.axes @ mean, data.axes @ covariance @ data.axes.T
    else:
        if start is None:
            raise InputError("start=None: the law after a number of steps needs a start, Gaussian or Box")
        first, variance = start.moments(data.full.shape[0])
        mean_w, covariance_w = data.after(whole("steps", steps, 0), squares, single, first, np.diag(variance))
    temperature = eta * rho * data.level / (2 * (1 - mu))
    return moments_law(data.hessian, mean_w, covariance_w, temperature)


def minibatch_largest_step(x: np.ndarray, *, batch_size: int, replacement: bool = True, momentum: float = 0.0) -> float:
    """Return the step size from which the second moments of minibatch SGD on these inputs grow without limit."""
    data = _Data.of(x, np.zeros(len(x)))
    mu = number("momentum", momentum, zero=True, most=1.0)
    rho = batch_factor(batch_size, None if replacement else len(data.z))

    def growth(eta: float) -> float:
        return float(np.abs(np.linalg.eigvals(data.operators(eta, rho, mu)[0][:-1, :-1])).max()) - 1

    edge = float(2 * (1 + mu) / np.linalg.eigvalsh(data.hessian).max())
    if growth(edge * (1 - 1e-9)) <= 0:
        return edge
    # radius 1 at a step of 0: start where the slowest direction has clearly moved
    low = edge
    while growth(low) >= 0:
        low /= 2
    found: Any = brentq(growth, low, 2 * low, xtol=1e-13)
    return float(found)


@dataclass(frozen=True)
class _Data:
    """Data on the span of the inputs: z (n, r) = x · axes, residuals of least squares; ``full`` has all d axes."""

    z: np.ndarray
    residual: np.ndarray
    axes: np.ndarray
    full: np.ndarray
    hessian: np.ndarray
    level: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> _Data:
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if x.ndim != 2 or y.shape != x.shape[:1] or not len(x) or not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise InputError(f"x, y have shapes {x.shape} and {y.shape}: allowed are finite (n, d) and (n,)")
        _, values, right = np.linalg.svd(x, full_matrices=True)
        rank = int(np.sum(values > max(x.shape) * np.finfo(float).eps * values.max(initial=0.0)))
        if rank == 0:
            raise InputError("x is 0: there is nothing to learn")
        axes = right[:rank].T
        z = x @ axes
        residual = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
        return cls(z, residual, axes, right.T, x.T @ x / len(x), float(np.mean(residual**2)))

    def operators(self, eta: float, rho: float, mu: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the matrices that step E[s sᵀ] (as a vector) and E[s], s = (w − ŵ, v, 1), or (w − ŵ, 1) if μ = 0."""
        n, r = self.z.shape
        size = (r if mu == 0 else 2 * r) + 1
        if size**2 > MOST_SQUARES:
            raise InputError(
                f"x has rank {r}: the second moments are a system of {size**2} rows, of at most {MOST_SQUARES}"
            )
        push = np.concatenate(
            [np.einsum("ni,nj->nij", self.z, self.z), -(self.z * self.residual[:, None])[:, :, None]], 2
        )
        steps = np.zeros((n, size, size))
        blocks = [0] if mu == 0 else [0, r]
        for row in blocks:
            steps[:, row : row + r, :r] = -eta * push[:, :, :r]
            steps[:, row : row + r, -1] = -eta * push[:, :, r]
            if mu:
                steps[:, row : row + r, r : 2 * r] = mu * np.eye(r)
        steps[:, :r, :r] += np.eye(r)
        steps[:, -1, -1] = 1.0
        mean = steps.mean(axis=0)
        spread = (steps - mean).reshape(n, -1)
        outer = (spread.T @ spread / n).reshape(size, size, size, size)
        return np.kron(mean, mean) + rho * outer.transpose(0, 2, 1, 3).reshape(size**2, size**2), mean

    def after(self, steps, squares, single, first, covariance) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and covariance in x after N steps; correlations with directions without data included."""
        r, size = self.z.shape[1], single.shape[0]
        whole_mean, whole_covariance = self.full.T @ first, self.full.T @ covariance @ self.full
        state = np.zeros(size)
        state[:r], state[-1] = whole_mean[:r], 1.0
        second = np.outer(state, state)
        second[:r, :r] += whole_covariance[:r, :r]
        power = np.linalg.matrix_power(single, steps)
        moments = (np.linalg.matrix_power(squares, steps) @ second.ravel()).reshape(size, size)
        mean, cross = whole_mean.copy(), whole_covariance.copy()
        mean[:r] = (power @ state)[:r]
        cross[:r, :r] = moments[:r, :r] - np.outer(mean[:r], mean[:r])
        cross[:r, r:] = power[:r, :r] @ whole_covariance[:r, r:]
        cross[r:, :r] = cross[:r, r:].T
        return self.full @ mean, self.full @ cross @ self.full.T
