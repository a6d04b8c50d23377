"""Sections of a study's report that hold all learning coefficients, and the predictive criteria."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular.analysis.across_n import evidence_increments, evidence_slope
from singular.analysis.excess_coefficient import nll_at
from singular.analysis.figures_coefficients import CARRIED, exact_curves, learning_coefficients
from singular.analysis.report import Section, Table
from singular.analysis.tables import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from singular.analysis.cases import Outcome

CRITERIA = ("training_loss", "waic", "cross_validation", "functional_variance", "singular_fluctuation")


def coefficients_section(outcomes: Sequence[Outcome], picture) -> Section:
    """Return the section of all learning coefficients over β: how many agree, and a picture for each model."""
    text = (
        "Numbers are comparable where they estimate the same: the variance form, the excess form, and slopes over "
        "windows of β have each their own exact value at finite n, drawn with them where it is known. None of these "
        "is λ.",
    )
    inner = [
        Section(
            o.job.path.stem,
            pictures=[picture(f"coefficients-{o.job.path.stem}", _caption(o), o.further.picture)],
            folded=place > 0,
        )
        for place, o in enumerate(outcomes)
    ]
    counts = pd.DataFrame([agreement(o) for o in outcomes])
    caption = "Learning coefficients from one rung or one window: how many lie within 2 mcse of their exact value."
    return Section("Made data: all learning coefficients over β", text, [Table(caption, readable(counts))],
                   sections=inner)  # fmt: skip


def agreement(outcome: Outcome) -> dict[str, object]:
    """Count the coefficients of one model that lie within 2 mcse of their exact value, in each form."""
    table = outcome.further.coefficients
    known = table.loc[~table["method"].isin(CARRIED) & table["exact"].notna() & (table["mcse"] > 0)]
    inside = ((known["value"] - known["exact"]).abs() <= 2 * known["mcse"]).to_numpy()
    row: dict[str, object] = {"model": outcome.job.name}
    forms = {"effective_learning_coefficient": "variance form", "excess_coefficient": "excess form",
             "learning_coefficient": "windows"}  # fmt: skip
    for quantity, name in forms.items():
        of = (known["quantity"] == quantity).to_numpy()
        row[name] = f"{np.count_nonzero(inside & of)} of {np.count_nonzero(of)}" if of.any() else ""
    flagged = np.count_nonzero((table["flags"] != "").to_numpy())
    return row | {"estimates with flags": f"{flagged} of {len(table)}"}


def predictive_section(outcomes: Sequence[Outcome]) -> Section:
    """Return the section of predictive criteria at β = 1 of made data."""
    text = (
        "Tₙ is the training loss, nats an observation. WAIC and LOO (by PSIS) estimate minus the log predictive "
        "density of n fresh observations, in nats: lower is better. ± is one Monte Carlo standard error, which more "
        "draws would remove; ± over data is one standard error over the observations, which more draws leave as it "
        "is. Vₙ is the functional variance. ν is one data set's value of the singular fluctuation; where a model is "
        "regular and holds the truth, ν and λ tend to d/2.",
    )
    table = predictive_table(outcomes)
    return Section("Made data: prediction", text, [Table("At β = 1.", readable(table))])


def predictive_table(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row for each model: its predictive criteria, both errors apart."""
    rows = []
    for o in outcomes:
        known = math.nan if o.learning_coefficient is None else o.learning_coefficient
        row: dict[str, object] = {"model": o.job.name, "half_d": o.dim / 2, "learning_coefficient": known}
        flags: list[str] = []
        for name in CRITERIA:
            e = o.further.criteria.get(name)
            sign = -1.0 if name in ("waic", "cross_validation") else 1.0  # to lower is better
            column = "loo" if name == "cross_validation" else name
            row[column] = math.nan if e is None else sign * e.value
            row[f"{column}_mcse"] = math.nan if e is None else e.mcse
            if column in ("loo", "functional_variance"):
                row[f"{column}_se_data"] = math.nan if e is None else e.se_data
            flags += [] if e is None else e.flags
        rows.append({**row, "flags": "; ".join(dict.fromkeys(flags))})
    return pd.DataFrame(rows)


def coefficients_over_n(outcomes: Sequence[Outcome]) -> Figure | None:
    """Draw all learning coefficients over β at the largest n, and over n; None for one size or no known truth.

    The data of one seed begin with those of a smaller n, as the increments of F_n need them to.
    """
    if len(outcomes) < 2:
        return None
    references = []
    for o in outcomes:
        problem = o.job.problem()
        if problem.model is None or problem.model.optimum is None:
            return None
        references.append(nll_at(problem, problem.model.optimum))
    frame = pd.DataFrame(
        {
            "n": [o.n for o in outcomes],
            "seed": [o.job.data_seed for o in outcomes],
            "free_energy": [o.free_energy["value"] for o in outcomes],
            "mcse": [o.free_energy["mcse"] for o in outcomes],
            "reference_nll": references,
        }
    )
    truth = frame.assign(free_energy=[o.free_energy["exact"] for o in outcomes], mcse=0.0)
    over_n = over_sizes(frame)
    if np.isfinite(truth["free_energy"].to_numpy()).all():
        over_n["exact"] = over_sizes(truth)["value"]
    last = max(outcomes, key=lambda o: o.n)
    return learning_coefficients(
        last.further.coefficients,
        last.wbic_beta,
        exact=None if last.curve is None else exact_curves(last.curve, last.reference),
        over_n=over_n,
        learning_coefficient=last.learning_coefficient,
        half_dim=last.dim / 2,
        name=f"{last.job.name}, over β at n = {last.n:,}",
    )


def over_sizes(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the increments of F_n − nL_n(w0) over its growth, and the slope over all n, as rows over n."""
    rows = evidence_increments(frame)
    slope = evidence_slope(frame)["slope"]
    whole = {"quantity": "learning_curve", "n": frame["n"].min(), "next_n": frame["n"].max(), "value": slope.value}
    whole |= {"method": slope.method, "mcse": slope.mcse, "data_error": slope.data_error, "target": slope.target}
    whole |= {"data_sets": slope.data_sets, "flags": "; ".join(slope.flags)}
    return pd.concat([rows, pd.DataFrame([whole])], ignore_index=True)


def _caption(o: Outcome) -> str:
    return f"{o.job.path.stem}: every estimate of a learning coefficient over β, n = {o.n:,}."
