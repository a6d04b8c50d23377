"""Normal mixtures of two components of unit variance, fitted to one normal."""

from __future__ import annotations

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.coefficients import known_component, normal_mixture
from singular.models.integrals import rules
from singular.models.mixtures.normal_components import (
    SPREAD,
    excess_over_one,
    observe,
    pair_log_likelihood,
    simulate_normals,
)
from singular.models.mixtures.weight_rules import folded_log_odds, logits_of
from singular.models.symmetries import agree, exchanged, free_where, is_at

NEAR = 0.5
"""Distance, in standard deviations of the noise, below which a free component counts as merged with a known one."""

RARE = 0.25
"""Weight below which a merged component is at the crossing of the two lines."""

APART = 1.0
"""Distance from which two free components count as apart."""


@family
def known_component_mixture() -> Model:
    """Return y ~ (1 − a) N(0, 1) + a N(b, 1) with a ~ U(0, 1), b ~ N(0, 2²) and truth N(0, 1).

    K vanishes on a b = 0 and is of the order of (a b)² there, so λ = 1/2 and m = 2. Nothing has a
    closed form; both parameters go to quadrature. Phases: ``merged`` (|b| < 1/2, a ≥ 1/4), ``dead``
    (|b| ≥ 1/2, where the weight must vanish) and ``crossing`` (|b| < 1/2, a < 1/4).
    """

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0)))
        b = numpyro.sample("b", dist.Normal(0.0, SPREAD))
        observe(jnp.stack([jnp.log1p(-a), jnp.log(a)]), jnp.stack([jnp.zeros_like(b), b]), y, n)

    def rule(level: int, finest: float) -> Nodes:
        unit = rules.unit_interval((0.06, 0.075)[-level], extent=2.9)
        weight = rules.Rule(
            np.concatenate([RARE * unit.points, RARE + (1 - RARE) * unit.points]),
            np.concatenate([math.log(RARE) + unit.log_weights, math.log1p(-RARE) + unit.log_weights]),
        )
        side = rules.graded_edges(finest, NEAR)
        side = np.concatenate([side, [0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 13.0, 17.5]])
        mean = rules.panels(np.concatenate([-side[:0:-1], side]), (12, 9)[-level])
        points, log_weights = rules.tensor(
            weight, mean, log_density=lambda a, b: rules.log_normal_density(b, scale=SPREAD)
        )
        return Nodes(points, log_weights)

    def log_likelihood(points, beta, data):
        a, b = points[:, 0], points[:, 1]
        return beta * pair_log_likelihood(jnp.log(a) - jnp.log1p(-a), b, jnp.zeros_like(b), data["y"])

    def excess_loss(w):
        logs = jnp.stack([jnp.log1p(-w["a"]), jnp.log(w["a"])], axis=-1)
        return excess_over_one(logs, jnp.stack([jnp.zeros_like(w["b"]), w["b"]], axis=-1))

    phases = {
        "merged": lambda w: (abs(w["b"]) < NEAR) & (w["a"] >= RARE),
        "dead": lambda w: abs(w["b"]) >= NEAR,
        "crossing": lambda w: (abs(w["b"]) < NEAR) & (w["a"] < RARE),
    }

    def region(name):
        return lambda points, beta, data: phases[name]({"a": points[:, 0], "b": points[:, 1]}).astype(float)

    return Model(
        name="mixture-known",
        family="normal mixture",
        density=density,
        simulate=simulate_normals(),
        dim=2,
        exact=known_component(),
        optimum={"a": np.array(0.5), "b": np.array(0.0)},
        phases=phases,
        symmetries={"weight, where the components agree": free_where("a", is_at("b", 0.0))},
        excess_loss=excess_loss,
        integral=Integral(
            lambda data, level: rule(level, 1 / 16),
            log_likelihood,
            route="2-D panels, double exponential in the weight",
            regions={name: region(name) for name in phases},
        ),
        population=Integral(
            lambda data, level: rule(level, 2.0**-24),
            lambda points, t, data: -t * excess_loss({"a": points[:, 0], "b": points[:, 1]}),
            route="2-D panels, double exponential in the weight",
        ),
        description="y ~ (1 − a) N(0, 1) + a N(b, 1)",
        prior="a ~ U(0, 1), b ~ N(0, 2²)",
        truth="y ~ N(0, 1)",
        note="The textbook example of a singular mixture. The optimal set is a cross: the weight is 0 and the mean "
        "free, or the mean is 0 and the weight free. Mass gathers about the crossing only like 1/log n, so that m = 2 "
        "is seen late.",
    )


