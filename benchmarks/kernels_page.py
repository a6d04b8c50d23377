"""docs/validation/KERNELS.md: what `validate_kernels.py` found, as a page."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from kernels_agree import SETTINGS, SMC, STIFF, STIFF_N, N
from kernels_joint import CHAINS, DEPTH, FRESH, STEP_SIZE, TURNS
from kernels_ranks import BETAS, DRAWS, WARMUP
from kernels_tables import FAR, SIGNIFICANT, by_kernel, by_model, cases_table, checks_table, rank_table, rms, verdict
from replicates import printed, wrapped
from validate_calibration import KEPT

from singular import __version__
from singular.posteriors.kernels import NAMES


def page(
    agreeing: pd.DataFrame, joint: pd.DataFrame, ranking: pd.DataFrame, missing: Mapping[str, int] | None = None
) -> str:
    """Return the page.

    Parameters
    ----------
    agreeing : DataFrame
        What `kernels_agree.held_against` returns.
    joint : DataFrame
        Rows of `kernels_joint.held` with ``model, what, kind, beta, wrong``.
    ranking : DataFrame
        Rows of `kernels_ranks.ranks`.
    missing : what -> parts
        How many parts of the program are not there yet.
    """
    right, wrong = joint[joint["wrong"] == ""], joint[joint["wrong"] != ""]
    uniform, spoilt = (rank_table(ranking[(ranking["wrong"] == "") == ours]) for ours in (True, False))
    return f"""# The kernels of the ladder

Made by `make validate-kernels` with singular {__version__}.{_missing(missing or {})}

## Do they give the exact answers?

{_agreement(agreeing)}

### By kernel

{printed(by_kernel(agreeing))}

### By model

{printed(by_model(agreeing))}

### Numbers further off than {FAR:g} joint errors

{_listed(agreeing[agreeing["z"].abs() > FAR])}

### Flagged numbers

{_flagged(agreeing)}

## Do moves and kernels keep the joint law?

{_kept(right, ranking)}

{printed(checks_table(right))}

## Are ranks uniform?

{_uniform(uniform)}

{printed(cases_table(uniform))}

## Are wrong moves noticed?

{_noticed(wrong, spoilt)}

{printed(checks_table(wrong))}

{printed(cases_table(spoilt))}

