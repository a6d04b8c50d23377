"""The picture of a catalogue model of one or two parameters: its excess loss, its optimal set, its prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import numpy as np

from singular.analysis import figures
from singular.analysis.catalogue_pages import DRAWN
from singular.analysis.catalogue_planes import Plane, optimal_points, plane_of
from singular.analysis.figures import finish, new_figure
from singular.models.base import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 181
"""Grid points along each of two parameters."""
LINE = 2001
"""Grid points along a single one."""
LEVELS = tuple(10.0**k for k in range(-5, 2))
"""Edges of the bands of K, nats an observation."""
COLOURS = (figures.VERMILION, figures.GREEN, figures.PURPLE, figures.YELLOW)
FEW = 12
"""So many optimal points are drawn large: they are isolated."""


def picture(model: Model) -> Figure | None:
    """Draw K(w) with its optimal set, coloured by phase, and the prior.

    Returns
    -------
    matplotlib.figure.Figure or None
        None for a model of more than two parameters, or without an excess loss.
    """
    if model.dim > DRAWN or model.excess_loss is None:
        return None
    with jax.enable_x64(True):
        plane = plane_of(model)
        if plane is None:
            return None
        return (_line if model.dim == 1 else _map)(model, plane)


def _line(model: Model, plane: Plane) -> Figure:
    """Draw K(w) of one parameter on a log axis, and the prior below."""
    grid = np.linspace(plane.low[0], plane.high[0], LINE)
    points = optimal_points(plane, [grid])
    figure = new_figure(4.9, 3.7)
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
    figure = new_figure(4.9, 3.9)
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
        size = 3 if len(some) > FEW else 7
        axes.plot(*some.T, "o", color=colour, ms=size, mew=0, label=label, clip_on=len(some) > FEW, zorder=4)
    axes.set(xlim=(grid[0][0], grid[0][-1]), ylim=(grid[1][0], grid[1][-1]))
    legend = axes.legend(fontsize=8, frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    for handle in legend.get_lines():
        handle.set_markersize(7)
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
    if density[density > 0].min() > 0.99:
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
