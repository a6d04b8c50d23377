"""Posteriors whose draws are exact and independent, laid out as ladders of the one rung β = 1."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tests.ladders import tree


def top_of_ladder(problem, sites: dict[str, np.ndarray], rng: np.random.Generator) -> xr.DataTree:
    """Lay posterior draws (chain, draw, …) out; the nll is noise, as only flags read it."""
    chains, draws = next(iter(sites.values())).shape[:2]
    variables = {
        name: (("chain", "draw", "beta", *(f"{name}_{i}" for i in range(a.ndim - 2))), a[:, :, None])
        for name, a in sites.items()
    }
    ladder = tree([1.0], nll=rng.standard_normal((chains, draws, 1)))
    ladder["posterior"] = xr.DataTree(xr.Dataset(variables, coords={"beta": [1.0]}))
    ladder.attrs["data_hash"] = problem.data_hash
    return ladder


def linear_draws(problem, rng: np.random.Generator, draws: int) -> xr.DataTree:
    """Return draws of linear regression with standard normal priors and noise."""
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    covariance = np.linalg.inv(np.eye(x.shape[1]) + x.T @ x)
    noise = rng.standard_normal((4, draws, x.shape[1])) @ np.linalg.cholesky(covariance).T
    return top_of_ladder(problem, {"w": covariance @ (x.T @ y) + noise}, rng)


def product_draws(problem, rng: np.random.Generator, draws: int) -> xr.DataTree:
    """Return draws of y ~ N(a b x, 1): b by inverting its distribution function on a grid, a given b normal."""
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    sxx, sxy = x @ x, x @ y
    t = np.linspace(-6, 6, 200_001)
    grid = 8 * np.sinh(t) / np.sinh(6)
    precision = 1 + grid**2 * sxx
    logs = -(grid**2) / 2 - 0.5 * np.log(precision) + 0.5 * grid**2 * sxy**2 / precision + np.log(np.cosh(t))
    total = np.cumsum(np.exp(logs - logs.max()))
    b = np.interp(rng.random((4, draws)), total / total[-1], grid)
    precision = 1 + b**2 * sxx
    a = b * sxy / precision + rng.standard_normal(b.shape) / np.sqrt(precision)
    first, second = problem.parts.sites.latent
    return top_of_ladder(problem, {first: a, second: b}, rng)
