"""The page of the SGLD study; every sentence with a number is made from the tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from replicates import printed, wrapped

from singular import __version__, models
from singular.analysis.sampler_comparison import ACCEPTANCE
from singular.analysis.thresholds import UNABLE
from singular.errors import InputError
from singular.posteriors import quadratic_local_coefficient, quadratic_sgld_coefficient
from singular.posteriors.ladder import wbic_beta

NUTS, BLIND, EXTRAPOLATED, KNOWING = "NUTS ladder", "SGLD, step by MALA", "SGLD, extrapolated", "SGLD, best step known"
GOALS = {BLIND: 0.2, KNOWING: 1.0}
"""Root mean square error of the NUTS ladder over that of SGLD, at most."""
SHOWN_GAMMA = 1.0


def page(rows: pd.DataFrame, budget: pd.DataFrame) -> str:
    """Return the page as Markdown."""
    n = int(rows["n"].iloc[0])
    whence = wrapped(f"""Made by `make study-sgld` with singular {__version__}. Every run: [SGLD.csv](SGLD.csv),
        [SGLD_BUDGET.csv](SGLD_BUDGET.csv). n = {n}, β = 1/log n = {wbic_beta(n):.4f}, w* the maximum-likelihood point;
        the quantity is β (E_β[nL_n] − nL_n(w*)), what a local learning coefficient is estimated by. What a step size,
        a temperature and γ mean here, and in other packages: [CONVENTIONS](../CONVENTIONS.md).""")
    biases = wrapped(f"""At γ > 0 the prior is N(w*, I/γ). Every row is held against the exact value of *its own*
        target: same data, β, γ and w*; closed form, quadrature, or a long NUTS ladder, whose error is told. The steps
        are 2, 1, ½ and ¼ of the one that MALA accepts {ACCEPTANCE:.0%} of on the same potential. Four errors, each in a
        column of its own: of the **step** (full batch, value − exact), of the **minibatch** (n/10 observations, less
        the full batch at the same step), of the **localisation** (exact at γ less exact under the model's own prior),
        and **Monte Carlo**. `seen` is the bias of step and minibatch that the run itself tells, from (z − c)·∇U, c the
        mean of the later burn-in, whose mean is d for exact draws.""")
    kin = wrapped(f"""Full batch, γ = {SHOWN_GAMMA:g}; `bias` is value − exact in units of its error, `cost`
        mcse² × gradients and × seconds (compiling included), relative to NUTS on the same localised problem. Seconds
        are of a machine that others use as well.""")
    equal = wrapped(f"""The excess coefficient under the model's own prior, {budget["seed"].nunique()} data sets a
        problem. The budget is what a NUTS ladder of 4 × 250 draws took, pilot and warm-up included; it gives every β,
        of which one is read. `{BLIND}` and `{EXTRAPOLATED}` do not know the answer, and choosing the step is paid from
        the budget. `{KNOWING}` has the step of the four whose root mean square error turned out least, not counting
        the others.""")
    return f"""# SGLD and its kin against NUTS and the exact answer

{whence}

## Where an error comes from

{biases}

![Value less exact value against the step](SGLD_bias.png)

SGLD at γ = {SHOWN_GAMMA:g}:

{printed(_sgld_table(rows))}

{wrapped(_bias_sentence(rows))}

![Relative distance from the value under the model's own prior](SGLD_heat.png)

A cell that is right here need not be: at a large γ the localisation takes away what a large step adds. The contour is
where the two cancel.

## The quadratic

{wrapped(_quadratic(rows))}

## The other samplers

{kin}

{printed(_kin_table(rows))}

{wrapped(_kin_sentence(rows))}

![Error against gradients](SGLD_gradients.png)

## Extrapolated to step 0

{wrapped(_richardson(rows))}

## The same number of gradients for all

{equal}

![Relative error of each method at equal gradients](SGLD_budget.png)

{printed(_budget_table(budget))}

{_budget_sentences(budget)}
"""


def _pm(value: pd.Series, error: pd.Series) -> list[str]:
    return ["" if np.isnan(v) else f"{v:.3g} ± {e:.1g}" for v, e in zip(value, error, strict=True)]


def _sgld_table(rows: pd.DataFrame) -> pd.DataFrame:
    part = rows[(rows["sampler"] == "sgld") & (rows["gamma"] == SHOWN_GAMMA)]
    batches = zip(part["batch_size"], part["n"], strict=True)
    columns = {
        "problem": part["problem"],
        "batch": ["n" if size == n else "n/10" for size, n in batches],
        "step": part["share"].map("{:g}".format),
        "value, Monte Carlo": _pm(part["value"], part["mcse"]),
        "exact": _pm(part["exact"], part["exact_error"]),
        "step bias": _pm(part["discretisation_bias"], part["discretisation_error"]),
        "minibatch bias": _pm(part["minibatch_bias"], part["minibatch_error"]),
        "localisation bias": _pm(part["localisation_bias"], part["localisation_error"]),
        "seen": part["seen_bias"],
        "ESS": part["ess"].round(0),
        "R̂": ["" if np.isnan(r) else f"{r:.3f}" for r in part["rhat"]],
        "gradients": ["chains left" if np.isnan(g) else f"{g:,.0f}" for g in part["gradients"]],
    }
    return pd.DataFrame(columns)


def _bias_sentence(rows: pd.DataFrame) -> str:
    part = rows[(rows["sampler"] == "sgld") & (rows["batch_size"] == rows["n"]) & rows["value"].notna()]
    z = part["discretisation_bias"] / part["discretisation_error"]
    seen = part[(z.abs() > 4)]
    flagged = seen["flags"].str.contains("rejects nothing").sum()
    ratio = (seen["seen_bias"] / seen["discretisation_bias"].abs()).quantile([0.1, 0.5, 0.9])
    return (
        f"Over all problems and γ, {len(seen)} of {len(part)} full-batch runs are biased by more than 4 errors; "
        f"{flagged} of "
        f"these say so themselves. The bias that they tell is {ratio[0.5]:.2f} of the true one in the median "
        f"(10th to 90th "
        f"percentile {ratio[0.1]:.2f} to {ratio[0.9]:.2f}). {int((rows['flags'] == 'chains left for infinity').sum())} "
        "runs have no value, since their chains left for infinity."
    )


def _quadratic(rows: pd.DataFrame) -> str:
    found, exact = [], []
    for problem in [p for p in dict.fromkeys(rows["problem"]) if models.get(p).builder == "linear_regression"]:
        part = rows[(rows["problem"] == problem) & (rows["gamma"] > 0) & (rows["batch_size"] == rows["n"])]
        data = models.problem(problem, n=int(part["n"].iloc[0]), seed=int(part["seed"].iloc[0])).kwargs["x"]
        n, beta = len(data), wbic_beta(len(data))
        h = np.linalg.eigvalsh(data.T @ data) / n
        for row in part.to_dict("records"):
            if row["sampler"] == "sgld" and not np.isnan(row["value"]):
                try:
                    law = quadratic_sgld_coefficient(h, row["gamma"], n * beta, row["step_size"])
                except InputError:
                    continue
                found.append((row["value"] - law) / row["mcse"])
            if row["sampler"] in ("mala", "underdamped", "NUTS local") and not np.isnan(row["value"]):
                z = (row["value"] - quadratic_local_coefficient(n * h, row["gamma"], beta)) / row["mcse"]
                exact.append(f"{row['sampler']} {z:+.1f} (γ = {row['gamma']:g})")
    z = np.abs(found)
    return (
        f"On linear regression the law of SGLD's draws is known exactly, bias included: {len(found)} runs (steps "
        f"× γ) differ "
        f"from it by at most {z.max():.1f} of their errors, root mean square {np.sqrt(np.mean(z**2)):.2f}. "
        f"Samplers without a "
        f"bias there, in errors from the exact posterior: {', '.join(exact)}."
    )


def _kin_table(rows: pd.DataFrame) -> pd.DataFrame:
    part = rows[
        (rows["gamma"] == SHOWN_GAMMA)
        & (rows["batch_size"] == rows["n"])
        & ~((rows["sampler"] == "sgld") & (rows["share"] != 0.5))
    ]
    nuts = part[part["sampler"] == "NUTS local"].set_index("problem")
    out = pd.DataFrame({"sampler": list(dict.fromkeys(part["sampler"]))})
    for problem in nuts.index:
        own = part[part["problem"] == problem].set_index("sampler").reindex(out["sampler"])
        cost = own["mcse"] ** 2 * own["gradients"] / (nuts.loc[problem, "mcse"] ** 2 * nuts.loc[problem, "gradients"])
        timed = own["mcse"] ** 2 * own["seconds"] / (nuts.loc[problem, "mcse"] ** 2 * nuts.loc[problem, "seconds"])
        out[problem] = [
            "left" if np.isnan(z) else f"{z:+.1f}; {c:.2g}, {t:.2g}"
            for z, c, t in zip(own["z"], cost, timed, strict=True)
        ]
    return out


def _kin_sentence(rows: pd.DataFrame) -> str:
    part = rows[(rows["batch_size"] == rows["n"]) & rows["z"].notna()]
    told = []
    for sampler, group in part.groupby("sampler", sort=False):
        if sampler != "sgld":
            told.append(
                f"{sampler} {np.sqrt((group['z'] ** 2).mean()):.1f} ({len(group)} runs, "
                f"{(group['z'].abs() > 4).sum()} beyond 4)"
            )
    beyond = part[part["sampler"].isin(["mala", "NUTS ladder", "NUTS local"]) & (part["z"].abs() > 4)]
    where = [
        f"{row['sampler']} on {row['problem']} ({'own prior' if row['gamma'] == 0 else f'γ = {row["gamma"]:g}'}: "
        f"{row['value']:.3f} ± {row['mcse']:.1g}, exact {row['exact']:.3f}, R̂ {row['rhat']:.3f})"
        for row in beyond.to_dict("records")
    ]
    return (
        f"Root mean square of (value − exact)/error over all problems and γ: {'; '.join(told)}. Samplers without a "
        f"bias of their step that are off all the same: {'; '.join(where) or 'none'}. Chains that all begin at "
        f"w* agree on "
        "the part of the posterior around it; where the model's own prior leaves other parts, only the ladder visits "
        "them, and R̂ does not tell."
    )


def _richardson(rows: pd.DataFrame) -> str:
    part = rows[rows["sampler"] == "sgld-richardson"]
    unable = part["flags"].str.contains(UNABLE)
    able = part[~unable]
    inside = (able["z"].abs() <= 4).sum()
    share, lost = inside / max(len(able), 1), unable.mean()
    worst = able.loc[able["z"].abs().idxmax()]
    met = "met" if share >= 0.9 and lost <= 0.1 else "not met"
    return (
        f"Full-batch SGLD at 1, ½ and ¼ of MALA's step, extrapolated: {inside} of {len(able)} within 4 of its "
        f"errors of the "
        f"exact value of the same target ({share:.0%}), {int(unable.sum())} of {len(part)} ({lost:.0%}) flagged "
        f"as unable; goal "
        f"of 90% and at most 10%: {met}. Root mean square z {np.sqrt((able['z'] ** 2).mean()):.2f}, largest "
        f"{worst['z']:+.1f} ({worst['problem']}, γ = {worst['gamma']:g}). The price: its error is "
        f"{(able['mcse'] / able['exact'].abs()).median():.1%} of the value in the median."
    )


def _errors(budget: pd.DataFrame) -> pd.DataFrame:
    """Return the root mean square error of each method on each problem; infinite where a data set has no value."""
    square = ((budget["value"] - budget["exact"]) ** 2).fillna(np.inf)
    table = np.sqrt(square.groupby([budget["problem"], budget["method"]], sort=False).mean()).unstack(sort=False)
    table[KNOWING] = table[[c for c in table.columns if "step ×" in c]].min(axis=1)
    return table


def _budget_table(budget: pd.DataFrame) -> pd.DataFrame:
    table = _errors(budget)
    claimed = np.sqrt((budget["error"] ** 2).groupby([budget["problem"], budget["method"]], sort=False).mean()).unstack(
        sort=False
    )
    out = pd.DataFrame({"problem": table.index})
    out["gradients"] = [f"{budget[budget['problem'] == p]['gradients'].mean():,.0f}" for p in table.index]
    out["exact, mean"] = [budget[budget["problem"] == p]["exact"].mean() for p in table.index]
    for method in (NUTS, "MALA", BLIND, EXTRAPOLATED, KNOWING):
        out[f"rms error, {method}"] = [
            "chains left"
            if np.isinf(e)
            else f"{e:.2g}" + (f" (claims {claimed.loc[p, method]:.2g})" if method in claimed else "")
            for p, e in table[method].items()
        ]
    return out


def _budget_sentences(budget: pd.DataFrame) -> str:
    table = _errors(budget)
    lines = []
    for method, goal in GOALS.items():
        ratio = table[NUTS] / table[method]
        middle = float(np.exp(np.log(ratio.replace(0.0, np.nan)).mean()))
        reached = list(ratio.index[ratio <= goal])
        lines.append(
            f"- NUTS over {method}, goal at most {goal:g}: met on {len(reached)} of {len(ratio)} problems; "
            f"geometric mean of the "
            f"ratio {middle:.2g}, from {ratio.min():.2g} to {ratio.max():.2g}"
            f"{' (0: chains of SGLD left, left out of the mean)' if (ratio == 0).any() else ''}."
        )
    ratio = table[NUTS] / table[EXTRAPOLATED]
    lines.append(f"- NUTS over {EXTRAPOLATED}: {ratio.min():.2g} to {ratio.max():.2g}.")
    ahead = [
        f"{p} ({m})"
        for p in table.index
        for m in (BLIND, EXTRAPOLATED, KNOWING)
        if table.loc[p, m] < table.loc[p, NUTS]
    ]
    lines.append(f"- SGLD has the smaller error on: {', '.join(ahead) or 'none'}.")
    ahead = [p for p in table.index if table.loc[p, "MALA"] < table.loc[p, NUTS]]
    lines.append(
        f"- MALA, SGLD's proposals accepted or rejected, has a smaller error than the ladder on: "
        f"{', '.join(ahead) or 'none'}."
    )
    lines.append(
        f"- With {budget['seed'].nunique()} data sets a root mean square error is known to about "
        f"{1 / np.sqrt(2 * budget['seed'].nunique()):.0%}."
    )
    return "\n".join(lines)
