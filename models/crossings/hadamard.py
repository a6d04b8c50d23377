"""Regression with every coefficient a product of two parameters."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import hadamard as coefficient
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_gaussian_block, log_noise
from singular.models.scaling_move import unit_scalings
from singular.models.structure import outer_weights, regression
from singular.models.symmetries import factor_scaling, flips

STEPS = (0.2, 0.25)
"""Spacing of the rule at level 0 and at level −1."""
LOWEST, HIGHEST = 1e-9, 11.0
"""Smallest and largest node; below it the integrand is as good as constant."""


@family
def hadamard_regression(products: int, nonzero: int) -> Model:
    """Return y ~ N(Σ_j u_j v_j x_j, 1) with u, v ~ N(0, I_J), x ~ N(0, I_J).

    Of the J true products the first s are 1, −1/2, 1/3, …, the others 0. λ = J/2 and m = 1 + J − s: each vanishing
    product is a normal crossing. v is integrated in closed form; what is left is even in each u_j.

    Parameters
    ----------
    products, nonzero : int
        J, and s from 0 to J. An oracle is there for J ≤ 2.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    exact = coefficient(products, nonzero)
    truth = np.array([(-1.0) ** j / (j + 1) if j < nonzero else 0.0 for j in range(products)])

    def density(x, y=None):
        u = numpyro.sample("u", dist.Normal(0.0, 1.0).expand([products]).to_event(1))
        v = numpyro.sample("v", dist.Normal(0.0, 1.0).expand([products]).to_event(1))
        numpyro.sample("y", dist.Normal(x @ (u * v), 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        drawn = standard_normals(key, n, products + 1)
        x = drawn[:, :products]
        return {"x": x, "y": x @ truth + drawn[:, products]}

    def nodes(data: Data, level: int) -> Nodes:
        one = _log_rule(STEPS[-level])
        fold = products * np.log(2.0)
        points, log_weights = rules.tensor(
            *[one] * products, log_density=lambda *u: rules.log_normal_density(*u) + fold
        )
        keep = log_weights > log_weights.max() - 50.0
        return Nodes(points[keep], log_weights[keep])

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        gram = points[:, :, None] * points[:, None, :] * (x.T @ x)
        return log_gaussian_block(gram, points * (x.T @ y), beta) + log_noise(y, beta)

    def population(points, t, data):
        growth = t * points**2
        return -0.5 * jnp.sum(jnp.log1p(growth) + t * truth**2 / (1 + growth), axis=1)

    def excess_loss(w):
        return 0.5 * jnp.sum((w["u"] * w["v"] - truth) ** 2, axis=-1)

    route = f"v in closed form, {products}-D rule even in the log"
    return Model(
        name=f"hadamard-{products}-{nonzero}",
        family="Hadamard regression",
        density=density,
        simulate=simulate,
        dim=2 * products,
        exact=exact,
        optimum={"u": np.sqrt(np.abs(truth)), "v": np.sign(truth) * np.sqrt(np.abs(truth))},
        symmetries={"scaling between factors": factor_scaling("u", "v")},
        discrete_symmetries=flips({"u": -1, "v": -1}, products),
        sufficient=regression(lambda w: (w["u"] * w["v"])[:, None]),
        moves={"scaling between factors": unit_scalings("u", "v")},
        block=outer_weights("v", lambda w, x: x * w["u"], linear=True),
        excess_loss=excess_loss,
        integral=Integral(nodes, log_likelihood, route) if products <= 2 else None,
        population=Integral(nodes, population, route) if products <= 2 else None,
        description="y ~ N(Σ_j u_j v_j x_j, 1)",
        prior="u, v ~ N(0, I)",
        truth=f"u v = ({', '.join(f'{c:g}' for c in truth)}), x ~ N(0, I)",
        note="A diagonal linear network of two layers. λ is the same whatever the truth is; only m tells a sparse "
        "truth from a full one, and makes its evidence larger by (J − s) log log n: the case for testing m and not λ "
        "alone.",
    )


def _log_rule(step: float) -> rules.Rule:
    """Return the trapezoid rule in s, u = log(1 + e^s): even in the log near 0, where the first node stands for all
    below it, and even in u far from it.
    """
    s = np.arange(np.log(LOWEST), HIGHEST, step)
    log_weights = np.log(step) - np.logaddexp(0.0, -s)
    log_weights[0] -= np.log1p(-np.exp(-step))
    return rules.Rule(np.logaddexp(0.0, s), log_weights)
