"""What a family may declare about its likelihood so that sampling is cheap: sums that suffice, a normal block, moves.

None of it changes a posterior. Samplers take what is declared and tests hold each way to the same answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from singular.models.integrals.collapse import log_gaussian_block
from singular.models.small_product import product

ROWS_AT_A_TIME = 5_000
"""Rows whose triangular factor is taken at once: few enough for the processor's cache."""

Values = Mapping[str, Any]
"""Site name -> value, at one point, on the sites' own supports."""


@dataclass(frozen=True)
class LinearGaussian:
    """y = Wᵀ x + noise, x and y known functions of the data, W a function of the parameters.

    Attributes
    ----------
    covariates : data -> (n, p)
        x.
    response : data -> (n, q)
        y.
    weights : parameters -> (p, q)
        W, a JAX function of one point.
    noise : float
        Standard deviation of the noise, the same for every entry.
    """

    covariates: Callable[[Mapping[str, Any]], Any]
    response: Callable[[Mapping[str, Any]], Any]
    weights: Callable[[Values], Any]
    noise: float = 1.0

    def summarise(self, data: Mapping[str, Any]) -> Sums:
        """Return the sums of a data set."""
        return sums_of(self, data)

    def nll(self, values: Values, sums: Sums) -> Any:
        """Return nL_n at one point, nats: a cost that does not grow with n."""
        gap = jnp.asarray(sums.y) - product(sums.x, self.weights(values))
        return jnp.sum(jnp.asarray(sums.constant)) + 0.5 * jnp.sum(gap**2) / sums.noise**2


@dataclass(frozen=True)
class Sufficient:
    """A likelihood that knows the data through a few arrays alone.

    Attributes
    ----------
    summarise : data -> arrays
    nll : (parameters, arrays) -> scalar
        nL_n at one point, nats, a JAX function.
    """

    summarise: Callable[[Mapping[str, Any]], Any]
    nll: Callable[[Values, Any], Any]


@dataclass(frozen=True)
class NormalBlock:
    """A site a ~ N(0, scale² I) in which the mean of the response is linear once the others are given: Φ(others) a.

    Attributes
    ----------
    site : str
    design : (others, x (n, p)) -> (n, k)
        Φ, a JAX function.
    columns : (k, q) array -> value of the site
        How the coefficients of Φ, one column for each response, are laid out in the site.
    covariates, response : as in `LinearGaussian`
    noise, scale : float
        Standard deviations of the noise and of the prior of the site's entries.
    linear : bool
        Whether Φ is linear in x, so that the sums of products of x and y suffice.
    """

    site: str
    design: Callable[[Values, Any], Any]
    columns: Callable[[Any], Any]
    covariates: Callable[[Mapping[str, Any]], Any]
    response: Callable[[Mapping[str, Any]], Any]
    noise: float = 1.0
    scale: float = 1.0
    linear: bool = False


@dataclass(frozen=True)
class Move:
    """A Markov step that keeps φ(w) exp(−β nL_n(w)) at every β.

    Attributes
    ----------
    sites : tuple of str
        The sites that it renews: draws from their conditional given all others. A move along an orbit, or a scaling,
        renews none. Moves that renew all sites between them do without NUTS.
    step : (key, parameters, β, sums) -> parameters
        A JAX function of one point, key and β scalars, that returns the sites it changed; ``sums`` are what the model's
        ``sufficient`` makes of the data, or None. A value that is not finite undoes all moves of that round.
    """

    sites: tuple[str, ...]
    step: Callable[[Any, Values, Any, Any], Values]


class Sums(NamedTuple):
    """What the data of a linear regression with normal noise come to.

    Attributes
    ----------
    x, y : (r, p), (r, q)
        The triangular factor of [x y], r ≤ p + q: the same products as all n rows have.
    constant : (1,)
        n q log(2π noise²)/2, nats: an array, for a number would be written into the compiled program.
    noise : float
    """

    x: Any
    y: Any
    constant: Any
    noise: float


def matrix_of(name: str) -> Callable[[Mapping[str, Any]], np.ndarray]:
    """Return the function that reads an array of n observations as a matrix of n rows."""
    return lambda data: np.asarray(data[name], dtype=np.float64).reshape(len(data[name]), -1)


