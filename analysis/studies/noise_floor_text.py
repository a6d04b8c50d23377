"""The page of the study of the noise floor, every number of it from the table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.floor_rows import COEFFICIENT
from singular.analysis.studies.noise_floor_singular import FLOOR, VIRIAL
from singular.analysis.studies.noise_floor_verdict import (
    HESSIAN,
    ISOTROPIC,
    NATURAL,
    OWN,
    alike,
    counted,
    fallen,
    verdict,
)


def text(table: pd.DataFrame) -> str:
    """Return the page."""
    quadratics = table[table["part"] == "quadratic"]
    hot = table[(table["part"] == "isotropic") & (table["quantity"] == COEFFICIENT)]
    return "\n\n".join(
        [
            _claim(),
            _equal(quadratics),
            _agree(quadratics),
            _isotropic(hot, table[table["quantity"] == VIRIAL]),
            _own(table),
            _mixed(table[table["part"] == "mixed"]),
            verdict(table),
            markdown(shown(table)),
        ]
    )


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return all measured rows as people read them; of own noise the first and the last window."""
    rows = table[~table["part"].isin(["curve", "mixed curve"]) & (table["quantity"] != FLOOR)]
    own = rows[rows["part"] == "own"].groupby(["problem", "learning_rate", "batch_size", "weight_decay"])["steps"]
    ends = rows["part"].ne("own") | rows["steps"].eq(own.transform("max").reindex(rows.index))
    ends |= rows["steps"].eq(own.transform("min").reindex(rows.index))
    rows = rows[ends]
    return pd.DataFrame(
        {
            "problem": rows["problem"],
            "noise": rows["noise"],
            "η": rows["learning_rate"].map("{:.3g}".format),
            "B": rows["batch_size"].map("{:.0f}".format),
            "μ": rows["momentum"].map("{:g}".format),
            "decay": rows["weight_decay"].map("{:.2g}".format),
            "T": rows["temperature"].map("{:.3g}".format),
            "steps": rows["steps"].map("{:,.0f}".format),
            "quantity": rows["quantity"],
            "measured": [f"{v:.4f} ± {e:.4f}" for v, e in zip(rows["value"], rows["mcse"], strict=True)],
            "exact": _cells(rows["exact"], "{:.4f}"),
            "z": _cells(rows["z"], "{:+.1f}"),
            "Gibbs": _cells(rows["gibbs"], "{:.4f}"),
            "flags": rows["flags"],
        }
    )


def _cells(values: pd.Series, form: str) -> list[str]:
    return ["" if np.isnan(v) else form.format(v) for v in values]


def _claim() -> str:
    return (
        "**The claim.** SGD sees the loss through its noise, and the noise has a temperature, T = ησ²/(2B(1 − μ)) with "
        "learning rate η, batch size B and momentum μ: so (it is said) the loss above the minimum at equilibrium is "
        "λT, "
        "λ the learning coefficient at that resolution, singular or not. Here excess loss/T is measured on ensembles "
        "of "
        "runs. It should be the same wherever T is the same, and it should be the number that the tempered posterior "
        "exp(−L/T) φ has, which is known exactly (½ rank on a quadratic as T → 0; quadrature on singular models)."
    )


def _at(rows: pd.DataFrame, noise: str, temperatures: list[float]) -> pd.DataFrame:
    return rows.loc[(rows["noise"] == noise) & rows["temperature"].round(9).isin(temperatures)]


def _equal(rows: pd.DataFrame) -> str:
    level = rows["temperature"].round(9)
    grid = sorted(t for t in level.unique() if (level == t).sum() > 2)
    lines = []
    for noise, told in ((ISOTROPIC, "isotropic noise"), (HESSIAN, "noise C = H"), (OWN, "own minibatches")):
        each = []
        for t in grid:
            some = _at(rows, noise, [t])
            if len(some):
                each.append(f"T = {t:g}: {some['value'].min():.2f} to {some['value'].max():.2f} ({len(some)} settings)")
        lines.append(f"- {told}: {'; '.join(each)}")
    return (
        "**Equal temperatures, quadratic loss** (curvatures 3, 1, 0.3, 0.1: ½ rank = 2, ½ tr H = 2.2; upper left and "
        "upper middle). Excess/T over settings of (η, B, μ) that have one T; settings that are unstable are left "
        "out:\n\n"
        + "\n".join(lines)
        + f"\n\n{alike(rows)} What parts them is the step itself, which at one T is largest for large batches without "
        f"momentum. {counted(rows)} By theory, with own minibatches or C = H, it is ½ tr C/σ², C the covariance of an "
        "observation's gradient, which is ½ tr H in expectation; that has the "
        "unit "
        "of a curvature: rescaling the parameters changes it. Own minibatches are parted by one thing more: their "
        "noise "
        "grows with the distance from the optimum, most for small batches."
    )


