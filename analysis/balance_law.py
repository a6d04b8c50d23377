"""Minibatch noise at a singular optimum: it vanishes there, and SGD leaves the Gibbs law for the origin.

The data are pure noise, x, y ~ N(0, 1) independent, fitted by f = w1 w2 x or f = w² x with loss ½ (y − f)²: the excess
loss is K = ½ (w1 w2)² or ½ w⁴. A step on B fresh observations is w1 ← w1 − η s w2, w2 ← w2 − η s w1 with
s = w1 w2 · mean x² − mean xy, rank one and 0 at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from singular.analysis.law_inputs import batch_factor, number
from singular.errors import InputError

LOG_STEP = 0.01
TAIL = 1e-3
TAIL_LOGS = 14.0
UNSTABLE = "a step is unstable where part of the mean loss lies: the law of small steps does not hold"


def balance_after(balance: ArrayLike, pulls: ArrayLike, step_size: float) -> np.ndarray:
    """Return w1² − w2² after steps with given pulls s: each multiplies it by exactly 1 − η² s².

    Gradient flow conserves the balance; steps of any finite size shrink it, whatever the noise.

    Parameters
    ----------
    balance : (…,) float
        w1² − w2² at the start.
    pulls : (…, N) float
        s of each step.
    step_size : float
        η > 0.

    References
    ----------
    Ziyin et al. (2023), arXiv:2308.06671, law of balance, in continuous time; here exact at any step.

    Examples
    --------
    >>> w1, w2, s, eta = 1.5, 0.5, 0.3, 0.1
    >>> after = (w1 - eta * s * w2) ** 2 - (w2 - eta * s * w1) ** 2
    >>> bool(np.isclose(balance_after(w1**2 - w2**2, [s], eta), after, rtol=1e-14))
    True
    """
    eta = number("step_size", step_size)
    return np.asarray(balance, float) * np.prod(1 - (eta * np.asarray(pulls, float)) ** 2, axis=-1)


def balance_rate(step_size: float, batch_size: int, mean_square_product: float = 0.0) -> float:
    """Return −η² E[s²] = −η² (1/B + (1 + 2/B) E[(w1 w2)²]), the change of log |w1² − w2²| a step where ηs ≪ 1.

    Parameters
    ----------
    step_size : float
        η > 0.
    batch_size : int
        B.
    mean_square_product : float
        E[(w1 w2)²] along the run; 0 where it has collapsed.

    Examples
    --------
    >>> round(2000 * balance_rate(0.05, 4), 6)
    -1.25
    """
    eta, rho = number("step_size", step_size), batch_factor(batch_size)
    return -(eta**2) * (rho + (1 + 2 * rho) * number("mean_square_product", mean_square_product, zero=True))


@dataclass(frozen=True)
class SquareModelLaw:
    """The stationary law of w for f = w² x under its own minibatch noise and injected noise, to first order in η.

    Attributes
    ----------
    w, density : (N,) float
        Nodes on the positive half-line, geometric, and the density of w there; it is symmetric about 0.
    excess : float
        E[K] = E[½ w⁴].
    temperature : float
        T0, of the injected noise alone.
    excess_coefficient : float
        excess/T0; ¼, the learning coefficient, if there is no minibatch noise.
    is_gibbs : bool
        Whether there is none.
    flags : tuple of str
    """

    w: np.ndarray
    density: np.ndarray
    excess: float
    temperature: float
    excess_coefficient: float
    is_gibbs: bool
    flags: tuple[str, ...] = ()


def square_model_law(
    step_size: float, batch_size: int | None, temperature: float, exact_noise: bool = True
) -> SquareModelLaw:
    """Return the Itô–Fokker–Planck stationary law of w ← w − η g_B + √(2ηT0) ξ for f = w² x, K = ½ w⁴.

    p ∝ D^(−1) exp(−∫ K'/D), D = T0 + κ w² (1 + 2w⁴), κ = 2η/B. Without the term 2w⁴ it is in closed form,
    p ∝ (T0 + κw²)^(−1 + T0/κ²) e^(−w²/κ); with it the tail is w^(−6), at a height of about e^(−1.1/κ). Injected noise
    alone holds the law together: for T0 ≪ κ² it collapses to the origin, as the formal law at T0 = 0, about w^(−2)
    there, cannot be normalised.

    Parameters
    ----------
    step_size : float
        η > 0; the law is that of η → 0 at fixed κ, with errors O(η).
    batch_size : int or None
        B; None is the whole stream, no minibatch noise: the Gibbs law.
    temperature : float
        T0 > 0.
    exact_noise : bool
        Keep the term 2w⁴ of the noise.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Stationary solution with no current, Gardiner (2009), Stochastic Methods, chapter 5.

    Examples
    --------
    >>> [round(square_model_law(0.01, 4, t0).excess_coefficient, 4) for t0 in (0.01, 0.001, 0.0001)]
    [0.2562, 0.2691, 0.3114]
    """
    eta, t0 = number("step_size", step_size), number("temperature", temperature)
    if not isinstance(exact_noise, bool | np.bool_):
        raise InputError(f"exact_noise={exact_noise!r}: allowed are True and False")
    kappa = 0.0 if batch_size is None else 2 * eta * batch_factor(batch_size)
    width = max((60 * t0) ** 0.25, (60 * kappa) ** 0.5)
    logs = np.arange(
        np.log(1e-10 * min(t0**0.25, np.sqrt(t0 / kappa) if kappa else np.inf)),
        np.log(3 * width) + (TAIL_LOGS if exact_noise and kappa else 0.0),
        LOG_STEP,
    )
    w = np.exp(logs)
    diffusion = t0 + kappa * w**2 * (1 + (2 * w**4 if exact_noise else 0.0))
    if exact_noise and kappa:
        slope = 2 * w**4 / diffusion
        # Simpson's rule on the nodes and the points between them; below the first node the integral is negligible
        between = np.exp(logs[:-1] + 0.5 * LOG_STEP)
        middle = 2 * between**4 / (t0 + kappa * between**2 * (1 + 2 * between**4))
        potential = np.concatenate([[0.0], np.cumsum((slope[:-1] + 4 * middle + slope[1:]) * LOG_STEP / 6)])
    elif kappa:
        potential = w**2 / kappa - t0 / kappa**2 * np.log1p(kappa * w**2 / t0)
    else:
        potential = 0.5 * w**4 / t0
    log_density = -np.log(diffusion) - potential
    mass = np.exp(log_density - log_density.max() + logs)
    total = mass.sum() * LOG_STEP
    energy = mass * 0.5 * w**4
    excess = float(energy.sum() * LOG_STEP / total)
    # K'' = 6 w²: from η K'' = 2 on a step leaves the origin
    unstable = energy[3 * eta * w**2 > 1].sum() > TAIL * energy.sum()
    return SquareModelLaw(
        w=w,
        density=mass / w / (2 * total),
        excess=excess,
        temperature=t0,
        excess_coefficient=excess / t0,
        is_gibbs=kappa == 0,
        flags=(UNSTABLE,) if unstable else (),
    )