def regression(weights: Callable[[Values], Any], noise: float = 1.0) -> LinearGaussian:
    """Return y ~ N(Wᵀ x, noise² I) for the data ``x`` and ``y``."""
    return LinearGaussian(matrix_of("x"), matrix_of("y"), weights, noise)


def repeated(mean: Callable[[Values], Any]) -> LinearGaussian:
    """Return y ~ N(mean, I), the same mean (q,) for every observation."""
    return LinearGaussian(
        lambda data: np.ones((len(data["y"]), 1)), matrix_of("y"), lambda w: jnp.reshape(mean(w), (1, -1))
    )


def outer_weights(site: str, design: Callable[[Values, Any], Any], linear: bool = False) -> NormalBlock:
    """Return the block of weights a (k,) ~ N(0, I) of y ~ N(Φ a, 1) for the data ``x`` and ``y``."""
    return NormalBlock(site, design, lambda c: c[:, 0], matrix_of("x"), matrix_of("y"), linear=linear)


def sums_of(form: LinearGaussian | NormalBlock, data: Mapping[str, Any]) -> Sums:
    """Return the sums of a data set, its rows taken some at a time."""
    x, y = (np.asarray(part(data), dtype=np.float64) for part in (form.covariates, form.response))
    factor = triangular_factor(x, y)
    constant = _constant(y, form.noise)
    return Sums(factor[:, : x.shape[1]], factor[:, x.shape[1] :], constant, form.noise)


def _constant(y: np.ndarray, noise: float) -> np.ndarray:
    return np.array([0.5 * y.size * math.log(2 * math.pi * noise**2)])


def triangular_factor(*parts: np.ndarray) -> np.ndarray:
    """Return R of [parts] = Q R, the parts side by side, at most as many rows as columns; all rows if so few."""
    count, width = len(parts[0]), sum(part.shape[1] for part in parts)
    if count <= width:
        return np.concatenate(parts, axis=1)
    factor = np.zeros((0, width))
    for first in range(0, count, ROWS_AT_A_TIME):
        rows = np.concatenate([part[first : first + ROWS_AT_A_TIME] for part in parts], axis=1)
        factor = np.linalg.qr(np.concatenate([factor, rows]), mode="r")
    return factor


def block_rows(block: NormalBlock, data: Mapping[str, Any]) -> Sums:
    """Return the rows that Φ is made of: the sums where these suffice, else all the data."""
    if block.linear:
        return sums_of(block, data)
    x, y = (np.asarray(part(data), dtype=np.float64) for part in (block.covariates, block.response))
    return Sums(x, y, _constant(y, block.noise), block.noise)


def _normal_equations(block: NormalBlock, rows: Sums, others: Values):
    """Return s² ΦᵀΦ/σ² and s Φᵀ y/σ²: of the block in units of its prior."""
    design = block.design(others, jnp.asarray(rows.x)) * (block.scale / rows.noise)
    return product(design.T, design), product(design.T, jnp.asarray(rows.y) / rows.noise)


def log_collapsed(block: NormalBlock, rows: Sums, others: Values, beta: Any) -> Any:
    """Return log ∫ N(a; 0, s² I) p(D | a, others)^β da, nats: a normal density to the power β is normal.

    Bishop (2006), Pattern Recognition and Machine Learning, equation 3.86, with the likelihood raised to β.
    """
    gram, moment = _normal_equations(block, rows, others)
    noise = jnp.sum(jnp.asarray(rows.constant)) + 0.5 * jnp.sum((jnp.asarray(rows.y) / rows.noise) ** 2)
    return log_gaussian_block(gram, moment, beta) - beta * noise


def draw_block(block: NormalBlock, rows: Sums, key: Any, others: Values, beta: Any) -> Any:
    """Return an exact draw of the block given the others at β, laid out as its site is."""
    gram, moment = _normal_equations(block, rows, others)
    root = jnp.linalg.cholesky(jnp.eye(gram.shape[0]) + beta * gram)
    half = jax.scipy.linalg.solve_triangular(root, beta * moment, lower=True)
    noise = jax.random.normal(key, half.shape, half.dtype)
    drawn = jax.scipy.linalg.solve_triangular(root.T, half + noise, lower=False)
    return block.columns(block.scale * drawn)
