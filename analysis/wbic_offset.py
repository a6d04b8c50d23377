"""How far WBIC is from the free energy, and WBIC with the singular fluctuation added back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singular.analysis.criteria import singular_fluctuation
from singular.analysis.estimate import Estimate, difference, estimate
from singular.analysis.free_energy import free_energy
from singular.analysis.wbic import wbic

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


def wbic_offset(ladder: xr.DataTree, method: str = "mbar") -> Estimate:
    """Estimate WBIC − F_n(1): what is wrong with WBIC as a stand-in for the free energy of these data.

    Parameters
    ----------
    ladder : DataTree
        From β = 0, with a rung at 1/log n.
    method : str
        Of `free_energy`.

    Returns
    -------
    Estimate
        In nats; both numbers share the ladder's draws, and the error is the joint one. The exact value is
        that of `posteriors.quadrature`: its ``mean_nll`` at 1/log n less its ``free_energy`` at 1.
    """
    return difference(wbic(ladder), free_energy(ladder, method))


def adjusted_wbic(ladder: xr.DataTree, problem: Problem) -> Estimate:
    """Estimate WBIC + ν, where ν = (β/2) Σ_i Var_β(log p(y_i | w)) at β = 1/log n.

    WBIC lies below nL_n(w0) + λ log n by the singular fluctuation, on average over data. In normal
    crossing coordinates n K_n = t − √t ξ(u) with weight t^(λ−1) e^(−β(t − √t ξ)); for small β

        E_β[nK_n] = λ/β − a E_u[ξ]/(2√β) − ½ (λ E_u[ξ²] − a² E_u[ξ]²) + …,   a = Γ(λ + ½)/Γ(λ).

    The middle term has mean zero over data. Where the truth is in the model the last one has mean
    −(λ − ½ a² E_u,v[Cov(ξ(u), ξ(v))]), which is minus the limit of ν as β → 0: what is added back here. That
    is for multiplicity m = 1; if m > 1, −(m − 1)/(β log(nβ)) is left. For a regular model ν = d/2. This
    term, WBIC's overestimation of the log evidence, was identified by Imai (2019); the form used is derived
    as above.

    Parameters
    ----------
    ladder : DataTree
        With a rung at 1/log n, every latent site stored.
    problem : Problem
        The one it was sampled from, with a log-likelihood per observation.

    Returns
    -------
    Estimate
        In nats. Target: E_β[nL_n] + ν at β = 1/log n for these data, whose mean over data is
        nL_n(w0) + λ log n up to o(1) if m = 1; it is not F_n, which differs from that by O_p(1).

    Raises
    ------
    InputError
        If there is no rung at 1/log n, the problem is another one or sums over discrete sites, or its
        observed sites are factors or differ in length.

    References
    ----------
    Imai (2019), arXiv:1908.10572: the overestimation of WBIC.
    Watanabe (2013), J. Mach. Learn. Res. 14, 867: WBIC.
    """
    mean = wbic(ladder)
    fluctuation = singular_fluctuation(ladder, problem, float(mean.beta or 0.0))
    return estimate(
        mean.value + fluctuation.value,
        mean.influence + fluctuation.influence,
        target=f"mean nll plus singular fluctuation at beta={mean.beta:.3g}",
        method="adjusted-wbic",
        beta=mean.beta,
        flags=(*mean.flags, *fluctuation.flags),
    )
