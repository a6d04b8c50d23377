"""The page of the study of two wells at the noise floor, every number of it from the table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.cells import WITHIN

NAMES = {"isotropic": "isotropic", "minibatch": "own", "mixed": "own + isotropic"}
LAWS = {"gibbs": "Gibbs", "small": "the law of small steps", "chain": "the law of the chain"}


def text(table: pd.DataFrame) -> str:
    """Return the page."""
    cells = table[table["curve"] == ""]
    plain, heavy = cells[cells["momentum"] == 0], cells[cells["momentum"] > 0]
    isotropic, mixed, own = (
        plain[plain["noise"] == kind] for kind in NAMES if kind in ("isotropic", "mixed", "minibatch")
    )
    own, mixed = plain[plain["noise"] == "minibatch"], plain[plain["noise"] == "mixed"]
    fine = isotropic[isotropic["step_size"] <= isotropic["step_size"].min() * 1.001]
    n, runs = int(cells["n"].iloc[0]), int(cells["runs"].iloc[0])
    paragraphs = [
        "The claim: a learner goes where the free energy at its resolution is lowest. At the floor of its noise the "
        "resolution is the temperature T = ησ²/(2B(1 − μ)), which takes the place of 1/(nβ). Two wells, w = −1 "
        f"(sharp, λ = 1/2) and w = 3 (flat, λ = 1/4), the sharp one better by c nats; one data set of n = {n:,}; "
        f"{runs} runs a row, half from the bottom of each well, the second half of the steps counted; weight "
        "decay T/4 is the prior. *Gibbs* is the tempered posterior's share by quadrature; *small steps* is the law p ∝ "
        "D⁻¹ exp(−∫U′/D) of the noise the steps have, D = ½η·variance; *chain* is the exact law "
        "of the steps as they are made. Errors are over runs, and no less than one run. z is the distance in errors.",
        f"**Where it holds: isotropic noise and small steps.** At η = {fine['step_size'].min():g}, "
        f"{_held(fine, 'gibbs')} The step is not 0, and for it {_held(fine, 'chain')} {_signs(fine)} {_flagged(fine)}",
        f"**What it needs: time.** {_time(fine)}",
        f"**What it needs: small steps.** {_steps(isotropic, table)}",
        _momentum(heavy),
        f"**{'Where it fails' if _fails(mixed) else 'Where it might fail'}: the model's own noise.** The gradient of "
        "one observation is its residual times the slope "
        "of the fit, so that the noise vanishes at the bottom of the flat well and, at c = 0, on the summit. At equal "
        f"nominal T = {mixed['temperature'].iloc[0]:g}, with a growing part of the noise the model's own: "
        f"{_own(mixed)} {_held(mixed, 'chain')} {_held(mixed, 'small')} {_flagged(mixed)}",
        f"**The model's own noise alone.** {_alone(own)}",
        f"**In short.** {_verdict(fine, mixed, own)}",
    ]
    return "\n\n".join(p for p in paragraphs if p) + "\n\n" + markdown(shown(table))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells as people read them."""
    rows = table[table["curve"] == ""]
    return pd.DataFrame(
        {
            "noise": rows["noise"].map(NAMES),
            "own part": [f"{v:.2g}" for v in rows["own"]],
            "c": [f"{v:g}" for v in rows["advantage"]],
            "T": [f"{v:g}" for v in rows["temperature"]],
            "η": [f"{v:g}" for v in rows["step_size"]],
            "μ": [f"{v:g}" for v in rows["momentum"]],
            "flat well": [f"{v:.3f} ± {e:.3f}" for v, e in zip(rows["value"], rows["mcse"], strict=True)],
            **{
                head: [_beside(v, z) for v, z in zip(rows[law], rows[f"z_{law}"], strict=True)]
                for head, law in (("Gibbs (z)", "gibbs"), ("small steps (z)", "small"), ("chain (z)", "chain"))
            },
            "crossings a run, up, down": [f"{u:.2f}, {d:.2f}" for u, d in zip(rows["up"], rows["down"], strict=True)],
            "flags": rows["flags"],
        }
    )


