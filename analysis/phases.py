"""Where the posterior mass is: the share of named regions at any β, their free energies and the odds between them.

A region is a predicate of the parameters. Regions must be disjoint; what none of them claims is ``rest``. Where parts
of an optimal set meet, the predicates say where one ends: a share is a share of that division, not of the set alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from singular.analysis.diagnostics import rung_flags
from singular.analysis.draws import Draws, read_draws, sample_stat
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.mbar import Solution, expectation, reweight, solve
from singular.analysis.thresholds import MINIMUM_EFFECTIVE, MINIMUM_ROUND_TRIPS
from singular.errors import InputError, unknown_name

if TYPE_CHECKING:
    import xarray as xr

    from singular.analysis.control_variates import Controls

Predicate = Callable[[Mapping[str, Any]], Any]
"""Parameters with any leading batch dimensions -> as many booleans."""

REST = "rest"
METHODS = ("mbar", "rung")


class Division(NamedTuple):
    """The draws of a ladder, told apart by region.

    Attributes
    ----------
    names : tuple of str
        The regions in their order, then ``rest``.
    label : (chain, draw, beta) int
        Position in ``names`` of the region of each draw.
    draws : Draws
    solution : Solution or None
        Of MBAR; None for a ladder of one rung.
    flags : callable
        Position of a rung, or None for all rungs together -> what is against its draws.
    replica : (chain, draw, beta) int or None
        Which replica sits on each rung.
    """

    names: tuple[str, ...]
    label: np.ndarray
    draws: Draws
    solution: Solution | None
    flags: Callable[[int | None], tuple[str, ...]]
    replica: np.ndarray | None

    def inside(self, phase: str) -> np.ndarray:
        """Return 1.0 where a draw is in the region, else 0.0, (chain, draw, beta).

        Raises
        ------
        InputError
            If no region has this name.
        """
        if phase not in self.names:
            raise unknown_name("phase", phase, self.names)
        return (self.label == self.names.index(phase)).astype(float)

    def by(self, phases: Mapping[str, Predicate], parameters: Mapping[str, Any]) -> Division:
        """Return the same draws told apart by other regions, without solving for their weights again."""
        return self._replace(names=(*phases, REST), label=region_of(phases, parameters))


def region_of(phases: Mapping[str, Predicate], parameters: Mapping[str, Any]) -> np.ndarray:
    """Return the position of the region that each point is in, ``len(phases)`` for those in none.

    Parameters
    ----------
    phases : name -> predicate
        Of the constrained parameters, disjoint.
    parameters : site -> array
        With any leading batch dimensions.

    Returns
    -------
    int array
        Of the batch's shape.

    Raises
    ------
    InputError
        If ``phases`` is empty or has a region called ``rest``, a predicate fails or does not return booleans of the
        batch's shape, or a point is in two regions.

    Examples
    --------
    >>> region_of({"left": lambda w: w["w"] < 0, "right": lambda w: w["w"] > 1}, {"w": np.array([-1.0, 0.5, 2.0])})
    array([0, 2, 1])
    """
    if not phases:
        raise InputError("phases={}: allowed is at least one region, a name with a predicate of the parameters")
    if REST in phases:
        raise InputError(f"phases={list(phases)}: {REST!r} is what no region claims; allowed is any other name")
    label: np.ndarray | None = None
    names = list(phases)
    for place, (name, predicate) in enumerate(phases.items()):
        try:
            inside = np.asarray(predicate(parameters))
        except Exception as error:
            raise InputError(
                f"phases[{name!r}] failed: {type(error).__name__}: {error}; the parameters are {sorted(parameters)}"
            ) from error
        if label is None:
            label = np.full(inside.shape, len(phases))
        if inside.dtype != bool or inside.shape != label.shape:
            raise InputError(
                f"phases[{name!r}] returned {inside.dtype} of shape {inside.shape}; allowed are booleans, one a draw"
                f"{'' if place == 0 else f', of shape {label.shape}'}"
            )
        twice = inside & (label < len(phases))
        if twice.any():
            other = names[int(label[twice][0])]
            raise InputError(
                f"phases: {int(twice.sum())} of {twice.size} points are both in {other!r} and in {name!r}; regions "
                "must be disjoint"
            )
        label[inside] = place
    assert label is not None
    return label


def divide(ladder: xr.DataTree, phases: Mapping[str, Predicate]) -> Division:
    """Tell the draws of a ladder apart by region; what every function of this module begins with.

    Raises
    ------
    InputError
        If the ladder cannot be read, or as `region_of`.
    """
    draws = read_draws(ladder)
    parameters = {str(name): array.to_numpy() for name, array in ladder["posterior"].dataset.data_vars.items()}
    label = region_of(phases, parameters)
    if label.shape != draws.nll.shape:
        raise InputError(f"phases: regions of shape {label.shape} for draws of shape {draws.nll.shape}; one a draw")
    replica = sample_stat(ladder, "replica")

    @cache
    def found(position: int | None) -> tuple[str, ...]:
        return rung_flags(ladder, draws, range(draws.betas.size) if position is None else [position])

    solution = solve(draws.nll, draws.betas) if draws.betas.size > 1 else None
    return Division(
        (*phases, REST), label, draws, solution, found, None if replica is None else np.asarray(replica.values)
    )


def phase_share(
    ladder: xr.DataTree | Division, phases: Mapping[str, Predicate], phase: str, beta: float = 1.0, method: str = "mbar"
) -> Estimate:
    """Estimate P_β(w in the region), the share of the tempered posterior's mass.

    Parameters
    ----------
    ladder : DataTree or Division
        A `Division` (from `divide`) saves reading it again.
    phases : name -> predicate
        All regions; not looked at for a division.
    phase : str
        One of them, or ``"rest"``.
    beta : float
        For ``"rung"`` a rung of the ladder, for ``"mbar"`` any β between its ends.
    method : {"mbar", "rung"}
        From the draws of all rungs, which see regions that this β seldom visits, or of one alone.

    Returns
    -------
    Estimate
        Flagged if the share rests on few moves between regions.

    Raises
    ------
    InputError
        If the ladder cannot be read, a name is unknown, or a β is not allowed.

    References
    ----------
    Shirts and Chodera (2008), J. Chem. Phys. 129, 124105: expectations from all rungs.
    """
    division = ladder if isinstance(ladder, Division) else divide(ladder, phases)
    inside = division.inside(phase)
    value, influence, controls, found = _share(division, inside, beta, method)
    return estimate(
        min(max(value, 0.0), 1.0),
        influence,
        target=f"P_β({phase}) at β={beta:.4g}",
        method=method,
        beta=beta,
        flags=(*found, *_moves_flags(division, phase, beta, value)),
        controls=controls,
    )


def phase_free_energy(
    ladder: xr.DataTree | Division, phases: Mapping[str, Predicate], phase: str, beta: float = 1.0
) -> Estimate:
    """Estimate −log ∫_region φ(w) exp(−β nL_n(w)) dw, in nats: F(β) less the log of the region's share.

    Parameters
    ----------
    ladder : DataTree or Division
        From β = 0 on.
    phases : name -> predicate
    phase : str
    beta : float

    Raises
    ------
    InputError
        If no draw of any rung is in the region, the ladder has one rung or none at β = 0, or as `phase_share`.
    """
    division = ladder if isinstance(ladder, Division) else divide(ladder, phases)
    solution = _solution(division, "phase_free_energy")
    if division.draws.betas[0] != 0.0:
        raise InputError(f"ladder begins at beta={division.draws.betas[0]:.3g}; a free energy needs beta=0")
    free_energy, through, weights = reweight(solution, beta)
    share, influence, found = _positive(division, solution, weights, phase, beta)
    return estimate(
        free_energy - np.log(share),
        through - influence / share,
        target=f"free energy of {phase} at β={beta:.4g}",
        method="mbar",
        beta=beta,
        flags=found,
        controls=division.draws.every_control,
    )


def phase_odds(
    ladder: xr.DataTree | Division, phases: Mapping[str, Predicate], first: str, second: str, beta: float = 1.0
) -> Estimate:
    """Estimate log P_β(first) − log P_β(second), in nats, with the joint error of the two.

    Raises
    ------
    InputError
        If no draw of any rung is in one of them, or as `phase_free_energy`.
    """
    division = ladder if isinstance(ladder, Division) else divide(ladder, phases)
    solution = _solution(division, "phase_odds")
    _, _, weights = reweight(solution, beta)
    share, influence, found = _positive(division, solution, weights, first, beta)
    other, other_influence, other_found = _positive(division, solution, weights, second, beta)
    return estimate(
        float(np.log(share) - np.log(other)),
        influence / share - other_influence / other,
        target=f"log odds of {first} over {second} at β={beta:.4g}",
        method="mbar",
        beta=beta,
        flags=(*found, *other_found),
        controls=division.draws.every_control,
    )


def occupancy(
    ladder: xr.DataTree | Division,
    phases: Mapping[str, Predicate],
    betas: Sequence[float] | None = None,
    method: str = "mbar",
) -> pd.DataFrame:
    """Return the share of every region over β, with what tells a preference from a sampler that is stuck.

    Parameters
    ----------
    ladder : DataTree or Division
    phases : name -> predicate
    betas : sequence of float, optional
        Rungs; all of them if not given.
    method : {"mbar", "rung"}

    Returns
    -------
    DataFrame
        One row for each β and region, ``rest`` the last: ``beta, phase, method, value, mcse``; ``relaxation``, the
        integrated autocorrelation time of "in the region" on this rung, in rounds (1 for independent draws, NaN if
        all draws agree); ``round_trips``, how often a chain left the region on this rung and came back, all
        chains together; ``origins``, how many separate draws of the prior the draws in the region descend from (NaN
        if the ladder does not say where its replicas are); ``flags``.

    Raises
    ------
    InputError
        As `phase_share`.
    """
    division = ladder if isinstance(ladder, Division) else divide(ladder, phases)
    points = division.draws.betas if betas is None else np.asarray(betas, dtype=float)
    rows = []
    for beta in points:
        place = division.draws.index(float(beta), "betas")
        for phase in division.names:
            share = phase_share(division, phases, phase, float(division.draws.betas[place]), method)
            moves = moves_of(division, phase, place)
            rows.append((float(beta), phase, method, share.value, share.mcse, *moves, "; ".join(share.flags)))
    columns = ["beta", "phase", "method", "value", "mcse", *Moves._fields, "flags"]
    return pd.DataFrame(rows, columns=columns)


class Moves(NamedTuple):
    """How a rung moves into and out of a region; see `occupancy`."""

    relaxation: float
    round_trips: int
    origins: float


def moves_of(division: Division, phase: str, place: int) -> Moves:
    """Return how the rung at position ``place`` moves into and out of a region."""
    inside = division.inside(phase)[..., place]
    steps = np.diff(inside, axis=1)
    entries, exits = (steps > 0).sum(axis=1), (steps < 0).sum(axis=1)
    returns = np.where(inside[:, 0] > 0, np.minimum(entries, exits), np.maximum(entries - 1, 0))
    return Moves(_relaxation(inside), int(returns.sum()), _origins(division, inside, place))


def _relaxation(inside: np.ndarray) -> float:
    from arviz_stats.base.array import array_stats

    if np.ptp(inside) == 0.0:
        return float("nan")
    effective: Any = array_stats.ess(inside, chain_axis=0, draw_axis=1, method="mean")
    return inside.size / float(effective)


def _origins(division: Division, inside: np.ndarray, place: int) -> float:
    """Count the (replica, stay away from β = 0) pairs behind the draws in a region: each is one draw of the prior."""
    if division.replica is None or division.draws.betas[0] != 0.0:
        return float("nan")
    replica = division.replica
    chains, _, rungs = replica.shape
    at_prior = np.zeros((*replica.shape[:2], rungs), dtype=int)  # (chain, draw, replica)
    np.put_along_axis(at_prior, replica[..., :1].astype(int), 1, axis=-1)
    epoch = np.cumsum(at_prior, axis=1)
    who = replica[..., place].astype(int)
    when = np.take_along_axis(epoch, who[..., None], axis=-1)[..., 0]
    held = inside > 0
    return float(sum(len(set(zip(who[c][held[c]], when[c][held[c]], strict=True))) for c in range(chains)))


def _solution(division: Division, what: str) -> Solution:
    if division.solution is None:
        raise InputError(f"ladder has one rung; {what} needs the draws of several")
    return division.solution


def _share(
    division: Division, inside: np.ndarray, beta: float, method: str
) -> tuple[float, np.ndarray, Controls | None, tuple[str, ...]]:
    """Return a share, its influence, the control variates that go with it, and what is against the draws."""
    if method not in METHODS:
        raise unknown_name("method", method, METHODS)
    draws = division.draws
    if method == "rung" or division.solution is None:
        place = draws.index(beta)
        here = inside[..., place]
        return float(here.mean()), here - here.mean(), draws.controls(place), division.flags(place)
    if not draws.betas[0] <= beta <= draws.betas[-1]:
        raise InputError(f"beta={beta!r}: allowed is {draws.betas[0]:.4g} ≤ β ≤ {draws.betas[-1]:.4g}")
    _, _, weights = reweight(division.solution, beta)
    value, influence = expectation(division.solution, weights, inside)
    return value, influence, draws.every_control, division.flags(None)


def _positive(
    division: Division, solution: Solution, weights: np.ndarray, phase: str, beta: float
) -> tuple[float, np.ndarray, tuple[str, ...]]:
    share, influence = expectation(solution, weights, division.inside(phase))
    if not share > 0.0:
        raise InputError(f"phase={phase!r}: no draw is in it, so that its free energy is not known")
    return share, influence, (*division.flags(None), *_moves_flags(division, phase, beta, share))


def _moves_flags(division: Division, phase: str, beta: float, share: float) -> list[str]:
    """Return the reasons why a share could say more of the sampler than of the posterior, on the nearest rung."""
    place = int(np.argmin(np.abs(division.draws.betas - beta)))
    inside = division.inside(phase)[..., place]
    at = f"at beta={division.draws.betas[place]:.3g}"
    if not 0.0 < inside.mean() < 1.0:
        if 0.0 < share < 1.0:  # draws of other rungs tell
            return []
        where = "in" if inside.all() else "outside"
        return [f"all draws are {where} {phase} {at}: its share is known to be extreme, not how much"]
    moves = moves_of(division, phase, place)
    effective = inside.size / moves.relaxation
    trips = moves.round_trips
    if effective < MINIMUM_EFFECTIVE and trips < MINIMUM_ROUND_TRIPS:
        return [f"{trips} round trips into {phase} {at}: its share may be the sampler's, not the posterior's"]
    return []
