"""Gradient flow on singular losses from normal starts: E[K] falls as a power of time which is not that of Gibbs.

Under exp(−tK) φ the mean loss is λ/t to leading order, whatever the order of the minimum; under the flow the
*exponent* holds the geometry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from singular.analysis.law_inputs import number
from singular.errors import InputError

LOG_STEP = 0.05
LOG_LOW, LOG_HIGH = -40.0, 2.5
ANGLE_REACH, PLANE_STEP = 40.0, 0.1


@dataclass(frozen=True)
class FlowLoss:
    """The mean loss of gradient flow at one time.

    Attributes
    ----------
    excess : float
        E[K], in the unit of the loss.
    exponent : float
        −d log E[K]/d log time.
    limit : float
        Of ``exponent`` as time → ∞.
    """

    excess: float
    exponent: float
    limit: float


def monomial_flow(w: np.ndarray | float, degree: float, time: float) -> np.ndarray:
    """Return where dw/ds = −K'(w), K = |w|^D, has come from w after a time: w (1 + D(D−2) s |w|^(D−2))^(−1/(D−2)).

    Parameters
    ----------
    w : (…,) float
    degree : float
        D ≥ 2; 2 is w e^(−2s).
    time : float
        s ≥ 0.
    """
    d, s = _degree(degree), number("time", time, zero=True)
    w = np.asarray(w, dtype=np.float64)
    if d == 2:
        return w * np.exp(-2 * s)
    return w * np.exp(-np.log1p(d * (d - 2) * s * np.abs(w) ** (d - 2)) / (d - 2))


def monomial_flow_loss(degree: float, time: float, scale: float = 1.0) -> FlowLoss:
    """Return E[K] of gradient flow on K = |w|^D from w ~ N(0, scale²), by quadrature to about 1e-10.

    For D > 2 it falls as s^(−D/(D−2)) = s^(−1/(1−2λ)), λ = 1/D, with the prefactor (D(D−2))^(−D/(D−2)) whatever the
    scale; for D = 2 exponentially.

    Raises
    ------
    InputError
        If D < 2, the time is not above 0 or the scale is not.

    References
    ----------
    The flow solved by separation of variables.

    Examples
    --------
    >>> law = monomial_flow_loss(4, 1e6)
    >>> round(1e12 * law.excess, 7), round(law.exponent, 4), law.limit
    (0.0156146, 1.9997, 2.0)
    """
    d, s, scale = _degree(degree), number("time", time), number("scale", scale)
    logs = np.arange(LOG_LOW, LOG_HIGH, min(LOG_STEP, 0.5 / d))
    start = np.exp(logs)
    mass = np.exp(logs - 0.5 * start**2)
    end = monomial_flow(scale * start, d, s)
    loss = end**d
    excess = mass @ loss / mass.sum()
    fall = mass @ (d * end ** (d - 1)) ** 2 / mass.sum()
    return FlowLoss(float(excess), _exponent(s, fall, excess), np.inf if d == 2 else d / (d - 2))


def product_flow_loss_at(x: np.ndarray | float, y: np.ndarray | float, time: float) -> np.ndarray:
    """Return K = x²y² after gradient flow from (x, y): c²/(4 sinh²(2cs + arsinh(c/(2|xy|)))), c = |x² − y²| conserved.

    Where c = 0 it is K/(1 + 4s√K)² of the start's K.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return _product_loss(np.abs(x * x - y * y), np.abs(x * y), number("time", time, zero=True))


def product_flow_loss(time: float, scale: float = 1.0) -> FlowLoss:
    """Return E[K] of gradient flow on K = x²y² from x, y ~ N(0, scale²), by quadrature to about 1e-10.

    As s → ∞ it is (π/192) log(s)/s³ to leading order (for scale 1, and with s⁻³ corrections): the exponent comes to 3
    from below, as slowly as 3 − 1/log s. Starts with c = |x² − y²| of order 1/s or less are left with loss, and the
    density of c at 0 is logarithmic.

    Raises
    ------
    InputError
        If the time or the scale is not above 0.

    References
    ----------
    The flow solved by its conserved quantity; c/2 is a product of two standard normal variables.

    Examples
    --------
    >>> [round(product_flow_loss(s).exponent, 3) for s in (10.0, 100.0, 1000.0)]
    [2.556, 2.754, 2.84]
    """
    s, scale = number("time", time), number("scale", scale)
    # in polar coordinates r² is exponential of mean 2 and the angle uniform; tan of twice the angle is e^b
    logs = np.arange(LOG_LOW, 5.0, PLANE_STEP)
    angles = np.arange(-ANGLE_REACH, ANGLE_REACH, PLANE_STEP)
    square = np.exp(logs)[:, None]
    mass = np.exp(logs - 0.5 * np.exp(logs))[:, None] / np.cosh(angles)
    cosine, sine = 1 / np.sqrt(1 + np.exp(2 * angles)), 1 / np.sqrt(1 + np.exp(-2 * angles))
    c = scale**2 * square * cosine
    loss = _product_loss(c, 0.5 * scale**2 * square * sine, s)
    speed = 4 * loss * np.sqrt(c * c + 4 * loss)
    excess = np.sum(mass * loss) / mass.sum()
    return FlowLoss(float(excess), _exponent(s, np.sum(mass * speed) / mass.sum(), excess), 3.0)


def _product_loss(c: np.ndarray, product: np.ndarray, s: float) -> np.ndarray:
    """K by √K = c/(2 sinh(a + b)) = p/(sinh(a)/c · √(4p² + c²) + cosh a), a = 2cs: c = 0 and p = 0 need no case."""
    angle = 2 * c * s
    with np.errstate(over="ignore"):
        ratio = np.where(angle > 1e-8, np.sinh(angle) / np.where(c > 0, c, 1.0), 2 * s)
        return (product / (ratio * np.hypot(2 * product, c) + np.cosh(angle))) ** 2


def _exponent(time: float, fall: float, excess: float) -> float:
    return float(time * fall / excess) if excess > 0 else np.inf


def _degree(degree: float) -> float:
    d = number("degree", degree)
    if d < 2:
        raise InputError(f"degree={degree!r}: allowed is a number of at least 2")
    return d