![z of every number by kernel; p of the joint law; ranks by kernel](KERNELS.png)
"""


def _missing(missing: Mapping[str, int]) -> str:
    absent = [f"{count} {what}" for what, count in missing.items() if count]
    return f" Some of its parts are not run yet, and nothing is said of them: {', '.join(absent)}." if absent else ""


def _agreement(rows: pd.DataFrame) -> str:
    held = rows[rows["z"].notna()]
    far = held[held["z"].abs() > FAR]
    models, exact = held["model"].nunique(), held[held["reference"] == "quadrature"]
    agreeing = held.groupby("model")["z"].apply(lambda z: bool((z.abs() <= FAR).all()))
    kernels = [way for way in NAMES if (rows["way"] == way).any()]
    clean, silent = held[held["flags"] == ""], far[far["flags"] == ""]
    first = f"""**{int(agreeing.sum())} of {models} models agree on every number** by every kernel they allow: the free
    energy at β = 1, the mean of nL_n at β = 1/log n and at 1, and the share of every phase at both, each within {FAR:g}
    joint errors of its reference. Of **{len(held)} numbers** {len(far)} are further off, **{len(silent)} of them
    without a flag**. Root mean square z **{rms(held["z"]):.2f}**, over the {len(exact)} numbers that have an exact
    value {rms(exact["z"]):.2f}, over the {len(clean)} without a flag {rms(clean["z"]):.2f}."""
    second = f"""Kernels: {", ".join(f"`{way}`" for way in kernels)}, each on every model here that allows it; and
    {SMC}, which shares the moves and nothing else. Catalogue members at n = {N}, {SETTINGS["chains"]} chains ×
    {SETTINGS["draws"]} draws after {SETTINGS["warmup"]} of warm-up, one ladder for each kernel with a seed of its own;
    those of published size ({"; ".join(STIFF)}) at n = {STIFF_N}, where kernels with NUTS in them get short trees and
    fewer draws. The reference is quadrature; where there is none, {SMC} or the ladder of plain NUTS, which then has
    no z itself. The joint error is Monte Carlo error and that of the reference, added in squares. z of numbers from one
    ladder are not independent, and shares of phases add up to one. A share of exactly 0 or 1 has no error and no z:
    {int((rows["mcse"] == 0).sum())} of them. Nats."""
    return f"{wrapped(first)}\n\n{wrapped(second)}"


def _listed(rows: pd.DataFrame) -> str:
    columns = ["model", "way", "quantity", "beta", "value", "mcse", "known", "error", "z", "flags"]
    return printed(rows[columns].assign(flags=rows["flags"].map(short))) if len(rows) else "None."


def _flagged(rows: pd.DataFrame) -> str:
    """Return all flagged numbers, a line for each ladder and set of flags."""
    flagged = rows[rows["flags"] != ""].assign(flags=lambda r: r["flags"].map(short))
    if flagged.empty:
        return "None."
    lines = []
    for (model, way, flags), part in flagged.groupby(["model", "way", "flags"], sort=False):
        what = ", ".join(
            f"{r.quantity} at {r.beta:.3g}" + ("" if math.isnan(r.z) else f" (z {r.z:+.1f})") for r in part.itertuples()
        )
        lines.append(f"- {model}, {way}: {what}. {flags}")
    return "\n".join(lines)


def short(flags: str) -> str:
    """Return the first two flags and how many more there are."""
    each = flags.split("; ")
    return "; ".join(each[:2]) + (f"; and {len(each) - 2} more" if len(each) > 2 else "")


def _kept(right: pd.DataFrame, ranking: pd.DataFrame) -> str:
    least, departs = verdict(right["p"])
    count = {kind: right.loc[right["kind"] == kind, ["model", "what"]].drop_duplicates() for kind in ("move", "kernel")}
    return wrapped(f"""Geweke's (2004) joint test: parameters from the prior and data at them; then {TURNS} times data
    anew and one step of the move, or of the kernel (NUTS at a step size of {STEP_SIZE:g}, trees of depth {DEPTH} at
    most). {CHAINS} independent chains; what they end with is held against {FRESH} fresh draws of the joint law.
    {len(count["move"])} moves of families that declare any, and {len(count["kernel"])} kernels on families, at β = 0.3
    where noise is normal and tempered data are to be had, else at β = 1. Sites that a
    move leaves as they are tell nothing of it and are left out. Smallest of
    **{len(right)} tests**: p =
    {right["p"].min():.2g}, times {len(right)} (Bonferroni) **{least:.2g}**: {"A" if departs else "no"} departure at
    {SIGNIFICANT:.0%}.""")


def _uniform(table: pd.DataFrame) -> str:
    least, departs = verdict(table["p"])
    cases = len(table[["model", "kernel"]].drop_duplicates())
    return wrapped(f"""Simulation-based calibration (Talts et al. 2018): parameters from the prior, data at them, a
    ladder of {len(BETAS)} fixed rungs with the kernel, one chain of {DRAWS} draws after {WARMUP} of warm-up; the true
    value of each quantity is ranked among {KEPT} of its draws at β = 1. {cases} kernels on families,
    {int(table["replicates"].min())} data sets each, from seeds of its own,
    so that rows are independent. p as on [CALIBRATION](CALIBRATION.md). Smallest of **{len(table)}
    rank tests**: p = {table["p"].min():.2g}, times {len(table)} **{least:.2g}**: {"A" if departs else "no"} departure
    from uniformity at {SIGNIFICANT:.0%}.""")


def _noticed(wrong: pd.DataFrame, spoilt: pd.DataFrame) -> str:
    caught, all_checks = _caught(wrong, "what")
    ranked, all_cases = _caught(spoilt, "kernel")
    return wrapped(f"""The same with a scaling whose Jacobian has one dimension too many (`Jacobian`), and with a block
    drawn at half its β (`block`). By the joint law **{caught} of {all_checks} wrong moves are noticed** (smallest p of
    a check times its quantities at most {SIGNIFICANT:g}); by ranks {ranked} of {all_cases}.""")


def _caught(table: pd.DataFrame, what: str) -> tuple[int, int]:
    found = [verdict(part["p"])[1] for _, part in table.groupby(["model", what], sort=False)]
    return sum(found), len(found)
