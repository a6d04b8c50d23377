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
    GIBBS_VOLUME,
    LARGEST,
    LEARNED,
    LIMIT,
    PRODUCT,
    PUSHED,
    SEEN_AT,
    TEMPERED,
    VOLUME,
)
from singular.analysis.studies.early_stopping_risk import (
    BEST,
    BEST_LOSS,
    BEST_MEMBER,
    BEST_PARAMETERS,
    DESCENT,
    EDGE,
    LINEAR,
    NETWORKS,
    PARAMETERS,
)

COMPARED = (1.0, 10.0, 100.0)
"""ηN = 1/T at which effective parameters are told."""
SOME = 5.0
"""ηN at which the two counts and the two volumes of the quadratic are told, or the next above."""


def text(table: pd.DataFrame) -> str:
    """Return the page."""
    paragraphs = [
        "The claim under test: singularities are not needed for singular behaviour. A learner that has not converged "
        "meets a loss landscape in which many directions make no difference, and the argument of free energy applies "
        "at that resolution instead of at the optimum. Here the learner is gradient descent from draws of the prior, "
        "stopped after N steps of size η. The resolution it is compared with is a temperature: a posterior tempered "
        "to T = 1/(nβ), in nats an observation, under the same prior N(0, I/τ), τ = 1, with ηN in the place of 1/T.",
        _opposite(table),
        _ridge(table),
        _parameters(table),
        _best(table),
        _singular(table),
        "**What this says of the claim.**",
        _verdict(table),
        _agreement(table),
    ]
    return "\n\n".join(paragraphs) + "\n\n" + markdown(shown(table))


def pairs(table: pd.DataFrame, problem: str, quantity: str = BEST) -> pd.DataFrame:
    """Return the best ηN and the best 1/T of each data set: columns ``stop``, ``heat``, errors, losses, ``inside``."""
    own = table[table["problem"] == problem]

    def column(kind: str, name: str, field: str) -> pd.Series:
        rows = own[(own["kind"] == kind) & (own["quantity"] == name)]
        return pd.Series(rows[field].to_numpy(), index=rows["seed"].to_numpy())

    tempered = "tempered posterior"
    frame = pd.DataFrame(
        {
            "stop": column(DESCENT, quantity, "value"),
            "heat": column(tempered, quantity, "value"),
            "stop_error": column(DESCENT, quantity, "mcse"),
            "heat_error": column(tempered, quantity, "mcse"),
            "stop_loss": column(DESCENT, BEST_LOSS, "value"),
            "heat_loss": column(tempered, BEST_LOSS, "value"),
        }
    )
    return frame.assign(
        inside=(column(DESCENT, quantity, "flags") != EDGE) & (column(tempered, quantity, "flags") != EDGE)
    )


def product(frame: pd.DataFrame) -> tuple[float, float]:
    """Return the geometric mean of ηN* T* over the data sets with both inside, and its standard error over them."""
    logs = np.log(frame["stop"] / frame["heat"])[frame["inside"]]
    if len(logs) < 2:
        return math.nan, math.nan
    mean = math.exp(float(logs.mean()))
    return mean, mean * float(logs.std(ddof=1) / math.sqrt(len(logs)))


def parameters_at(table: pd.DataFrame, problem: str, time: float) -> tuple[float, float, float, float]:
    """Return the effective parameters of descent and of the tempered posterior at one ηN = 1/T, with their errors.

    Of the first data set, linear in log time between the points.
    """
    own = table[(table["problem"] == problem) & (table["quantity"] == PARAMETERS)]
    own = own[own["seed"] == own["seed"].min()]
    found = []
    for descent in (True, False):
        rows = own[(own["kind"] == DESCENT) == descent].sort_values(by="time")
        where = np.log(rows["time"].to_numpy())
        inside = where[0] - 1e-9 <= math.log(time) <= where[-1] + 1e-9
        found += [float(np.interp(math.log(time), where, rows[f])) if inside else math.nan for f in ("value", "mcse")]
    return found[0], found[1], found[2], found[3]


