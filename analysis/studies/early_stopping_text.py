"""The page of the study of early stopping: every number of it from the table."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from singular.analysis.markdown import markdown
from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.early_stopping_exact import (
    EXCESS,
    EXPONENT,
    FLOW_STEP,
    GENERALISED,
    LARGEST,
    LEARNED,
    LIMIT,
    PRODUCT,
    PUSHED,
    SEEN_AT,
    SPECTRUM,
    TEMPERED,
)
from singular.analysis.studies.early_stopping_read import (
    Verdict,
    best_parameters,
    pairs,
    parameters_at,
    problems,
    product,
    verdict,
)
from singular.analysis.studies.early_stopping_risk import BEST_MEMBER, DESCENT, EDGE, LINEAR, NETWORKS

COMPARED = (1.0, 10.0, 100.0)
"""ηN = 1/T at which effective parameters are told."""
SOME = 5.0
"""ηN at which the two counts and the two volumes of the quadratic are told, or the next above."""


def text(table: pd.DataFrame) -> str:
    """Return the page."""
    found = verdict(table, COMPARED, SOME)
    paragraphs = [
        "The claim under test: singularities are not needed for singular behaviour. A learner that has not converged "
        "meets a loss landscape in which many directions make no difference, and the argument of free energy applies "
        "at that resolution instead of at the optimum. Here the learner is gradient descent from draws of the prior, "
        "stopped after N steps of size η. The resolution it is compared with is a temperature: a posterior tempered "
        "to T = 1/(nβ), in nats an observation, under the same prior N(0, I/τ), τ = 1, with ηN in the place of 1/T.",
        _opposite(table, found),
        _ridge(table, found),
        _parameters(table, found),
        _best(table, found),
        _singular(table, found),
        "**What this says of the claim.**",
        _verdict(table, found),
        _agreement(table),
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return, for each model, the best stop against the best temperature, and the parameters at both."""
    rows = []
    for name in problems():
        frame = pairs(table, name)
        mean, error = product(frame)
        inside = frame[frame["inside"]]
        ratio = frame["stop_loss"] / frame["heat_loss"]
        cells = {
            "model": name,
            "data sets": len(frame),
            "both inside": len(inside),
            "best ηN": f"{inside['stop'].median():.3g}",
            "best 1/T": f"{inside['heat'].median():.3g}",
            "ηN* T*": f"{mean:.2f} ± {error:.2f}",
            "lowest loss, stopped over tempered": f"{ratio.median():.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
        }
        for time in COMPARED:
            stopped, stopped_error, warm, warm_error = parameters_at(table, name, time)
            cells[f"parameters at {time:g}: stopped, tempered"] = (
                f"{_told(stopped, stopped_error)}, {_told(warm, warm_error)}"
            )
        rows.append(cells)
    return pd.DataFrame(rows)


def _told(value: float, error: float) -> str:
    return f"{value:.2f}" if error == 0 else f"{value:.2f} ± {error:.2f}"


def _opposite(table: pd.DataFrame, found: Verdict) -> str:
    own = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]

    def at(name: str, time: float) -> float:
        rows = own[own["quantity"] == name]
        return float(rows.loc[(np.log(rows["time"]) - math.log(time)).abs().idxmin(), "value"])

    low, high = own["time"].min(), own["time"].max()
    rank = sum(h > 0 for h in SPECTRUM)
    middle = float(own.loc[own["time"] >= SOME - 1e-9, "time"].min())
    return (
        f"**Effective parameters has two {'opposite meanings' if found.opposite else 'meanings'}.** On a quadratic "
        "with curvatures 10, 1, 0.1, 0.01 and 0 (exact). *Learned directions*: half of Σ [1 − (1 − ηh)^N], what "
        f"descent has taken over from the data, goes from {at(LEARNED, low):.3f} at ηN = {low:g} over "
        f"{at(LEARNED, middle):.2f} at {middle:.2g} to {at(LEARNED, high):.2f} at {high:,.0f}, half the rank being "
        f"{rank / 2:g}. *Pushed-forward coefficient*: take the parameters after N steps as "
        f"the prior of a posterior at nβ = {SEEN_AT:,.0f}, and ask for its excess coefficient: it "
        f"goes from {at(PUSHED, low):.2f} over {at(PUSHED, middle):.2f} to {at(PUSHED, high):.3f}, as it counts what "
        f"is seen and not yet learnt. {_way(found)} Both are functions of N alone and both hide directions, but a "
        "direction that descent has not reached is missing from the first and present in the second. For every finite "
        "N the second returns to half the rank as nβ → ∞: descent maps parameters one to one and makes no model "
        "singular. Only "
        "the first corresponds to a temperature."
    )


