"""The toy model of superposition: more features than hidden dimensions, stored as a polygon."""

from __future__ import annotations

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from scipy.special import ndtr

from singular.errors import whole
from singular.models.base import Bound, Data, Model, family
from singular.models.draws import standard_normals
from singular.models.networks.superposition_loss import mean_squared_error, polygon
from singular.models.symmetries import rotation, swaps

HIDDEN = 2
"""Hidden dimensions."""
PRESENT = 0.5
"""Length of a column of W above which its feature counts as represented."""


@family
def superposition(features: int) -> Model:
    """Return y ~ N(max(Wᵀ W x + b, 0), I) with W 2 × c, W, b ~ N(0, I), and y = x, one feature on at a time.

    x = u e_i with i uniform over the c features and u ~ U(0, 1). The truth reproduces x exactly and without
    noise, so it is outside the model, and K is half the mean squared error of the reconstruction less that of
    the regular c-gon: columns of W of one length at equal angles, one negative bias. The c-gon is the least
    of the losses that optimiser starts ended in, not proved to be the global one.

    λ ≤ (3 c − 1)/2, half the rank of the Hessian at the c-gon: only the rotations of W are flat. Phases: by the
    number of columns of W longer than 0.5, ``6-gon``, ``5-gon`` and ``fewer`` for c = 6.

    Parameters
    ----------
    features : int
        c, 5 or 6.

    Raises
    ------
    InputError
        If ``features`` is not 5 or 6.

    Examples
    --------
    >>> superposition(6).bound.value
    Fraction(17, 2)
    """
    c = whole("features", features, least=5, most=6)
    length, bias = polygon(c)
    turns = 2 * np.pi * np.arange(c) / c
    optimum = {"W": length * np.stack([np.cos(turns), np.sin(turns)]), "b": np.full(c, bias)}

    def density(x, y=None):
        w = jnp.asarray(numpyro.sample("W", dist.Normal(0.0, 1.0).expand([HIDDEN, c]).to_event(2)))
        b = numpyro.sample("b", dist.Normal(0.0, 1.0).expand([c]).to_event(1))
        numpyro.sample("y", dist.Normal(jnp.maximum(x @ w.T @ w + b, 0.0), 1.0), obs=y)

    def simulate(key, n: int) -> Data:
        chosen, size = ndtr(standard_normals(key, n, 2)).T
        x = np.zeros((n, c))
        x[np.arange(n), np.minimum((c * chosen).astype(int), c - 1)] = size
        return {"x": x, "y": x.copy()}

    def excess_loss(p):
        return 0.5 * (mean_squared_error(p["W"], p["b"]) - mean_squared_error(optimum["W"], optimum["b"]))

    def columns(p):
        return (jnp.sum(p["W"] ** 2, axis=-2) > PRESENT**2).sum(axis=-1)

    return Model(
        name=f"superposition-2-{c}",
        family="toy model of superposition",
        density=density,
        simulate=simulate,
        dim=(HIDDEN + 1) * c,
        bound=Bound(
            Fraction(3 * c - 1, 2),
            source="half the rank of the Hessian at the regular polygon, where only the rotation of W is flat; "
            "Chen, Lau, Mendel, Wei & Murfet (2023), arXiv 2310.06301, for the polygons",
            conditions="the regular polygon is a global minimum of the loss (of all optimiser starts tried none ended "
            "lower), prior positive there",
        ),
        optimum=optimum,
        phases={
            f"{c}-gon": lambda p: columns(p) == c,
            f"{c - 1}-gon": lambda p: columns(p) == c - 1,
            "fewer": lambda p: columns(p) < c - 1,
        },
        symmetries={"rotation of the hidden plane": rotation("W", 0)},
        discrete_symmetries=swaps({"W": -1, "b": -1}, c),
        excess_loss=excess_loss,
        description=f"y ~ N(max(Wᵀ W x + b, 0), I), W 2 × {c}",
        prior="W, b ~ N(0, 1)",
        truth=f"y = x = u e_i, i uniform over {c} features, u ~ U(0, 1); outside the model",
        note="Two dimensions store more than two features by leaving small overlaps to be cut off by negative biases. "
        "Polygons with fewer corners have a larger loss and a smaller local coefficient: with six features the "
        "hexagon has mean squared error 0.0482 and 17/2, the pentagon with one feature off 0.0687 and 7, so the "
        "posterior goes over from pentagons to hexagons as n grows: the study superposition measures where, and on "
        "what it depends. The loss is exact, by integrals of piecewise linear functions.",
    )
