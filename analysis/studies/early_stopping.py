"""Early stopping: what gradient descent has learnt after N steps, and which temperature that is."""

from __future__ import annotations

import pandas as pd

from singular.analysis.studies.early_stopping_exact import DEGREES, flow, quadratic, ridge
from singular.analysis.studies.early_stopping_figure import draw
from singular.analysis.studies.early_stopping_risk import (
    LINEAR,
    NETWORKS,
    linear_risk,
    network_parameters,
    network_risk,
)
from singular.analysis.studies.early_stopping_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop

STARTS = 10_000
POINTS = 61
"""Of the exact curves."""
DATA_SETS, NETWORK_DATA_SETS = 40, 5


def run(workshop: Workshop) -> Finding:
    """Follow the exact laws, and descent and tempered posteriors of a regression and of two networks."""
    seed = workshop.seed
    jobs = [(name, seed + i) for i in range(NETWORK_DATA_SETS) for name in NETWORKS]
    parts = [
        *workshop.parts(network_risk, jobs),
        *workshop.parts(network_parameters, [(name, seed) for name in NETWORKS]),
        *workshop.parts(flow, [(degree, STARTS, seed) for degree in (0, *DEGREES)]),
        *workshop.parts(linear_risk, [(*LINEAR, seed + i, POINTS) for i in range(DATA_SETS)]),
        *workshop.parts(quadratic, [(STARTS, seed)]),
        *workshop.parts(ridge, [(POINTS,)]),
    ]
    table = pd.concat(parts, ignore_index=True).sort_values(
        by=["part", "problem", "quantity", "kind", "seed", "time"], kind="stable", ignore_index=True
    )
    return Finding(table, draw(table), text(table), shown(table))


STUDY = Study("early-stopping", "Early stopping: which temperature is it?", run)
