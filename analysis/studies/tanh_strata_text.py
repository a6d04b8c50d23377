"""The page of the study of tanh strata: its sentences and tables, made from the rows of the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from singular import models
from singular.analysis.markdown import markdown
from singular.analysis.phase_law import PhaseLaw
from singular.analysis.phases import REST
from singular.analysis.studies.cells import FREE_ENERGY, NO_NOISE, agreement, movement, shown_shares
from singular.analysis.studies.tanh_strata_regions import (
    CURVED,
    INPUTS,
    LINEAR,
    MIXED,
    NEARLY_LINEAR,
    OUTPUTS,
    RESOLUTION,
    laws,
)

UNITS, ORACLE = (1, 2, 3, 4), (1, 2, 3)
DEAD = (OUTPUTS, INPUTS, MIXED)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the shares at β = 1 as people read them: sampled ± error, exact."""
    rows = table[(table["method"] == "mbar") & (table["beta"] == 1.0)]
    about = {"H": rows["hidden"].map(str), "n": rows["n"].map("{:,}".format), "region": rows["phase"]}
    return shown_shares(rows, about)


def arrival(table: pd.DataFrame, hidden: int, phase: str, level: float = 0.5) -> float | None:
    """Return the n from which on a region has the share ``level``, without noise, between sizes linear in log n."""
    own = _limit(table, hidden, "share")
    own = own[own["phase"] == phase].sort_values(by="n")
    share, log_n = own["value"].to_numpy(), np.log(own["n"].to_numpy(dtype=float))
    rises = np.flatnonzero((share[:-1] < level) & (share[1:] >= level))
    if rises.size == 0 or share[-1] < level:
        return None
    i = rises[-1]
    return math.exp(log_n[i] + (log_n[i + 1] - log_n[i]) * (level - share[i]) / (share[i + 1] - share[i]))


def slope(table: pd.DataFrame, hidden: int, phase: str) -> tuple[float, float, float] | None:
    """Return measured d F_region/d log n without noise over the last two decades, its error, and the law's.

    The law's is λ − (m − 1) (log log n)′ over the same two decades.
    """
    own = _limit(table, hidden, FREE_ENERGY)
    own = own[own["phase"] == phase].sort_values(by="n")
    own = own[own["mcse"] < 0.1]
    if len(own) < 3:
        return None
    first, last = own.iloc[-3], own.iloc[-1]
    span = math.log(last["n"] / first["n"])
    law = laws(hidden)[phase]
    expected = PhaseLaw(0.0, law.coefficient, law.multiplicity)
    gap = expected.free_energy(float(last["n"])) - expected.free_energy(float(first["n"]))
    return (
        (last["value"] - first["value"]) / span,
        float(np.hypot(first["mcse"], last["mcse"])) / span,
        gap / span,
    )