def _way(found: Verdict) -> str:
    if found.opposite:
        return "One grows and the other falls."
    return "They do not go opposite ways here, against what the laws say."


def _ridge(table: pd.DataFrame, found: Verdict) -> str:
    own = table[table["part"] == "ridge"]
    most = own[own["quantity"] == LARGEST].set_index("problem")["value"]
    quadratics = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]
    wide = quadratics.pivot_table(index="time", columns="quantity", values="value")
    ratio = wide[LEARNED] / wide[TEMPERED]
    return (
        "**On a quadratic the correspondence is 1/T = ηN, "
        f"{'within bounds' if found.bounded else 'but not within the bounds'}.** Half the ridge count at penalty "
        "1/(ηN) *is* the excess coefficient of a prior centred at the minimum at 1/T = ηN. Gradient flow has learnt "
        f"between 1 and {most['flow']:.4f} times as much of every direction, whatever the spectrum (the square, "
        f"{most['flow'] ** 2:.3f}, is the ratio of risks of Ali, Kolter and Tibshirani 2019). Steps of finite size "
        "may exceed that: "
        + ", ".join(
            f"{most[name]:.4f} for {name.replace('1 steps', 'one step')}"
            for name in most.sort_values(ascending=False).index
            if name != "flow"
        )
        + f". On the five curvatures above the sums differ by factors of {ratio.min():.3f} to {ratio.max():.3f} over "
        f"all N, most at ηN = {float(ratio.idxmax()):g}, where the steps are coarse. Exactly, descent is a "
        "*generalised* ridge with its own penalty in each direction, q = h/((1 − ηh)^(−N) − 1): the two agree to "
        f"{wide[GENERALISED].max():.0e}. This penalty is 1/(ηN) only where ηNh ≪ 1 and falls exponentially beyond: no "
        "single temperature does it."
    )


def _parameters(table: pd.DataFrame, found: Verdict) -> str:
    parts = []
    for name in problems():
        told = []
        for time in COMPARED:
            stopped, stopped_error, warm, warm_error = parameters_at(table, name, time)
            if math.isnan(stopped) or math.isnan(warm):
                continue
            ratio = stopped / warm
            error = ratio * math.hypot(stopped_error / stopped, warm_error / warm)
            told.append(f"{_told(ratio, error)} at {time:g}")
        parts.append(f"{name}: {', '.join(told)}")
    return (
        "**On networks there is no smoother, but there is a count.** The effective parameters of a procedure are Σ "
        "∂f_i/∂y_i, how much each prediction follows its own observation (Stein's identity makes it Σ Cov(f_i, "
        "y_i)/σ²). It is the trace of the smoother if there is one; here the derivative is taken through all N "
        "steps, and averaged over starts. For the tempered posterior it is β Σ Var_β(f_i)/σ². Stopped over tempered, "
        f"at ηN = 1/T: {'; '.join(parts)}. At their first time the counts of the networks are at most "
        f"{found.first:.0%} of those at the last: {_few(found)} The bounds of 1 and {found.largest:.4f} are those of "
        f"quadratics: the networks are outside of them by more than two errors at {found.outside} of these "
        f"{found.points} points. "
        f"{_calibration(found)}"
    )


def _few(found: Verdict) -> str:
    if found.few:
        return "both are small when little has been learnt, and the qualitative claim holds."
    return "they are not small when little has been learnt, and the qualitative claim does not hold."


def _calibration(found: Verdict) -> str:
    if found.outside:
        return (
            "1/T = ηN is no calibration of networks, since how fast descent learns depends on where in the prior it "
            "starts."
        )
    return "Nothing speaks against 1/T = ηN as a calibration of these networks, within those bounds."


