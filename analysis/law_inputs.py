"""Arguments of the exact laws, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from singular.errors import InputError, whole


def spectrum_of(value: Any, name: str = "curvatures") -> np.ndarray:
    """Return (d,) finite eigenvalues of at least 0, or raise."""
    h = _array(name, value)
    if h.ndim != 1 or h.size == 0 or not np.all(np.isfinite(h) & (h >= 0)):
        raise InputError(f"{name}={value!r} must be a list of finite numbers of at least 0")
    return h


def semidefinite(name: str, value: Any, dim: int | None = None) -> np.ndarray:
    """Return a symmetric matrix without negative eigenvalues: itself, from its diagonal, or a number times I."""
    given = _array(name, value)
    if given.ndim == 0 and dim is not None:
        given = np.full(dim, float(given))
    matrix: np.ndarray = np.diag(given) if given.ndim == 1 and given.size else given
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not np.all(np.isfinite(matrix)):
        raise InputError(f"{name} has shape {given.shape}: allowed are finite numbers, (d,) or (d, d)")
    if dim is not None and matrix.shape[0] != dim:
        raise InputError(f"{name} has dimension {matrix.shape[0]}, the Hessian {dim}: they must agree")
    size = np.abs(matrix).max()
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-10 * size):
        raise InputError(f"{name} must be symmetric")
    matrix = 0.5 * (matrix + matrix.T)
    least = np.diag(matrix).min() if given.ndim < 2 else np.linalg.eigvalsh(matrix).min()
    if least < -1e-10 * size or (given.ndim < 2 and least < 0):
        raise InputError(f"{name} must have no negative eigenvalue; the least is {least:.4g}")
    return matrix


def axes_of(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues and eigenvectors; rounding errors of 0 become 0, and a diagonal matrix keeps its axes."""
    diagonal = np.diag(matrix)
    if np.array_equal(matrix, np.diag(diagonal)):
        return diagonal.copy(), np.eye(diagonal.size)
    values, vectors = np.linalg.eigh(matrix)
    values[values < values.size * np.finfo(float).eps * values.max()] = 0.0
    return values, vectors


def number(name: str, value: Any, *, zero: bool = False, most: float = np.inf) -> float:
    """Return a finite number above 0 (or of at least 0), and below ``most``, or raise."""
    given = _array(name, value)
    if given.ndim or not np.isfinite(given) or not (given > 0 or (zero and given == 0)) or not given < most:
        lower = "of at least 0" if zero else "above 0"
        upper = "" if most == np.inf else f" and below {most:g}"
        raise InputError(f"{name}={value!r} must be a finite number {lower}{upper}")
    return float(given)


def per_direction(name: str, value: Any, dim: int, *, positive: bool = False) -> np.ndarray:
    """Return (d,) numbers from one or d of them; finite, or, if ``positive``, above 0 (infinite allowed)."""
    given = _array(name, value)
    if given.shape not in ((), (dim,)):
        raise InputError(f"{name} has shape {given.shape}: allowed are a number and ({dim},)")
    if not np.all(given > 0 if positive else np.isfinite(given)):
        raise InputError(f"{name}={value!r} must be {'above 0' if positive else 'finite'}")
    return np.broadcast_to(given, (dim,)).copy()


def batch_factor(batch_size: int, n: int | None = None) -> float:
    """Return ρ: the covariance of a minibatch's mean gradient over that of one observation, normalised by 1/n.

    1/B if observations are drawn with replacement (or from a stream), (n − B)/(B (n − 1)) if every step takes a fresh
    subset of n without replacement. Reshuffled epochs, whose steps are not independent, have another law: Kühn and
    Rosenow (2023), arXiv:2306.05300.

    Parameters
    ----------
    batch_size : int
        B.
    n : int, optional
        Observations that a subset is taken from without replacement; with replacement if not given.

    Raises
    ------
    InputError
        If B is below 1 or above n.

    Examples
    --------
    >>> batch_factor(4), batch_factor(4, n=5), batch_factor(5, n=5)
    (0.25, 0.0625, 0.0)
    """
    if n is None:
        return 1 / whole("batch_size", batch_size, 1)
    n = whole("n", n, 1)
    size = whole("batch_size", batch_size, 1, n)
    return (n - size) / (size * max(n - 1, 1))


def _array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}={value!r} must be numbers") from None