def text(table: pd.DataFrame) -> str:
    """Return the page, every number of it from the table."""
    drawn = table[table["method"] == "mbar"]
    paragraphs = [
        "The truth is the zero function, and a network of H tanh units can be zero in several ways. Each draw is told "
        "apart by the size s_h of each unit's function, the root mean square of a_h tanh(b_h x) over x ~ N(0, 1), and "
        f"by that of their sum; small is what is below {RESOLUTION:g}/√(nβ), which moves βnL_n by less than "
        f"{RESOLUTION**2 / 2:g} nats. If every unit is small each is dead by itself: by its output where |a_h| < "
        f"|b_h|, by its input elsewhere (`{OUTPUTS}`, `{INPUTS}`, or `{MIXED}`). If some unit is large and the sum "
        f"small they cancel: `{LINEAR}` if all large units have |b_h| < {NEARLY_LINEAR:g}, so that straight lines "
        f"cancel, `{CURVED}` if not. A sum that is not small is `{REST}`.",
        "Exact shares are those of independent draws: b from cells of a fine grid, weighed by the density where they "
        "fall, a given b from its normal distribution. The data enter through about 20 inputs on which tanh(b x) for "
        "every b is reproduced to 1e-7, so that 10⁵ observations cost what 20 do. *Without noise* stands for "
        "βnL_n = βnK.",
    ]
    paragraphs += [_network(table, hidden) for hidden in ORACLE]
    most = drawn[(drawn["hidden"] == max(UNITS)) & (drawn["beta"] == 1.0) & (drawn["n"] == drawn["n"].max())]
    told = ", ".join(f"`{r['phase']}` {r['value']:.3f} ± {r['mcse']:.3f}" for r in most.to_dict("records"))
    paragraphs += [
        f"**H = {max(UNITS)}**, sampled only, at n = {int(drawn['n'].max()):,}: {told}.",
        _laws_table(table),
        agreement(drawn),
        movement(drawn),
        _flags(drawn),
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def _network(table: pd.DataFrame, hidden: int) -> str:
    shares = _limit(table, hidden, "share").pivot_table(index="n", columns="phase", values="value", sort=False)
    first, last = shares.index.min(), shares.index.max()
    expected = _winners(hidden)
    best = shares.loc[last, [c for c in shares.columns if c != REST]].idxmax()
    told = "; ".join(
        f"at n = {_size(n)} {', '.join(f'`{p}` {v:.3f}' for p, v in shares.loc[n].items() if v >= 0.0005)}"
        for n in (first, 1_000, 100_000, last)
        if n in shares.index
    )
    opening = f"**H = {hidden}**, exact and without noise: {told}. "
    if hidden == 1:
        gap = {n: shares.loc[n, OUTPUTS] - shares.loc[n, INPUTS] for n in (first, last)}
        closing = "closes" if abs(gap[last]) < abs(gap[first]) else "does not close"
        return opening + (
            f"Both ways have λ = 1/2, and at the crossing, where the mass goes, m = 2: no way wins, the shares tend to "
            f"1/2 each. The gap {closing}, as 1/log n: {gap[first]:+.3f} at first, {gap[last]:+.3f} at the end."
        )
    names = " or ".join(f"`{p}`" for p in expected)
    here = best in expected
    when = [arrival(table, hidden, best, level) for level in (0.5, 0.9)]
    arrived = ", and ".join(f"{level:.0%} at n ≈ {_size(n)}" for level, n in zip((0.5, 0.9), when, strict=True) if n)
    real = table[(table["hidden"] == hidden) & (table["method"] == "exact draws") & (table["seed"] != NO_NOISE)]
    most = int(real["n"].max())
    real = real[(real["quantity"] == "share") & (real["n"] == most)].pivot_table(
        index="seed", columns="phase", values="value"
    )
    dead = shares.loc[:, list(DEAD)].sum(axis=1)
    between = shares[CURVED].idxmax()
    return opening + (
        f"By λ the winner should be {names}; "
        + (f"it is. It has {arrived}. " if here else f"`{best}` still holds more. ")
        + f"Before it, `{CURVED}` has its largest share, {shares[CURVED].max():.3f}, near n = {_size(between)}; units "
        f"dead by themselves hold {dead[first]:.3f} at n = {_size(first)} and {dead[last]:.2g} at the end. With noise, "
        f"at n = {most:,}, `{LINEAR}` has {' and '.join(f'{v:.3f}' for v in real[LINEAR])} and `{REST}` "
        f"{' and '.join(f'{v:.3f}' for v in real[REST])} in {len(real)} data sets."
    )


def _laws_table(table: pd.DataFrame) -> str:
    rows, gaps = [], {}
    for hidden in UNITS:
        for phase, law in laws(hidden).items():
            measured = slope(table, hidden, phase) if hidden in ORACLE else None
            if measured is not None:
                gaps[f"`{phase}`, H = {hidden}"] = measured[0] - measured[2], measured[1]
            share = _limit(table, hidden, "share")
            share = share[(share["phase"] == phase) & (share["n"] == 100_000)]["value"]
            rows.append(
                {
                    "H": str(hidden),
                    "region": phase,
                    "λ, m at generic points": f"{law.generic:.4g}, {law.generic_multiplicity}",
                    "λ, m of the region": f"{law.coefficient:.4g}, {law.multiplicity}",
                    "dF/d log n by that": "" if measured is None else f"{measured[2]:.3f}",
                    "exact": "" if measured is None else f"{measured[0]:.3f} ± {measured[1]:.3f}",
                    "share at n = 10⁵": "" if share.empty else f"{share.iloc[0]:.4f}",
                }
            )
    return (
        "λ and m of each way, at a generic point of that part of the optimal set and of the region as the rule cuts "
        "it, which also holds the points where parts meet; the slope of the region's free energy that these give over "
        "the last two decades of n in which it has enough draws, and the exact slope, without noise. The network's own "
        "λ is the least of them: "
        + ", ".join(f"{float(models.get(f'tanh-{h}').exact.value):.4g} for H = {h}" for h in ORACLE)
        + ". Inputs that die together are not dead one by one: at b = 0 and a generic a the posterior has |b_h| of the "
        f"order n^(−1/6) for H = 2, so that each unit is large and only their sum is small. Its mass is `{LINEAR}`."
        + _furthest(gaps)
        + "\n\n"
        + markdown(pd.DataFrame(rows))
    )


def _furthest(gaps: Mapping[str, tuple[float, float]]) -> str:
    """Return the sentence that tells where the slope of the law is furthest from the exact one."""
    if not gaps:
        return ""
    where = max(gaps, key=lambda name: abs(gaps[name][0]))
    value, error = gaps[where]
    return f" The exact slope is furthest from the law's, by {value:+.3f} ± {error:.3f}, for {where}" + (
        ": λ log n − (m − 1) log log n and a constant are not yet all there is." if abs(value) > 4 * error else "."
    )


def _flags(drawn: pd.DataFrame) -> str:
    """Return what the flags say, and how the flagged shares that have an exact answer compare with it."""
    flagged = drawn[drawn["flags"] != ""]
    if flagged.empty:
        return "No share is flagged."
    cut = flagged[flagged["flags"].str.contains("max_tree_depth")]
    where = sorted({f"H = {h} at n = {n:,}" for h, n in zip(cut["hidden"], cut["n"], strict=True)})
    known = flagged[flagged["z"].notna()]
    least = (
        f", at most |z| = {known['z'].abs().max():.1f} from the exact answer where there is one" if len(known) else ""
    )
    trees = f"; in {len(cut)} trajectories were cut short ({', '.join(where)})" if len(cut) else ""
    return (
        f"Of all {len(drawn)} sampled shares {len(flagged)} are flagged{least}{trees}. The others are of regions that "
        "few draws of the ladder are in."
    )


def _winners(hidden: int) -> Sequence[str]:
    """Return the regions of least λ, and of largest m among those."""
    known = laws(hidden)
    best = min((law.coefficient, -law.multiplicity) for law in known.values())
    return [name for name, law in known.items() if (law.coefficient, -law.multiplicity) == best]


def _limit(table: pd.DataFrame, hidden: int, quantity: str) -> pd.DataFrame:
    held = (table["hidden"] == hidden) & (table["method"] == "exact draws") & (table["seed"] == NO_NOISE)
    return pd.DataFrame(table[held & (table["quantity"] == quantity)])


def _size(n: float) -> str:
    """Return a number of observations to two figures, as people read it."""
    figures = round(n, 1 - math.floor(math.log10(n)))
    if figures < 1e6:
        return f"{figures:,.0f}"
    power = math.floor(math.log10(figures))
    lead = figures / 10**power
    return f"10^{power}" if round(lead, 1) == 1.0 else f"{lead:.1f} · 10^{power}"
