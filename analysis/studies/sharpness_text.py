"""The page of the study of sharpness: every number of it from the table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.sharpness_names import (
    EPSILONS,
    FOUND,
    HELD,
    LAMBDA,
    LARGEST,
    LOG_DET,
    PREDICTORS,
    QUADRATIC,
    RANK,
    TEST,
    TRACE,
    TRAIN,
    VOLUMES,
    per_minimum,
    related,
    usable_rows,
)  # fmt: skip
from singular.analysis.studies.sharpness_problems import NETWORKS

TOLD = 2
"""Decimals of the losses on the page."""
CHANCE = 0.05
"""Share of intervals that leave 0 out by chance."""
SHOWN = 5
"""Minima of each network in the second table."""


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    paragraphs = [
        "A flat minimum is said to do better on new data than a sharp one, and to be found more often. Flatness can be "
        "measured by the trace of the Hessian, by its determinant, by the volume about the minimum in which the loss "
        "stays low, and by the local learning coefficient λ̂, which is small where that volume shrinks slowly. Here "
        "small networks are trained to the bottom from many starts by Adam and then Newton's method, the ends are told "
        "apart by what they predict, which no symmetry changes, and each measure is taken at the minima found most "
        "often. All of them are written so that larger means sharper: if flat is good, correlations with the test loss "
        "are positive, and those with the frequency negative.",
        _answer(table),
        "\n".join(_census(table, name) for name in networks(table)),
        "Half of the starts are draws of N(0, I), half are these times 0.1. Train loss is nL_n/n with weight decay "
        "where there is some, test loss the exact excess over the truth's (closed form, or quadrature over inputs), "
        "both in nats an observation. "
        + "; ".join(f"{name}: γ = {network.gamma:g}" for name, network in NETWORKS.items())
        + ". λ̂ is at β = 1/log n with a localiser of precision γ, by MALA in whitened coordinates; volumes are shares "
        "of the ball of radius √(d/γ), at which the localiser's draws lie, by multilevel splitting. Beside them stands "
        "Σ ½ nβh/(nβh + γ), which is what λ̂ would be if the loss were quadratic with curvatures h.",
        _trust(table),
        f"**Test loss.** {_tally(table, TEST, '')} {_strongest(table, TEST, '')}",
        f"**Test loss, given the train loss.** Where a lower train loss goes with a lower test loss and also with "
        f"sharpness, the raw correlation is that of the train loss: {_confounding(table)}. "
        f"{_tally(table, TEST, TRAIN)} {_strongest(table, TEST, TRAIN)}",
        f"**How often a minimum is found.** {_tally(table, FOUND, '')} {_strongest(table, FOUND, '')} Given the train "
        f"loss: {_tally(table, FOUND, TRAIN)} The frequency belongs to this training and these starts as much as to "
        f"the landscape: {_starts(table)}.",
        f"**λ̂ against the others.** {_lambda_against(table)}",
        _rescaling(table),
        "**What this does not say.** One data set of each network. Only the minima found most often are measured, so "
        "the rare ones, most of all there are, have no part in it. The minima of the superposition network come in "
        "families that differ by which feature sits where and are nearly copies: intervals over minima take them for "
        "independent and are too narrow. Copies with one test loss count as tied; their train losses still differ, "
        "by which features the data happen to hold more of. The intervals add errors of measurement to numbers that "
        "have them already, which draws them towards 0. Log determinants of different rank are of different "
        "dimension. No correction is made for the number of correlations, of which one in twenty leaves 0 out by "
        "chance. A rank correlation is no cause.",
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(minima_shown(table)) + "\n\n" + markdown(shown(table))


def networks(table: pd.DataFrame) -> list[str]:
    """Return the names of the networks in their order."""
    return list(table.loc[table["minimum"] >= 0, "problem"].unique())


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rank correlations as people read them: one row a network and predictor."""
    columns = {
        "test loss": (TEST, ""),
        "test loss, given train loss": (TEST, TRAIN),
        "frequency": (FOUND, ""),
        "frequency, given train loss": (FOUND, TRAIN),
        "train loss": (TRAIN, ""),
    }
    rows = []
    for name in networks(table):
        found = {title: related(table, name, *which) for title, which in columns.items()}
        tau = related(table, name, TEST, method="kendall")
        rows += [
            {"network": name, "measure": predictor, "minima": f"{found['test loss'].loc[predictor, 'items']:.0f}"}
            | {f"ρ with {title}": _interval(rows_of.loc[predictor]) for title, rows_of in found.items()}
            | {"τ with test loss": _interval(tau.loc[predictor])}
            for predictor in PREDICTORS
        ]
    return pd.DataFrame(rows)


