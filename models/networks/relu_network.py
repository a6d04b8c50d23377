"""One hidden layer of ReLU units on one input, no biases: a sum of weights for each side of 0."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.integrals.collapse import log_noise
from singular.models.scaling_move import unit_scalings
from singular.models.structure import outer_weights
from singular.models.symmetries import exchange, swaps, unit_scaling

STEPS = (0.06, 0.09)
"""Spacing of the rules for the two lengths at level 0 and at level −1."""
SLOPE = 1.0
"""a b of the true unit, whose b is positive."""


@family
def relu_network(hidden: int, true_units: int = 0) -> Model:
    """Return y ~ N(Σ_h a_h max(b_h x, 0), 1) with a, b ~ N(0, I), x ~ N(0, 1) and truth 0 or max(x, 0).

    The function is s x for x > 0 and t |x| for x < 0, with s the sum of a_h b_h over the units of b_h > 0
    and t that of a_h |b_h| over the others: K = ((s − s0)² + t²) / 4. So λ = 1/2, with m = 2 only for
    truth 0 and one unit. Given the signs and the lengths r, q of the positive and of the negative part
    of b, s ~ N(0, r²) and t ~ N(0, q²) are independent and have closed forms; the lengths follow chi
    distributions, which a rule for each does, whatever H is.

    Phases: by the signs of the b_h, ``positive`` (all > 0), ``negative`` (none) and, for H ≥ 2, ``mixed``,
    whose local λ is 1.

    Parameters
    ----------
    hidden : int
        H ≥ 1.
    true_units : int
        0 or 1.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number, or ``true_units`` is not 0 or 1.

    Examples
    --------
    >>> relu_network(2).exact.value, relu_network(2).exact.multiplicity
    (Fraction(1, 2), 1)
    """
    whole("hidden", hidden, least=1)
    zero = whole("true_units", true_units, least=0, most=1) == 0
    slope = 0.0 if zero else SLOPE

    def density(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.maximum(x[:, None] * b, 0.0) @ a, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, noise = standard_normals(key, n, 2).T
        return {"x": x, "y": slope * np.maximum(x, 0.0) + noise}

    def nodes(data: Data, level: int) -> Nodes:
        step = STEPS[-level]
        blocks = [_lengths(positive, hidden - positive, step) for positive in range(hidden + 1)]
        points, log_weights = zip(*blocks, strict=True)
        return Nodes(np.concatenate(points), np.concatenate(log_weights))

    def log_likelihood(points, beta, data):
        x, y = data["x"], data["y"]
        right, left = jnp.maximum(x, 0.0), jnp.maximum(-x, 0.0)
        sides = _side(points[:, 0], right @ right, right @ y, beta) + _side(points[:, 1], left @ left, left @ y, beta)
        return sides + log_noise(y, beta)

    def population(points, t, data):
        right = _side(points[:, 0], 0.5, 0.5 * slope, t) - 0.25 * t * slope**2
        return right + _side(points[:, 1], 0.5, 0.0, t)

    def excess_loss(w):
        product = w["a"] * abs(w["b"])
        right = jnp.sum(jnp.where(w["b"] > 0, product, 0.0), axis=-1)
        left = jnp.sum(jnp.where(w["b"] > 0, 0.0, product), axis=-1)
        return 0.25 * ((right - slope) ** 2 + left**2)

    phases = {
        "positive": lambda w: (w["b"] > 0).all(axis=-1),
        "negative": lambda w: ~(w["b"] > 0).any(axis=-1),
        "mixed": lambda w: (w["b"] > 0).any(axis=-1) & ~(w["b"] > 0).all(axis=-1),
    }
    regions = {
        "positive": lambda points, beta, data: jnp.where(points[:, 2] == hidden, 1.0, 0.0),
        "negative": lambda points, beta, data: jnp.where(points[:, 2] == 0, 1.0, 0.0),
        "mixed": lambda points, beta, data: jnp.where((points[:, 2] > 0) & (points[:, 2] < hidden), 1.0, 0.0),
    }
    if hidden == 1:
        del phases["mixed"], regions["mixed"]
    route = "outer weights in closed form, 2-D double exponential rule over the lengths of b"
    first = np.eye(hidden)[0]
    return Model(
        name=f"relu-{hidden}" if zero else f"relu-{hidden}-1",
        family="relu network",
        density=density,
        simulate=simulate,
        dim=2 * hidden,
        exact=coefficients.relu_zero(hidden) if zero else coefficients.relu_one_unit(hidden),
        optimum={"a": slope * first, "b": np.ones(hidden)},
        phases=phases,
        symmetries={
            "scaling of a unit": unit_scaling("a", ["b"]),
            "exchange between units of one side": exchange("a", ["b"], "homogeneous"),
        },
        discrete_symmetries=swaps({"a": -1, "b": -1}, hidden),
        moves={"scaling of units": unit_scalings("a", "b")},
        block=outer_weights("a", lambda w, x: jnp.maximum(x * w["b"], 0.0)),
        excess_loss=excess_loss,
        integral=Integral(nodes, log_likelihood, route=route, regions=regions),
        population=Integral(nodes, population, route=route),
        description="y ~ N(Σ_h a_h max(b_h x, 0), 1)" if hidden > 1 else "y ~ N(a max(b x, 0), 1)",
        prior="a_h, b_h ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ N(0, 1)" if zero else "y ~ N(max(x, 0), 1), x ~ N(0, 1)",
        note=_note(hidden, zero),
    )


def _lengths(positive: int, negative: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (r, q, positive) and log weights over the lengths of the two parts of b, for one count of signs."""
    r, log_r = _chi(positive, step)
    q, log_q = _chi(negative, step)
    lengths = np.stack([g.ravel() for g in np.meshgrid(r, q, indexing="ij")], axis=1)
    log_weights = (log_r[:, None] + log_q).ravel()
    log_weights = log_weights + math.log(math.comb(positive + negative, positive)) - (positive + negative) * math.log(2)
    keep = log_weights > log_weights.max() - 60.0
    return np.column_stack([lengths, np.full(len(lengths), float(positive))])[keep], log_weights[keep]


def _chi(units: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a rule for the chi distribution of that many degrees of freedom; 0 surely if there are none."""
    if units == 0:
        return np.zeros(1), np.zeros(1)
    rule = rules.half_line(step, highest=10.0 + math.sqrt(units))
    log_density = (units - 1) * np.log(rule.points) - 0.5 * rule.points**2
    return rule.points, rule.log_weights + log_density + math.log(2) * (1 - units / 2) - math.lgamma(units / 2)


def _side(length, square, moment, beta):
    """Return log E exp(β (s moment − s² square / 2)) for s ~ N(0, length²)."""
    precision = 1 + beta * square * length**2
    return 0.5 * (beta * moment * length) ** 2 / precision - 0.5 * jnp.log(precision)


def _note(hidden: int, zero: bool) -> str:
    if hidden == 1 and zero:
        return "a |b| = 0 in either sign of b: the product's normal crossing, λ = 1/2 and m = 2."
    if hidden == 1:
        return "a b = 1 is a smooth curve: the redundancy is the scaling of the unit alone, so λ = 1/2 and m = 1."
    return (
        "Piecewise linear networks are more singular than smooth ones: however many units, their slopes add up to one "
        "number for each side of 0. If all b_h have one sign the other side costs nothing (λ = 1/2); with both signs "
        "each side must be right (λ = 1). The mixed phase has half of the prior or more and loses slowly, as 1 / √n."
    )
