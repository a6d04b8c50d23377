"""The excess loss, the prior and the phases of a model of few parameters, and where its optimal set lies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers
from numpyro.distributions import constraints
from scipy.ndimage import minimum_filter
from scipy.optimize import minimize

from singular.models.base import Model
from singular.models.density import map_rows
from singular.models.problem import Problem

DRAWS = 4096
COVERED = 0.99
"""Share of the prior's draws that the box takes in along each axis."""
NEAR_EDGE = 0.02
"""An edge of the support that is nearer to the box than this share of its width is drawn: optima may lie on it."""
ZERO = 1e-12
"""K below it, in nats an observation, counts as zero; or ten times what K is at the known optimum, if that is more."""
GOLDEN = (np.sqrt(5.0) - 1) / 2
SECTIONS = 40
BASINS = 8
EXACTING = {"ftol": 1e-18, "gtol": 1e-12}
ROWS = 4096


@dataclass(frozen=True)
class Plane:
    """The parameters of a model as one flat vector, in a box that holds most of the prior. 64-bit scopes only.

    Attributes
    ----------
    axes : list of str
        Name of each coordinate: the site, with its index if the site has more than one.
    low, high : (d,) float
        The box that is drawn.
    excess, log_prior : (N, d) -> (N,)
        K(w) and log φ(w); not finite where there is no such parameter.
    phase : (N, d) -> (N,) int
        Index of the phase, −1 for none.
    optimum : (1, d) float
        The known point of the optimal set.
    slope : (d,) -> (float, (d,))
        K(w) and its gradient.
    """

    axes: list[str]
    low: np.ndarray
    high: np.ndarray
    excess: Callable[[np.ndarray], np.ndarray]
    log_prior: Callable[[np.ndarray], np.ndarray]
    phase: Callable[[np.ndarray], np.ndarray]
    optimum: np.ndarray
    slope: Callable[[np.ndarray], tuple[float, np.ndarray]]


def plane_of(model: Model) -> Plane | None:
    """Return the coordinates of a model's picture; None if its sites have more numbers than it has parameters.

    A probability vector gives all its coordinates but the last.
    """
    if model.optimum is None or model.excess_loss is None:
        return None
    loss = model.excess_loss
    problem = Problem.from_model(model, n=8, seed=0)
    optimum = {site: np.asarray(value, dtype=float) for site, value in model.optimum.items()}
    traced = handlers.trace(handlers.seed(model.density, 0)).get_trace(**problem.kwargs)
    closed = {site for site in optimum if traced[site]["fn"].support is constraints.simplex}
    axes = [axis for site, value in optimum.items() for axis in _axes(site, value.shape, site in closed)]
    if len(axes) != model.dim:
        return None
    flat, sites = _flattening(optimum, closed)

    def excess(w):
        values = sites(w)
        allowed = [jnp.all(values[site] >= 0, axis=-1) for site in closed]
        return jnp.where(reduce(jnp.logical_and, allowed, True), loss(values), jnp.nan)

    def log_prior(w):
        fixed = handlers.substitute(handlers.seed(model.density, 0), sites(w))
        trace = handlers.trace(fixed).get_trace(**problem.kwargs)
        density = sum(jnp.sum(trace[site]["fn"].log_prob(trace[site]["value"])) for site in optimum)
        return jnp.where(jnp.isfinite(excess(w)), density, -jnp.inf)

    def phase(w):
        claimed = np.stack([np.asarray(inside(sites(jnp.asarray(w)))) for inside in model.phases.values()])
        return np.where(claimed.any(axis=0), claimed.argmax(axis=0), -1)

    differentiated = jax.jit(jax.value_and_grad(lambda w: loss(sites(w))))

    def slope(w):
        value, gradient = differentiated(jnp.asarray(w))
        return float(value), np.asarray(gradient, dtype=float)

    draws = map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(0), DRAWS))
    drawn = flat(map_rows(problem.parts.constrain, draws))
    low, high = np.quantile(drawn, [(1 - COVERED) / 2, (1 + COVERED) / 2], axis=0)
    known = flat(optimum)
    edges = [_edges(traced[site]["fn"].support, value.size - (site in closed)) for site, value in optimum.items()]
    least, most = np.concatenate(edges, axis=1)
    margin = NEAR_EDGE * (high - low)
    low, high = np.where(low - margin < least, least, low), np.where(high + margin > most, most, high)
    return Plane(
        axes=axes,
        low=np.minimum(low, known[0]),
        high=np.maximum(high, known[0]),
        excess=partial(_in_blocks, jax.jit(excess)),
        log_prior=partial(_in_blocks, jax.jit(jax.vmap(log_prior))),
        phase=phase if model.phases else lambda w: np.full(len(w), -1),
        optimum=known,
        slope=slope,
    )


