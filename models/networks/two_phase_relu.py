"""Carroll's regression: two ReLU units on the plane, fitted to two units that are turned until they are one."""

from __future__ import annotations

import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import ndtr

from singular.errors import InputError
from singular.models.base import Bound, Data, LearningCoefficient, Model, family
from singular.models.draws import standard_normals
from singular.models.integrals import rules
from singular.models.symmetries import exchange, swaps, unit_scaling

OFFSET = -0.3
"""Bias of the true units."""
RADIUS = 0.5
"""Effective norm below which a unit counts as absent."""
PANELS, ORDER = 16, 3
"""The rule for the mean over the square: panels along each side, and the order in each."""

NOTE = (
    "Carroll (2021), Phase Transitions in Neural Networks, MSc thesis, University of Melbourne: as θ grows to π/2 the "
    "posterior goes over from using both units to using one, before the truth itself is degenerate, since one unit is "
    "the simpler way. The loss of the best single unit falls fast with θ: 0.0036 nats an observation at θ = 1, 0.0008 "
    "at 1.26. Truth, priors, inputs, effective norms and the radius 0.5 are those of the thesis' published code, in "
    "which θ runs from 1 to 1.36 in steps of 0.02, then 1.43, 1.5 and π/2, with n = 10 000. There draws whose "
    "effective norms are neither near 0 and 2 nor near 1 and 1 are set aside, and a unit that is off is not told apart."
)


@family
def two_phase_relu(angle: float = 1.26) -> Model:
    """Return y ~ N(c + Σ_i q_i max(⟨w_i, x⟩ + b_i, 0), 1), two units, all nine weights N(0, 1), x ~ U[−1, 1]².

    The truth has c = 0, q_i = 1, b_i = −0.3 and w = (± cos θ, sin θ), in Carroll (2021), where θ goes from
    1 to π/2. At θ = π/2 the two true units are one unit of twice the slope.

    The positive scaling of a unit, q_i and (w_i, b_i), changes nothing; the effective norm is |q_i| |w_i|, and 0
    of a unit that is off on the whole square. Phases: ``degenerate`` (one effective norm is less than 0.5) and
    ``non-degenerate``. For θ above about 1.2 a degenerate network is one where one unit does the work of both; below,
    the edge of the phase fits better than any single unit. For 0 < θ < π/2, λ = 7/2: what remains after the two
    scalings are seven parameters whose derivatives are linearly independent. At π/2, λ ≤ 2: a unit that is off on
    the whole square is off on an open set.

    Parameters
    ----------
    angle : float
        θ in radians, 0 < θ ≤ π/2.

    Raises
    ------
    InputError
        If the angle is out of range.

    Examples
    --------
    >>> two_phase_relu(1.26).exact.value
    Fraction(7, 2)
    """
    if isinstance(angle, bool) or not isinstance(angle, int | float) or not 0 < angle <= math.pi / 2:
        raise InputError(f"angle={angle!r}: allowed is 0 < angle ≤ π/2, in radians")
    merged = angle == math.pi / 2
    true_w = np.array([[math.cos(angle), math.sin(angle)], [-math.cos(angle), math.sin(angle)]])
    if merged:
        true_w = np.array([[0.0, 1.0], [0.0, 1.0]])
    true_b, true_q = np.full(2, OFFSET), np.ones(2)

    def density(x, y=None):
        w = jnp.asarray(numpyro.sample("w", dist.Normal(0.0, 1.0).expand([2, 2]).to_event(2)))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        q = numpyro.sample("q", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        c = numpyro.sample("c", dist.Normal(0.0, 1.0))
        numpyro.sample("y", dist.Normal(c + jnp.maximum(x @ w.T + b, 0.0) @ q, 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        draws = standard_normals(key, n, 3)
        x = 2 * ndtr(draws[:, :2]) - 1
        return {"x": x, "y": np.maximum(x @ true_w.T + true_b, 0.0) @ true_q + draws[:, 2]}

    nodes, weights = square()
    truth = np.maximum(nodes @ true_w.T + true_b, 0.0) @ true_q

    def excess_loss(p):
        units = jnp.maximum(p["w"] @ nodes.T + p["b"][..., None], 0.0)
        gap = p["c"][..., None] + jnp.einsum("...i,...iq->...q", p["q"], units) - truth
        return 0.5 * jnp.sum(weights * gap**2, axis=-1)

    def degenerate(p):
        return (effective_norms(p) < RADIUS).any(axis=-1)

    conditions = "prior positive on the optimal set, x uniform on the square [−1, 1]²"
    exact = LearningCoefficient(
        Fraction(7, 2),
        1,
        source="nine parameters less the two scalings of the units (q_i, w_i, b_i) → (q_i / s, s w_i, s b_i): the "
        "derivatives 1, 1{z_i > 0} (1, x) are linearly independent if the lines z_i = 0 differ and cut the square",
        conditions=f"0 < θ < π/2, {conditions}",
    )
    bound = Bound(
        Fraction(2),
        source="a second unit that is off on the whole square is off on an open set, where c and three effective "
        "parameters of the first unit remain",
        conditions=f"θ = π/2, {conditions}",
    )
    return Model(
        name=f"two-phase-relu-{angle:.2f}",
        family="two-phase relu",
        density=density,
        simulate=simulate,
        dim=9,
        exact=None if merged else exact,
        bound=bound if merged else None,
        optimum={"w": true_w, "b": true_b, "q": true_q, "c": np.array(0.0)},
        phases={"degenerate": degenerate, "non-degenerate": lambda p: ~degenerate(p)},
        symmetries={
            "scaling of a unit": unit_scaling("q", ["w", "b"]),
            "exchange between units on one line": exchange("q", ["w", "b"], "homogeneous"),
        },
        discrete_symmetries=swaps({"w": -2, "b": -1, "q": -1}, 2),
        excess_loss=excess_loss,
        description="y ~ N(c + Σ_i q_i max(⟨w_i, x⟩ + b_i, 0), 1), i = 1, 2",
        prior="w_i, b_i, q_i, c ~ N(0, 1)",
        truth=f"c = 0, q_i = 1, b_i = −0.3, w = (± cos θ, sin θ), θ = {angle:.4g}; x ~ U[−1, 1]²",
        note=NOTE,
    )


def effective_norms(p):
    """Return |q_i| |w_i|, (..., 2), or 0 where the unit is off on the whole square."""
    reach = p["b"] + abs(p["w"]).sum(axis=-1)
    return jnp.where(reach > 0, abs(p["q"]) * jnp.sqrt((p["w"] ** 2).sum(axis=-1)), 0.0)


def square() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (Q, 2) and weights (Q,) of product panels for the mean over the square [−1, 1]²."""
    rule = rules.panels(np.linspace(-1.0, 1.0, PANELS + 1), ORDER)
    weights = np.exp(rule.log_weights) / 2
    grid = np.stack([g.ravel() for g in np.meshgrid(rule.points, rule.points, indexing="ij")], axis=1)
    return grid, np.outer(weights, weights).ravel()
