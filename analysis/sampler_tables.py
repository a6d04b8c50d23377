"""What `compare_samplers` found, as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from singular.analysis.compare import over_problems
from singular.analysis.number_tables import Shown
from singular.analysis.sampler_comparison import compare_samplers, sampled


def samplers_of_models(
    names: Sequence[str],
    n: int,
    seed: int,
    chains: int,
    draws: int,
    warmup: int,
    out: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Compare the samplers on catalogue models and real problems.

    Parameters
    ----------
    names, n, seed, chains, draws, warmup, out
        As for `compare.compare`; ``chains``, ``draws`` and ``warmup`` are those of the NUTS ladders.
    report : callable, optional
        Told what is being done.

    Returns
    -------
    DataFrame
        As of `compare_samplers`, all problems.

    Raises
    ------
    InputError
        If a name is unknown or n is below 3.
    """
    ladder_of = partial(sampled, chains=chains, draws=draws, warmup=warmup)
    return over_problems(
        names, n, seed, out, lambda p: compare_samplers(p, seed=seed, ladder_of=ladder_of, report=report)
    )


def shown_samplers(rows: pd.DataFrame) -> Shown:
    """Return the rows of one problem as strings, with the title and notes that belong to them."""
    n, problem = int(rows["n"].iloc[0]), rows["problem"].iloc[0]
    table = pd.DataFrame(
        {
            "sampler": rows["sampler"],
            "γ": ["own prior" if g == 0 else f"{g:g}" for g in rows["gamma"]],
            "batch": ["" if b == n else f"{b:.0f}" for b in rows["batch_size"]],
            "step": ["" if np.isnan(s) else f"{s:.2g}" for s in rows["step_size"]],
            "value": _with_error(rows["value"], rows["mcse"]),
            "exact": [f"{e:.4g}" for e in rows["exact"]],
            "step bias": _with_error(rows["discretisation_bias"], rows["discretisation_error"]),
            "minibatch bias": _with_error(rows["minibatch_bias"], rows["minibatch_error"]),
            "localisation bias": _with_error(rows["localisation_bias"], rows["localisation_error"]),
            "z": ["" if np.isnan(z) else f"{z:+.1f}" for z in rows["z"]],
            "gradients": ["chains left" if np.isnan(g) else f"{g:,.0f}" for g in rows["gradients"]],
            "s": ["" if np.isnan(s) else f"{s:.1f}" for s in rows["seconds"]],
            "ess": ["" if np.isnan(e) else f"{e:.0f}" for e in rows["ess"]],
        }
    )
    notes = [
        "Each row is held against the exact value of its own target (same data, β, γ and point): z = (value − "
        "exact)/error.",
        "Localisation bias: exact at this γ less exact under the model's own prior.",
    ]
    return Shown(f"{problem}: β (E[nL] − nL(w*)) at β = 1/log n, n = {n}, by every sampler", table, notes)


def _with_error(values: Iterable[float], errors: Iterable[float]) -> list[str]:
    return ["" if np.isnan(v) else f"{v:.3g} ± {e:.1g}" for v, e in zip(values, errors, strict=True)]