def _edges(support: Any, size: int) -> np.ndarray:
    """Return the least and the greatest value of a site of bounded support, (2, size); infinite where it has none."""
    ends = [getattr(support, "lower_bound", -np.inf), getattr(support, "upper_bound", np.inf)]
    return np.repeat(np.array(ends, dtype=float)[:, None], size, axis=1)


def _flattening(
    optimum: Mapping[str, np.ndarray], closed: Collection[str]
) -> tuple[Callable[[Any], np.ndarray], Callable[[Any], dict[str, Any]]]:
    """Return the map from values by site, with a batch axis or without, to (N, d), and the JAX map from (…, d) back."""

    def flat(values):
        parts = [(site, np.reshape(values[site], (-1, value.size))) for site, value in optimum.items()]
        return np.concatenate([part[:, :-1] if site in closed else part for site, part in parts], axis=1)

    def sites(w):
        start, out = 0, {}
        for site, value in optimum.items():
            stop = start + value.size - (site in closed)
            part = w[..., start:stop]
            if site in closed:
                part = jnp.concatenate([part, 1 - jnp.sum(part, axis=-1, keepdims=True)], axis=-1)
            out[site] = part.reshape(*w.shape[:-1], *value.shape)
            start = stop
        return out

    return flat, sites


def optimal_points(plane: Plane, grid: list[np.ndarray]) -> np.ndarray:
    """Return points at which K = 0: on the grid, at minima along its lines and in its basins, the known optimum.

    Parameters
    ----------
    plane : Plane
    grid : d arrays
        Coordinates of the grid along each axis.

    Returns
    -------
    (N, d) float
    """
    zero = max(ZERO, 10 * float(np.abs(plane.excess(plane.optimum)[0])))
    points = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)
    values = plane.excess(points.reshape(-1, len(grid))).reshape(points.shape[:-1])
    values = np.where(np.isfinite(values), values, np.inf)
    found = [plane.optimum, points[values < zero]]
    for axis, line in enumerate(grid):
        inner = np.moveaxis(values, axis, 0)
        dips = (inner[1:-1] <= inner[:-2]) & (inner[1:-1] <= inner[2:]) & (inner[1:-1] >= zero)
        dips &= np.isfinite(inner[1:-1])
        at = np.moveaxis(points, axis, 0)[1:-1][dips]
        if len(at):
            found.append(_refined(plane.excess, at, axis, line[1] - line[0]))
    found.append(_polished(plane, points, values))
    every = np.concatenate(found)
    return every[plane.excess(every) < zero]


def _polished(plane: Plane, points: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the lowest point of each basin of the grid, by L-BFGS-B within the box: it finds isolated points.

    A basin is where no neighbour is lower, diagonal ones too.
    """
    lowest = minimum_filter(values, size=3, mode="constant", cval=np.inf)
    starts = points[(values <= lowest) & (values > 0) & np.isfinite(values)]
    starts = starts[np.argsort(plane.excess(starts))[:BASINS]] if len(starts) else starts
    box = list(zip(plane.low, plane.high, strict=True))

    def fall(start):
        found = minimize(plane.slope, start, jac=True, method="L-BFGS-B", bounds=box, options=EXACTING)
        return found.x

    return np.array([fall(start) for start in starts]).reshape(-1, points.shape[-1])


def _axes(site: str, shape: tuple[int, ...], closed: bool) -> list[str]:
    """Return the names of a site's coordinates: ``w``, or ``w[0]``, ``w[1]``; but the last if ``closed``."""
    if np.prod(shape) == 1:
        return [site]
    names = [f"{site}[{', '.join(map(str, at))}]" for at in np.ndindex(*shape)]
    return names[:-1] if closed else names


def _refined(excess: Callable[..., Any], at: np.ndarray, axis: int, step: float) -> np.ndarray:
    """Move each point along one axis, within a step, to where K is least, by golden sections."""

    def moved(t):
        out = at.copy()
        out[:, axis] += t
        return out

    low, high = np.full(len(at), -step), np.full(len(at), step)
    for _ in range(SECTIONS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        lower = excess(moved(left)) < excess(moved(right))
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    return moved((low + high) / 2)


def _in_blocks(function: Callable[..., Any], points: np.ndarray) -> np.ndarray:
    """Apply a compiled function in blocks whose sizes are powers of two, so that it is compiled few times."""
    block = min(ROWS, 1 << (len(points) - 1).bit_length())
    size = -(-len(points) // block) * block
    padded = np.concatenate([points, np.broadcast_to(points[:1], (size - len(points), points.shape[1]))])
    with np.errstate(all="ignore"):
        parts = [np.asarray(function(jnp.asarray(padded[i : i + block]))) for i in range(0, size, block)]
    return np.concatenate(parts)[: len(points)]
