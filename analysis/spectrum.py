"""Eigenvalues of a Fisher information or a Hessian, its numerical rank and how clear that rank is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from singular.analysis.thresholds import CLEAR_GAP, NEARLY_SINGULAR, ZERO_SINGULAR_VALUE
from singular.errors import InputError


@dataclass(frozen=True)
class Spectrum:
    """What the eigenvalues of a symmetric matrix say of its rank.

    Attributes
    ----------
    eigenvalues : (d,) float
        Descending in modulus.
    vectors : (d, d) float
        Eigenvectors as columns, in that order.
    rank : int
        Of a matrix given by a factor R, as RᵀR: singular values of R above `ZERO_SINGULAR_VALUE` times the largest.
        Of a matrix by itself: eigenvalues of modulus above `NEARLY_SINGULAR` times the largest.
    gap : float
        Last singular value that counts over the first that does not (eigenvalues, of a matrix by itself); the
        rounding of the largest stands for it where all count or where it is smaller.
    clear : bool
        Whether the gap is at least `CLEAR_GAP`.
    flags : tuple of str
        Why the rank could be another.
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray
    rank: int
    gap: float
    clear: bool
    flags: tuple[str, ...] = ()

    @property
    def null(self) -> np.ndarray:
        """(d, d − rank): an orthonormal basis of the null space, as columns."""
        return self.vectors[:, self.rank :]

    @property
    def range(self) -> np.ndarray:
        """(d, rank): an orthonormal basis of its complement."""
        return self.vectors[:, : self.rank]


def spectrum_of_factor(factor: np.ndarray) -> Spectrum:
    """Return the spectrum of RᵀR from the singular values of R, (N, d).

    A zero singular value comes out as rounding, 1e-16 of the largest, and its eigenvalue as the square of that; from
    RᵀR itself an eigenvalue of 0 could not be told from 1e-16.

    Examples
    --------
    >>> found = spectrum_of_factor(np.array([[3.0, 4.0], [6.0, 8.0]]))
    >>> found.rank, found.clear
    (1, True)
    """
    if factor.ndim != 2 or not np.isfinite(factor).all():
        raise InputError(f"factor has shape {np.shape(factor)}; allowed is a matrix (N, d) of finite numbers")
    rows, d = factor.shape
    if rows < d:
        factor = np.concatenate([factor, np.zeros((d - rows, d))])
    _, values, transposed = np.linalg.svd(factor, full_matrices=False)
    rank, gap = _rank(values, ZERO_SINGULAR_VALUE)
    return Spectrum(values**2, transposed.T, rank, gap, *_clear(rank, gap))


def spectrum_of_matrix(matrix: np.ndarray) -> Spectrum:
    """Return the spectrum of a symmetric matrix (d, d), definite or not.

    Examples
    --------
    >>> spectrum_of_matrix(np.diag([1.0, -2.0, 0.0])).rank
    2
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
        raise InputError(f"matrix has shape {matrix.shape}; allowed is a square matrix of finite numbers")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    order = np.argsort(-np.abs(values), kind="stable")
    rank, gap = _rank(np.abs(values)[order], NEARLY_SINGULAR)
    return Spectrum(values[order], vectors[:, order], rank, gap, *_clear(rank, gap))


def _rank(sizes: np.ndarray, limit: float) -> tuple[int, float]:
    if sizes[0] == 0.0:
        return 0, np.inf
    rank = int((sizes > limit * sizes[0]).sum())
    rounding = np.finfo(float).eps * sizes[0]
    first = max(float(sizes[rank]), rounding) if rank < len(sizes) else rounding
    return rank, float(sizes[rank - 1]) / first


def _clear(rank: int, gap: float) -> tuple[bool, tuple[str, ...]]:
    if gap >= CLEAR_GAP:
        return True, ()
    return False, (f"rank {rank} is not clear: the smallest value that counts is {gap:.2g} times the next",)
