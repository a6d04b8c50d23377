"""The page of the study of superposition, every number made from its table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.superposition_points import ANY_PENTAGON, HEXAGON, HULL, LAWS, LENGTH, LONG, POINTS

ODDS = "log odds, 6-gon over any 5-gon"
CROSSING = "n at equal odds"
FORETOLD = "n at equal odds, foretold"
SHIFT = "shift of the log odds by the data"
DESCENT, ENDS, MOVED = "descends to ", "chains that end in", "moves between hexagon and pentagon"
PLAIN_K, PLAIN_L, THEIRS_L, THEIRS_K, EVERY = LAWS
PUBLISHED_CROSSING = 601
"""The critical n that Chen et al. (2023) foretell for 5 to 6 corners."""
PUBLISHED_WINDOW = (600, 700)
"""Where they report that it is seen in their samples."""
UPPER = 256
"""Size from which the peaks are narrow enough for Laplace's method to be asked of."""
NEARBY = 0.2
"""Share of it within which a crossing is told to be near."""
NEAR = 0.002
"""Shares below this are left out of the table people read."""


def free_rows(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the rows of one ladder without noise, by size."""
    own = table["problem"].str.endswith("without noise") & (table["method"] == "mbar") & (table["seed"] == seed)
    return table[own].sort_values("size", kind="stable")


def data_crossings(table: pd.DataFrame, variance: float = 1.0, method: str = "mbar") -> list[tuple[int, float, float]]:
    """Return (seed, n, error) where the odds of each growing data set pass 1 for good, log-linear between the n.

    A seed whose odds do not pass 1 between the n at which they were sampled is left out.
    """
    rows = table[
        (table["method"] == method) & (table["quantity"] == ODDS) & (table["variance"] == variance)
        & (table["rule"] == HULL) & ~table["problem"].str.endswith("without noise")
    ]  # fmt: skip
    found = []
    for seed, own in rows.groupby("seed"):
        own = own.sort_values("n")
        log_n, odds, error = np.log(own["n"].to_numpy(float)), own["value"].to_numpy(), own["mcse"].fillna(0).to_numpy()
        rises = np.flatnonzero((odds[:-1] < 0) & (odds[1:] >= 0))
        if rises.size == 0:
            continue
        i = rises[-1]
        slope = (odds[i + 1] - odds[i]) / (log_n[i + 1] - log_n[i])
        part = -odds[i] / (odds[i + 1] - odds[i])
        n = math.exp(log_n[i] - odds[i] / slope)
        found.append(
            (int(np.asarray(seed).item()), n, n * math.hypot((1 - part) * error[i], part * error[i + 1]) / slope)
        )
    return found


def text(table: pd.DataFrame, seed: int) -> str:
    """Return the page: what the posterior does, whether n ≈ 600 is seen, by which laws, and how far to trust it."""
    said = (_answer, _laws, _rule, _second)
    answer, laws, rule, second = (paragraph(table, seed) for paragraph in said)
    pages = [_model(), answer, _data(table), laws, rule, second, _chains(table)]
    return "\n\n".join([*pages, markdown(_critical(table)), markdown(shown(table, seed))])


def _model() -> str:
    return (
        "y ~ N(max(Wᵀ W x + b, 0), σ² I), W 2 × 6, W, b ~ N(0, 1); x = y = u e_i with one of six features on and "
        "u ~ U(0, 1). Chen, Lau, Mendel, Wei and Murfet (2023, arXiv 2310.06301) found that regular polygons of the "
        "columns of W are critical points, and that the posterior goes from pentagons to hexagons near n = "
        f"{PUBLISHED_CROSSING}: so their free energies n L + λ log n + ½ |w|² foretell, and they report it from "
        f"samples "
        f"between n = {PUBLISHED_WINDOW[0]} and {PUBLISHED_WINDOW[1]}. Prior, model and inputs here are the same as "
        f"far "
        "as we know them. What differs is a scale: L in their law is the mean squared error, as if the likelihood were "
        "exp(−n L), σ² = ½, while the catalogue has σ² = 1, exp(−n L/2). Both are sampled here. Since y = x exactly, "
        "the "
        "posterior without noise of data depends on n/σ² alone, and one ladder holds all n."
    )


def _answer(table: pd.DataFrame, seed: int) -> str:
    found = _crossing(table, seed, HULL)
    again = _crossing(table, seed + 1, HULL)
    per = {variance: data_crossings(table, variance) for variance in (1.0, 0.5)}
    told = {
        variance: ", ".join(f"{n:.0f} ± {e:.0f}" for _, n, e in sorted(rows, key=lambda row: row[1])) or "none"
        for variance, rows in per.items()
    }
    n = found["value"]
    near = abs(n - PUBLISHED_CROSSING) <= NEARBY * PUBLISHED_CROSSING
    away = abs(n - PUBLISHED_CROSSING) / found["mcse"]
    known = [at for rows in per.values() for _, at, _ in rows]
    window = sum(PUBLISHED_WINDOW[0] <= at <= PUBLISHED_WINDOW[1] for at in known)
    return (
        f"**Is n ≈ 600 reproduced?** {'Roughly, at unit noise' if near else 'No, not at unit noise'}: without noise of "
        f"data, hexagons and pentagons hold the same mass at n = {n:.0f} ± {found['mcse']:.0f} (other seed: "
        f"{again['value']:.0f} ± {again['mcse']:.0f}), {away:.1f} errors from {PUBLISHED_CROSSING}. At σ² = ½, the "
        f"scale "
        f"of the published law, it is half of that, n = {n / 2:.0f} ± {found['mcse'] / 2:.0f}. Single data sets pass "
        f"at "
        f"n = {told[1.0]} (σ² = 1) and {told[0.5]} (σ² = ½), log-linear between the n that were sampled: {window} of "
        f"{len(known)} within the published window."
    )


def _data(table: pd.DataFrame) -> str:
    many = table[table["quantity"] == FORETOLD]
    pieces, inside = [], []
    for variance, own in many.groupby("variance", sort=False):
        low, middle, high = np.nanquantile(own["value"], [0.05, 0.5, 0.95])
        pieces.append(f"n = {middle:.0f} in the median at σ² = {variance:g}, {low:.0f} to {high:.0f} for nine in ten")
        share = own["value"].between(*PUBLISHED_WINDOW).mean()
        inside.append(f"{100 * share:.0f} % at σ² = {variance:g}")
    rows = table[(table["method"] == "mbar") & ~table["problem"].str.endswith("without noise")]
    key = ["seed", "variance", "n"]
    odds = rows[(rows["quantity"] == ODDS) & rows["n"].ge(200)].set_index(key)
    moved = rows[rows["quantity"] == SHIFT].set_index(key)["value"]
    laplace = table[(table["method"] == "laplace") & (table["quantity"] == ODDS)].sort_values("size")
    odds = odds[odds["size"].between(laplace["size"].min(), laplace["size"].max()) & odds["value"].abs().lt(6)]
    free = np.interp(np.log(odds["size"].astype(float)), np.log(laplace["size"]), laplace["value"])
    gap = odds["value"] - free
    after = gap - moved.reindex(odds.index)
    shift, left = float(moved.reindex(odds.index).mean()), float(after.mean())
    kind = "overstates" if left * shift < 0 else "understates"
    return (
        "**A data set moves it.** The pentagon pays u² for each input of the feature it leaves out, and the data "
        "choose "
        "the feature that costs least; the hexagon has no such choice. Laplace's method with the losses and slopes of "
        f"the data at the critical points shifts the log odds by {shift:+.2f} nats in the mean over the {len(odds)} "
        "ladders on data with n ≥ 200 and log odds below 6. These are off the odds without noise (by Laplace's method, "
        f"below) by {math.sqrt((gap**2).mean()):.2f} nats (root mean square), and by "
        f"{math.sqrt((after**2).mean()):.2f} "
        f"once shifted, {left:+.2f} in the mean: the shift {kind} what the data do. By it the hexagon takes over for "
        f"good on {many['seed'].nunique()} data sets at "
        + "; ".join(pieces)
        + ". Within the published window lie "
        + " and ".join(inside)
        + " of them."
    )


def _laws(table: pd.DataFrame, seed: int) -> str:
    law = table[(table["method"] == "exact") & (table["quantity"] == CROSSING)].set_index("phase")["value"]
    peak = data_crossings(table, method="laplace")[0][1]
    found = _crossing(table, seed, HULL)
    plain = "the pentagon never leads" if math.isnan(law[EVERY]) else f"n = {law[EVERY]:.0f}"
    free = free_rows(table, seed)
    odds = free[(free["quantity"] == ODDS) & (free["rule"] == HULL)].set_index("n")
    laplace = table[(table["method"] == "laplace") & (table["quantity"] == ODDS)].set_index("n")
    both = laplace.index.intersection(odds.index)
    gap = (laplace.loc[both, "value"] - odds.loc[both, "value"]).abs()
    upper = gap[gap.index >= UPPER]
    flagged = int((laplace["flags"] != "").sum())
    return (
        f"**Which law foretells it?** n ΔL = Δλ log n gives n = {law[PLAIN_L]:.0f} with L and {law[PLAIN_K]:.0f} with "
        f"K = L/2; with ½ |w|² the published {law[THEIRS_L]:.0f} with L, but {law[THEIRS_K]:.0f} with K. "
        f"{_fits(law[THEIRS_L], law[THEIRS_K], found['value'])} "
        "With every constant (determinants, length of the circles of rotations, 120 copies of the hexagon, 144 of the "
        "pentagon, the "
        "prior's "
        f"mass where a left-out feature is free) the limit n → ∞ gives {plain}, far too soon: the free part of the "
        "pentagon is small, and at these n its edges are soft. Laplace's method at each n with the left-out column and "
        f"bias integrated, all else at its mode, gives n = {peak:.0f}, beside {found['value']:.0f} ± "
        f"{found['mcse']:.0f} "
        f"sampled; its log odds are within {upper.max():.2f} nats of the ladder's at {len(upper)} sizes from {UPPER} "
        f"on, "
        f"and off by {gap.max():.2f} at the worst of {len(gap)}"
        f"{f', {flagged} flagged' if flagged else ''}. No law is given for squares: the loss has a kink there."
    )


def _fits(with_l: float, with_k: float, sampled: float) -> str:
    """Return whether the published law foretells the n that is sampled at unit noise, with either loss."""
    right = [name for name, n in (("L", with_l), ("K", with_k)) if abs(n - sampled) <= NEARBY * sampled]
    if right == ["L"]:
        fits = "So the published number fits the n at unit noise only with the loss of σ² = ½"
        return f"{fits}: two omissions nearly cancel."
    if right:
        return f"So the published law fits the n at unit noise with {' and '.join(right)}."
    return "So the published law fits the n at unit noise with neither."


def _rule(table: pd.DataFrame, seed: int) -> str:
    length = _crossing(table, seed, LENGTH)
    told = (
        "pentagons then lead at no n"
        if math.isnan(length["value"])
        else f"the same draws then pass at n = {length['value']:.0f} ± {length['mcse']:.0f}"
    )
    pieces = []
    rows = table[table["quantity"].str.startswith(DESCENT)]
    for size, own in rows.groupby("size"):
        end = own["quantity"].str.removeprefix(DESCENT)
        six, five = own["phase"] == HEXAGON, own["phase"].isin(["5-gon", "5+-gon"])
        right = (
            own.loc[six & (end == HEXAGON), "value"].sum(),
            own.loc[five & end.isin(["5-gon", "5+-gon"]), "value"].sum(),
        )
        of = own.loc[six, "value"].sum(), own.loc[five, "value"].sum()
        pieces.append(
            f"for {right[0]:.0f} of {of[0]:.0f} hexagons and {right[1]:.0f} of {of[1]:.0f} pentagons at n = {size:.0f}"
        )
    return (
        "**What counts as a polygon.** The corners are the columns of W on their convex hull, with the origin inside "
        "it; "
        "a + is a column inside the hull with b > 0. Each critical point is told as itself. Gradient descent from "
        "draws "
        f"ends in a critical point with as many corners {'; '.join(pieces)}. By the length of the columns (above "
        f"{LONG:g}), as the catalogue divides, {told}: the column of a feature that is left out is often that long "
        f"where "
        "the prior still decides, so this rule sees hexagons that are none."
    )


def _second(table: pd.DataFrame, seed: int) -> str:
    held = table[table["z"].notna()]
    inside = int((held["z"].abs() <= WITHIN).sum())
    smc = held[(held["method"] == "smc") & (held["quantity"] == ODDS)].iloc[0]
    shares = table[(table["quantity"] == "share") & (table["method"] == "mbar") & table["value"].between(0.01, 0.99)]
    shares = shares[shares["relaxation"].notna()]
    least = shares.loc[shares["round_trips"].idxmin()]
    return (
        f"**A second route,** since nothing exact is known: {inside} of {len(held)} shares and odds of another ladder "
        f"and "
        f"of sequential Monte Carlo are within {WITHIN:g} joint errors of the first ladder's (root mean square z "
        f"{math.sqrt((held['z'] ** 2).mean()):.2f}, largest {held['z'].abs().max():.1f}). At n = {smc['n']:.0f} the "
        f"log "
        f"odds by particles are {smc['value']:+.2f} ± {smc['mcse']:.2f}, z = {smc['z']:+.1f}. Shares between 1 % and "
        f"99 % "
        f"rest on {least['round_trips']:.0f} round trips at least ({least['phase']} at n = {least['n']:.0f}, σ² = "
        f"{least['variance']:g}), {shares['round_trips'].median():.0f} in the median; their relaxation is "
        f"{shares['relaxation'].median():.1f} rounds in the median and {shares['relaxation'].max():.0f} at most. "
        f"{int((shares['flags'] != '').sum())} of {len(shares)} carry a flag, most since no replica went all the way "
        f"from "
        "the prior to the top and back, or since fewer than 400 draws of a rung are independent: the ladders are short."
    )


def _chains(table: pd.DataFrame) -> str:
    rows = table[table["method"] == "nuts"]
    pieces = []
    for size, own in rows.groupby("size"):
        ends = own[own["quantity"] == ENDS].set_index("phase")["value"]
        moves = own.loc[own["quantity"] == MOVED, "value"].iloc[0]
        pieces.append(
            f"at n/σ² = {size:.0f}, {ends[HEXAGON]:.0f} of {ends.sum():.0f} chains end as hexagons and "
            f"{ends[ANY_PENTAGON]:.0f} as pentagons, with {moves:.0f} moves between the two"
        )
    return f"**Chains without a ladder** (NUTS from NumPyro's starts, as in the published work): {'; '.join(pieces)}."


def shown(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the shares that count at β = 1, without noise and on data, as people read them."""
    free = free_rows(table, seed)
    free = free[free["n"].isin([16, 64, 128, 256, 406, 512, 645, 813, 1024])]
    data = table[(table["method"] == "mbar") & ~table["problem"].str.endswith("without noise")]
    rows = pd.concat([free, data])
    rows = rows[(rows["quantity"] == "share") & (rows["rule"] == HULL) & (rows["value"] > NEAR)]
    noise_free = rows["problem"].str.endswith("without noise")
    return pd.DataFrame(
        {
            "data": np.where(noise_free, "no noise", "seed " + rows["seed"].astype(int).astype(str)),
            "σ²": rows["variance"].map("{:g}".format),
            "n": rows["n"].map("{:,.0f}".format),
            "polygon": rows["phase"],
            "share": [f"{v:.4f} ± {e:.4f}" for v, e in zip(rows["value"], rows["mcse"], strict=True)],
            "relaxation": ["" if math.isnan(v) else f"{v:.1f}" for v in rows["relaxation"]],
            "round trips": [f"{v:.0f}" for v in rows["round_trips"]],
            "flags": [_short(flags) for flags in rows["flags"]],
        }
    ).reset_index(drop=True)


def _short(flags: str) -> str:
    """Return the flags of a share with those that count rungs told once."""
    parts = [part for part in flags.split("; ") if part]
    low = [part for part in parts if part.startswith(("ess", "rhat"))]
    rest = [part for part in parts if part not in low]
    return "; ".join(([f"few independent draws or R̂ on {len(low)} counts"] if low else []) + rest)


def _critical(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[(table["method"] == "exact") & (table["quantity"] != CROSSING)]
    wide = rows.pivot_table(index="phase", columns="quantity", values="value", aggfunc="first").loc[list(POINTS)]
    known = rows[rows["quantity"] == "loss"].set_index("phase")["exact"]
    return pd.DataFrame(
        {
            "critical point": wide.index,
            "loss L": wide["loss"].map("{:.5f}".format),
            "published": ["" if math.isnan(known[name]) else f"{known[name]:.5f}" for name in wide.index],
            "largest slope": wide["largest slope"].map("{:.0e}".format),
            "half the rank of the Hessian": wide["half rank"].map("{:g}".format),
            "least eigenvalue": wide["least eigenvalue"].map("{:.4f}".format),
        }
    )


def _crossing(table: pd.DataFrame, seed: int, rule: str) -> pd.Series:
    free = free_rows(table, seed)
    return free[(free["quantity"] == CROSSING) & (free["rule"] == rule)].iloc[0]
