"""The page of `cost.py`: what the exponents say, every number and verdict made from the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from cost_exponents import ALL_ROWS, FLAT, FROM, LINEAR, START, count, exponents
from cost_rounds import DEPTH, SECONDS

from singular.analysis.markdown import markdown
from singular.posteriors.ladder import PRIOR_SAMPLE


def page(rows: pd.DataFrame) -> str:
    """Return the report on the rows of `cost_rounds.alternate`."""
    fits = exponents(rows)
    of = {str(panel): own for panel, own in fits.groupby("panel", sort=False)}
    once = of["n"][of["n"]["kernel"] == "summing up"]
    start = of["n"][of["n"]["kernel"] == START]
    flat = of["n"][of["n"]["expected"] == "flat"]
    linear = of["n"][(of["n"]["expected"] == "linear") & (of["n"]["kernel"] != "summing up")]
    at = {panel: sorted(own["x"].unique()) for panel, own in rows.groupby("panel")}
    one = of["chains"][of["chains"]["cores"] == 1]
    kinds, times = flat["model"].nunique(), rows["repeats"].min()
    return f"""# What a round of the ladder costs

Made by `make bench-cost`, in one process on one core unless a line says otherwise; compile time is left out. Every
ladder has given inverse temperatures, evenly spaced in log β, begins at the model's optimum and is warmed up. Then its
rounds are timed {times} times over, the cases of a panel in turn, each time for about {SECONDS:g} s. Clock: the
processor's, and on several cores the wall's. NUTS takes at most {2**DEPTH - 1} leapfrog steps.

A gradient is the time of a round over the gradients in it, and so holds all else that a round does. A sweep is all
moves of a family on one rung, with the evaluation of the point they lead to. Exponents are slopes in log-log ± their
standard error. Flat means |exponent| < {FLAT:g}, linear within {LINEAR:g} of 1. In the picture: the median, the least
and the greatest.

![cost of a round](COST.png)

## Against n, {at["n"][0]:,} to {at["n"][-1]:,} observations

Where sums of the data suffice, a gradient and a sweep should not know n.
**Flat in n: {count(flat, "flat")} kernels of {kinds} models.**

{_lines(flat)}

The tanh network has no such sums, and NumPyro's density of any model takes all rows. Fitted from {FROM:,} rows on.
**Linear in n: {count(linear, "linear")}.** {_a_row(rows)}

{_lines(linear)}

{_gain(rows)}

The data are summed up once for a ladder, in a pass over the rows: linear in {count(once, "linear")} models. Start and
end of a ladder hold that pass, the tracing of the model, {PRIOR_SAMPLE:,} draws from the prior, and the data's way into
the tree.

{_lines(once)}
{_lines(start)}

## Against the rungs

**Linear in rungs: {count(of["rungs"], "linear")}.**

{_lines(of["rungs"])}

{_padding(rows)}

## Against the chains

One after the other on one core: linear in {count(one, "linear")}. {_cores(rows)}

{_lines(of["chains"])}

## Against depth and width

Layers of 4 units, {at["depth"][0]} to {at["depth"][-1]} of them; then 4 layers of {at["width"][0]} to
{at["width"][-1]} units.

{_lines(of["depth"])}
{_lines(of["width"])}

## The table

{markdown(_shown(rows))}
"""


def time_of(seconds: float) -> str:
    """Return a time to three figures, in the unit that suits it.

    Examples
    --------
    >>> time_of(1.234e-5)
    '12.3 µs'
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _lines(fits: pd.DataFrame) -> str:
    return "\n".join(_line(fit) for _, fit in fits.iterrows())


def _line(fit: pd.Series) -> str:
    """Return a list item: one curve, its exponent and the verdict."""
    missed = "more than " if fit["expected"] == "linear" and fit["exponent"] > 1 else "not "
    verdict = "" if not fit["expected"] else f", {'' if fit['met'] else missed}{fit['expected']}"
    where = f" on {fit['cores']} cores" if fit["cores"] > 1 else ""
    return (
        f"- {fit['model']}, {fit['kernel']}{where}: exponent {fit['exponent']:.3f} ± {fit['error']:.3f}{verdict}; "
        f"a {fit['unit']} takes {time_of(fit['first'])} at {fit['start']:,}, {time_of(fit['last'])} at {fit['end']:,}"
    )


