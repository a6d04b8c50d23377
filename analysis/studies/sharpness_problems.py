"""The small networks of the study of sharpness, each with one data set and many minima."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular import models
from singular.models.problem import Problem
from singular.posteriors.precision import x64

def autoencoder(c=6, n=100, sigma=0.1, seed=0):
    model = models.superposition(c)
    with x64():
        data = model.simulate(jax.random.key(seed), n)
    def density(x, y):
        w = jnp.asarray(numpyro.sample("W", dist.Normal(0.0, 1.0).expand([2, c]).to_event(2)))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([c]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.maximum(x @ w.T @ w + b, 0.0), sigma).to_event(1), obs=y)
    return Problem.from_numpyro(density, **data)

def student(hidden, teacher, n=60, sigma=0.1, scale=3.0, seed=0, tscale=2.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    trng = np.random.default_rng(1)
    A, B, C = trng.normal(size=teacher), tscale * trng.normal(size=teacher), tscale*trng.normal(size=teacher)
    f = lambda x: np.tanh(x[:, None] * B + C) @ A
    y = f(x) + sigma * rng.normal(size=n)
    def density(x, y):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        c = numpyro.sample("c", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        e = numpyro.sample("e", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(jnp.tanh(x[:, None] * b + c) @ a + e, sigma), obs=y)
        if scale:
            numpyro.factor("decay", -0.5 * (a @ a + b @ b + c @ c + e**2) / scale**2)
    p = Problem.from_numpyro(density, x=x, y=y).replace(n=n)
    return p, f
