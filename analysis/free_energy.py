"""The free energy F_n(β) = −log ∫ φ(w) exp(−β nL_n(w)) dw from the draws of a ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis import mbar
from singular.analysis.diagnostics import overlap_flags, prior_tail, rung_flags
from singular.analysis.draws import Draws, read_draws
from singular.analysis.estimate import Estimate, estimate, to_frame
from singular.analysis.thermodynamic import RULES, Curve, from_zero, hermite_steps, thermodynamic_integration
from singular.analysis.thresholds import HEAVY_TAIL, MAXIMUM_DISCRETISATION, NO_MEAN
from singular.errors import InputError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["METHODS", "free_energy", "free_energy_curve", "hermite_steps", "stepping_stone"]

METHODS = ("mbar", "pymbar", "ti", "ti-interpolant", "ti-trapezoid", "stepping-stone")


def free_energy(ladder: xr.DataTree, method: str = "mbar", beta: float = 1.0) -> Estimate:
    """Estimate the free energy F_n(β); at β = 1 it is the negative log evidence.

    Parameters
    ----------
    ladder : DataTree
        Laid out as docs/ARCHITECTURE.md says, its first rung β = 0.
    method : str
        ``"mbar"``: all draws of all rungs at once (Shirts and Chodera, 2008, eq. 11); no discretisation
        error. ``"pymbar"``: the same equations solved by the package pymbar. ``"ti"``: thermodynamic
        integration ∫ E_β[nL_n] dβ by the trapezoid with its second-derivative correction, on an axis on
        which the integrand is smooth (see `thermodynamic_integration`); its discretisation error is the
        difference from the next rule up, which takes third cumulants too. ``"ti-interpolant"``: that next rule, the
        integral of the quintic Hermite interpolant on the same axis, with the same difference as its discretisation
        error; third cumulants cost it some Monte Carlo error. ``"ti-trapezoid"``: the plain
        trapezoid in β; the correction is its discretisation error. ``"stepping-stone"``: importance sampling
        from each rung to the next.
    beta : float
        In [0, 1]; one of the rungs, but for MBAR, which carries the draws over to any β.

    Returns
    -------
    Estimate
        In nats. Thermodynamic integration needs E_0[nL_n] to exist: where nll at β = 0 is infinite, or
        its tail has a Pareto k̂ of 1 or more, its value is NaN and a flag says so; k̂ > 0.7 is
        flagged, and so is a discretisation error above the Monte Carlo error.

    Raises
    ------
    InputError
        If the ladder cannot be read or does not start at β = 0, the method is unknown, or β is not in
        [0, 1] or no rung.

    References
    ----------
    Shirts and Chodera (2008), J. Chem. Phys. 129, 124105: MBAR.
    Friel, Hurn and Wyse (2014), Stat. Comput. 24, 709: the corrected trapezoid.
    Xie, Lewis, Fan, Kuo and Chen (2011), Syst. Biol. 60, 150: stepping stones.
    """
    _check_method(method)
    draws = read_draws(ladder)
    _check_start(draws)
    if method in ("mbar", "pymbar"):
        if not 0.0 <= beta <= 1.0:
            raise InputError(f"beta={beta!r} is not in [0, 1]")
        solution = mbar.solve(draws.nll, draws.betas, "pymbar" if method == "pymbar" else "newton")
        value, influence, _ = mbar.reweight(solution, float(beta))
        used = range(draws.betas.size)
        found = (*rung_flags(ladder, draws, used), *overlap_flags(solution, draws.betas))
        return estimate(
            value, influence, target=_target(beta), method=method, beta=beta, flags=found, controls=draws.every_control
        )
    last = draws.index(beta)
    curve = _curve(draws, method)
    return _at(curve, draws, method, last, rung_flags(ladder, draws, range(last + 1)))


def free_energy_curve(ladder: xr.DataTree, method: str = "mbar") -> pd.DataFrame:
    """Estimate the free energy at every rung.

    Parameters
    ----------
    ladder : DataTree
    method : str
        As for `free_energy`.

    Returns
    -------
    DataFrame
        One row per rung: ``quantity, beta, method, value, mcse, discretisation_error, target, flags``;
        nats. F_n(0) = 0, without error.

    Raises
    ------
    InputError
        As for `free_energy`.
    """
    _check_method(method)
    draws = read_draws(ladder)
    _check_start(draws)
    curve = _curve(draws, method)
    every = range(draws.betas.size)
    whole = rung_flags(ladder, draws, every)
    found = [whole if method in ("mbar", "pymbar") else rung_flags(ladder, draws, range(i + 1)) for i in every]
    return to_frame((_at(curve, draws, method, i, found[i]) for i in every), "free_energy")


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)


def _check_start(draws: Draws) -> None:
    if draws.betas[0] != 0.0 or draws.betas.size < 2:
        rungs = ", ".join(f"{b:.4g}" for b in draws.betas)
        raise InputError(f"ladder: the free energy needs rungs from beta=0 up, this one has {rungs}")


def _target(beta: float) -> str:
    return "F_n(1), the negative log evidence" if beta == 1.0 else f"F_n(beta) at beta={beta:.3g}"


def _curve(draws: Draws, method: str) -> Curve:
    if method in ("mbar", "pymbar"):
        solution = mbar.solve(draws.nll, draws.betas, "pymbar" if method == "pymbar" else "newton")
        return Curve(solution.free_energy, solution.influence, flags=overlap_flags(solution, draws.betas))
    if method == "stepping-stone":
        return stepping_stone(draws.nll, draws.betas)
    return _refuse_heavy_tails(draws, thermodynamic_integration(draws.nll, draws.betas, RULES[method]))


def _at(curve: Curve, draws: Draws, method: str, i: int, found: Sequence[str]) -> Estimate:
    target, controls = _target(draws.betas[i]), draws.every_control
    missed = 0.0
    if curve.missed is not None and curve.missed_influence is not None:
        rest = estimate(
            curve.missed[i], curve.missed_influence[..., i], target=target, method=method, controls=controls
        )
        missed = abs(rest.value)
    e = estimate(
        curve.value[i],
        curve.influence[..., i],
        target=target,
        method=method,
        beta=draws.betas[i],
        discretisation_error=missed,
        flags=(*found, *(curve.flags if i > 0 else ())),
        controls=controls,
    )
    if e.discretisation_error > MAXIMUM_DISCRETISATION * e.mcse:
        why = f"rungs too far apart: discretisation error {e.discretisation_error:.2g} > mcse {e.mcse:.2g} (use mbar)"
        return replace(e, flags=(*e.flags, why))
    return e


def stepping_stone(nll: np.ndarray, betas: np.ndarray) -> Curve:
    """Chain the importance-sampling ratios Z(β_{i+1})/Z(β_i), each from the draws of the lower rung."""
    flat = nll.reshape(-1, betas.size)
    value = mbar.stepping_stones(flat - flat.min(), betas) + flat.min() * (betas - betas[0])
    exponent = -np.diff(betas) * nll[..., :-1]
    ratio = np.exp(exponent - exponent.max(axis=(0, 1)))
    influence = 1.0 - ratio / ratio.mean(axis=(0, 1))
    return Curve(value, from_zero(np.cumsum(influence, axis=-1)))


def _refuse_heavy_tails(draws: Draws, curve: Curve) -> Curve:
    khat = prior_tail(draws)
    advice = "use mbar or stepping-stone"
    if khat == np.inf:
        return curve._replace(flags=(f"refused: nll at beta=0 is infinite in some draws ({advice})",))
    if khat >= NO_MEAN:
        nan = np.append(0.0, np.full(draws.betas.size - 1, np.nan))
        why = f"refused: nll at beta=0 has no mean (Pareto k {khat:.2f} >= {NO_MEAN:.0f}, {advice})"
        return Curve(nan, np.broadcast_to(nan, draws.nll.shape), flags=(why,))
    if khat > HEAVY_TAIL:
        why = f"heavy tail of nll at beta=0 (Pareto k {khat:.2f} > {HEAVY_TAIL}, {advice})"
        return curve._replace(flags=(why,))
    return curve
