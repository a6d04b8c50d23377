"""The tempered posterior of a quadratic loss: the learning coefficient at a resolution.

L(w) = L0 + ½ Σ h_i w_i² and Z(t) = ∫ φ(w) exp(−t (L − L0)) dw, t = nβ = 1/T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from singular.analysis.law_inputs import number, spectrum_of
from singular.analysis.starts import Start


@dataclass(frozen=True)
class TemperedLaw:
    """The law exp(−t (L − L0)) φ of a quadratic.

    Attributes
    ----------
    mean, variance : (d,) float
        Of w, in the eigenvectors of the Hessian, from the minimum.
    excess : float
        E_t[L] − L0, in the unit of the loss.
    temperature : float
        1/t.
    excess_coefficient : float
        t (E_t[L] − L0) = d(−log Z)/d log t, the excess form of the effective learning coefficient.
    effective_learning_coefficient : float
        t² Var_t(L), the variance form. The two forms differ at finite t.
    free_energy : float
        −log Z, nats.
    directions : (d,) float
        What each direction adds to ``excess_coefficient``.
    """

    mean: np.ndarray
    variance: np.ndarray
    excess: float
    temperature: float
    excess_coefficient: float
    effective_learning_coefficient: float
    free_energy: float
    directions: np.ndarray


def tempered_quadratic(curvatures: Sequence[float] | np.ndarray, prior: Start, t: float) -> TemperedLaw:
    """Return the tempered posterior of ½ Σ h_i w_i² under a Gaussian or a uniform prior.

    With N(δ_i, 1/τ_i) the coefficient is ½ Σ [t h_i/(t h_i + τ_i) + t h_i τ_i² δ_i²/(t h_i + τ_i)²]; from 0 it rises
    to half the rank as t grows. A direction is flat *at resolution t* if t h_i ≪ τ_i. With the box [−A, A] it is
    Σ {½ − z e^(−z²/2)/(√(2π) erf(z/√2))}, z = A √(t h_i).

    Parameters
    ----------
    curvatures : (d,) float
        h_i ≥ 0, eigenvalues of the Hessian of the mean loss.
    prior : Gaussian or Box
    t : float
        nβ > 0.

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Gaussian integrals. Watanabe (2013), J. Mach. Learn. Res. 14, 867-897: λ as the slope of −log Z in log t.

    Examples
    --------
    >>> from singular.analysis.resolution import Gaussian
    >>> law = tempered_quadratic([10.0, 1.0, 0.1, 0.01, 0.0], Gaussian(1.0), t=100.0)
    >>> round(law.excess_coefficient, 5), round(law.effective_learning_coefficient, 2)
    (1.6991, 1.53)
    """
    h, t = spectrum_of(curvatures), number("t", t)
    law = prior.tempered(t * h)
    coefficient = float(law.energy.sum())
    return TemperedLaw(
        mean=law.mean,
        variance=law.variance,
        excess=coefficient / t,
        temperature=1 / t,
        excess_coefficient=coefficient,
        effective_learning_coefficient=float(law.energy_variance.sum()),
        free_energy=float(law.free_energy.sum()),
        directions=law.energy,
    )
