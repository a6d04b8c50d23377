"""Bayesian linear regression y ~ N(x·w, 1), w ~ N(0, I): every predictive number at every β, by hand.

At β the posterior is N(m, C) with C⁻¹ = I + β XᵀX and m = β C Xᵀy, so y_i − x_i·w is N(r_i, s_i) with
r_i = y_i − x_i·m and s_i = x_iᵀ C x_i, and log p_i = −½ log 2π − ½ u², u ~ N(r, s):

    E[p^a] = (2π)^(−a/2) (1 + a s)^(−½) exp(−a r² / (2 (1 + a s))) for 1 + a s > 0,    Var(log p) = s²/2 + r² s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

LOG_2PI = np.log(2 * np.pi)


@dataclass(frozen=True)
class Exact:
    """The posterior at one β, and what it says of its own data and of others."""

    x: np.ndarray
    y: np.ndarray
    beta: float = 1.0

    @property
    def covariance(self) -> np.ndarray:
        return np.linalg.inv(np.eye(self.x.shape[1]) + self.beta * self.x.T @ self.x)

    @property
    def mean(self) -> np.ndarray:
        return self.beta * self.covariance @ self.x.T @ self.y

    def residuals(self, x=None, y=None):
        x, y = (self.x, self.y) if x is None else (x, y)
        return y - x @ self.mean, np.einsum("ij,jk,ik->i", x, self.covariance, x)

    def log_power_mean(self, a: float, x=None, y=None) -> np.ndarray:
        """Return log E[p_i^a]."""
        r, s = self.residuals(x, y)
        return -0.5 * (a * LOG_2PI + np.log1p(a * s) + a * r**2 / (1 + a * s))

    def losses(self, x=None, y=None) -> np.ndarray:
        """Return −log E[p_i]: of the posterior's own data, or of others."""
        return -self.log_power_mean(1.0, x, y)

    @property
    def variances(self) -> np.ndarray:
        r, s = self.residuals()
        return 0.5 * s**2 + r**2 * s

    def left_out(self) -> np.ndarray:
        """Return −log p(y_i | the others) by fitting the others, one by one."""
        rows = np.arange(len(self.y))
        return np.array(
            [
                Exact(self.x[rows != i], self.y[rows != i], self.beta).losses(self.x[i : i + 1], self.y[i : i + 1])[0]
                for i in rows
            ]
        )

    def draws(self, rng: np.random.Generator, chains: int, draws: int, persistence: float = 0.0) -> np.ndarray:
        """Return (chain, draw, d) draws of the posterior, as an autoregression with that persistence."""
        noise = rng.multivariate_normal(np.zeros(len(self.mean)), self.covariance, size=(chains, draws))
        path = np.empty_like(noise)
        path[:, 0] = noise[:, 0]
        for t in range(1, draws):
            path[:, t] = persistence * path[:, t - 1] + np.sqrt(1 - persistence**2) * noise[:, t]
        return self.mean + path

    def log_likelihood(self, w: np.ndarray) -> np.ndarray:
        """Return (…, n) for w (…, d)."""
        return -0.5 * LOG_2PI - 0.5 * (self.y - w @ self.x.T) ** 2


def ladder(problem, betas, seed: int = 0, chains: int = 4, draws: int = 500, site: str = "w") -> xr.DataTree:
    """Lay exact independent draws out as the ladder of ``problem``, whose data are ``x`` and ``y``."""
    rng = np.random.default_rng(seed)
    x, y = problem.kwargs["x"], problem.kwargs["y"]
    rungs = [Exact(x, y, beta) for beta in betas]
    w = np.stack([rung.draws(rng, chains, draws) for rung in rungs], axis=2)
    nll = -np.stack([rung.log_likelihood(w[:, :, k]).sum(axis=-1) for k, rung in enumerate(rungs)], axis=-1)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws), "beta": np.asarray(betas, dtype=float)}
    lead = ("chain", "draw", "beta")
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({site: ((*lead, f"{site}_dim_0"), w)}, coords=coords),
            "/sample_stats": xr.Dataset({"nll": (lead, nll)}, coords=coords),
        }
    )
    tree.attrs = {"problem": problem.name, "n": problem.n, "data_hash": problem.data_hash, "complete": 1}
    return tree
