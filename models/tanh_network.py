"""One hidden layer of tanh units, no biases, fitted to pure noise."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models import rules
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import tanh_zero
from singular.models.collapse import log_gaussian_block, log_noise
from singular.models.draws import standard_normals

STEPS = {1: (0.05, 0.08), 2: (0.07, 0.1), 3: (0.14, 0.19)}
"""Spacing of the rules at level 0 and at level −1, by number of hidden units."""


@family
def tanh_network(hidden: int) -> Model:
    """Return y ~ N(Σ_h a_h tanh(b_h x), 1) with a, b ~ N(0, I), x ~ N(0, 1) and truth 0.

    λ = (H + i² + i) / (4 i + 2), i = ⌊√H⌋. The outer weights a are integrated in closed form. tanh is
    odd, so flips and permutations of the units leave the integrand as it is, and b runs over
    b_1 ≥ … ≥ b_H ≥ 0 only, as b_1 and the ratios b_{h+1} / b_h, each refined at both ends: where units
    agree or vanish the integrand has ridges.

    Parameters
    ----------
    hidden : int
        H. An oracle is there for H ≤ 3.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive integer.
    """
    exact = tanh_zero(hidden)

    def density(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.tanh(x[:, None] * b) @ a, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, y = standard_normals(key, n, 2).T
        return {"x": x, "y": y}

    def nodes(data: Data, level: int) -> Nodes:
        step = STEPS[hidden][-level]
        ratios = [rules.unit_interval(step, extent=2.9)] * (hidden - 1)
        folds = math.log(2.0**hidden * math.factorial(hidden))

        def log_density(first, *ratios):
            weights = [first]
            log_jacobian = 0.0
            for ratio in ratios:
                log_jacobian = log_jacobian + np.log(weights[-1])
                weights.append(weights[-1] * ratio)
            return rules.log_normal_density(*weights) + log_jacobian + folds

        points, log_weights = rules.tensor(
            rules.half_line(step, lowest=1e-16 ** (1 / hidden)), *ratios, log_density=log_density
        )
        keep = log_weights > log_weights.max() - 60.0
        return Nodes(np.cumprod(points[keep], axis=1), log_weights[keep])

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        features = jnp.tanh(points[:, :, None] * x)
        gram = jnp.einsum("Nhi,Nki->Nhk", features, features)
        return log_gaussian_block(gram, features @ y, beta) + log_noise(y, beta)

    return Model(
        name=f"tanh-{hidden}",
        family="tanh network",
        density=density,
        simulate=simulate,
        dim=2 * hidden,
        exact=exact,
        optimum={"a": np.zeros(hidden), "b": np.zeros(hidden)},
        integral=Integral(
            nodes, log_likelihood, route=f"outer weights in closed form, {hidden}-D double exponential rule"
        )
        if hidden in STEPS
        else None,
        description="y ~ N(Σ_h a_h tanh(b_h x), 1), truth 0",
    )
