"""What the rows of the study of the noise floor say of its claim, in sentences that follow their numbers."""

from __future__ import annotations

import pandas as pd

from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.floor_rows import COEFFICIENT
from singular.analysis.studies.noise_floor_quadratics import HALF_RANK

ISOTROPIC, HESSIAN, NATURAL, OWN = "isotropic", "as the Hessian", "preconditioned", "minibatch"
SAME = 0.1
"""Part by which settings of one noise may differ and still agree."""
CLOSE = 0.05
"""Part by which a ratio to the Gibbs value may be off at the smallest step: corrections of order η are expected."""


def verdict(table: pd.DataFrame) -> str:
    """Return the last paragraph of the page."""
    said = (_isotropic(table), _preconditioned(table), _regular(table), _singular(table))
    return f"**So the claim** {' '.join(said)}"


def alike(quadratics: pd.DataFrame) -> str:
    """Return whether settings of one noise agree at the lowest temperature at which there are several."""
    parted = []
    for noise in (ISOTROPIC, HESSIAN, OWN):
        rows = _coldest(quadratics, noise)
        if rows["value"].max() > (1 + SAME) * rows["value"].min():
            parted.append(noise)
    if not parted:
        return (
            f"Where steps are small, ηh ≪ 1, all settings of one noise agree to {SAME:.0%}, so learning rate over "
            "batch "
            "size is what counts."
        )
    return f"Even at the lowest T settings differ by more than {SAME:.0%} under noise {', '.join(parted)}."


def counted(quadratics: pd.DataFrame) -> str:
    """Return under which noise the number that settings agree on is a count of directions, half the rank."""
    counts = [
        noise
        for noise in (ISOTROPIC, HESSIAN, OWN)
        if abs(_coldest(quadratics, noise)["value"].mean() / HALF_RANK - 1) <= CLOSE
    ]
    if counts == [ISOTROPIC]:
        return "But the number they agree on is a count of directions for isotropic noise only."
    return f"The number at the lowest T is a count of directions for noise {', '.join(counts) or 'of no kind'}."


def _coldest(quadratics: pd.DataFrame, noise: str) -> pd.DataFrame:
    rows = quadratics[quadratics["noise"] == noise]
    level = rows["temperature"].round(9)
    several = level.map(level.value_counts()) > 1
    return pd.DataFrame(rows[level == level[several].min()])


def ratios_off(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the models whose ratio under isotropic noise is 1 at the smallest step, and those where it is not."""
    rows = table[(table["part"] == "isotropic") & (table["quantity"] == COEFFICIENT) & (table["momentum"] == 0.0)]
    right, wrong = [], []
    for name, own in rows.groupby("problem"):
        first = own.loc[own["learning_rate"].idxmin()]
        near = abs(first["ratio"] - 1) <= max(CLOSE, WITHIN * first["ratio_mcse"])
        (right if near else wrong).append(str(name))
    return right, wrong


def fallen(table: pd.DataFrame) -> tuple[int, int]:
    """Return how many settings of own noise on singular models end lower than they began and below Gibbs, of all."""
    rows = table[(table["part"] == "own") & (table["quantity"] == COEFFICIENT)]
    down = count = 0
    for _, own in rows.groupby(["problem", "learning_rate", "batch_size", "weight_decay"]):
        own = own.sort_values(by="steps")
        first, last = own.iloc[0], own.iloc[-1]
        count += 1
        down += bool(last["ratio"] < first["ratio"] and last["ratio"] + WITHIN * last["ratio_mcse"] < 1)
    return down, count


def _isotropic(table: pd.DataFrame) -> str:
    right, wrong = ratios_off(table)
    quadratics = table[(table["part"] == "quadratic") & (table["noise"] == ISOTROPIC) & table["z"].notna()]
    regular = bool((quadratics["z"].abs() <= WITHIN).all())
    if regular and not wrong:
        return (
            "holds for isotropic noise with the pull of a prior, on regular and singular models alike, up to "
            "corrections of order η that are known on quadratics."
        )
    where = [f"on {', '.join(wrong)}"] if wrong else []
    where += [] if regular else ["on quadratics, by their exact law"]
    holds = f"; it does on {', '.join(right)}" if right else ""
    return f"does not hold for isotropic noise {' and '.join(where)}{holds}."


def _preconditioned(table: pd.DataFrame) -> str:
    rows = table[(table["part"] == "quadratic") & (table["noise"] == NATURAL) & table["z"].notna()]
    if (rows["z"].abs() <= WITHIN).all():
        return "With noise C = H it holds for steps preconditioned by H⁻¹."
    return "With noise C = H it does not hold, not even for steps preconditioned by H⁻¹."


def _regular(table: pd.DataFrame) -> str:
    rows = table[(table["part"] == "quadratic") & (table["noise"] == OWN)]
    rows = rows.assign(level=rows["temperature"].round(9), excess=rows["value"] * rows["temperature"])
    ends = rows.groupby("level")["excess"].agg(["min", "max"]).sort_index()
    ordered = bool((ends["max"].to_numpy()[:-1] < ends["min"].to_numpy()[1:]).all())
    coldest = rows[rows["level"] == rows["level"].min()]
    counts = bool(((coldest["value"] - HALF_RANK).abs() <= WITHIN * coldest["mcse"]).any())
    if not ordered:
        return "For real minibatches on regular models it fails: their T does not even order settings."
    if counts:
        return "It holds for real minibatches on regular models: their T orders settings and the loss at T is a count."
    return (
        "It needs a condition for real minibatches on regular models: their T orders settings (learning rate over "
        "batch size is right), but the loss at T is not a count of directions."
    )


def _singular(table: pd.DataFrame) -> str:
    down, count = fallen(table)
    if down == count:
        return (
            "It fails for real minibatches on singular models: there is no equilibrium at T, and the degenerate point "
            "attracts more than any Gibbs law does. Singular points are then sought not because their volume is large "
            "but because their noise is small."
        )
    if down:
        return (
            f"For real minibatches on singular models it fails in {down} of {count} settings, where runs fall below "
            "the Gibbs value and go on falling, and not in the others."
        )
    return "For real minibatches on singular models nothing speaks against it: no setting falls below the Gibbs value."