def _agree(rows: pd.DataFrame) -> str:
    held = rows[rows["z"].notna()]
    inside = held["z"].abs() <= WITHIN
    flagged = held["flags"] != ""
    natural = held[held["noise"] == NATURAL]
    off = "" if inside.all() else " Not so: " + "; ".join(
        f"{r['noise']}, η = {r['learning_rate']:g}, B = {r['batch_size']:.0f}, μ = {r['momentum']:g} (z = "
        f"{r['z']:+.1f})"
        for r in held[~inside].to_dict("records")
    ) + "."  # fmt: skip
    return (
        f"**Exact laws at finite steps** (upper right). {int(inside.sum())} of {len(held)} ensembles are within "
        f"{WITHIN:g} of their errors of the exact law of the same steps (root mean square z "
        f"{np.sqrt((held['z'] ** 2).mean()):.2f}, largest {held['z'].abs().max():.1f}); {int(flagged.sum())} carry a "
        f"flag.{off} Isotropic noise: Σ 1/(2 − ηh), above ½ rank by Σ ηh/4 and more as steps grow; momentum 0.9 "
        f"divides "
        "ηh by 1 + μ and so brings it closer. C = H: Σ h/(2 − ηh). Steps along H⁻¹ times the gradient: exactly ½ d = "
        "2 at "
        f"every step size, at T′ = ησ²/(B(2 − η)), measured {natural['value'].min():.3f} to "
        f"{natural['value'].max():.3f}."
    )


def _isotropic(rows: pd.DataFrame, virials: pd.DataFrame) -> str:
    lines = []
    plain = rows[rows["momentum"] == 0.0]
    for name, some in plain[plain["temperature"].round(9) == 0.1].groupby("problem", sort=False):
        each = ", ".join(
            f"{r['ratio']:.3f} ± {r['ratio_mcse']:.3f} (η = {r['learning_rate']:g}{', flagged' if r['flags'] else ''})"
            for r in some.sort_values(by="learning_rate").to_dict("records")
        )
        lines.append(f"- {name}: Gibbs {some['gibbs'].iloc[0]:.4f}, ratio {each}")
    product = rows[rows["problem"] == "product"]
    known = virials[virials["z"].notna()]
    hot = plain[plain["temperature"].round(9) == 0.1]
    first = hot.loc[hot.groupby("problem")["learning_rate"].idxmin()]
    colder = ", ".join(
        f"{r['ratio']:.3f} ± {r['ratio_mcse']:.3f} (T = {r['temperature']:g}, η = {r['learning_rate']:g}"
        f"{', μ = 0.9' if r['momentum'] else ''}{', flagged' if r['flags'] else ''})"
        for r in product[product["temperature"].round(9) != 0.1].to_dict("records")
    )
    lost = int(rows["flags"].str.contains("left for infinity").sum())
    return (
        "**Singular models, isotropic noise and the pull of the prior** (lower left): ratio of SGD's excess to that of "
        "the tempered posterior at β = 1/(nT), by quadrature on the same data, at T = 0.1:\n\n"
        + "\n".join(lines)
        + f"\n\nAt the smallest step of each problem the ratio is {first['ratio'].min():.3f} to "
        f"{first['ratio'].max():.3f}; corrections of order η are above 1, as on quadratics. The product at other "
        f"temperatures: {colder}. For the product at T from "
        f"{product['temperature'].min():g} to "
        f"{product['temperature'].max():g} the Gibbs value itself goes from "
        f"{product.loc[product['temperature'].idxmin(), 'gibbs']:.3f} to "
        f"{product.loc[product['temperature'].idxmax(), 'gibbs']:.3f}, far below λ = ½ (its multiplicity is 2): the "
        f"number "
        "at a temperature is not the asymptotic one. That runs are stationary is checked by an identity that holds at "
        "any "
        f"step size, E[w·∇U − (η/2)|∇U|²] = dT: {int((known['z'].abs() <= WITHIN).sum())} of {len(known)} are within "
        f"{WITHIN:g} errors (largest {known['z'].abs().max():.1f}). Losses that grow faster than a square have no true "
        "stationary law in steps of finite size, since a run far enough out leaves for ever: "
        + (f"{lost} of {len(rows)} ensembles lost runs, and say so in their flags." if lost else "none did here.")
    )


