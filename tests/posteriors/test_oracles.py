"""Every oracle of the catalogue by a second route, which knows nothing of nodes, closed forms or regions.

Up to three parameters: adaptive cubature (SciPy) of the model's own density over its unconstrained space. More:
draws from the prior. Phase masses: draws from the prior too. The density itself is held to a likelihood written by
hand in test_contract.py.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import cubature

from singular.models import catalogue
from singular.models.density import map_rows
from singular.posteriors.quadrature import quadrature

N, FEW = 20, 6
"""Observations: for cubature, and for prior draws, which must not be far from the posterior."""
BETAS = (0.2, 1.0)
DRAWS = 200_000
WITH_ORACLE = sorted(name for name, model in catalogue.MODELS.items() if model.integral is not None)
SMALL = [name for name in WITH_ORACLE if catalogue.MODELS[name].dim <= 3]
LARGE = [name for name in WITH_ORACLE if catalogue.MODELS[name].dim > 3]
WITH_PHASES = [name for name in WITH_ORACLE if catalogue.MODELS[name].integral.regions]
TOLERANCE = {1: 1e-9, 2: 1e-9, 3: 1e-6}
"""Relative error asked of the cubature, by number of parameters."""


@functools.cache
def exact(name: str, n: int):
    return quadrature(catalogue.problem(name, n=n), [0.0, *BETAS])


@functools.cache
def prior_draws(name: str):
    """Return constrained draws, and nll at them."""
    parts = catalogue.problem(name, n=FEW).parts
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.PRNGKey(3), DRAWS)
        draw = jax.jit(jax.vmap(lambda key: parts.prior_draw.call(parts.prior_draw.constants, key)))
        z = np.concatenate([np.asarray(draw(part)) for part in np.split(keys, 20)])
        nll = jax.jit(jax.vmap(lambda v: parts.split(v)[1]))
        sites = jax.jit(jax.vmap(parts.constrain))
        parts_of = np.split(z, 20)
        every = [jax.tree.map(np.asarray, sites(part)) for part in parts_of]
        return {k: np.concatenate([e[k] for e in every]) for k in every[0]}, np.concatenate(
            [np.asarray(nll(part)) for part in parts_of]
        )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if catalogue.MODELS[name].dim == 3 else []) for name in SMALL]
)
@pytest.mark.slow
def test_small_models_against_adaptive_cubature(name):
    """Every β in one pass over the same points."""
    parts, dim = catalogue.problem(name, n=N).parts, catalogue.MODELS[name].dim
    with jax.enable_x64(True):
        both = jax.jit(jax.vmap(parts.split))
        z = map_rows(parts.prior_draw, jax.random.split(jax.random.PRNGKey(0), 512))
        base = float(map_rows(parts.split, z)[1].min())

        def moments(points):
            log_prior, nll = (np.asarray(part) for part in both(jnp.asarray(points)))
            density = np.exp(log_prior - np.array(BETAS)[:, None] * (nll - base))
            excess = np.where(density > 0, nll - base, 0.0)
            density = np.where(density > 0, density, 0.0)
            return np.stack([density, density * excess, density * excess**2]).reshape(-1, len(points)).T

        found = cubature(moments, [-np.inf] * dim, [np.inf] * dim, rule="gk21", rtol=TOLERANCE[dim], atol=0,
                         max_subdivisions=20_000)  # fmt: skip
    assert found.status == "converged"
    relative = 10 * TOLERANCE[dim]
    for beta, (total, first, second) in zip(BETAS, found.estimate.reshape(3, -1).T, strict=True):
        row, mean = exact(name, N).at(beta), first / total
        assert row["free_energy"] == pytest.approx(beta * base - np.log(total), rel=relative, abs=relative)
        assert row["mean_nll"] == pytest.approx(base + mean, rel=relative, abs=relative)
        assert row["variance_nll"] == pytest.approx(second / total - mean**2, rel=10 * relative, abs=relative)


@pytest.mark.parametrize("name", LARGE)
def test_larger_models_against_draws_from_the_prior(name):
    _, nll = prior_draws(name)
    for beta in BETAS:
        weights = np.exp(-beta * (nll - nll.min()))
        mean = weights.mean()
        error = weights.std() / mean / np.sqrt(DRAWS)
        row = exact(name, FEW).at(beta)
        assert error < 0.1
        assert abs(row["free_energy"] - (beta * nll.min() - np.log(mean))) < 4 * np.hypot(
            error, row["error_free_energy"]
        )


@pytest.mark.parametrize("name", WITH_PHASES)
@pytest.mark.slow
def test_phase_masses_against_draws_from_the_prior(name):
    sites, nll = prior_draws(name)
    model = catalogue.get(name)
    for beta in (0.0, *BETAS):
        weights = np.exp(-beta * (nll - nll.min()))
        weights /= weights.sum()
        for phase, inside in model.phases.items():
            indicator = np.asarray(inside(sites), dtype=float)
            share = np.sum(weights * indicator)
            error = np.sqrt(np.sum(weights**2 * (indicator - share) ** 2))
            assert error < 0.1
            assert abs(exact(name, FEW).at(beta)[f"phase:{phase}"] - share) < 4.5 * error + 1e-9
