"""Visible spins that depend on each other through one hidden spin: a restricted Boltzmann machine of one unit."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from singular.errors import whole
from singular.models import coefficients
from singular.models.base import Data, Integral, Model, Nodes, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.mixtures.ratios import divergence
from singular.models.symmetries import at_most_one_nonzero, scaling_where

NEAR = 0.5
"""Weight below which a spin counts as not joined to the hidden one."""

FAR_EDGES = [1.0, 2.0, 3.5, 5.5, 9.0]
"""Panel edges of a weight beyond NEAR."""

PAIRS = ((0, 1), (0, 2), (1, 2))


@family
def hidden_spin(visible: int = 3) -> Model:
    """Return P(y) ∝ Σ_(h = ±1) exp(h Σ_i w_i s_i), s_i = 2 y_i − 1, with w_i ~ N(0, 1) and uniform truth.

    λ = n/4 for n ≥ 3 spins; n = 2: λ = 1/2, m = 2. At most one weight differs from 0 in the optimal set. With three
    spins the data are the counts of four classes, and the oracle is three-dimensional. Phases: ``origin`` (all
    |w_i| < 1/2) and ``w1-axis``, … (that one at least 1/2, the others below).

    Parameters
    ----------
    visible : int
        2 to 8.

    Raises
    ------
    InputError
        If the number is out of range.
    """
    size = whole("visible", visible, least=2, most=8)
    states = np.array(list(itertools.product([0.0, 1.0], repeat=size)))

    def density(y=None, n=1):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([size]).to_event(1))
        hidden = dist.Categorical(probs=jnp.array([0.5, 0.5]))
        spins = dist.Bernoulli(logits=jnp.stack([2 * w, -2 * w])).to_event(1)
        with numpyro.plate("observations", n if y is None else y.shape[0]):
            numpyro.sample("y", dist.MixtureSameFamily(hidden, spins), obs=y)

    def simulate(key, n: int) -> Data:
        return {"y": (standard_normals(key, n, size) < 0).astype(np.float64)}

    def excess_loss(w):
        up = 2 * w["w"][..., None, None, :] * (2 * states[:, None, :] - 1)  # (..., state, 1, spin)
        both = jnp.concatenate([jax.nn.log_sigmoid(up), jax.nn.log_sigmoid(-up)], axis=-2)
        log_ratios = jnp.sum(both, axis=-1) + size * math.log(2.0)
        return divergence(np.log([0.5, 0.5]), log_ratios, np.full(len(states), 0.5**size))

    def axis(i):
        others = [j for j in range(size) if j != i]
        return lambda w: (abs(w["w"][..., i]) >= NEAR) & (abs(w["w"][..., others]) < NEAR).all(axis=-1)

    phases = {"origin": lambda w: (abs(w["w"]) < NEAR).all(axis=-1)}
    phases |= {f"w{i + 1}-axis": axis(i) for i in range(size)}
    return Model(
        name=f"hidden-spin-{size}",
        family="hidden spin",
        density=density,
        simulate=simulate,
        dim=size,
        exact=coefficients.hidden_spin(size),
        optimum={"w": np.zeros(size)},
        phases=phases,
        symmetries={"scaling of the weights, where at most one is not 0": scaling_where("w", at_most_one_nonzero("w"))},
        discrete_symmetries={"sign of all weights": lambda w: {"w": -w["w"]}},
        excess_loss=excess_loss,
        integral=_three_spins(phases) if size == 3 else None,
        population=_three_spins_population() if size == 3 else None,
        description="P(y) = Π_i (2 cosh w_i)⁻¹ · ½ Σ_(h = ±1) exp(h Σ_i w_i s_i), s_i = 2 y_i − 1",
        prior="w_i ~ N(0, 1)",
        truth="every state equally likely",
        note="One spin joined to the hidden one changes nothing: only pairs are seen, through tanh w_i tanh w_j. The "
        "optimal set is the coordinate axes, and they meet at the origin, where most of the mass is.",
    )


def _products(points):
    t = jnp.tanh(points)
    return [t[:, i] * t[:, j] for i, j in PAIRS]


def _three_spins(phases) -> Integral:
    def nodes(data: Data, level: int) -> Nodes:
        side = np.concatenate([[0.0, 1 / 32, 1 / 8, 0.28, NEAR], FAR_EDGES])
        one = rules.panels(side, (7, 6)[-level])
        half = rules.tensor(one, one, one, log_density=lambda *w: rules.log_normal_density(*w) + math.log(2.0))
        points, log_weights = (part[half[1] > half[1].max() - 40.0] for part in half)
        signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])  # the other four give the same table
        return Nodes((points[:, None, :] * signs).reshape(-1, 3), np.repeat(log_weights, 4))

    def log_likelihood(points, beta, data):
        spins = 2 * data["y"] - 1
        together = [spins[:, i] * spins[:, j] for i, j in PAIRS]
        total = -3 * math.log(2.0) * len(spins)
        for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
            count = jnp.sum((together[0] == signs[0]) & (together[1] == signs[1]))
            gain = sum(s * p for s, p in zip(signs, _products(points), strict=True))
            total = total + count * jnp.log1p(gain)
        return beta * total

    def region(name):
        return lambda points, beta, data: phases[name]({"w": points}).astype(float)

    return Integral(nodes, log_likelihood, route="3-D panels", regions={name: region(name) for name in phases})


def _three_spins_population() -> Integral:
    """Turning one spin round maps the uniform truth to itself, so that all signs of the weights give one K."""

    def nodes(data: Data, level: int) -> Nodes:
        edges = np.concatenate([[0.0], 4.0 ** np.arange(-8, 0), FAR_EDGES])
        one = rules.panels(edges, (7, 6)[-level])
        points, log_weights = rules.tensor(
            one, one, one, log_density=lambda *w: rules.log_normal_density(*w) + 3 * math.log(2.0)
        )
        keep = log_weights > log_weights.max() - 45.0
        return Nodes(points[keep], log_weights[keep])

    def log_likelihood(points, t, data):
        total = 0.0
        for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
            gain = sum(s * p for s, p in zip(signs, _products(points), strict=True))
            total = total + 0.25 * (gain - jnp.log1p(gain))
        return -t * total

    return Integral(nodes, log_likelihood, route="3-D panels")