def problems(table: pd.DataFrame) -> list[str]:
    """Return the models whose test loss was followed."""
    return [f"linear-{LINEAR[0]}", *NETWORKS]


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return, for each model, the best stop against the best temperature, and the parameters at both."""
    rows = []
    for name in problems(table):
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


def _opposite(table: pd.DataFrame) -> str:
    own = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]

    def at(name: str, time: float) -> float:
        rows = own[own["quantity"] == name]
        return float(rows.loc[(np.log(rows["time"]) - math.log(time)).abs().idxmin(), "value"])

    low, high = own["time"].min(), own["time"].max()
    middle = float(own.loc[own["time"] >= SOME - 1e-9, "time"].min())
    return (
        "**Effective parameters has two opposite meanings.** On a quadratic with curvatures 10, 1, 0.1, 0.01 and 0 "
        "(exact). *Learned directions*: half of Σ [1 − (1 − ηh)^N], what descent has taken over from the data, grows "
        f"from {at(LEARNED, low):.3f} at ηN = {low:g} over {at(LEARNED, middle):.2f} at {middle:.2g} to "
        f"{at(LEARNED, high):.2f} at {high:,.0f}, half the rank. *Pushed-forward coefficient*: take the parameters "
        f"after N steps as the prior of a posterior at nβ = {SEEN_AT:,.0f}, and ask for its excess coefficient: it "
        f"falls from {at(PUSHED, low):.2f} over {at(PUSHED, middle):.2f} to {at(PUSHED, high):.3f}, as it counts what "
        "is seen and not yet learnt. Both are functions of N alone and both hide directions, but a direction that "
        "descent has not reached is missing from the first and present in the second. For every finite N the second "
        "returns to half the rank as nβ → ∞: descent maps parameters one to one and makes no model singular. Only "
        "the first corresponds to a temperature."
    )


def _ridge(table: pd.DataFrame) -> str:
    own = table[table["part"] == "ridge"]
    most = own[own["quantity"] == LARGEST].set_index("problem")["value"]
    quadratics = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]
    wide = quadratics.pivot_table(index="time", columns="quantity", values="value")
    ratio = wide[LEARNED] / wide[TEMPERED]
    return (
        "**On a quadratic the correspondence is 1/T = ηN, within bounds.** Half the ridge count at penalty 1/(ηN) "
        "*is* the excess coefficient of a prior centred at the minimum at 1/T = ηN. Gradient flow has learnt between "
        f"1 and {most['flow']:.4f} times as much of every direction, whatever the spectrum (the square, "
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


def _parameters(table: pd.DataFrame) -> str:
    most = float(table.loc[(table["quantity"] == LARGEST) & (table["problem"] == "flow"), "value"].iloc[0])
    parts, outside, count = [], 0, 0
    for name in problems(table):
        told = []
        for time in COMPARED:
            stopped, stopped_error, warm, warm_error = parameters_at(table, name, time)
            if math.isnan(stopped) or math.isnan(warm):
                continue
            ratio = stopped / warm
            error = ratio * math.hypot(stopped_error / stopped, warm_error / warm)
            told.append(f"{_told(ratio, error)} at {time:g}")
            if name in NETWORKS:
                count += 1
                outside += not 1 - 2 * error <= ratio <= most + 2 * error
        parts.append(f"{name}: {', '.join(told)}")
    return (
        "**On networks there is no smoother, but there is a count.** The effective parameters of a procedure are Σ "
        "∂f_i/∂y_i, how much each prediction follows its own observation (Stein's identity makes it Σ Cov(f_i, "
        "y_i)/σ²). It is the trace of the smoother if there is one; here the derivative is taken through all N "
        "steps, and averaged over starts. For the tempered posterior it is β Σ Var_β(f_i)/σ². Stopped over tempered, "
        f"at ηN = 1/T: {'; '.join(parts)}. Both counts are small when little has been learnt, whether the model is "
        f"singular or not: the qualitative claim holds. The bounds of 1 and {most:.4f} are those of quadratics: the "
        f"networks are outside of them by more than two errors at {outside} of these {count} points. 1/T = ηN is no "
        "calibration of networks, since how fast descent learns depends on where in the prior it starts."
    )


def _best(table: pd.DataFrame) -> str:
    lines = []
    for name in problems(table):
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
        "stopping has to be earlier than the temperature says, and the more so the more is learnt. ηN* = 1/T* is a "
        f"rule for weak learning. {_same_count(table)}"
    )


def _same_count(table: pd.DataFrame) -> str:
    """Return what both have learnt at their own best time."""
    own = table[table["quantity"] == BEST_PARAMETERS]
    stop, heat = (own[(own["kind"] == DESCENT) == d].set_index("seed")["value"] for d in (True, False))
    ratio = stop / heat
    told = []
    for name in NETWORKS:
        first = pairs(table, name).iloc[0]
        at_stop = parameters_at(table, name, float(first["stop"]))[:2]
        at_heat = parameters_at(table, name, float(first["heat"]))[2:]
        told.append(f"{_told(*at_stop)} and {_told(*at_heat)} on the first data set of {name}")
    return (
        "Counted in effective parameters the two optima lie nearer: stopped over tempered, each at its own best, "
        f"{ratio.mean():.2f} ± {ratio.std(ddof=1) / math.sqrt(len(ratio)):.2f} for linear regression (mean over data "
        f"sets; {ratio.min():.2f} to {ratio.max():.2f}); {', '.join(told)}. The count of parameters is the better "
        "common axis."
    )


def _singular(table: pd.DataFrame) -> str:
    own = table[(table["part"] == "flow") & (table["kind"] == "exact")]
    told = []
    for name, rows in own.groupby("problem"):
        limit = float(rows.loc[rows["quantity"] == LIMIT, "value"].iloc[0])
        exponents = rows[rows["quantity"] == EXPONENT].sort_values(by="time")
        last = exponents.iloc[-1]
        told.append(f"{name}: {last['value']:.4f} at s = {last['time']:,.0f}, limit {limit:g}")
    return (
        "**On singular losses stopping is no Gibbs law.** Under a tempered posterior E[K] falls as λ/t whatever the "
        "order of the minimum, and geometry sits in the prefactor. Under gradient flow geometry sits in the *power*: "
        "on |w|^D E[K] falls as s^(−D/(D−2)) = s^(−1/(1−2λ)), exponentially for D = 2, faster than 1/s for every D. "
        f"Local exponents: {'; '.join(told)}. For {PRODUCT} the limit comes with a logarithm, so that it is reached "
        f"as slowly as 1/log s. Gradient descent by steps of {FLOW_STEP:g} was simulated beside the exact laws "
        "(below). With E[K] as its thermometer a stopped learner would be colder than 1/s by ever more as it goes on."
    )


def _verdict(table: pd.DataFrame) -> str:
    most = float(table.loc[(table["quantity"] == LARGEST) & (table["problem"] == "flow"), "value"].iloc[0])
    own = table[(table["part"] == "quadratic") & (table["kind"] == "exact")]
    wide = own.pivot_table(index="time", columns="quantity", values="value")
    time = float(wide.index[wide.index >= SOME - 1e-9].min())
    volume, gibbs = (float(wide.loc[time, name]) for name in (VOLUME, GIBBS_VOLUME))
    each = {name: product(pairs(table, name)) for name in problems(table)}
    told = ", ".join(f"{mean:.2f} ± {error:.2f} ({name})" for name, (mean, error) in each.items())
    return "\n".join(
        [
            "- *It holds* for quadratics, with exact bounds: directions with ηNh ≪ 1 make no difference to a learner "
            f"stopped at N, in a regular model too, and half of what flow has learnt is between 1 and {most:.4f} "
            "times that of Bayes at the temperature 1/(τηN), its excess coefficient if the prior is centred at the "
            "minimum. No singularity is needed. In the networks as well both learners begin with no parameters and "
            "gain them one resolution after the other.",
            "- *It needs a condition*: the count must be the learned directions, not the coefficient of the "
            "pushed-forward prior, which goes the other way; the steps small (ηh < 1); the prior that of the starts. "
            "And the temperature is no fixed function of ηN: the best stop and the best temperature have ηN* T* = "
            f"{told}, not 1.",
            "- *It fails* as a statement of free energy: the log volume of the learner's law falls linearly in N "
            f"under descent (−{-volume:,.0f} nats at ηN = {time:,.3g} on the quadratic above) and as a logarithm under "
            f"tempering (−{-gibbs:,.1f}), the penalty that matches is another one in each direction, and on singular "
            "losses the power of time is another. Which directions are hidden at a resolution carries over; how much "
            "each weighs, exp(−F), does not.",
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
