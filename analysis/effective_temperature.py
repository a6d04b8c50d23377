"""The temperature that an ensemble of SGD runs at, by two routes: from the loss it settles at, and from its noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jax
import numpy as np
import pandas as pd

from singular.analysis.estimate import Estimate
from singular.analysis.fisher import hessian
from singular.analysis.spectrum import Spectrum, spectrum_of_matrix
from singular.analysis.thresholds import FALSE_ALARM, INDEPENDENT_RUNS, ROUTES_DIFFER
from singular.analysis.trust import monte_carlo_error, trust_flags
from singular.errors import InputError, whole
from singular.models.density import compiled
from singular.posteriors.ensemble import ensemble_points
from singular.posteriors.precision import x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem

TARGET = "temperature of the mean loss, nats per observation"
HAVE_ONE = ("sgd", "momentum")
"""Optimisers whose noise has a temperature."""
NEWTON_STEPS = 8
NEWTON_CUT = 1e-6
"""Share of the largest curvature below which a Newton step leaves a direction alone."""
LEAST = 4
"""Records of a run from which its autocorrelation is read off; with fewer only the runs count as independent."""


@dataclass(frozen=True)
class EffectiveTemperature:
    """Two temperatures of one ensemble, and those of each direction.

    Attributes
    ----------
    equipartition, noise : Estimate
        By each route; the flags of each say which of its conditions do not hold.
    departure : Estimate
        ``equipartition`` minus what the noise makes of it at a finite step, the mean of ``noise`` times ``step_factor``
        over the directions, with their joint error. On a quadratic loss it is 0 whatever the noise depends on.
    directions : DataFrame
        One row for each eigenvector of H with an eigenvalue other than 0, H the Hessian of the mean loss at the
        reference: ``direction, curvature, equipartition, equipartition_mcse, noise, noise_mcse, step_factor``. The
        first temperature is h_i⟨(u_i·(z − z*))²⟩, the second η⟨(u_i·ξ)²⟩/(2(1 − μ)); a finite step makes the first
        ``step_factor`` = 2(1 + μ)/(2(1 + μ) − ηh_i) times the second.
    """

    equipartition: Estimate
    noise: Estimate
    departure: Estimate
    directions: pd.DataFrame


def effective_temperature(ensemble: xr.DataTree, problem: Problem, burn_in: int = 0) -> EffectiveTemperature:
    """Read the temperature of an ensemble off its excess loss and, apart from that, off its gradient noise.

    Equipartition gives each of the r = rank(H) directions T/2 of the mean loss,

        T = 2 E[L_n − L_n(z*)]/r,

    and the noise ξ of a step's gradient, as the runs met it, gives

        T = η E[‖Pξ‖²]/(2 r (1 − μ)),   P the projection on the range of H,

    which is η tr(PC)/(2Br(1 − μ)) for minibatches with replacement. The first is a temperature if the runs are
    stationary, the loss is quadratic where they are, the step small, and every direction has the same; the second if
    the noise is isotropic on the range of H. For stationary runs on a quadratic the two *agree* but for a known factor
    of the step, whatever the covariance and whether or not there is one temperature: agreement is no evidence of a
    Gibbs law, and what tells is ``directions``. Each condition is looked at, and flagged where it fails by more than
    the errors.

    Parameters
    ----------
    ensemble : DataTree
        From ``posteriors.sgd``, of ``sgd``, ``momentum`` or another optimiser, with gradient noise.
    problem : Problem
        The one it was run on.
    burn_in : int
        Steps before this one are left out.

    Returns
    -------
    EffectiveTemperature
        Errors are over runs, which are independent, if there are more than 100, else by the effective sample size of
        the series too. Runs that left for infinity
        are not in the means, and flagged. Where the optimiser has no temperature of its noise (Adam) ``noise`` is NaN.

    Raises
    ------
    InputError
        If the ensemble has no gradient noise, is no ensemble of one setting or was run on other data, nothing is left
        after the burn-in, or H vanishes.

    References
    ----------
    Mandt, Hoffman and Blei (2017), J. Mach. Learn. Res. 18(134), section 3: η tr(C)/B against the loss. Yaida (2019),
    ICLR: relations between the two that hold at any step.

    Examples
    --------
    >>> from singular import models, posteriors
    >>> problem = models.problem("linear-2", n=50)
    >>> runs = posteriors.sgd(problem, learning_rate=0.1, noise="isotropic", sigma=0.5, runs=200, steps=400,
    ...     keep=range(200, 401, 20))
    >>> found = effective_temperature(runs, problem)
    >>> runs.attrs["temperature"], found.noise.flags, found.equipartition.flags
    (0.0125, (), ('a finite step makes the excess 0.051 of itself larger',))
    >>> abs(found.noise.value - 0.0125) < 4 * found.noise.mcse
    True
    """
    whole("burn_in", burn_in, 0)
    z = ensemble_points(ensemble, problem)
    stats = ensemble["sample_stats"].to_dataset()
    if "gradient_noise" not in stats:
        raise InputError("ensemble has no gradient noise: gradient descent on all data has no temperature")
    late = stats["step"].to_numpy() >= burn_in
    stayed = ~stats["diverged"].to_numpy()
    if not late.any() or stayed.sum() * min(late.sum(), LEAST) < LEAST:
        raise InputError(
            f"burn_in={burn_in!r} leaves {int(late.sum())} records of {int(stayed.sum())} runs that have not left for "
            f"infinity; allowed is what leaves at least {LEAST} records, or as many runs"
        )
    reference = _minimum(problem)
    spectrum = spectrum_of_matrix(hessian(problem, reference))
    if spectrum.rank == 0:
        raise InputError(f"problem={problem.name!r}: the Hessian at the reference vanishes, no direction holds energy")
    excess = stats["excess"].to_numpy()[stayed][:, late]
    arm = (z[stayed][:, late] - reference) @ spectrum.range
    noise = stats["gradient_noise"].to_numpy()[stayed][:, late] @ spectrum.range
    return _temperatures(ensemble.attrs, spectrum, excess, arm, noise)


def _temperatures(attrs, spectrum: Spectrum, excess, arm, noise) -> EffectiveTemperature:
    """``arm`` and ``noise`` are (run, step, r), in eigenvectors of H."""
    rate, momentum, note = float(attrs["learning_rate"]), float(attrs["momentum"]), str(attrs["temperature_note"])
    if attrs["optimiser"] not in HAVE_ONE:
        rate = math.nan
    curvature = spectrum.eigenvalues[: spectrum.rank]
    factor = _step_factor(rate, momentum, curvature)
    energies, squares = curvature * arm**2, rate / (2 * (1 - momentum)) * noise**2
    directions = _directions(curvature, energies, squares, factor)
    common = _common_flags(attrs, spectrum, excess)
    by_loss = _mean(2 * excess / spectrum.rank, "equipartition", [*common, *_harmonic_flags(excess, energies)])
    by_noise = _mean(squares.mean(axis=-1), "gradient noise", common)
    at_step = _mean((factor * squares).mean(axis=-1), "gradient noise at a finite step", common)
    gap = 2 * excess / spectrum.rank - (factor * squares).mean(axis=-1)
    departure = _mean(
        gap, "equipartition minus gradient noise at a finite step", by_loss.flags, f"error of the {TARGET}"
    )
    if math.isnan(rate):
        late = [note]
    else:
        late = _uneven_flags(directions)
        step_error = by_loss.value * abs(1 - by_noise.value / at_step.value)
        by_loss = dataclasses.replace(by_loss, discretisation_error=step_error)
        if step_error > by_loss.mcse:
            more = f"a finite step makes the excess {at_step.value / by_noise.value - 1:.2g} of itself larger"
            by_loss = dataclasses.replace(by_loss, flags=(*by_loss.flags, more))
    if abs(departure.value) > ROUTES_DIFFER * departure.mcse:
        late.append(
            f"the routes differ: {by_loss.value:.4g} by the loss, {at_step.value:.4g} expected of the noise, "
            f"{abs(departure.value) / departure.mcse:.1f} errors"
        )
    first, second, third = (
        dataclasses.replace(e, flags=tuple(dict.fromkeys((*e.flags, *late)))) for e in (by_loss, by_noise, departure)
    )
    return EffectiveTemperature(first, second, third, directions)


def _mean(series: np.ndarray, method: str, flags: Iterable[str], target: str = TARGET) -> Estimate:
    """Return the mean of a series (run, step) with its error."""
    value, error = float(series.mean()), _error(series)
    looked_at = series.mean(axis=1)[None] if _runs_alone(series) else series
    every = tuple(dict.fromkeys((*flags, *trust_flags(looked_at - value, error))))
    return Estimate(value, error, target, method, flags=every, influence=series - value)


def _error(series: np.ndarray) -> float:
    """Return the standard error of the mean: of independent runs if they are many, else by autocorrelations too."""
    if _runs_alone(series):
        return float(np.std(series.mean(axis=1), ddof=1)) / math.sqrt(len(series))
    return monte_carlo_error(series)


def _runs_alone(series: np.ndarray) -> bool:
    return len(series) > INDEPENDENT_RUNS or series.shape[1] < LEAST


def _minimum(problem: Problem) -> np.ndarray:
    """Return the reference by Newton steps as exact as rounding allows: off it a flat direction seems to be curved."""
    z = problem.reference.z
    with x64():
        slope = compiled("nll slope", lambda split: jax.grad(lambda v: split(v)[1]), problem.parts.split)
        gradient = np.asarray(slope(z)) / problem.n
        for _ in range(NEWTON_STEPS):
            curved = hessian(problem, z)
            next_z = z - np.linalg.pinv(curved, rcond=NEWTON_CUT, hermitian=True) @ gradient
            next_gradient = np.asarray(slope(next_z)) / problem.n
            if not np.linalg.norm(next_gradient) < np.linalg.norm(gradient):
                break
            z, gradient = next_z, next_gradient
    return z


def _step_factor(rate: float, momentum: float, curvature: np.ndarray) -> np.ndarray:
    """Return 2(1 + μ)/(2(1 + μ) − ηh_i), NaN beyond stability."""
    below = 2 * (1 + momentum) - rate * curvature
    return np.where(below > 0, 2 * (1 + momentum) / np.where(below > 0, below, 1.0), np.nan)


def _directions(curvature, energies, squares, factor) -> pd.DataFrame:
    rows = [
        {
            "direction": i,
            "curvature": float(h),
            "equipartition": float(energies[..., i].mean()),
            "equipartition_mcse": _error(energies[..., i]),
            "noise": float(squares[..., i].mean()),
            "noise_mcse": _error(squares[..., i]),
            "step_factor": float(factor[i]),
        }
        for i, h in enumerate(curvature)
    ]
    return pd.DataFrame(rows)


def _common_flags(attrs, spectrum: Spectrum, excess: np.ndarray) -> list[str]:
    flags = [text for text in str(attrs["flags"]).split("; ") if text]
    if int(attrs["diverged"]):
        flags.append("the mean is over the runs that stayed")
    flags += spectrum.flags
    if spectrum.eigenvalues[: spectrum.rank].min() < 0:
        flags.append("the Hessian at the reference has a negative eigenvalue: it is no minimum")
    if float(attrs["weight_decay"]):
        flags.append("weight decay pulls too: the loss alone does not hold the energy of a direction")
    half = excess.shape[1] // 2
    if half < LEAST:
        flags.append(f"{excess.shape[1]} records a run: whether the runs are stationary is not seen")
        return flags
    first, second = excess[:, :half], excess[:, half:]
    error = math.hypot(_error(first), _error(second))
    moved = float(second.mean() - first.mean())
    if abs(moved) > ROUTES_DIFFER * error:
        flags.append(
            f"not stationary: the excess moved by {abs(moved) / error:.1f} errors between the halves of the runs"
        )
    return flags


def _harmonic_flags(excess: np.ndarray, energies: np.ndarray) -> list[str]:
    quadratic = energies.sum(axis=-1) / 2
    gap = excess - quadratic
    # the second condition: an exact quadratic has a gap of rounding, many of its own errors but none of the estimate's
    if abs(gap.mean()) > ROUTES_DIFFER * _error(gap) and abs(gap.mean()) > _error(excess):
        return [
            f"the loss is not quadratic where the runs are: excess {excess.mean():.4g}, of its second-order expansion "
            f"at the reference {quadratic.mean():.4g}"
        ]
    return []


def _uneven_flags(directions: pd.DataFrame) -> list[str]:
    """Return a flag if the directions are not at one temperature, by χ² of either column about its mean."""
    from scipy.special import chdtri

    flags = []
    freedom = len(directions) - 1
    for name, factor in (("equipartition", directions["step_factor"].to_numpy()), ("noise", 1.0)):
        value, error = directions[name].to_numpy() / factor, directions[f"{name}_mcse"].to_numpy() / factor
        if freedom < 1 or not (np.isfinite(value) & (error > 0)).all():
            continue
        weight = 1 / error**2
        centre = (weight * value).sum() / weight.sum()
        if (weight * (value - centre) ** 2).sum() > float(chdtri(freedom, FALSE_ALARM)):
            what = "energies" if name == "equipartition" else "noises"
            flags.append(
                f"no one temperature: the {what} of the directions give {value.min():.3g} to {value.max():.3g}"
            )
    return flags
