"""Thermodynamic integration: F_n(β) as the integral of E_β[nL_n], by three rules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RULES = {"ti": "cubic", "ti-interpolant": "quintic", "ti-trapezoid": "trapezoid"}
"""Method of the free energy -> rule of `thermodynamic_integration`."""


class Curve(NamedTuple):
    """F at every rung.

    Attributes
    ----------
    value : (beta,) float
    influence : (chain, draw, beta) float
    missed, missed_influence
        What the next rule up would add, and its influence, of the same shapes; None where no rule is behind F.
    flags : tuple of str
    """

    value: np.ndarray
    influence: np.ndarray
    missed: np.ndarray | None = None
    missed_influence: np.ndarray | None = None
    flags: tuple[str, ...] = ()


def thermodynamic_integration(nll: np.ndarray, betas: np.ndarray, rule: str = "cubic") -> Curve:
    """Integrate E_β[nL_n] over β, interval by interval, from the first rung.

    The plain trapezoid is taken in β. The corrected rule is taken in u = log(β + s): there the integrand
    g = (β + s)(E_β − e), with e = E_1 − Var_1, runs from near 0 to near λ without the cliff that E_β has at
    β = 0. With x = β + s, dE/dβ = −Var and dVar/dβ = −κ3,

        g' = g − x² Var,    g'' = g − 3 x² Var + x³ κ3,

    the cubic Hermite rule (the trapezoid with its second-derivative correction) over a step h in u is
    h/2 (g_i + g_{i+1}) + h²/12 (g'_i − g'_{i+1}); the quintic one replaces 1/12 by 1/10 and adds
    h³/120 (g''_i + g''_{i+1}), and their difference is the discretisation error. The scale
    s = (E_0 − e)/Var_0 makes g exact at both ends for the Gamma law of a regular model. s and e are held
    fixed in the influence: an exact rule would not depend on them.

    Parameters
    ----------
    nll : (chain, draw, beta) float
        nats.
    betas : (beta,) float
    rule : {"trapezoid", "cubic", "quintic"}
    """
    if not np.isfinite(nll).all():
        nan = np.append(0.0, np.full(betas.size - 1, np.nan))
        return Curve(nan, np.broadcast_to(nan, nll.shape))
    count = nll[..., 0].size
    mean = nll.mean(axis=(0, 1))
    deviation = nll - mean
    square = deviation**2
    variance = square.sum(axis=(0, 1)) / (count - 1)
    of_square = square - square.mean(axis=(0, 1))
    if rule == "trapezoid":
        h = np.diff(betas)
        influence = h / 2 * (deviation[..., :-1] + deviation[..., 1:])
        missed, of_missed = h**2 / 12 * np.diff(variance), h**2 / 12 * np.diff(of_square, axis=-1)
        return _summed(h / 2 * (mean[:-1] + mean[1:]), influence, missed, of_missed)
    third = np.einsum("cdk,cdk->k", square, deviation) / count
    steps, missed, x = hermite_steps(betas, mean, variance, third)
    h = np.diff(np.log(x))
    of_mean, of_variance = x * deviation, x**2 * of_square
    of_third = x**3 * (square * deviation - third - 3 * square.mean(axis=(0, 1)) * deviation)
    of_slope, of_bend = of_mean - of_variance, of_mean - 3 * of_variance + of_third
    influence = h / 2 * (of_mean[..., :-1] + of_mean[..., 1:]) - h**2 / 12 * np.diff(of_slope, axis=-1)
    of_missed = -(h**2) / 60 * np.diff(of_slope, axis=-1) + h**3 / 120 * (of_bend[..., :-1] + of_bend[..., 1:])
    if rule == "quintic":
        steps, influence = steps + missed, influence + of_missed
    return _summed(steps, influence, missed, of_missed)


def hermite_steps(
    betas: np.ndarray, mean: np.ndarray, variance: np.ndarray, third: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return F's increments between rungs, what the next rule up would add, and the axis x = β + s.

    ``mean``, ``variance`` and ``third`` are the first three cumulants of nL_n on each rung;
    `thermodynamic_integration` has the formulas.
    """
    floor = mean[-1] - variance[-1]
    scale = (mean[0] - floor) / variance[0] if variance[0] > 0 else betas[1]
    x = betas + scale
    h = np.diff(np.log(x))
    g = x * (mean - floor)
    slope = g - x**2 * variance
    bend = g - 3 * x**2 * variance + x**3 * third
    steps = h / 2 * (g[:-1] + g[1:]) - h**2 / 12 * np.diff(slope) + floor * np.diff(betas)
    return steps, -(h**2) / 60 * np.diff(slope) + h**3 / 120 * (bend[:-1] + bend[1:]), x


def _summed(steps: np.ndarray, influence: np.ndarray, missed: np.ndarray, of_missed: np.ndarray) -> Curve:
    return Curve(
        np.append(0.0, np.cumsum(steps)),
        from_zero(np.cumsum(influence, axis=-1)),
        np.append(0.0, np.cumsum(missed)),
        from_zero(np.cumsum(of_missed, axis=-1)),
    )


def from_zero(influence: np.ndarray) -> np.ndarray:
    """Put the first rung, where F = 0 without error, in front."""
    return np.concatenate([np.zeros((*influence.shape[:-1], 1)), influence], axis=-1)