def _a_row(rows: pd.DataFrame) -> str:
    """Return how much longer one row takes among many: rows that the cache cannot hold are read from memory."""
    own = rows[(rows["panel"] == "n") & (rows["kernel"] == ALL_ROWS[0]) & (rows["x"] >= FROM)]
    each = own.assign(row=own["seconds a unit"] / own["x"]).pivot_table(
        index="model", columns="x", values="row", sort=False
    )
    growth = each[each.columns.max()] / each[each.columns.min()]
    many = ", ".join(f"{model} {ratio:.1f}" for model, ratio in growth.items())
    return (
        f"Of {each.columns.max():,} rows one takes so many times as long as of {each.columns.min():,}, which fit the "
        f"processor's cache: {many}."
    )


def _gain(rows: pd.DataFrame) -> str:
    """Return how many times longer a gradient takes on all rows, at the smallest and the largest n."""
    own = rows[(rows["panel"] == "n") & rows["sums"]]
    ends, parts = [int(own["x"].min()), int(own["x"].max())], []
    for model, group in own.groupby("model", sort=False):
        plain, ours = (
            group[group["kernel"] == kernel].set_index("x")["seconds a unit"] for kernel in (ALL_ROWS[0], "nuts")
        )
        ratios = [plain[n] / ours[n] for n in ends]
        parts.append(f"{model} {' and '.join(f'{v:,.0f}' if v >= 10 else f'{v:.2g}' for v in ratios)}")
    return (
        "A gradient of NumPyro's on all rows takes so many times as long as one in a round of our NUTS, "
        f"at n = {ends[0]:,} and at n = {ends[1]:,}: {'; '.join(parts)}."
    )


def _padding(rows: pd.DataFrame) -> str:
    """Return what rungs cost that a program is made for and that are not there, beside live ones."""
    own, parts = rows[rows["panel"] == "padding"], []
    for kernel, group in own.groupby("kernel", sort=False):
        empty = _per_x(group)
        live = _per_x(
            rows[(rows["panel"] == "rungs") & (rows["model"].isin(group["model"])) & (rows["kernel"] == kernel)]
        )
        parts.append(f"{kernel} {empty / live:.1%}")
    made = [int(x) for x in sorted(own["x"].unique())]
    return (
        f"Programs are made for {', '.join(map(str, made))} rungs, and what is not there is padded. From a ladder of "
        f"{own['rungs'].iloc[0]} rungs in each of these programs, {own['model'].iloc[0]}: an empty rung costs, of what "
        f"a live one does, {' and '.join(parts)}."
    )


def _per_x(rows: pd.DataFrame) -> float:
    """Return seconds a round for one more of what is varied, between the ends."""
    rows = rows.sort_values("x")
    return float(np.diff(rows["seconds a round"].iloc[[0, -1]])[0] / np.diff(rows["x"].iloc[[0, -1]])[0])


def _cores(rows: pd.DataFrame) -> str:
    """Return how much sooner the chains are done on all cores."""
    own = rows[rows["panel"] == "chains"]
    cores, chains = own["cores"].max(), own["x"].max()
    if cores == 1:
        return "There was no other core."
    last = own[own["x"] == chains].pivot_table(index="kernel", columns="cores", values="least wall a round", sort=False)
    gains = " and ".join(f"{kernel} {row[1] / row[cores]:.2f}" for kernel, row in last.iterrows())
    one = own[(own["x"] == chains) & (own["cores"] == 1)]
    shares = " and ".join(f"{share:.0%}" for share in one["seconds a round"] / one["least wall a round"])
    return (
        f"On {cores} cores {chains} chains are done so many times sooner, by the wall's least times: {gains}. Other "
        f"work left the chains on one core {shares} of it."
    )


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    spread = [
        f"{time_of(m)} ({time_of(a)} to {time_of(b)})"
        for m, a, b in zip(rows["seconds a unit"], rows["least"], rows["most"], strict=True)
    ]
    return pd.DataFrame(
        {
            "varied": rows["panel"], "model": rows["model"], "kernel": rows["kernel"],
            "at": rows["x"].map("{:,}".format), "d": rows["d"], "n": rows["n"].map("{:,}".format),
            "rungs": rows["rungs"], "made for": rows["capacity"], "chains": rows["chains"], "cores": rows["cores"],
            "clock": rows["clock"], "a": rows["unit"], "takes, median (least to greatest)": spread,
            "of them a round": rows["units a round"].map("{:,.1f}".format),
            "a round takes": rows["seconds a round"].map(time_of),
        }
    )  # fmt: skip
