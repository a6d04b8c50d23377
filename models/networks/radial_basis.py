"""Radial basis functions: Gaussian bumps of fixed width at centres that are learnt, fitted to noise or to one bump."""

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
from singular.models.networks import hidden_layer, radial_population, unit_pairs
from singular.models.structure import outer_weights
from singular.models.symmetries import exchange, silent_shift, swaps

ORDERS = (12, 9)
"""Order of the panels at level 0 and at level −1."""
OUTER, CENTRE = 1.0, 1.0
"""Weight and centre of the true unit."""
FINEST = {1: 2.0**-26, 2: 2.0**-18}
"""Width of the panels next to the true centre for infinite data, by number of units."""


@family
def radial_basis(hidden: int, true_units: int = 0) -> Model:
    """Return y ~ N(Σ_h a_h exp(−(x − c_h)²/2), 1) with a, c ~ N(0, I), x ~ N(0, 1), truth 0 or one unit (1, 1).

    Truth 0: λ = 1/2 (H = 1), 1 with m = 2 (H = 2), 5/4 (H = 3). One true unit: λ = 1 (H = 1), 5/4 (H = 2), bounds
    beyond (`coefficients.radial_basis`). The outer weights are integrated in closed form. With truth 0 two centres
    go to quadrature as half sum and half difference, refined where they agree; with a true unit as panels that shrink
    towards its centre.

    Phases: of two units and truth 0, ``silent`` (|a_1 − a_2| < |c_1 − c_2|) and ``cancelling``; of two units and one
    true unit, ``shared`` (both centres within 0.5 of the true one) and ``spare``.

    Parameters
    ----------
    hidden : int
        H. An oracle is there for H ≤ 2.
    true_units : int
        0 or 1.

    Raises
    ------
    InputError
        If ``hidden`` is not a positive whole number, or ``true_units`` is not 0 or 1.

    Examples
    --------
    >>> radial_basis(2).exact.value, radial_basis(2).exact.multiplicity
    (Fraction(1, 1), 2)
    """
    whole("true_units", true_units, least=0, most=1)
    known = coefficients.radial_basis(hidden, true_units)
    zero = true_units == 0

    def density(x, y=None):
        a = numpyro.sample("a", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        c = numpyro.sample("c", dist.Normal(0.0, 1.0).expand([hidden]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.exp(-0.5 * (x[:, None] - c) ** 2) @ a, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        x, noise = standard_normals(key, n, 2).T
        return {"x": x, "y": noise if zero else OUTER * np.exp(-0.5 * (x - CENTRE) ** 2) + noise}

    def nodes(data: Data, level: int) -> Nodes:
        if not zero:
            return _panels(hidden, ORDERS[-level], data)
        return unit_pairs.one_unit_nodes(ORDERS[-level]) if hidden == 1 else unit_pairs.pair_nodes(ORDERS[-level], data)

    x, weights = _inputs()
    truth = np.zeros_like(x) if zero else OUTER * np.exp(-0.5 * (x - CENTRE) ** 2)
    loss = hidden_layer.excess_loss(_feature, x, weights, truth)
    phases, regions = _phases(hidden, zero)
    small = hidden <= 2
    turned = zero and hidden == 2
    route = f"outer weights in closed form, {hidden}-D panels"
    optimum = {"a": np.zeros(hidden), "c": np.zeros(hidden)}
    if not zero:
        optimum["a"][0], optimum["c"][0] = OUTER, CENTRE
    return Model(
        name=f"radial-basis-{hidden}" if zero else f"radial-basis-{hidden}-1",
        family="radial basis",
        density=density,
        simulate=simulate,
        dim=2 * hidden,
        exact=None if isinstance(known, Bound) else known,
        bound=known if isinstance(known, Bound) else None,
        singular=hidden > true_units,
        optimum=optimum,
        phases=phases,
        symmetries={
            "shift of centres that nothing hangs on": silent_shift("a", "c"),
            "exchange between units that share a centre": exchange("a", ["c"], "equal"),
        },
        discrete_symmetries=swaps({"a": -1, "c": -1}, hidden),
        block=outer_weights("a", lambda w, x: jnp.exp(-0.5 * (x - w["c"]) ** 2)),
        excess_loss=lambda w: loss({"a": w["a"], "b": w["c"]}),
        integral=Integral(
            nodes,
            unit_pairs.log_likelihood(_pair_sums) if turned else hidden_layer.log_likelihood(_feature),
            route=route,
            regions=regions,
        )
        if small
        else None,
        population=Integral(
            nodes,
            radial_population.silent(hidden) if zero else radial_population.beside(hidden, OUTER, CENTRE),
            route=route,
        )
        if small
        else None,
        description="y ~ N(Σ_h a_h exp(−(x − c_h)²/2), 1)" if hidden > 1 else "y ~ N(a exp(−(x − c)²/2), 1)",
        prior="a_h, c_h ~ N(0, 1)",
        truth="y ~ N(0, 1), x ~ N(0, 1)" if zero else "y ~ N(exp(−(x − 1)²/2), 1), x ~ N(0, 1)",
        note=_note(hidden, zero),
    )


def _feature(c, x):
    return jnp.exp(-0.5 * (x - c[..., None]) ** 2)


def _inputs() -> tuple[np.ndarray, np.ndarray]:
    """Return the trapezoid rule for E g(x), x ~ N(0, 1), of a product g of two units: a Gaussian of variance 1/3.

    The error is that of its Fourier transform at 2π/step, exp(−41), out to centres at 9.
    """
    step = 0.4
    x = step * np.arange(-32, 33)
    return x, step * np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)


def _pair_sums(points, data):
    """Return the sums of (φ_1 ± φ_2)/√2 = √2 exp(−(x − m)²/2 − d²/8) (cosh, sinh)((x − m) d/2), d = c_1 − c_2."""
    middle, apart = points[:, :1] / math.sqrt(2), points[:, 1:] * math.sqrt(2)
    gap = data["x"] - middle
    bump = math.sqrt(2) * jnp.exp(-0.5 * gap**2 - apart**2 / 8)
    features = jnp.stack([bump * jnp.cosh(0.5 * gap * apart), bump * jnp.sinh(0.5 * gap * apart)], axis=1)
    return jnp.einsum("Nhi,Nki->Nhk", features, features), features @ data["y"]


def _panels(hidden: int, order: int, data: Data) -> Nodes:
    """Return nodes over the centres, graded towards the true one from both sides."""
    near, finest = hidden_layer.NEAR, 0.5 / math.sqrt(len(data["x"]) + 4.0) if data else FINEST[hidden]
    side = np.concatenate([rules.graded_edges(finest, near)[1:], unit_pairs.SIDE[near < unit_pairs.SIDE]])
    edges = CENTRE + np.concatenate([-side[::-1], [0.0], side])
    rule = rules.panels(edges, order)
    log_weights = rule.log_weights + rules.log_normal_density(rule.points)
    return hidden_layer.symmetric_nodes(rule.points, log_weights, hidden)


def _phases(hidden: int, zero: bool):
    if hidden != 2:
        return {}, {}
    if zero:
        return unit_pairs.pair_phases("c"), unit_pairs.pair_regions(_pair_sums)
    return hidden_layer.sharing("c", lambda c: abs(c - CENTRE))


def _note(hidden: int, zero: bool) -> str:
    if zero and hidden == 1:
        return (
            "No centre silences a bump: the optimal set is the line a = 0 alone, without a crossing, so that m = 1 "
            "where one unit of a tanh network has m = 2. The Fisher information is degenerate: on the line c is free."
        )
    if zero:
        return (
            "Zero can be made by outer weights of 0 or by units that share a centre and cancel. The sum of the outer "
            "weights is always felt and costs 1/2; what is left are the distances of the centres from one of them, "
            "the moments of a network of H − 1 units whose activation starts with z + z²/2 + …: for H = 2 the crossing "
            "a (c_1 − c_2), which gives m = 2, while away from it each of the two sheets has λ = 1, m = 1."
        )
    if hidden == 1:
        return "No unit to spare: a regular control, its one optimal point at a = 1, c = 1."
    return (
        "As in the tanh network one unit is the true one and the spare one has no weight, or units share the true "
        "centre to within n^(−1/4) and their outer weights add up. A spare unit costs 1/4 there, and 1/2 elsewhere."
    )
