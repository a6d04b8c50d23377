"""What the models of the real data say about the data: densities and mean curves of posterior draws."""

from __future__ import annotations

import numpy as np
import xarray as xr

from singular.models import real


def posterior_draws(ladder: xr.DataTree, count: int) -> dict[str, np.ndarray]:
    """Return ``count`` draws at β = 1, evenly spread over chains and time: site -> (count, …)."""
    posterior = ladder["posterior"].dataset.sel(beta=1.0)
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(int)
    return {
        str(name): values.values.reshape(total, *values.shape[2:])[chosen]
        for name, values in posterior.data_vars.items()
    }


def mixture_density(ladder: xr.DataTree, grid: np.ndarray, count: int = 200) -> np.ndarray:
    """Return the density of ``real.galaxies`` at ``grid`` for posterior draws.

    Parameters
    ----------
    ladder : DataTree
    grid : (g,) float
        Velocities, 1000 km/s.
    count : int
        Draws.

    Returns
    -------
    (count, g) float
        Per 1000 km/s.
    """
    w = posterior_draws(ladder, count)
    mean, variance = w["mean"][:, None, :], w["variance"][:, None, :]
    weight = w.get("weight", np.ones_like(w["mean"]))[:, None, :]
    terms = np.exp(-0.5 * (grid[:, None] - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    return (weight * terms).sum(axis=-1)


def mean_flow(ladder: xr.DataTree, count: int = 200) -> np.ndarray:
    """Return the mean flow of ``real.nile`` in each year for posterior draws, (count, 100), 10⁸ m³."""
    columns = real.read("nile")
    year, flow = columns["year"], columns["flow_1e8_m3"]
    x = (year - year.mean()) / year.std()
    w = posterior_draws(ladder, count)
    mean = np.repeat(w["level"][:, None], len(x), axis=1)
    if "amplitude" in w:
        units = np.tanh(w["slope"][:, None, :] * (x[:, None] - w["centre"][:, None, :]))
        mean = mean + (units * w["amplitude"][:, None, :]).sum(axis=-1)
    return flow.mean() + flow.std() * mean