def _own(table: pd.DataFrame) -> str:
    rows = table[(table["part"] == "own") & (table["quantity"] == COEFFICIENT)]
    lines = []
    for (name, rate, size), some in rows.groupby(["problem", "learning_rate", "batch_size"], sort=False):
        each = []
        for decay, own in some.groupby("weight_decay"):
            own = own.sort_values(by="steps")
            early, last = own.iloc[0], own.iloc[-1]
            lost = int(own["flags"].str.contains("left for infinity").any())
            each.append(
                f"{'with' if decay else 'without'} weight decay {early['ratio']:.2f} after {early['steps']:,.0f} "
                f"steps, "
                f"{last['ratio']:.3g} ± {last['ratio_mcse']:.1g} after {last['steps']:,.0f}"
                + (" (runs left: flagged)" if lost else "")
            )
        lines.append(f"- {name}, η = {rate:g}, B = {size:.0f}: {'; '.join(each)}")
    floors = table[table["quantity"] == FLOOR]
    down, count = fallen(table)
    last = rows.loc[rows.groupby(["problem", "learning_rate", "batch_size", "weight_decay"])["steps"].idxmax()]
    highest = last.groupby("problem")["ratio"].max().idxmax()
    decayed = last[last["weight_decay"] > 0]
    held = int((decayed["ratio"] + WITHIN * decayed["ratio_mcse"] >= 1).sum())
    told = ""
    for floor in floors.to_dict("records"):
        same = rows[
            (rows["problem"] == floor["problem"]) & (rows["weight_decay"] == 0.0)
            & (rows["learning_rate"] == floor["learning_rate"]) & (rows["batch_size"] == floor["batch_size"])
        ]  # fmt: skip
        last = same.loc[same["steps"].idxmax()]
        told += f" η = {floor['learning_rate']:g}, B = {floor['batch_size']:.0f}: {last['value']:.4f} measured, " \
                f"{floor['value']:.4f} by the law;"  # fmt: skip
    same = []
    for (rate, size), own in rows[(rows["problem"] == "product") & (rows["weight_decay"] == 0.0)].groupby(
        ["learning_rate", "batch_size"]
    ):
        near = own.loc[(own["steps"] * rate**2 / size - 1).abs().idxmin()]
        same.append(
            f"{near['ratio']:.2f} ± {near['ratio_mcse']:.2f} (η = {rate:g}, B = {size:.0f}, N = {near['steps']:,.0f})"
        )
    return (
        "**The same models under the noise of their own minibatches** (lower middle). This noise vanishes at the "
        f"degenerate point, so that runs which come there stay. In {down} of {count} settings excess/T does not settle "
        "at λ but falls, below the Gibbs value by more than its errors. Ratio to the Gibbs value at the T of the same "
        "η/B (σ² = 1):\n\n"
        + "\n".join(lines)
        + "\n\nOn the product w1² and w2² come to balance in a time N η²/B, not ηN: nearest to N η²/B = 1 the ratio "
        "is "
        f"{', '.join(same)}. It ends where the data's own optimum w1 w2 = s is no longer degenerate: at the balanced "
        "point, where excess/T is about |s|, of order 1/√n, if T is well below |s|/2, and less where T is not, as "
        f"here.{told.rstrip(';')}. Least of all falls {highest}. Weight decay of the size of a prior "
        + (
            "does not hold runs out at the Gibbs value."
            if not held
            else f"holds runs out at the Gibbs value in {held} of {len(decayed)} settings."
        )
    )


def _mixed(rows: pd.DataFrame) -> str:
    each = ", ".join(
        f"T₀ = {r['temperature']:g}, η = {r['learning_rate']:g}, B = {r['batch_size']:.0f}: {r['value']:.4f} ± "
        f"{r['mcse']:.4f} (law {r['exact']:.4f}, z = {r['z']:+.1f}{', flagged' if r['flags'] else ''})"
        for r in rows.sort_values(by=["temperature", "learning_rate"], ascending=[False, True]).to_dict("records")
    )
    return (
        "**Both noises** (lower right). On y = w²x with isotropic noise of temperature T₀ beside the minibatch's, the "
        "stationary law is known to first order in η. It is Gibbs, with λ = ¼, only where T₀ ≫ κ², κ = 2η/B. Below, "
        f"excess/T₀ rises, but excess itself falls to nothing. {each}."
    )
