"""The Fisher information of one observation, expected and empirical, and the Hessian, in unconstrained coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpyro import handlers

from singular.analysis.fisher_rows import MONTE_CARLO, Recipe, missing_probability, recipe_of, whitened
from singular.analysis.spectrum import Spectrum, spectrum_of_factor
from singular.errors import InputError, whole
from singular.models.density import compiled
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

KINDS = ("expected", "empirical")
MISSING = 1e-9
"""Probability of outcomes left out above which the information is flagged."""
SEED = 7
"""Of the observations simulated where nothing exact is known."""


@dataclass(frozen=True)
class Information:
    """A Fisher information of one observation, with its factor.

    Attributes
    ----------
    factor : (N, d) float
        R, with I = RᵀR/n; in nats^(1/2) per unit of the unconstrained coordinates.
    n : int
        Observations.
    kind : str
    error : (d, d) float or None
        Monte Carlo standard error of each entry of ``matrix``; None where it is exact.
    flags : tuple of str
    """

    factor: np.ndarray
    n: int
    kind: str
    error: np.ndarray | None = None
    flags: tuple[str, ...] = ()

    @property
    def matrix(self) -> np.ndarray:
        """(d, d): I, nats per observation."""
        return self.factor.T @ self.factor / self.n

    @property
    def spectrum(self) -> Spectrum:
        """Eigenvalues of I, from the singular values of its factor."""
        return spectrum_of_factor(self.factor / np.sqrt(self.n))


def fisher_information(
    problem: Problem, parameters: Mapping[str, Any] | np.ndarray, kind: str = "expected"
) -> Information:
    """Return the Fisher information of one observation at a point.

    ``expected`` is the mean over observations of E[s sᵀ] under the model at that point, given the covariates of the
    data; s is the score, the gradient of the log-likelihood of one observation in the unconstrained coordinates. It
    is exact for normal, multivariate normal and Poisson observations and for those of finitely many outcomes (counts
    of mixtures cut off where nothing is left); otherwise over simulated observations, with a flag and an ``error``.
    ``empirical`` is the mean of s sᵀ over the data.

    Parameters
    ----------
    problem : Problem
    parameters : mapping or (d,) float
        Site name to value, on the sites' own supports, or a point of the unconstrained space.
    kind : {"expected", "empirical"}

    Returns
    -------
    Information

    Raises
    ------
    InputError
        If the kind is unknown, the point is no point of the problem or lies on the edge of a support, or
        the model sums out discrete sites or has factors, whose observations have no distribution of their own.

    Examples
    --------
    >>> from singular import models
    >>> problem = models.problem("linear-2", n=50)
    >>> x = problem.kwargs["x"]
    >>> found = fisher_information(problem, problem.model.optimum)
    >>> bool(np.allclose(found.matrix, x.T @ x / 50))
    True
    """
    z = point_of(problem, parameters)
    with x64():
        return informer(problem, kind)(z)


def hessian(problem: Problem, parameters: Mapping[str, Any] | np.ndarray) -> np.ndarray:
    """Return the Hessian of nll/n at a point, (d, d), in the unconstrained coordinates; nats per observation.

    Parameters and errors are those of `fisher_information`.
    """
    z = point_of(problem, parameters)
    with x64():
        curvature = compiled("nll hessian", lambda split: jax.hessian(lambda v: split(v)[1]), problem.parts.split)
        return np.asarray(curvature(z)) / problem.n


def along(
    ladder: xr.DataTree, problem: Problem, beta: float | str = 1.0, draws: int = 64, kind: str = "expected"
) -> pd.DataFrame:
    """Return the spectrum of the Fisher information at evenly spaced draws of one rung.

    Parameters
    ----------
    ladder : DataTree
    problem : Problem
    beta : float or str
        As for ``posteriors.rung``.
    draws : int
        Over all chains.
    kind : {"expected", "empirical"}

    Returns
    -------
    DataFrame
        ``chain, draw, place, eigenvalue, rank, gap, clear, flags``: d rows a draw, ``place`` from 0 down.

    Raises
    ------
    InputError
        As `fisher_information` and ``posteriors.rung``.
    """
    from singular.posteriors.unconstrained import unconstrained

    whole("draws", draws, least=1)
    every = unconstrained(ladder, problem, beta)
    chains, length, d = every.shape
    chosen = np.unique(np.linspace(0, chains * length - 1, min(draws, chains * length)).round().astype(int))
    frames = []
    with x64():
        inform = informer(problem, kind)
        for at in chosen:
            found = inform(every.reshape(-1, d)[at])
            spectrum = found.spectrum
            about = {"chain": at // length, "draw": at % length, "place": np.arange(d)}
            told = {"rank": spectrum.rank, "gap": spectrum.gap, "clear": spectrum.clear}
            flags = "; ".join((*found.flags, *spectrum.flags))
            frames.append(pd.DataFrame({**about, "eigenvalue": spectrum.eigenvalues, **told, "flags": flags}))
    return pd.concat(frames, ignore_index=True)


def point_of(problem: Problem, parameters: Mapping[str, Any] | np.ndarray) -> np.ndarray:
    """Return a point as a vector of the unconstrained space, (d,), checked."""
    if isinstance(parameters, Mapping):
        with x64():
            z = np.asarray(problem.parts.unconstrain(dict(parameters)), dtype=float)
    else:
        z = np.asarray(parameters, dtype=float)
    if z.shape != (problem.dim,):
        raise InputError(f"parameters has shape {z.shape}; {problem.name!r} has ({problem.dim},)")
    if not np.isfinite(z).all():
        raise InputError(
            f"parameters={parameters!r} lies on the edge of a site's support, which no unconstrained vector maps to"
        )
    return z


def informer(problem: Problem, kind: str = "expected") -> Callable[[np.ndarray], Information]:
    """Return z -> Information, compiled once for many points of a problem; call it inside ``x64()``.

    Arguments and errors are those of `fisher_information`.
    """
    if kind not in KINDS:
        raise InputError(f"kind={kind!r} is not known; allowed: {', '.join(KINDS)}")
    sites = problem.parts.sites
    if sites.discrete:
        raise InputError(f"{problem.name!r} sums out {list(sites.discrete)}: its observations have no scores apart")
    factors = [name for name in sites.observed if name not in sites.sample_sizes]
    if factors:
        raise InputError(f"{problem.name!r} has factors {factors}: they are no observations and have no distribution")
    return partial(_empirical, problem) if kind == "empirical" else partial(_expected, problem, _programs(problem))


@lru_cache(maxsize=1)
def _programs(problem: Problem) -> dict[Any, Callable]:
    """Return the compiled rows of a problem by recipe, to be filled; those of the last problem are kept."""
    return {}


def _empirical(problem: Problem, z: np.ndarray) -> Information:
    pointwise = problem.parts.pointwise
    assert pointwise is not None

    def scores_of(function):
        def logs(v):
            return jnp.concatenate([_by_row(value) for value in function(v).values()])

        return jax.jacfwd(logs)

    rows = np.asarray(compiled("scores", scores_of, pointwise)(z))
    return Information(rows.reshape(-1, problem.dim), problem.n, "empirical")


def _by_row(value: Any) -> Any:
    """Return the log-likelihoods of observations, those of one row added up."""
    return value.reshape(value.shape[0], -1).sum(axis=1) if jnp.ndim(value) else value.reshape(1)


def _expected(problem: Problem, made: dict[Any, Callable], z: np.ndarray) -> Information:
    here = _observed(problem, z)
    recipes = {name: recipe_of(fn) for name, fn in here.items()}
    key = tuple((name, r.route, None if r.outcomes is None else len(r.outcomes)) for name, r in recipes.items())
    if key not in made:

        def rows(v, seed):
            return {name: whitened(fn, recipes[name], seed) for name, fn in _observed(problem, v).items()}

        made[key] = jax.jit(jax.jacfwd(rows))
    parts = {name: np.asarray(value) for name, value in made[key](z, jax.random.key(SEED)).items()}
    flags = []
    for name, fn in here.items():
        missing = missing_probability(fn, recipes[name])
        if missing > MISSING:
            flags.append(f"outcomes of {name} of probability {missing:.1g} are left out")
    error = None
    simulated = [name for name, recipe in recipes.items() if recipe.route == "simulated"]
    if simulated:
        error = np.sqrt(sum(_square_error(parts[name], recipes[name]) for name in simulated)) / problem.n
        flags.append(f"Fisher information over {MONTE_CARLO} simulated observations")
    return Information(np.concatenate(list(parts.values())), problem.n, "expected", error, tuple(flags))


def _observed(problem: Problem, z: Any) -> dict[str, Any]:
    """Return the distribution of each observed site at a point."""
    parts = problem.parts
    every = parts.constrain(z)
    model = handlers.substitute(handlers.seed(problem.density, 0), data={k: every[k] for k in parts.sites.latent})
    trace = handlers.trace(model).get_trace(*problem.args, **problem.kwargs)
    return {name: trace[name]["fn"] for name in parts.sites.observed}


def _square_error(rows: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return the variance of n times each entry of the information, from simulated rows over √S."""
    by_draw = rows.reshape(recipe.draws, -1, rows.shape[1]) * np.sqrt(recipe.draws)
    products = np.einsum("sei,sej->sij", by_draw, by_draw)
    return products.var(axis=0, ddof=1) / recipe.draws
