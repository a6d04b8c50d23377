"""Extrapolation of an estimate in the step size of its sampler to step 0."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from singular.analysis.estimate import Estimate
from singular.analysis.thresholds import FAR_EXTRAPOLATION, MISFIT, UNABLE
from singular.analysis.trust import UNTRUSTED
from singular.errors import InputError

KEPT = ("rhat", "ess", UNTRUSTED)
"""What those flags of the estimates begin with that the extrapolation takes over."""
HIGHEST = 2
"""Largest order of the polynomial in ε."""


def richardson(estimates: Sequence[Estimate], step_sizes: Sequence[float]) -> Estimate:
    """Extrapolate independent estimates at several step sizes to step 0.

    The bias of an Euler scheme is a power series in ε (Talay and Tubaro, 1990), so a polynomial through the estimates,
    weighted by their Monte Carlo errors, has the value without bias at ε = 0. Its order is one less than the number of
    steps, 2 at most.

    Parameters
    ----------
    estimates : sequence of Estimate
        At least two, from independent runs, of one target.
    step_sizes : sequence of float
        Theirs; all different, above 0.

    Returns
    -------
    Estimate
        ``mcse`` follows from theirs. ``discretisation_error`` is the size of the first term that the polynomial leaves
        out, were the series geometric: the difference between this order and the next lower one (through the smallest
        steps) times the share of the bias in the estimate at the largest step. Flags of estimates whose chains disagree
        are taken over. Flagged `UNABLE` are points that do not lie on the polynomial (more than two of them,
        chi-square), and a bias at the smallest step above `thresholds.FAR_EXTRAPOLATION` of the estimate.

    Raises
    ------
    InputError
        If there are fewer than two, lengths differ, or a step size is not above 0 or there twice.

    References
    ----------
    Talay and Tubaro (1990), Stoch. Anal. Appl. 8, 483: Romberg extrapolation of Euler schemes.

    Examples
    --------
    >>> points = [Estimate(2.0 + 3.0 * e, 1e-3, "x", "sgld") for e in (0.1, 0.2)]
    >>> round(richardson(points, [0.1, 0.2]).value, 12)
    2.0
    """
    steps = np.array(step_sizes, dtype=np.float64)
    if len(estimates) != steps.size or steps.size < 2:
        raise InputError(
            f"estimates: {len(estimates)} of them and {steps.size} step sizes; at least two of each are needed"
        )
    if not np.all(np.isfinite(steps) & (steps > 0)) or np.unique(steps).size < steps.size:
        raise InputError(f"step_sizes={list(step_sizes)!r} must be different finite numbers above 0")
    order = np.argsort(steps)
    steps, ranked = steps[order], [estimates[k] for k in order]
    values = np.array([e.value for e in ranked])
    errors = np.array([e.mcse for e in ranked])
    degree = min(HIGHEST, steps.size - 1)
    if not np.isfinite(values).all():
        values = np.full(values.shape, np.nan)
    value, mcse, misfit = _at_zero(steps, values, errors, degree)
    lower = _at_zero(steps[:degree], values[:degree], errors[:degree], degree - 1)[0]
    size = max(abs(value), mcse)
    share = abs(values[-1] - value) / size if size > 0 else 0.0
    left_out = abs(value - lower) * min(share, 1.0)
    found = list(dict.fromkeys(flag for e in ranked for flag in e.flags if flag.startswith(KEPT)))
    if not math.isfinite(value):
        found.append(f"{UNABLE}: an estimate is not finite")
    spare = steps.size - degree - 1
    if spare and misfit > spare + MISFIT * math.sqrt(2 * spare):
        found.append(
            f"{UNABLE}: the points do not lie on a polynomial of order {degree} (chi-square {misfit:.1f} of {spare})"
        )
    if abs(values[0] - value) > FAR_EXTRAPOLATION * abs(value):
        found.append(f"{UNABLE}: the smallest step is still off by {abs(values[0] - value):.2g} of {abs(value):.2g}")
    return Estimate(
        value=value,
        mcse=mcse,
        target=ranked[0].target,
        method=f"{ranked[0].method}-richardson",
        beta=ranked[0].beta,
        discretisation_error=left_out,
        flags=tuple(found),
    )


def _at_zero(steps: np.ndarray, values: np.ndarray, errors: np.ndarray, degree: int) -> tuple[float, float, float]:
    """Return the weighted least-squares polynomial at 0, its error and the chi-square of the fit."""
    scale = np.where(errors > 0, errors, 1.0)
    design = np.vander(steps / steps[-1], degree + 1, increasing=True) / scale[:, None]
    weights = np.linalg.pinv(design)[0] / scale
    fitted = np.linalg.lstsq(design, values / scale, rcond=None)[0]
    misfit = float(np.sum((design @ fitted - values / scale) ** 2))
    return float(weights @ values), float(np.sqrt(np.sum((weights * errors) ** 2))), misfit
