"""The picture of a catalogue model of one or two parameters: its excess loss, its optimal set, its prior."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import handlers

from singular.analysis import figures
from singular.analysis.figures import finish, new_figure
from singular.models.base import Model
from singular.models.density import map_rows
from singular.models.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 181
"""Grid points along each of two parameters."""
LINE = 2001
"""Grid points along a single one."""
DRAWS = 4096
COVERED = 0.99
"""Share of the prior's draws that the picture takes in along each axis."""
ZERO = 1e-12
"""K below it, in nats an observation, counts as zero; or ten times what K is at the known optimum, if that is more."""
GOLDEN = (np.sqrt(5.0) - 1) / 2
SECTIONS = 40
COLOURS = (figures.VERMILION, figures.GREEN, figures.PURPLE, figures.YELLOW)
ROWS = 4096
DPI = 90
LEVELS = tuple(10.0**k for k in range(-5, 2))
"""Edges of the bands of K, nats an observation."""


@dataclass(frozen=True)
class Plane:
    """The parameters of a model as one flat vector.

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
    """

    axes: list[str]
    low: np.ndarray
    high: np.ndarray
    excess: Callable[[np.ndarray], np.ndarray]
    log_prior: Callable[[np.ndarray], np.ndarray]
    phase: Callable[[np.ndarray], np.ndarray]
    optimum: np.ndarray


def picture(model: Model) -> Figure | None:
    """Draw K(w) with its optimal set, coloured by phase, and the prior.

    Returns
    -------
    matplotlib.figure.Figure or None
        None for a model of more than two parameters, or without an excess loss.
    """
    if model.dim > 2 or model.excess_loss is None:
        return None
    with jax.enable_x64(True):
        plane = plane_of(model)
        if plane is None:
            return None
        return (_line if model.dim == 1 else _map)(model, plane)


def plane_of(model: Model) -> Plane | None:
    """Return the coordinates of a model's picture; None if its sites have more numbers than it has parameters."""
    problem = Problem.from_model(model, n=8, seed=0)
    optimum = model.optimum or {}
    shapes = {site: np.shape(value) for site, value in optimum.items()}
    axes = [site + "".join(f"[{i}]" for i in at) for site, shape in shapes.items() for at in np.ndindex(*shape)]
    if not axes or len(axes) != model.dim:
        return None
    draws = map_rows(problem.parts.prior_draw, jax.random.split(jax.random.PRNGKey(0), DRAWS))
    every = map_rows(problem.parts.constrain, draws)
    flat = np.concatenate([np.reshape(every[site], (len(draws), -1)) for site in shapes], axis=1)
    low, high = np.quantile(flat, [(1 - COVERED) / 2, (1 + COVERED) / 2], axis=0)

    def sites(w):
        split = jnp.split(w, np.cumsum([int(np.prod(shape)) for shape in shapes.values()])[:-1], axis=-1)
        parts = zip(shapes.items(), split, strict=True)
        return {site: part.reshape(*w.shape[:-1], *shape) for (site, shape), part in parts}

    def log_prior(w):
        fixed = handlers.substitute(handlers.seed(model.density, 0), sites(w))
        trace = handlers.trace(fixed).get_trace(**problem.kwargs)
        return sum(jnp.sum(trace[site]["fn"].log_prob(trace[site]["value"])) for site in shapes)

    def phase(w):
        claimed = np.stack([np.asarray(inside(sites(jnp.asarray(w)))) for inside in model.phases.values()])
        return np.where(claimed.any(axis=0), claimed.argmax(axis=0), -1)

    return Plane(
        axes,
        low,
        high,
        partial(_in_blocks, jax.jit(lambda w: model.excess_loss(sites(w)))),
        partial(_in_blocks, jax.jit(jax.vmap(log_prior))),
        phase if model.phases else lambda w: np.full(len(w), -1),
        np.concatenate([np.ravel(np.asarray(value, dtype=float)) for value in optimum.values()])[None],
    )


