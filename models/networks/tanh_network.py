"""One hidden layer of tanh units, no biases, fitted to pure noise or to a single unit."""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Bound, Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.networks import hidden_layer
from singular.models.structure import outer_weights
from singular.models.symmetries import exchange, flips, silent_scaling, swaps

STEPS = {2: (0.07, 0.1), 3: (0.14, 0.19)}
"""Truth 0: spacing of the rules at level 0 and at level −1, by number of hidden units."""
POPULATION_STEPS = {**STEPS, 3: (0.07, 0.1)}
"""The same for infinite data: the ridges narrow to 1e-7, and candidate exponents lie 1/15 apart."""
ORDERS = {1: (16, 12), 2: (12, 9), 3: (5, 4)}
"""One true unit: order of the panels at level 0 and at level −1, by number of hidden units."""
OUTER, INNER = 1.0, 1.0
"""Weights of the true unit."""


@family
def tanh_network(hidden: int, true_units: int = 0) -> Model:
    """Return y ~ N(Σ_h a_h tanh(b_h x), 1) with a, b ~ N(0, I), x ~ N(0, 1) and truth 0 or tanh(x).

    Truth 0: λ = (H + i² + i) / (4 i + 2), i = ⌊√H⌋. One true unit: λ = 1 (H = 1), 5/4 (H = 2), bounds beyond
    (`coefficients.tanh_network`). The outer weights a are integrated in closed form; tanh is odd, so flips
    of b leave the integrand as it is, and permutations do too. With truth 0 and H ≥ 2, b runs over
    b_1 ≥ … ≥ b_H ≥ 0 as b_1 and the ratios b_{h+1} / b_h, each refined at both ends: where units
    agree or vanish the integrand has ridges. With a true unit it runs over panels that shrink towards 0
    and towards the true inner weight.

    Phases: of one unit and truth 0, ``crossing`` (|a|, |b| < 0.5), ``output-off`` (elsewhere, |a| < |b|) and
    ``input-off``; of two units and one true unit, ``shared`` (both |b_h| within 0.5 of the true one) and
    ``spare`` (elsewhere).

    Parameters
    ----------
    hidden : int
        H. An oracle is there for H ≤ 3.
    true_units : int
        0 or 1.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number, or ``true_units`` is not 0 or 1.

    Examples
    --------
    >>> tanh_network(2, 1).exact.value
    Fraction(5, 4)
    """
    whole("true_units", true_units, least=0, most=1)
    known = coefficients.tanh_network(hidden, true_units)
    zero = true_units == 0

    def density(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.tanh(x[:, None] * b) @ a, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, noise = standard_normals(key, n, 2).T
        return {"x": x, "y": noise if zero else OUTER * np.tanh(INNER * x) + noise}

    def nodes(data: Data, level: int) -> Nodes:
        if not zero:
            return _panels(hidden, ORDERS[hidden][-level], _finest(data, hidden))
        if hidden == 1:
            return hidden_layer.one_unit_nodes((16, 12)[-level])
        return _ordered(hidden, (STEPS if data else POPULATION_STEPS)[hidden][-level])

    x, weights = hidden_layer.normal_inputs()
    truth = np.zeros_like(x) if zero else OUTER * np.tanh(INNER * x)
    phases, regions = _phases(hidden, zero)
    small = hidden in ORDERS
    rule = f"{hidden}-D double exponential rule" if zero and hidden > 1 else f"{hidden}-D panels"
    route = f"outer weights in closed form, {rule}"
    optimum = {"a": np.zeros(hidden), "b": np.zeros(hidden)}
    if not zero:
        optimum["a"][0], optimum["b"][0] = OUTER, INNER
    return Model(
        name=f"tanh-{hidden}" if zero else f"tanh-{hidden}-1",
        family="tanh network",
        density=density,
        simulate=simulate,
        dim=2 * hidden,
        exact=None if isinstance(known, Bound) else known,
        bound=known if isinstance(known, Bound) else None,
        singular=hidden > true_units,
        optimum=optimum,
        phases=phases,
        symmetries={
            "scaling of silent units": silent_scaling("a", "b", odd=True),
            "exchange between units that share an inner weight": exchange("a", ["b"], "odd"),
        },
        discrete_symmetries={**swaps({"a": -1, "b": -1}, hidden), **flips({"a": -1, "b": -1}, hidden)},
        block=outer_weights("a", lambda w, x: jnp.tanh(x * w["b"])),
        excess_loss=hidden_layer.excess_loss(_feature, x, weights, truth),
        integral=Integral(nodes, hidden_layer.log_likelihood(_feature), route=route, regions=regions)
        if small
        else None,
        population=Integral(nodes, hidden_layer.log_population(_feature, x, weights, truth), route=route)
        if small
        else None,
        description="y ~ N(Σ_h a_h tanh(b_h x), 1)" if hidden > 1 else "y ~ N(a tanh(b x), 1)",
        prior="a_h, b_h ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ N(0, 1)" if zero else "y ~ N(tanh(x), 1), x ~ N(0, 1)",
        note=_note(hidden, zero),
    )


def _feature(b, x):
    return jnp.tanh(b[..., None] * x)


def _ordered(hidden: int, step: float) -> Nodes:
    """Return nodes over b_1 ≥ … ≥ b_H ≥ 0, refined where units agree or vanish."""
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


def _finest(data: Data, hidden: int) -> float:
    """Return the panel width next to 0 and to the true inner weight: of the order n^(−1/2), or very fine for n = ∞."""
    if not data:
        return 2.0 ** -{1: 26, 2: 18, 3: 7}[hidden]
    return (1.0 if hidden == 3 else 0.5) / math.sqrt(len(data["x"]) + 4.0)


def _panels(hidden: int, order: int, finest: float) -> Nodes:
    """Return nodes over b ≥ 0, graded towards 0 and towards the true inner weight from both sides."""
    steps = rules.graded_edges(finest, hidden_layer.NEAR)
    edges = np.concatenate([steps, INNER - steps[-2::-1], INNER + steps[1:], [2.0, 3.0, 4.5, 6.5, 9.0]])
    rule = rules.panels(edges, order)
    log_weights = rule.log_weights + rules.log_normal_density(rule.points) + math.log(2.0)
    return hidden_layer.symmetric_nodes(rule.points, log_weights, hidden)


def _phases(hidden: int, zero: bool):
    if zero and hidden == 1:
        return hidden_layer.one_unit_phases(), hidden_layer.one_unit_regions(_feature)
    if not zero and hidden == 2:
        return hidden_layer.sharing("b", lambda b: abs(abs(b) - INNER))
    return {}, {}


def _note(hidden: int, zero: bool) -> str:
    if zero and hidden == 1:
        return (
            "Like a b = 0: the optimal set is two lines that cross, and m = 2 comes from the crossing. A unit is off "
            "because its output weight is small, or because its input weight is, or both."
        )
    if zero:
        return (
            "Zero can be made by switching units off, or by units of nearly equal inner weights that cancel; the "
            "second way is what brings λ below that of independent units. A grid must resolve the thin ridge b_1 ≈ b_2."
        )
    if hidden == 1:
        return "No unit to spare: a regular control, up to the flip (a, b) → (−a, −b)."
    return (
        "Two ways to be right: one unit is the true one and the spare one is switched off, or several units share the "
        "true unit, with inner weights ±b that agree to n^(−1/4) and outer weights that add up. The second way has the "
        "smaller coefficient: each spare unit costs 1/4 there, and 1/2 when it is switched off."
    )
