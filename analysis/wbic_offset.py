"""How far WBIC is from the free energy, and WBIC with the singular fluctuation added back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import read_draws
from singular.analysis.estimate import Estimate, difference, estimate
from singular.analysis.free_energy import free_energy
from singular.analysis.wbic import wbic
from singular.errors import InputError

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
    draws = read_draws(ladder)
    i = draws.wbic_index()
    beta = float(draws.betas[i])
    log_likelihood = _per_observation(ladder, problem, beta)
    squares = np.sum((log_likelihood - log_likelihood.mean(axis=(0, 1))) ** 2, axis=-1)
    count = squares.size
    nll = draws.nll[..., i]
    return estimate(
        nll.mean() + 0.5 * beta * squares.sum() / (count - 1),
        nll - nll.mean() + 0.5 * beta * (squares - squares.mean()),
        target=f"mean nll plus singular fluctuation at beta={beta:.3g}",
        method="adjusted-wbic",
        beta=beta,
        flags=rung_flags(ladder, draws, [i]),
    )


def _per_observation(ladder: xr.DataTree, problem: Problem, beta: float) -> np.ndarray:
    """Return log p(y_i | w), (chain, draw, observation), summed over observed sites and trailing axes."""
    from singular.posteriors.layout import rung

    sites = problem.parts.sites
    if set(sites.observed) != set(sites.sample_sizes) or len(set(sites.sample_sizes.values())) != 1:
        raise InputError(
            f"problem={problem.name!r} has the observed sites {sites.sample_sizes} and the factors "
            f"{sorted(set(sites.observed) - set(sites.sample_sizes))}; observations must be rows of every site"
        )
    tree = rung(ladder, beta, problem)
    values = [np.asarray(v) for v in tree["log_likelihood"].dataset.data_vars.values()]
    return np.sum([v.reshape(*v.shape[:2], v.shape[2] if v.ndim > 2 else 1, -1).sum(axis=-1) for v in values], axis=0)