def _best(table: pd.DataFrame, found: Verdict) -> str:
    lines = []
    for name in problems():
        frame = pairs(table, name)
        inside = frame[frame["inside"]]
        mean, error = product(frame)
        ratio = frame["stop_loss"] / frame["heat_loss"]
        below = int((inside["stop"] < inside["heat"]).sum())
        log = np.log(inside[["stop", "heat"]])
        spread = np.log(inside["stop"] / inside["heat"]).std(ddof=1)
        correlation = f"{log['stop'].corr(log['heat']):+.2f}" if len(inside) > 2 else "not known"
        members = pairs(table, name, BEST_MEMBER)
        own = table[(table["problem"] == name) & (table["quantity"] == BEST_MEMBER) & (table["kind"] != DESCENT)]
        cold = int((own["flags"] == EDGE).sum())
        lines.append(
            f"- {name} ({'exact' if name.startswith('linear') else 'sampled'}): on {len(inside)} of {len(frame)} data "
            f"sets both optima are inside the range; there ηN* T* is {mean:.2f} ± {error:.2f} (geometric mean, error "
            f"over data sets; one data set scatters by a factor of {math.exp(spread):.2f}), below 1 on {below} of "
            f"{len(inside)}; the logs of ηN* and 1/T* correlate by {correlation}. The lowest loss of stopping is "
            f"{ratio.median():.2f} times that of tempering in the median ({ratio.min():.2f} to {ratio.max():.2f}). A "
            f"single draw, in place of the mean, is best at the coldest end on {cold} of {len(members)}."
        )
    p, n = LINEAR
    return (
        "**The best stop and the best temperature.** Test loss is the exact excess loss K, over fresh inputs, of the "
        "mean prediction: of the descents from all starts after N steps, and of the tempered posterior. The linear "
        f"regression has {p} parameters and {n} observations and is followed exactly (gradient flow); the networks "
        f"have {next(iter(NETWORKS.values()))['n']} observations.\n\n"
        + "\n".join(lines)
        + "\n\nIn one direction flow has shrunk as much as ridge when 1/T = (e^(ηNh) − 1)/h, which is more than ηN: "
        f"stopping should be earlier than the temperature says, and the more so the more is learnt. {_earlier(found)} "
        f"{_same_count(table, found)}"
    )


def _earlier(found: Verdict) -> str:
    each = len(found.products)
    told = f"It is earlier, by more than two errors, on {len(found.earlier)} of {each} models"
    if len(found.earlier) == each:
        return told + ". ηN* = 1/T* is a rule for weak learning."
    others = [name for name in found.products if name not in found.earlier]
    return told + f", not on {', '.join(others)}."


def _same_count(table: pd.DataFrame, found: Verdict) -> str:
    """Return what both have learnt at their own best time."""
    ratio = best_parameters(table)
    told = []
    for name in NETWORKS:
        first = pairs(table, name).iloc[0]
        at_stop = parameters_at(table, name, float(first["stop"]))[:2]
        at_heat = parameters_at(table, name, float(first["heat"]))[2:]
        told.append(f"{_told(*at_stop)} and {_told(*at_heat)} on the first data set of {name}")
    each = len(found.nearer)
    if len(found.closer) == each:
        verdict_here = "nearer on every model, so that it is the better common axis"
    elif found.closer:
        verdict_here = f"nearer on {', '.join(found.closer)} only: neither axis is the better one throughout"
    else:
        verdict_here = "no nearer on any model: it is not the better axis"
    return (
        "Counted in effective parameters, each at its own best, stopped over tempered is "
        f"{ratio.mean():.2f} ± {ratio.std(ddof=1) / math.sqrt(len(ratio)):.2f} for linear regression (mean over data "
        f"sets; {ratio.min():.2f} to {ratio.max():.2f}); {', '.join(told)}. By this count the two optima lie "
        f"{verdict_here}."
    )


def _singular(table: pd.DataFrame, found: Verdict) -> str:
    own = table[(table["part"] == "flow") & (table["kind"] == "exact")]
    told = []
    for name, rows in own.groupby("problem"):
        limit = float(rows.loc[rows["quantity"] == LIMIT, "value"].iloc[0])
        exponents = rows[rows["quantity"] == EXPONENT].sort_values(by="time")
        last = exponents.iloc[-1]
        told.append(f"{name}: {last['value']:.4f} at s = {last['time']:,.0f}, limit {limit:g}")
    return (
        f"**On singular losses stopping is {_gibbs(found)}.** Under a tempered posterior E[K] falls as λ/t "
        "whatever the order of the minimum, and geometry sits in the prefactor. Under gradient flow geometry sits in "
        "the "
        "*power*: on |w|^D E[K] falls as s^(−D/(D−2)) = s^(−1/(1−2λ)), exponentially for D = 2, faster than 1/s for "
        "every D. "
        f"Local exponents: {'; '.join(told)}. For {PRODUCT} the limit comes with a logarithm, so that it is reached "
        f"as slowly as 1/log s. Gradient descent by steps of {FLOW_STEP:g} was simulated beside the exact laws "
        f"(below). {_thermometer(found)}"
    )