def minima_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the most frequent minima of each network as people read them."""
    frames = []
    for name in networks(table):
        value, mcse, flags = (per_minimum(table, name, key).head(SHOWN) for key in ("value", "mcse", "flags"))
        volume = VOLUMES[-1]
        frames.append(
            pd.DataFrame(
                {
                    "network": name,
                    "found": value[FOUND].map("{:.3f}".format),
                    TRAIN: value[TRAIN].map("{:.4f}".format),
                    TEST: value[TEST].map("{:.4f}".format),
                    LAMBDA: [f"{v:.2f} ± {e:.2f}" for v, e in zip(value[LAMBDA], mcse[LAMBDA], strict=True)],
                    "can be used": np.where(usable_rows(flags[LAMBDA]), "yes", "no"),
                    QUADRATIC: value[QUADRATIC].map("{:.2f}".format),
                    "rank": value[RANK].map("{:.0f}".format),
                    TRACE: value[TRACE].map("{:.1f}".format),
                    LOG_DET: value[LOG_DET].map("{:.1f}".format),
                    volume: [f"{v:.2f} ± {e:.2f}" for v, e in zip(value[volume], mcse[volume], strict=True)],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def decided(rows: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the predictors whose interval lies above 0, and those whose interval lies below."""
    return list(rows.index[rows["low"] > 0]), list(rows.index[rows["high"] < 0])


def _answer(table: pd.DataFrame) -> str:
    """Return what the intervals say of the claim, in words that follow their signs."""
    told = []
    for response, claim in ((TEST, "flat minima do better on new data"), (FOUND, "flat minima are found more often")):
        sign = 1 if response == TEST else -1
        for given in ("", TRAIN):
            every = [decided(related(table, name, response, given)) for name in networks(table)]
            up, down = (sum(len(pair[side]) for pair in every) for side in (0, 1))
            bears, against = (up, down) if sign == 1 else (down, up)
            if bears + against <= CHANCE * sum(len(related(table, name, response, given)) for name in networks(table)):
                verdict = "is neither borne out nor refuted"
            elif bears and against:
                verdict = "depends on the measure and the network"
            else:
                verdict = "has the intervals for it" if bears else "has the intervals against it"
            where = f", given the {given}," if given else ""
            told.append(f"that {claim}{where} {verdict} ({bears} leave 0 out for it, {against} against it)")
    return f"**The answer here:** {'; '.join(told)}."


def _interval(row: pd.Series) -> str:
    if not np.isfinite(row["value"]):
        return "not defined"
    return f"{row['value']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"


def _census(table: pd.DataFrame, name: str) -> str:
    rows = table[(table["problem"] == name) & (table["minimum"] == -1)].set_index("quantity")["value"]
    value = per_minimum(table, name)
    network = NETWORKS[name]
    return (
        f"- **{name}**: {network.told}; n = {network.n}. {rows['runs']:.0f} runs, "
        f"{rows['runs that ended in a minimum']:.0f} of which ended in a minimum; {rows['distinct minima']:.0f} "
        f"distinct minima, {rows['minima found once']:.0f} of them found once. The {len(value)} found most often hold "
        f"{rows['runs that ended in a minimum measured']:.0f} runs; their train losses go from "
        f"{value[TRAIN].min():.2f} to {value[TRAIN].max():.2f} nats, their test losses from "
        f"{value[TEST].min():.2f} to {value[TEST].max():.2f}, {value[TEST].round(TOLD).nunique()} different values to "
        f"{10.0**-TOLD:g} nats."
    )


