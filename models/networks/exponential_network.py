"""One hidden layer of units exp(z) − 1: every power of the inner weights counts, odd and even."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import ndtr

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.networks import hidden_layer
from singular.models.structure import outer_weights
from singular.models.symmetries import exchange, silent_scaling, swaps

STEPS = (0.06, 0.085)
"""Two units: spacing of the rules at level 0 and at level −1."""
ORDERS = (16, 12)
"""One unit: order of the panels at level 0 and at level −1."""


@family
def exponential_network(hidden: int) -> Model:
    """Return y ~ N(Σ_h a_h (exp(b_h x) − 1), 1) with a, b ~ N(0, I), x ~ U(−1, 1) and truth 0.

    K is equivalent to Σ_n (Σ_h a_h b_h^n)² over n = 1, 2, 3, …: Vandermonde type with Q = 1
    (`coefficients.vandermonde`). The outer weights are integrated in closed form; of two units the one of the
    larger |b| and the ratio of the two go to quadrature, refined where units agree or vanish.

    Phases, for one unit: ``crossing`` (|a|, |b| < 0.5), ``output-off`` (elsewhere, |a| < |b|) and ``input-off``.

    Parameters
    ----------
    hidden : int
        H. An oracle is there for H ≤ 2.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number.

    Examples
    --------
    >>> exponential_network(2).exact.value
    Fraction(3, 4)
    """
    whole("hidden", hidden, least=1)

    def density(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.expm1(x[:, None] * b) @ a, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        first, y = standard_normals(key, n, 2).T
        return {"x": 2 * ndtr(first) - 1, "y": y}

    def nodes(data: Data, level: int) -> Nodes:
        if hidden == 1:
            return hidden_layer.one_unit_nodes(ORDERS[-level], both_signs=True, reach=(12.0,))
        return _two_units(STEPS[-level], 60.0 if data else 33.0)

    x, weights = np.polynomial.legendre.leggauss(40)
    weights = weights / 2
    truth = np.zeros_like(x)
    route = "outer weight in closed form, 1-D panels" if hidden == 1 else (
        "outer weights in closed form, 2-D double exponential rule")  # fmt: skip
    return Model(
        name=f"exponential-{hidden}",
        family="exponential network",
        density=density,
        simulate=simulate,
        dim=2 * hidden,
        exact=coefficients.vandermonde(hidden, 1),
        optimum={"a": np.zeros(hidden), "b": np.zeros(hidden)},
        phases=hidden_layer.one_unit_phases() if hidden == 1 else {},
        symmetries={
            "scaling of silent units": silent_scaling("a", "b", odd=False),
            "exchange between units that share an inner weight": exchange("a", ["b"], "equal"),
        },
        discrete_symmetries=swaps({"a": -1, "b": -1}, hidden),
        block=outer_weights("a", lambda w, x: jnp.expm1(x * w["b"])),
        excess_loss=hidden_layer.excess_loss(_feature, x, weights, truth),
        integral=Integral(
            nodes,
            hidden_layer.log_likelihood(_feature),
            route=route,
            regions=hidden_layer.one_unit_regions(_feature) if hidden == 1 else {},
        )
        if hidden <= 2
        else None,
        population=Integral(nodes, hidden_layer.log_population(_feature, x, weights, truth), route=route)
        if hidden <= 2
        else None,
        description="y ~ N(Σ_h a_h (exp(b_h x) − 1), 1)" if hidden > 1 else "y ~ N(a (exp(b x) − 1), 1)",
        prior="a_h, b_h ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ U(−1, 1)",
        note="The tanh network's sibling without its oddness: no flip of signs maps the network to itself, and odd "
        "and even powers of the inner weights must cancel, so that λ is larger than that of tanh for H ≥ 2.",
    )


def _feature(b, x):
    return jnp.expm1(b[..., None] * x)


def _two_units(step: float, depth: float) -> Nodes:
    """Return nodes over |b_1| ≥ |b_2| in the four pairs of signs, with twice the prior's weight.

    Nodes whose log weight is ``depth`` below the largest are left out: for infinite data already those at which
    t times the mean square of a unit would leave no digits for the ridge b_1 = b_2.
    """
    ratio = rules.unit_interval(step, extent=2.9)

    def log_density(first, share):
        return rules.log_normal_density(first, first * share) + np.log(first) + math.log(2.0)

    points, log_weights = rules.tensor(rules.half_line(step, lowest=1e-8), ratio, log_density=log_density)
    keep = log_weights > log_weights.max() - depth
    first, log_weights = points[keep, 0], log_weights[keep]
    second = first * points[keep, 1]
    signs = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)]
    return Nodes(
        np.concatenate([np.stack([p * first, q * second], axis=1) for p, q in signs]), np.tile(log_weights, len(signs))
    )