def _beside(value: float, z: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f} ({z:+.1f})"


def _clean(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(rows[rows["flags"] == ""])


def _about(row: pd.Series) -> str:
    return f"c = {row['advantage']:g}, T = {row['temperature']:g}, η = {row['step_size']:g}"


def _each(rows: pd.DataFrame, tell) -> str:
    return "; ".join(f"{_about(row)}: {tell(row)}" for _, row in rows.iterrows())


def _held(rows: pd.DataFrame, law: str) -> str:
    held = _clean(rows)
    if held.empty:
        return f"no row without a flag can be held against {LAWS[law]}."
    z = held[f"z_{law}"]
    off = held[z.abs() > WITHIN]
    told = (
        f"{len(held) - len(off)} of {len(held)} unflagged rows are within {WITHIN:g} errors of {LAWS[law]} (largest "
        f"|z| {z.abs().max():.1f}, root mean square {np.sqrt((z**2).mean()):.2f})"
    )
    return told + (f", not so {_each(off, lambda r: f'z = {r[f"z_{law}"]:+.1f}')}." if len(off) else ".")


def _signs(rows: pd.DataFrame) -> str:
    held = _clean(rows)
    sure = held[(held["value"] - 0.5).abs() > 2 * held["mcse"]]
    same = ((sure["value"] > 0.5) == (sure["gibbs"] > 0.5)).sum()
    return (
        f"Where the runs prefer a well by more than 2 errors, {int(same)} times of {len(sure)} it is the one of the "
        "lower free energy."
    )


def _flagged(rows: pd.DataFrame) -> str:
    found = rows[rows["flags"] != ""]
    return f"{len(found)} of {len(rows)} rows carry a flag." if len(found) else ""


def _time(fine: pd.DataFrame) -> str:
    apart = fine[fine["z_starts"] > WITHIN]
    short = fine[(fine["flags"] != "") & ~(fine["z_starts"] > WITHIN)]
    coldest, hottest = fine.loc[fine["relaxation"].idxmax()], fine.loc[fine["relaxation"].idxmin()]
    told = (
        f"What a run remembers of its start falls by e in {hottest['relaxation']:,.0f} steps at T = "
        f"{hottest['temperature']:g} and in {coldest['relaxation']:,.0f} at T = {coldest['temperature']:g} (c = "
        f"{coldest['advantage']:g}), by the second eigenvalue of the chain."
    )
    if len(apart):

        def tell(row):
            both = f"{row['from_sharp']:.3f} from the sharp well, {row['from_flat']:.3f} from the flat one"
            return f"{both}, Gibbs {row['gibbs']:.3f}"

        told += (
            f" In {len(apart)} of {len(fine)} rows the runs tell of their start, not the law ({_each(apart, tell)}): "
            "below some T a learner stays where it began."
        )
    if len(short):
        told += f" {len(short)} more are flagged for their short time, though both starts agree."
    return told


def _steps(isotropic: pd.DataFrame, table: pd.DataFrame) -> str:
    curve = table[(table["curve"] == "step") & (table["advantage"] == table["advantage"].max())].sort_values(
        "step_size"
    )
    told = [f"{row['chain'] - row['gibbs']:+.3f} at η = {row['step_size']:g}" for _, row in curve.iterrows()]
    large = isotropic[isotropic["step_size"] > isotropic["step_size"].min() * 1.001]
    return (
        f"At T = {curve['temperature'].iloc[0]:g} and c = {curve['advantage'].iloc[0]:g} the exact law of the chain "
        f"has the flat well's share off Gibbs by {', '.join(told)}. Of the runs at larger steps, "
        f"{_held(large, 'chain')} Held against Gibbs, {_held(large, 'gibbs')} {_flagged(large)}".strip()
    )


def _momentum(heavy: pd.DataFrame) -> str:
    if heavy.empty:
        return ""
    isotropic, own = (heavy[heavy["noise"] == kind] for kind in ("isotropic", "minibatch"))

    def tell(row):
        flagged = ", flagged" if row["flags"] else ""
        z = f"z = {row['z_gibbs']:+.1f}{flagged}"
        return f"{row['value']:.3f} ± {row['mcse']:.3f}, Gibbs {row['gibbs']:.3f} ({z})"

    return (
        f"**Momentum.** At μ = {heavy['momentum'].iloc[0]:g} and equal T, isotropic noise: {_each(isotropic, tell)}; "
        f"the model's own: {_each(own, tell)}."
    )


def _own(mixed: pd.DataFrame) -> str:
    lines = []
    for c, rows in mixed.groupby("advantage"):
        each = [f"{r['value']:.3f} at {r['own']:.0%}" for _, r in rows.sort_values("own").iterrows()]
        lines.append(
            f"c = {c:g}, the flat well has {', '.join(each)}, where Gibbs gives it {rows['gibbs'].iloc[0]:.3f}"
        )
    wrong = mixed[
        ((mixed["value"] - 0.5) * (mixed["gibbs"] - 0.5) < 0) & ((mixed["value"] - 0.5).abs() > 2 * mixed["mcse"])
    ]
    return (
        f"{'; '.join(lines)}. In {len(wrong)} of {len(mixed)} rows the runs prefer the well of the higher free energy."
    )


def _alone(own: pd.DataFrame) -> str:
    def tell(row):
        return (
            f"{row['from_sharp']:.3f} of the time in the flat well from the sharp one, {row['from_flat']:.3f} from the "
            f"flat one ({row['up']:.2f} crossings up and {row['down']:.2f} down a run; Gibbs {row['gibbs']:.3f}, small "
            f"steps {row['small']:.3f})"
        )

    off = int((own["z_small"].abs() > WITHIN).sum())
    return (
        "With variance 1 at B = 1 a nominal T needs η = 2T: noise which crosses comes with a step that is not small. "
        f"{_each(own, tell)}. At c = 0 the law of small steps has a gate on the summit, through which weight decay "
        f"leads down and nothing leads up; {off} of {len(own)} rows are more than {WITHIN:g} errors from it: runs that "
        "have not crossed, or steps which overshoot from the steep side, where the noise is largest, and land beyond "
        "the gate."
    )


def _fails(mixed: pd.DataFrame) -> bool:
    """Whether any row without a flag, with a part of the noise the model's own, is off the Gibbs share."""
    return bool((_clean(mixed)["z_gibbs"].abs() > WITHIN).any())


def _verdict(fine: pd.DataFrame, mixed: pd.DataFrame, own: pd.DataFrame) -> str:
    good, mixing = _clean(fine), _clean(mixed)
    holds, fails = (good["z_gibbs"].abs() <= WITHIN).sum(), (mixing["z_gibbs"].abs() > WITHIN).sum()
    up = int((mixing["z_gibbs"] > WITHIN).sum())
    back = int((own["down"] > 0).sum())
    held = "" if back else ": it holds whoever enters, for its noise vanishes at the bottom, and no share lasts"
    told = "No row with a part of it the model's own is without a flag."
    if len(mixing) and not fails:
        told = f"Where the model's own noise is a part of it, it does as well (all {len(mixing)} unflagged rows)."
    elif len(mixing):
        told = (
            f"Where the model's own noise is a part of it, from {mixing['own'].min():.0%} on, it does not "
            f"({int(fails)} of {len(mixing)} unflagged rows are more than {WITHIN:g} errors off, "
            f"{up} towards the flat well): "
            "the share is set by D(w) along the way as much as by depth and width of the wells."
        )
    decides = "decides" if holds == len(good) else "decides in part only" if holds else "does not decide"
    return (
        "Under isotropic noise, with steps that are small for the curvature and runs longer than the time of crossing, "
        f"the free energy at T {decides} ({int(holds)} of {len(good)} unflagged rows). {told} Under its own noise "
        "alone, "
        f"runs came back from the flat well in {back} of {len(own)} rows{held}."
    )