def _trust(table: pd.DataFrame) -> str:
    told = []
    for name in networks(table):
        value, mcse, flags = (per_minimum(table, name, key) for key in ("value", "mcse", "flags"))
        good = usable_rows(flags[LAMBDA])
        held = sum(HELD in flag for flag in flags[LAMBDA])
        gap = (value[LAMBDA] - value[QUADRATIC])[good]
        apart = np.abs(gap) > 4 * mcse[LAMBDA][good]
        wide = [
            f"{int(flags[v].str.contains('differ').sum())} at nε = {e:g}"
            for e, v in zip(EPSILONS, VOLUMES, strict=True)
        ]
        full = [int((value[v] < np.log(2)).sum()) for v in VOLUMES]
        lower = int(flags[VOLUMES[-1]].str.contains("no minimum within the ball").sum())
        told.append(
            f"- {name}: λ̂ can be used at {int(good.sum())} of {len(good)} minima; at the others the draws went over to "
            f"lower ground or the error cannot be believed. γ still holds {held} of the {len(good)}. Where it can be "
            f"used λ̂ differs from the quadratic value by {np.abs(gap).median():.2f} in the median and by "
            f"{np.abs(gap).max():.2f} at most, by more than 4 errors at {int(apart.sum())}. Log volumes are flagged "
            f"because replicates differ by more than half a nat: {', '.join(wide)}; at {lower} minima the ball reaches "
            f"lower ground. At the largest ε more than half of the ball is within it at {full[-1]} minima: there the "
            "volume tells of the edge of the ball."
        )
    return "**Can the measures be believed?**\n\n" + "\n".join(told)


def _tally(table: pd.DataFrame, response: str, given: str) -> str:
    every = {name: related(table, name, response, given) for name in networks(table)}
    up = {name: decided(rows)[0] for name, rows in every.items()}
    down = {name: decided(rows)[1] for name, rows in every.items()}
    count = sum(len(rows) for rows in every.values())
    return (
        f"Of {count} intervals {sum(map(len, up.values()))} lie above 0 ({_listed(up)}) and "
        f"{sum(map(len, down.values()))} below ({_listed(down)}); the rest hold 0."
    )


def _listed(found: dict[str, list[str]]) -> str:
    return "; ".join(f"{name}: {', '.join(which)}" for name, which in found.items() if which) or "none"


def _strongest(table: pd.DataFrame, response: str, given: str) -> str:
    told = []
    for name in networks(table):
        rows = related(table, name, response, given)
        if np.isfinite(rows["value"].to_numpy(dtype=float)).any():
            best = rows["value"].abs().idxmax()
            told.append(f"{best} on {name}, {_interval(rows.loc[best])}")
    return f"The largest in size: {'; '.join(told)}."


def _confounding(table: pd.DataFrame) -> str:
    told = []
    for name in networks(table):
        value = per_minimum(table, name)
        told.append(f"{value[TRAIN].corr(value[TEST], method='spearman'):+.2f} on {name}")
    return f"the rank correlation of train and test loss is {', '.join(told)}"


def _starts(table: pd.DataFrame) -> str:
    told = []
    for name in networks(table):
        value = per_minimum(table, name)
        large, small = (value[f"runs from {kind} starts"] for kind in ("large", "small"))
        told.append(f"{large.corr(small, method='spearman'):+.2f} on {name}")
    return f"counts from large and from small starts have the rank correlation {', '.join(told)}"


def _lambda_against(table: pd.DataFrame) -> str:
    told = []
    for name in networks(table):
        value, flags = per_minimum(table, name), per_minimum(table, name, "flags")
        value = value[usable_rows(flags[LAMBDA])]
        each = [f"{value[LAMBDA].corr(value[p], method='spearman'):+.2f} {p}" for p in PREDICTORS if p != LAMBDA]
        told.append(f"- {name}: {', '.join(each)}.")
    return "Rank correlations of λ̂ with the other measures, over the minima where it can be used:\n\n" + "\n".join(told)


def _rescaling(table: pd.DataFrame) -> str:
    rows = table[table["problem"] == "relu-1-1"]
    trace = rows[rows["quantity"] == TRACE].set_index("given")["value"]
    largest = rows[rows["quantity"] == LARGEST].set_index("given")["value"]
    each = ", ".join(f"{t:.2f} (largest eigenvalue {largest[s]:.2f}) at {s}" for s, t in trace.items())
    return (
        "**Coordinates.** None of these measures is a property of the function alone. The ReLU unit a max(b x, 0) is "
        f"the same function at (a/s, s b); its Hessian trace is {each}. Networks with such a scale can make trace and "
        "largest eigenvalue as large as wanted at no change of the function; log determinants, volumes in a ball and, "
        "through γ, λ̂ at finite n move with the coordinates too, and only λ itself, the limit, does not. The networks "
        "here have no scale: tanh has none, and W and its transpose share one matrix."
    )