def _gibbs(found: Verdict) -> str:
    if len(found.other_powers) == len(found.powers):
        return "no Gibbs law"
    return f"no Gibbs law on {', '.join(found.other_powers)}" if found.other_powers else "not told from a Gibbs law"


def _thermometer(found: Verdict) -> str:
    colder = [name for name in found.other_powers if found.powers[name] > 1]
    warmer = [name for name in found.other_powers if found.powers[name] < 1]
    told = [
        f"{way} than 1/s by ever more as it goes on, on {', '.join(names)}"
        for way, names in (("colder", colder), ("warmer", warmer))
        if names
    ]
    if not told:
        return "With E[K] as its thermometer a stopped learner keeps to 1/s as it goes on, here."
    return f"With E[K] as its thermometer a stopped learner would be {'; '.join(told)}."


def _verdict(table: pd.DataFrame, found: Verdict) -> str:
    own = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]
    time = float(own.loc[own["time"] >= SOME - 1e-9, "time"].min())
    volume, gibbs = found.volumes
    told = ", ".join(f"{mean:.2f} ± {error:.2f} ({name})" for name, (mean, error) in found.products.items())
    if found.bounded:
        quadratics = (
            "*It holds* for quadratics, with exact bounds: directions with ηNh ≪ 1 make no difference to a learner "
            f"stopped at N, in a regular model too, and half of what flow has learnt is between 1 and "
            f"{found.largest:.4f} times that of Bayes at the temperature 1/(τηN), its excess coefficient if the prior "
            "is centred at the minimum. No singularity is needed."
        )
    else:
        quadratics = "*It does not hold* even for quadratics: what flow has learnt leaves the bounds of its law."
    networks = (
        "In the networks as well both learners begin with few parameters and gain them one resolution after the other."
        if found.few
        else "In the networks it is not so: the learners do not begin with few parameters."
    )
    count = (
        "the count must be the learned directions, not the coefficient of the pushed-forward prior, which goes the "
        "other way"
        if found.opposite
        else "which of the two counts is taken makes no difference of direction"
    )
    rule = (
        "the temperature is no fixed function of ηN: the best stop and the best temperature have ηN* T* = "
        f"{told}, not 1 on {', '.join(found.apart)}"
        if found.apart
        else f"the temperature may be 1/(ηN): the best stop and the best temperature have ηN* T* = {told}, all of "
        "them 1 within two errors"
    )
    fails = [
        f"the log volume of the learner's law is −{-volume:,.0f} nats under descent, where it falls linearly in N, and "
        f"−{-gibbs:,.1f} under tempering, where it falls as a logarithm (ηN = {time:,.3g} on the quadratic above)"
        if found.other_volumes
        else "",
        f"on singular losses the power of time is another ({', '.join(found.other_powers)})"
        if found.other_powers
        else "",
    ]
    fails = [reason for reason in fails if reason]
    energy = (
        f"*It fails* as a statement of free energy: {', and '.join(fails)}; the penalty that matches is another one in "
        "each direction. Which directions are hidden at a resolution carries over; how much each weighs, exp(−F), does "
        "not."
        if fails
        else f"*It does not fail* as a statement of free energy here: the log volumes are −{-volume:,.1f} and "
        f"−{-gibbs:,.1f} nats, and the powers of time are those of a tempered posterior."
    )
    return "\n".join(
        [
            f"- {quadratics} {networks}",
            f"- *It needs a condition*: {count}; the steps small (ηh < 1); the prior that of the starts. And {rule}.",
            f"- {energy}",
        ]
    )


def _agreement(table: pd.DataFrame) -> str:
    held = table[table["z"].notna() & (table["quantity"] == EXCESS)]
    inside = held["z"].abs() <= WITHIN
    off = [f"{r.problem} at {r.time:g} (z = {r.z:+.1f})" for r in held[~inside].itertuples()]
    flagged = table[(table["part"] == "risk") & table["flags"].ne("") & table["flags"].ne(EDGE)]
    return (
        f"Simulated descent against the exact laws: {int(inside.sum())} of {len(held)} mean losses are within "
        f"{WITHIN:g} Monte Carlo errors (largest |z| {held['z'].abs().max():.1f}; times of one loss share their "
        f"starts){'; not so: ' + ', '.join(off) if off else ''}. {len(flagged)} of "
        f"{int((table['part'] == 'risk').sum())} rows of test losses and parameters carry a flag of their ladder or "
        "ensemble; they are in the CSV."
    )