@family
def free_components_mixture(concentration: float | str = 1) -> Model:
    """Return y ~ a N(b, 1) + (1 − a) N(c, 1) with a ~ Beta(φ, φ), b, c ~ N(0, 2²) and truth N(0, 1).

    λ = 1/2 + min(φ, 1/2)/2, and m = 2 at φ = 1/2. The parameters are taken as a, the mean a b + (1 − a) c,
    which the data hold to O(n^(−1/2)), and the distance b − c > 0; swapping the components gives the other
    half. Phases: ``merged`` (|b − c| < 1), else ``first dead`` (a < 1/2) or ``second dead``.

    Parameters
    ----------
    concentration : float or str
        φ > 0 of the prior of the weight; text is read as a fraction, ``"1/2"``.

    Raises
    ------
    InputError
        If the concentration is not a positive number.
    """
    exact = normal_mixture(2, 1, concentration=concentration)
    phi = float(Fraction(concentration))
    log_beta = 2 * math.lgamma(phi) - math.lgamma(2 * phi)

    def density(y=None, n=1):
        a = jnp.asarray(numpyro.sample("a", dist.Uniform(0.0, 1.0) if phi == 1 else dist.Beta(phi, phi)))
        b = numpyro.sample("b", dist.Normal(0.0, SPREAD))
        c = numpyro.sample("c", dist.Normal(0.0, SPREAD))
        observe(jnp.stack([jnp.log(a), jnp.log1p(-a)]), jnp.stack([b, c]), y, n)

    def rule(weight: rules.Rule, mean: rules.Rule, distance: rules.Rule) -> Nodes:
        """Return points (logit a, b, c) with b > c, at twice their weight."""

        def log_density(logit, middle, gap):
            c = middle - gap / (1 + np.exp(-logit))
            log_weight = -np.logaddexp(0.0, logit) - np.logaddexp(0.0, -logit)
            log_prior = (phi - 1) * log_weight - log_beta
            return log_prior + rules.log_normal_density(c, c + gap, scale=SPREAD) + math.log(2.0)

        points, log_weights = rules.tensor(weight, mean, distance, log_density=log_density)
        keep = log_weights > log_weights.max() - 40.0
        logit, middle, gap = points[keep].T
        c = middle - gap / (1 + np.exp(-logit))
        return Nodes(np.stack([logit, c + gap, c], axis=1), log_weights[keep])

    def nodes(data: Data, level: int) -> Nodes:
        y = data["y"]
        return rule(
            logits_of((0.09, 0.1)[-level], extent=math.asinh(28 / min(phi, 1.0) / math.pi)),
            rules.whole_line((0.25, 0.28)[-level], float(np.mean(y)), 1 / math.sqrt(len(y) + 1.0), reach=7 * SPREAD),
            rules.panels([0.0, 0.5 * APART, APART, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0], (9, 8)[-level]),
        )

    def population_nodes(data: Data, level: int) -> Nodes:
        edges = np.concatenate([rules.graded_edges(2.0**-15, 1.0), [2.0, 3.0, 5.0, 8.0, 12.0, 20.0]])
        return rule(
            folded_log_odds((0.4, 0.5)[-level], extent=24 / min(phi, 1.0)),
            rules.whole_line((0.25, 0.3)[-level], centre=0.0, scale=1e-5, reach=7 * SPREAD),
            rules.panels(edges, (5, 4)[-level]),
        )

    def log_likelihood(points, beta, data):
        return beta * pair_log_likelihood(points[:, 0], points[:, 1], points[:, 2], data["y"])

    def at_logit(logit, b, c):
        logs = jnp.stack([-jnp.logaddexp(0.0, -logit), -jnp.logaddexp(0.0, logit)], axis=-1)
        return excess_over_one(logs, jnp.stack([b, c], axis=-1))

    def excess_loss(w):
        return at_logit(jnp.log(w["a"]) - jnp.log1p(-w["a"]), w["b"], w["c"])

    def merged(points, beta, data):
        return (points[:, 1] - points[:, 2] < APART).astype(float)

    def dead(points, beta, data):
        return 0.5 * (points[:, 1] - points[:, 2] >= APART)

    return Model(
        name="mixture-2" if phi == 1 else f"mixture-2-concentration-{phi:g}",
        family="normal mixture",
        density=density,
        simulate=simulate_normals(),
        dim=3,
        exact=exact,
        optimum={"a": np.array(0.5), "b": np.array(0.0), "c": np.array(0.0)},
        phases={
            "merged": lambda w: abs(w["b"] - w["c"]) < APART,
            "first dead": lambda w: (abs(w["b"] - w["c"]) >= APART) & (w["a"] < 0.5),
            "second dead": lambda w: (abs(w["b"] - w["c"]) >= APART) & (w["a"] >= 0.5),
        },
        symmetries={"weight, where the components agree": free_where("a", agree("b", "c"))},
        discrete_symmetries={"swap of the components": exchanged("b", "c", weight="a")},
        excess_loss=excess_loss,
        integral=Integral(
            nodes,
            log_likelihood,
            route="3-D: panels in the distance, double exponential in the weight and the mean",
            regions={"merged": merged, "first dead": dead, "second dead": dead},
        ),
        population=Integral(
            population_nodes,
            lambda points, t, data: -t * at_logit(points[:, 0], points[:, 1], points[:, 2]),
            route="3-D: panels in the distance, trapezoid in the log odds of the weight and the mean",
        ),
        description="y ~ a N(b, 1) + (1 − a) N(c, 1)",
        prior=("a ~ U(0, 1)" if phi == 1 else f"a ~ Beta({phi:g}, {phi:g})") + ", b, c ~ N(0, 2²)",
        truth="y ~ N(0, 1)",
        note="Too many components by one. The spare one either dies (its weight goes to 0, its mean is free) or "
        "merges with the other. The prior of the weight decides which: for φ > 1/2 they merge, λ = 3/4; for φ < 1/2 "
        "one dies, and λ falls with φ; at φ = 1/2 both happen and m = 2.",
    )