def optimal_points(plane: Plane, grid: list[np.ndarray]) -> np.ndarray:
    """Return points at which K = 0: on the grid, where K has a minimum along a line of it, the known optimum.

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
    found = [plane.optimum, points[values < zero]]
    for axis, line in enumerate(grid):
        inner = np.moveaxis(values, axis, 0)
        dips = (inner[1:-1] <= inner[:-2]) & (inner[1:-1] <= inner[2:]) & (inner[1:-1] >= zero)
        at = np.moveaxis(points, axis, 0)[1:-1][dips]
        if len(at):
            found.append(_refined(plane.excess, at, axis, line[1] - line[0]))
    every = np.concatenate(found)
    return every[plane.excess(every) < zero]


def _line(model: Model, plane: Plane) -> Figure:
    """Draw K(w) of one parameter on a log axis, and the prior below."""
    grid = np.linspace(plane.low[0], plane.high[0], LINE)
    points = optimal_points(plane, [grid])
    figure = new_figure(5.6, 3.9)
    figure.set_dpi(DPI)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1))
    excess = plane.excess(grid[:, None])
    top.plot(grid, np.maximum(excess, LEVELS[0] / 10), color=figures.BLUE, lw=1.6)
    top.set_yscale("log")
    top.set_ylim(LEVELS[0], 3 * np.nanmax(excess))
    for size in (100, 10_000):
        top.axhline(1 / size, color=figures.LIGHT, lw=1, ls=":", zorder=0)
        top.annotate(f"1/n, n = {size:,}", (1, 1 / size), xycoords=("axes fraction", "data"), fontsize=7,
                     color=figures.GREY, ha="right", va="bottom")  # fmt: skip
    for colour, label, some in _by_phase(model, plane, points):
        top.plot(
            some[:, 0], np.full(len(some), LEVELS[0]), "^", color=colour, ms=9, clip_on=False, label=label, zorder=4
        )
    top.legend(fontsize=8, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    bottom.fill_between(grid, np.exp(plane.log_prior(grid[:, None])), color=figures.SKY, alpha=0.6, lw=0)
    bottom.set_ylim(0, None)
    finish(top, "", "", "K(w), nats")
    finish(bottom, "", plane.axes[0], "prior density")
    return figure


def _map(model: Model, plane: Plane) -> Figure:
    """Draw K(w) of two parameters as bands of a decade each, and the prior as contours."""
    grid = [np.linspace(low, high, SIDE) for low, high in zip(plane.low, plane.high, strict=True)]
    flat = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, 2)
    excess = plane.excess(flat).reshape(SIDE, SIDE).T
    figure = new_figure(5.6, 4.4)
    figure.set_dpi(DPI)
    axes = figure.subplots()
    bands = axes.contourf(
        *grid, np.maximum(excess, LEVELS[0]), LEVELS, norm=_log_norm(LEVELS), cmap=_bands(), extend="max"
    )
    bar = figure.colorbar(bands, ax=axes, pad=0.02, ticks=LEVELS)
    bar.set_label("K(w), nats an observation", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    _borders(axes, grid, plane.phase(flat).reshape(SIDE, SIDE).T)
    _prior_contours(axes, grid, plane.log_prior(flat).reshape(SIDE, SIDE).T)
    for colour, label, some in _by_phase(model, plane, optimal_points(plane, grid)):
        axes.plot(*some.T, "o", color=colour, ms=3, mew=0, label=label, zorder=4)
    axes.set(xlim=(grid[0][0], grid[0][-1]), ylim=(grid[1][0], grid[1][-1]))
    axes.legend(fontsize=8, frameon=False, ncols=3, markerscale=2, loc="lower left", bbox_to_anchor=(0, 1))
    finish(axes, "", *plane.axes)
    return figure


def _by_phase(model: Model, plane: Plane, points: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield colour, label and points of each part of the optimal set."""
    claimed = plane.phase(points)
    for index, name in enumerate(model.phases):
        if np.any(claimed == index):
            yield COLOURS[index % len(COLOURS)], name, points[claimed == index]
    if np.any(claimed < 0):
        yield figures.ORANGE, "rest" if model.phases else "K = 0", points[claimed < 0]


def _borders(axes: Axes, grid: list[np.ndarray], phase: np.ndarray) -> None:
    """Draw where one phase meets another."""
    for index in range(phase.max() + 1):
        if 0 < np.sum(phase == index) < phase.size:
            axes.contour(*grid, (phase == index).astype(float), [0.5], colors=figures.BLACK, linewidths=0.5,
                         linestyles=":", alpha=0.6)  # fmt: skip


def _prior_contours(axes: Axes, grid: list[np.ndarray], log_prior: np.ndarray) -> None:
    """Draw the smallest regions that hold half and nine tenths of the prior; none for an even prior."""
    density = np.nan_to_num(np.exp(log_prior - np.nanmax(log_prior[np.isfinite(log_prior)])), nan=0.0)
    if density.min() > 0.99:
        return
    ordered = np.sort(density.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = [float(ordered[np.searchsorted(held, share)]) for share in (0.9, 0.5)]
    lines = axes.contour(*grid, density, sorted(set(levels)), colors=figures.GREY, linewidths=0.9, linestyles="--")
    axes.clabel(lines, fmt=dict(zip(levels, ("prior 90 %", "prior 50 %"), strict=True)), fontsize=7)


def _log_norm(levels: tuple[float, ...]):
    from matplotlib.colors import LogNorm

    return LogNorm(levels[0], levels[-1])


def _bands():
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["Blues_r"](np.linspace(0.25, 1, 256)))


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
    size = -(-len(points) // ROWS) * ROWS
    padded = np.concatenate([points, np.broadcast_to(points[:1], (size - len(points), points.shape[1]))])
    with np.errstate(all="ignore"):
        return np.concatenate([np.asarray(function(jnp.asarray(padded[i : i + ROWS]))) for i in range(0, size, ROWS)])[
            : len(points)
        ]
