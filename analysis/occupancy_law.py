"""Where a run of constant-step SGD in one dimension spends its steps: the law of small steps, and that of the chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import eigs

from singular.analysis.law_inputs import number
from singular.errors import InputError

RESOLVED = 1e-4
"""Most that a share may move when every second node is left out."""
CUTS = 65
"""Places, evenly spread, up to which the masses are compared."""
REACH = 7.0
"""Standard deviations of the added noise within which a jump is laid on the nodes."""
EDGE = 1e-6
"""Most of the mass that may lie on the outermost nodes."""
NEAR = 1e-7
"""Above 1, where eigenvalues are looked for: the largest is 1 or a little less, and the matrix must not be singular."""
COARSE = "the nodes do not resolve the law: with every second one left out a share moves by {:.1g}"
CUT = "{:.1g} of the mass lies at the ends of the nodes"
LEAVES = "a step leaves the nodes with probability {:.1g}: the law is that of the runs that stay"


@dataclass(frozen=True)
class OccupancyLaw:
    """A stationary law on equally spaced nodes.

    Attributes
    ----------
    w, density : (N,) float
        Nodes, and the density on them; its sum times the spacing is 1.
    relaxation : float
        Steps after which what a run remembers of its start has fallen by e, from the second eigenvalue of the
        chain; NaN for the law of small steps.
    escape : float
        Probability that a step leaves the nodes, of the chain in its law; NaN for the law of small steps.
    flags : tuple of str
    """

    w: np.ndarray
    density: np.ndarray
    relaxation: float = float("nan")
    escape: float = float("nan")
    flags: tuple[str, ...] = ()

    def share(self, low: float = -np.inf, high: float = np.inf) -> float:
        """Return the mass between two places: that of the cells about the nodes, cut where the places are."""
        return _share(self.w, self.density, low, high)


def diffusion_law(w: ArrayLike, slope: ArrayLike, variance: ArrayLike, step_size: float) -> OccupancyLaw:
    """Return the law of small steps of w ← w − η (slope(w) + noise), noise of variance(w) independent at each step.

    p ∝ D^(−1) exp(−∫ slope/D), D = η variance/2: the stationary solution of the Fokker–Planck equation in Itô's sense
    without current. It is exp(−U/T)/Z, U the integral of the slope, where the variance is constant, T = D. Where the
    noise vanishes and the slope does not, the place is a gate that is passed one way only, and the law has nothing
    behind it. Where both vanish in proportion, p grows like a power there, and may have no integral: a flag tells.

    Parameters
    ----------
    w : (N,) float
        Nodes, ascending and equally spaced, as far out as there is mass.
    slope : (N,) float
        Mean gradient of a step at each node, weight decay included.
    variance : (N,) float
        Of the gradient of a step, that of one observation over B for a minibatch; at least 0, and not 0 on a node.
    step_size : float
        η > 0. The law is that of η → 0 at constant D.

    Returns
    -------
    OccupancyLaw
        With a flag where the nodes are too few, and where they end too early.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Gardiner (2009), Stochastic Methods, 4th edition, section 5.2: the solution without current.

    Examples
    --------
    >>> w = np.linspace(-8, 8, 1001)
    >>> law = diffusion_law(w, w, np.full(1001, 4.0), 0.1)  # T = 0.2
    >>> round(law.share(0.0), 6), round(float(np.sum(w**2 * law.density) * 0.016), 6)
    (0.5, 0.2)
    """
    nodes, drift, noise = _nodes(w), _on("slope", slope, w), _on("variance", variance, w)
    if not np.all(noise > 0):
        raise InputError(
            f"variance is {noise.min():g} at w={nodes[np.argmin(noise)]:g}: allowed are numbers above 0; move the nodes"
        )
    diffusion = 0.5 * number("step_size", step_size) * noise
    density = _without_current(nodes, drift, diffusion)
    coarse = _without_current(nodes[::2], drift[::2], diffusion[::2])
    cuts = np.linspace(nodes[0], nodes[-1], CUTS)
    gap = max(abs(_share(nodes, density, high=c) - _share(nodes[::2], coarse, high=c)) for c in cuts)
    flags = [COARSE.format(gap)] if not gap < RESOLVED else []
    return OccupancyLaw(nodes, density, flags=(*flags, *_ends(nodes, density)))


def chain_law(w: ArrayLike, moved: ArrayLike, spread: float) -> OccupancyLaw:
    """Return the stationary law of the chain itself, at any step: w ← moved(w) + spread · N(0, 1).

    Nyström's method: the law is the leading eigenvector of the matrix of jumps between nodes. Jumps are normal, so
    that equal weights on equally spaced nodes are exact to e^(−2π²), 3e-9, if the spacing is at most the spread.

    Parameters
    ----------
    w : (N,) float
        Nodes, ascending and equally spaced, as far out as there is mass.
    moved : (N,) or (N, K) float
        Where a step leads from each node before the noise is added: w − η slope(w), or K equally likely places, such as
        w − η gradient_i(w) for minibatches of one observation out of K.
    spread : float
        Standard deviation of the normal noise of a step of w, η σ/√B; above 0, and at least the spacing.

    Returns
    -------
    OccupancyLaw
        With the relaxation and the probability of leaving. If a step may leave for where no step comes back from,
        the law is that of the runs that have stayed (the quasi-stationary one), with a flag.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> w = np.linspace(-4, 4, 401)
    >>> law = chain_law(w, 0.5 * w, 0.3)  # variance 0.09/(1 − 0.25), memory log 2
    >>> round(float(np.sum(w**2 * law.density) * 0.02), 6), round(1 / law.relaxation, 6)
    (0.12, 0.693147)
    """
    nodes = _nodes(w)
    spacing = nodes[1] - nodes[0]
    width = number("spread", spread)
    if width < spacing * (1 - 1e-9):
        raise InputError(f"spread={width:g}: allowed is at least the spacing of w, {spacing:g}")
    places = np.asarray(moved, dtype=np.float64)
    places = places[:, None] if places.ndim == 1 else places
    if places.ndim != 2 or len(places) != len(nodes) or not places.size or not np.isfinite(places).all():
        raise InputError(
            f"moved has shape {np.shape(moved)}: allowed are finite numbers, (N,) or (N, K), N={len(nodes)}"
        )
    jumps = _jumps(nodes, places, width)
    # of two steps at once, so that slow modes which change sign at each step, near −1, lie near 1 as well
    values, vectors = eigs((jumps @ jumps).T, k=2, sigma=1 + NEAR, v0=np.ones(len(nodes)))
    order = np.argsort(-np.real(values))
    first, second = np.sqrt(np.abs(values[order]))
    density = np.abs(np.real(vectors[:, order[0]]))
    density /= density.sum() * spacing
    escape = max(0.0, 1 - float(first))
    flags = [LEAVES.format(escape)] if escape > EDGE else []
    relaxation = -1 / float(np.log(second / first)) if second < first else np.inf
    return OccupancyLaw(nodes, density, relaxation, escape, (*flags, *_ends(nodes, density)))


def _without_current(w: np.ndarray, slope: np.ndarray, diffusion: np.ndarray) -> np.ndarray:
    force = slope / diffusion
    spacing = w[1] - w[0]
    potential = np.concatenate([[0.0], np.cumsum(0.5 * (force[1:] + force[:-1]) * spacing)])
    logs = -np.log(diffusion) - potential
    density = np.exp(logs - logs.max())
    return density / (density.sum() * spacing)


def _jumps(w: np.ndarray, places: np.ndarray, width: float) -> np.ndarray:
    """Return (N, N): probabilities of the jump from the cell of a node to that of another."""
    spacing, count = w[1] - w[0], len(w)
    reach = np.arange(-int(np.ceil(REACH * width / spacing)), int(np.ceil(REACH * width / spacing)) + 1)
    jumps = np.empty((count, count))
    scale = spacing / (width * np.sqrt(2 * np.pi) * places.shape[1])
    last = len(reach) + count
    for i, row in enumerate(places):
        at = np.clip((row - w[0]) / spacing, -last, last)
        to = np.round(at).astype(int)[:, None] + reach
        weights = np.exp(-0.5 * ((to - at[:, None]) * (spacing / width)) ** 2)
        inside = (to >= 0) & (to < count)
        jumps[i] = scale * np.bincount(to[inside], weights[inside], minlength=count)
    return jumps


def _share(w: np.ndarray, density: np.ndarray, low: float = -np.inf, high: float = np.inf) -> float:
    spacing = w[1] - w[0]
    below = np.minimum(w + 0.5 * spacing, high) - np.maximum(w - 0.5 * spacing, low)
    return float(np.sum(density * np.clip(below, 0.0, spacing)))


def _ends(w: np.ndarray, density: np.ndarray) -> list[str]:
    ends = float((density[0] + density[-1]) * (w[1] - w[0]))
    return [CUT.format(ends)] if ends > EDGE else []


def _nodes(w: ArrayLike) -> np.ndarray:
    nodes = np.asarray(w, dtype=np.float64)
    steps = np.diff(nodes) if nodes.ndim == 1 else np.empty(0)
    if len(steps) < 8 or not np.isfinite(nodes).all() or not np.allclose(steps, steps[0], rtol=1e-6) or steps[0] <= 0:
        raise InputError(f"w has shape {nodes.shape}: allowed are 9 or more nodes, ascending and equally spaced")
    return nodes


def _on(name: str, values: ArrayLike, w: ArrayLike) -> np.ndarray:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != np.shape(w) or not np.isfinite(found).all():
        raise InputError(f"{name} has shape {found.shape}: allowed are finite numbers, one a node, {np.shape(w)}")
    return found
