"""Rows that the studies of phases share: one for each region, β and n, with the exact share beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from singular.analysis.figures import BLUE, GREEN, ORANGE, VERMILION
from singular.analysis.phases import Division, Predicate, divide, moves_of, phase_share

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem
    from singular.posteriors.quadrature import Exact

WITHIN = 4.0
"""Errors within which a share agrees with the exact one."""
COLUMNS = (
    "problem", "n", "seed", "beta", "phase", "quantity", "method", "value", "mcse", "exact", "exact_error", "z",
    "relaxation", "round_trips", "origins", "flags",
)  # fmt: skip
NO_NOISE = -1
"""Seed that stands for data without noise: nL_n = nK."""
FREE_ENERGY = "free energy"
COLOURS, MARKERS = (BLUE, VERMILION, GREEN, ORANGE), ("o", "s", "^", "D")
"""Of regions, in their order."""
FLOOR = 1e-9
"""Least error a share is judged by: quadrature is no better than that."""


def share_rows(
    problem: Problem,
    ladder: xr.DataTree | Division,
    betas: Sequence[float],
    exact: Exact | None = None,
    phases: Mapping[str, Predicate] | None = None,
) -> pd.DataFrame:
    """Return the share of each region at some β, from the draws of all rungs, beside the exact share.

    Parameters
    ----------
    problem : Problem
    ladder : DataTree or Division
    betas : sequence of float
        Rungs.
    exact : Exact, optional
        From ``posteriors.quadrature`` at these β; regions it does not hold have no exact share.
    phases : name -> predicate, optional
        Those of the catalogue model if not given. ``rest`` has a row if any draw is in it.

    Returns
    -------
    DataFrame
        With `COLUMNS`; ``quantity`` is ``share``.
    """
    if phases is None:
        phases = {} if problem.model is None else problem.model.phases
    division = ladder if isinstance(ladder, Division) else divide(ladder, phases)
    rows = []
    for beta in betas:
        place = division.draws.index(beta)
        for phase in division.names:
            if phase not in phases and not division.inside(phase).any():
                continue
            share = phase_share(division, phases, phase, beta)
            truth = np.nan
            if exact is not None and f"phase:{phase}" in exact.frame:
                truth = float(exact.at(beta)[f"phase:{phase}"])
            rows.append(
                (
                    problem.name, problem.n, problem.seed, beta, phase, "share", "mbar", share.value, share.mcse, truth,
                    0.0 if np.isfinite(truth) else np.nan, z_of(share.value, share.mcse, truth),
                    *moves_of(division, phase, place), "; ".join(share.flags),
                )
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def shown_shares(rows: pd.DataFrame, about: Mapping[str, Any]) -> pd.DataFrame:
    """Return sampled numbers as people read them: the columns ``about``, number ± error, exact, z, trips, flags."""
    return pd.DataFrame(
        {
            **about,
            "sampled": [f"{v:.4f} ± {e:.4f}" for v, e in zip(rows["value"], rows["mcse"], strict=True)],
            "exact": ["" if np.isnan(v) else f"{v:.4f}" for v in rows["exact"]],
            "z": ["" if np.isnan(z) else f"{z:+.1f}" for z in rows["z"]],
            "round trips": ["" if np.isnan(t) else f"{t:.0f}" for t in rows["round_trips"]],
            "flags": rows["flags"],
        }
    )


def z_of(value: float, mcse: float, exact: float, exact_error: float = 0.0) -> float:
    """Return (value − exact) in units of both errors together, NaN where nothing exact is known."""
    return (value - exact) / max(float(np.hypot(mcse, exact_error)), FLOOR)


def agreement(table: pd.DataFrame, within: float = WITHIN) -> str:
    """Return the sentence that tells how many cells with an exact answer agree, and which do not."""
    held = table[table["z"].notna()]
    inside = held["z"].abs() <= within
    tell = (
        f"{int(inside.sum())} of {len(held)} numbers that have an exact answer are within {within:g} of their Monte "
        f"Carlo errors of it (root mean square z {np.sqrt((held['z'] ** 2).mean()):.2f}, largest "
        f"{held['z'].abs().max():.1f})"
    )
    off = [
        f"{row['phase']} of {row['problem']} at n = {row['n']:,}, β = {row['beta']:.3g} (z = {row['z']:+.1f}"
        f"{', flagged' if row['flags'] else ', not flagged'})"
        for row in held[~inside].to_dict("records")
    ]
    return tell + (f"; not so: {', '.join(off)}." if off else ".")


def movement(table: pd.DataFrame) -> str:
    """Return the sentence that tells whether the draws moved between the regions they are counted in."""
    shares = table[(table["quantity"] == "share") & table["value"].between(0.01, 0.99) & table["round_trips"].notna()]
    flagged = shares["flags"] != ""
    least = shares.loc[shares["round_trips"].idxmin()]
    return (
        f"Shares between 1 % and 99 % rest on {int(least['round_trips']):,} round trips at least ({least['phase']} of "
        f"{least['problem']} at n = {least['n']:,}, β = {least['beta']:.3g}), {int(shares['round_trips'].median()):,} "
        f"in the median; {int(flagged.sum())} of {len(shares)} carry a flag."
    )
