"""How far the draws of a sampler that rejects nothing are from the law it aims at, measured on the draws themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from singular.analysis.draws import VIRIALS, Draws
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.thresholds import VISIBLE_DEPARTURE

if TYPE_CHECKING:
    import xarray as xr


def unadjusted(draws: Draws) -> bool:
    """Return whether the draws come from a sampler that has a bias of its step (attribute ``adjusted`` is 0)."""
    return not int(draws.attrs.get("adjusted", 1))


def virial_departure(draws: Draws, i: int) -> Estimate | None:
    """Estimate E[(z − c)·∇U] − d, c the virials' centre, on the rung at position ``i``; 0 if the draws follow exp(−U).

    Integration by parts gives d for every centre. A step that is too large, the noise of a minibatch and a burn-in that
    was too short all move it. For U quadratic with equal curvatures, SGLD's value is d x/(1 − x), x = εa/4.
    None if the tree holds no virials.

    References
    ----------
    Yaida (2019), arXiv:1810.00004, eq. (FDR1): the same average as a test of whether SGD is stationary.
    """
    if len(draws.virials) < len(VIRIALS) or "dim" not in draws.attrs:
        return None
    _, of_nll, of_prior = draws.virials
    series = draws.betas[i] * of_nll[..., i] - of_prior[..., i]
    mean = float(series.mean())
    return estimate(
        mean - int(draws.attrs["dim"]),
        series - mean,
        target=f"mean of (z - centre).grad U less d at beta={draws.betas[i]:.3g}",
        method="virial",
        beta=float(draws.betas[i]),
    )


def step_bias(draws: Draws, i: int) -> float:
    """Return the size of the bias that the step gives β E[nL_n] on the rung at position ``i``, read off the virials.

    Half the departure of the virial from d, times the share of β∇nL_n in it: exact in sign and size for a quadratic U
    with equal curvatures, an upper estimate where nL_n grows faster than quadratically. At least the departure's own
    Monte Carlo error, below which nothing can be seen; 0 for a sampler that accepts and rejects; NaN without virials.
    """
    if not unadjusted(draws):
        return 0.0
    departure = virial_departure(draws, i)
    if departure is None:
        return float("nan")
    _, of_nll, of_prior = draws.virials
    part, rest = draws.betas[i] * of_nll[..., i].mean(), -of_prior[..., i].mean()
    share = float(np.clip(part / (part + rest), 0.0, 1.0)) if part + rest > 0 else 1.0
    return 0.5 * share * max(abs(departure.value), departure.mcse)


def unadjusted_flags(ladder: xr.DataTree, draws: Draws) -> list[str]:
    """Return a flag for each rung on which the step visibly biases the draws, or could do so unseen."""
    if not unadjusted(draws):
        return []
    sampler = f"{ladder.attrs.get('sampler', 'sampler')} rejects nothing"
    found = []
    for i in range(draws.betas.size):
        departure = virial_departure(draws, i)
        if departure is None:
            found.append(f"{sampler}: the bias of its step is not known")
        elif abs(departure.value) > VISIBLE_DEPARTURE * departure.mcse:
            d = int(draws.attrs["dim"])
            found.append(
                f"{sampler}: (z - centre).grad U has mean {departure.value + d:.3g} ± {departure.mcse:.1g} where exact "
                f"draws have {d}: step or minibatch noise bias the draws, or the burn-in was too short"
            )
    return found
