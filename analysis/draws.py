"""What every estimator reads off a ladder: nll as one checked array, its rungs, its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from singular.analysis.control_variates import Controls, gathered, virial_series
from singular.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

DIMENSIONS = ("chain", "draw", "beta")
VIRIALS = ("log_prior", "nll_virial", "log_prior_virial")
MINIMUM_DRAWS = 4
"""Fewer draws per chain than this carry no autocorrelation, so no Monte Carlo error."""


@dataclass(frozen=True, eq=False)
class Draws:
    """The nll of a ladder, checked.

    Attributes
    ----------
    nll : (chain, draw, beta) float
        −log p(D | w) in nats, untempered. Finite, but for +inf where β = 0.
    betas : (beta,) float
        Ascending inverse temperatures in [0, 1].
    attrs : mapping
        Root attributes of the ladder.
    virials : sequence of (chain, draw, beta) arrays
        log φ, and (z − c)·∇ of nll and of log φ: those of them that the ladder holds.
    """

    nll: np.ndarray
    betas: np.ndarray
    attrs: Mapping[str, Any]
    virials: Sequence[np.ndarray] = ()

    @cached_property
    def _series(self) -> list[np.ndarray]:
        """The control variates of each rung."""
        if len(self.virials) < len(VIRIALS) or "dim" not in self.attrs:
            return [np.zeros((*self.nll.shape[:2], 0))] * self.betas.size
        log_prior, of_nll, of_prior = self.virials
        return [
            virial_series(
                self.nll[..., i],
                log_prior[..., i],
                of_nll[..., i],
                of_prior[..., i],
                float(beta),
                int(self.attrs["dim"]),
            )
            for i, beta in enumerate(self.betas)
        ]

    @cached_property
    def _controls(self) -> dict[tuple[int, ...], Controls | None]:
        return {}

    def controls(self, *rungs: int) -> Controls | None:
        """Return the control variates of the rungs at these positions; None if there are none, or too few rounds.

        None too for a sampler that rejects nothing: under its draws their mean is not 0.
        """
        if not int(self.attrs.get("adjusted", 1)):
            return None
        if rungs not in self._controls:
            self._controls[rungs] = gathered([self._series[i] for i in rungs])
        return self._controls[rungs]

    @property
    def every_control(self) -> Controls | None:
        """The control variates of all rungs."""
        return self.controls(*range(self.betas.size))

    def index(self, beta: float, argument: str = "beta") -> int:
        """Return the position of the rung at ``beta``.

        Raises
        ------
        InputError
            If no rung has this β to within a relative 1e-6.
        """
        match = np.flatnonzero(np.isclose(self.betas, beta, rtol=1e-6, atol=1e-15))
        if match.size == 0:
            rungs = ", ".join(f"{b:.4g}" for b in self.betas)
            raise InputError(f"{argument}={float(beta)!r} is no rung of this ladder; its rungs are {rungs}")
        return int(match[0])

    def wbic_index(self) -> int:
        """Return the position of the rung at β = 1/log n.

        Raises
        ------
        InputError
            If the ladder has neither ``wbic_beta`` nor ``n`` > e among its attributes, or no such rung.
        """
        beta = self.attrs.get("wbic_beta")
        if beta is None:
            n = float(self.attrs.get("n", np.nan))
            if not n > np.e:
                raise InputError(f"ladder: n={n:g} among its attributes and no wbic_beta; n > e is needed for 1/log n")
            beta = 1 / np.log(n)
        return self.index(float(beta), "wbic_beta")


def read_draws(ladder: xr.DataTree) -> Draws:
    """Take the nll of a ladder and check it.

    Parameters
    ----------
    ladder : DataTree
        Laid out as docs/ARCHITECTURE.md says: ``sample_stats.nll`` over chain, draw and beta.

    Raises
    ------
    InputError
        If there is no such variable, its dimensions differ, β is not ascending within [0, 1], there
        are fewer than 4 draws a chain, or nll is NaN, −inf, or +inf on a rung with β > 0.
    """
    nll = sample_stat(ladder, "nll")
    if nll is None:
        raise InputError(
            f"ladder={type(ladder).__name__} has no sample_stats/nll; allowed: a DataTree as "
            "posteriors.ladder makes it, nll over chain, draw, beta"
        )
    betas = np.asarray(nll["beta"].values, dtype=np.float64)
    ascending = betas.size > 0 and bool(np.all(np.diff(betas) > 0))
    if not (ascending and betas[0] >= 0 and betas[-1] <= 1):
        raise InputError(f"ladder: beta={betas.tolist()} must be ascending within [0, 1]")
    if nll.sizes["draw"] < MINIMUM_DRAWS:
        raise InputError(f"ladder: {nll.sizes['draw']} draws a chain, at least {MINIMUM_DRAWS} are needed")
    values = np.asarray(nll.values, dtype=np.float64)
    allowed = np.isfinite(values) | ((betas == 0.0) & (values == np.inf))
    if not allowed.all():
        bad = (~allowed).sum(axis=(0, 1))
        worst = int(np.argmax(bad))
        raise InputError(
            f"ladder: nll is NaN or infinite in {bad[worst]} of {values[..., 0].size} draws at "
            f"beta={betas[worst]:.4g}; it must be finite (+inf is allowed at beta=0 alone)"
        )
    if np.isinf(values).all(axis=(0, 1)).any():
        raise InputError("ladder: nll is +inf in every draw at beta=0; no draw of the prior can make the data")
    virials = [np.asarray(part, np.float64) for name in VIRIALS if (part := sample_stat(ladder, name)) is not None]
    return Draws(values, betas, {str(k): v for k, v in ladder.attrs.items()}, virials)


def rung_betas(ladder: xr.DataTree) -> np.ndarray:
    """Return the inverse temperatures of a ladder's rungs as they stand, (beta,)."""
    return np.asarray(ladder["sample_stats"].dataset["beta"].to_numpy(), dtype=np.float64)


def sample_stat(ladder: xr.DataTree, name: str) -> xr.DataArray | None:
    """Return ``sample_stats/name`` in the order (chain, draw, beta), or None if it is not there.

    Raises
    ------
    InputError
        If its dimensions are not chain, draw and beta.
    """
    try:
        variable = ladder["sample_stats"][name]
    except (KeyError, IndexError, TypeError):
        return None
    if set(variable.dims) != set(DIMENSIONS):
        raise InputError(f"ladder: sample_stats/{name} has dimensions {variable.dims}, expected {DIMENSIONS}")
    return variable.transpose(*DIMENSIONS)
