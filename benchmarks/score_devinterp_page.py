"""The page of the score of devinterp; what it claims is computed from the rows."""

from __future__ import annotations

import pandas as pd
from score_devinterp_findings import findings
from score_devinterp_runs import versions
from score_devinterp_settings import DEVINTERP, FAR_OUT, LAMBDA_HAT, NEAR, SETTINGS, calls, gradients, n_beta

from singular import __version__
from singular.analysis.markdown import markdown
from singular.analysis.score import EVERY
from singular.analysis.score_table import shown_score
from singular.analysis.scoring import Score
from singular.analysis.submission import OURS
from singular.analysis.targets import ASYMPTOTIC, LOCAL, TARGETS
from singular.models import catalogue

LOST = "no answer"
NEWEST = """\
devinterp 2.0.1, the newest in November 2026, is not scored. Its call, `llc`, takes any torch module and a loss of \
one's own, but its data must be sequences of whole numbers named `input_ids`: rows of x and y end in `KeyError: \
'input_ids'`, a tensor data set in a `TypeError`. It can be bent by handing in row numbers as such sequences and \
looking the rows up in the loss; that is not its call as it is meant. With the newest zarr, 3.4.2, it cannot be \
imported; with 3.1.3 it can. Its mean counts the burn-in in."""


def table(runs: pd.DataFrame, scored: Score) -> pd.DataFrame:
    """Return the score by target, family and method, with the runs that had no answer and the version of what ran."""
    families = scored.families
    lost = [_lost(runs, row["family"], row["method"]) for row in families.to_dict("records")]
    at = families.columns.get_loc("count") + 1
    known = {
        DEVINTERP: _told(versions(DEVINTERP)),
        LAMBDA_HAT: _told(versions(LAMBDA_HAT)),
        OURS: f"singular {__version__}",
    }
    names = [next(text for tool, text in known.items() if method.startswith(tool)) for method in families["method"]]
    found = families.assign(version=names)
    found.insert(at, LOST, lost)
    return found


def page(runs: pd.DataFrame, scored: Score, reference_draws: int) -> str:
    """Return docs/scores/DEVINTERP.md."""
    n = int(runs["n"].iloc[0])
    with_local = list(dict.fromkeys(scored.rows.loc[scored.rows["quantity"] == LOCAL, "problem"]))
    sentences = "\n".join(f"- {sentence}" for sentence in findings(runs, scored.rows, scored.families))
    return f"""# devinterp and lambda_hat's formula, scored

Made by `make score-devinterp` with singular {__version__}, {_told(versions(DEVINTERP))}; lambda_hat's formula is \
written anew, with {_told(versions(LAMBDA_HAT))}. A worked example of [scoring an estimator](../SCORING.md): problems \
are exported, each tool estimates from the exported optimum w*, and what it says is a submission: \
[devinterp-estimates.csv](devinterp-estimates.csv), [lambda-hat-estimates.csv](lambda-hat-estimates.csv). Tables in \
full: [DEVINTERP.csv](DEVINTERP.csv). n = {n}, {runs["seed"].nunique()} data sets a problem; the data's seed is the \
sampler's too.

## What was found

{sentences}

![Every estimate less the exact value](DEVINTERP.png)

## Settings

{markdown(_settings(n))}

`nβ` is what the tool takes by itself; n/log n is {n_beta(SETTINGS[-1], n):.1f}. devinterp makes it from the batch \
size, so a batch of its own means another posterior; such a method says so in its name, and is scored against λ alone. \
The same holds without localisation (γ = 0). `gradients` are gradients of the whole loss, burn-in included; `calls` \
are gradients of whatever batch. devinterp has no setting of its own for the batch, and its notebooks are about other \
models: they are what a user finds to start from, not what its authors would advise here. Its examples use the squared \
error; here the loss is −log p(y | x, w), without which no coefficient is what its name says.

## Problems

λ is exact. The local coefficient is exact for linear regression and tanh-1, and elsewhere that of a long ladder (4 × \
{reference_draws} draws), whose error counts. Its values here are means over data sets, and depend on w*: a \
maximum-likelihood point of a singular model may lie far out. To keep the run short it is scored on {len(with_local)} \
problems: {", ".join(with_local)}.

{markdown(_problems(runs, scored.rows))}

{_tables(runs, scored)}

The same scores from the shell, after `make score-devinterp`, which leaves the exported problems with their w* there:

    singular score docs/scores/*-estimates.csv --exports out/score-devinterp/exports --reference-draws {reference_draws}

## How the errors are claimed

devinterp tells the standard deviation over chains, `llc/std`; its claimed error here is that over √chains, as a user \
would take it. It says how far chains differ, not how far all of them are off: a step that is too small leaves every \
chain near w*, one that is too large biases all alike, and neither shows. lambda_hat claims sd/√ESS. The line `{OURS}` \
is our ladder at the defaults of `singular sample` on the same localised problem; its gradients are those of the whole \
ladder, which serves every β.

## lambda_hat's formula

λ̂ = nβ (E[L_n] − L_n(w*)), after the public repository danmackinlay/lambda_hat. Step, β and γ mean what ours mean. It \
differs from devinterp in that β does not depend on the batch, in that L_n(w*) and the averaged losses are those of \
all data, and in that chains start at w* + 0.01 ξ. Its regression loss is the squared error without the half; ours is \
used. Losses of all data are no gradients and are not counted: one for every ten steps.

## The newest devinterp

{NEWEST}
"""


def _settings(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tool": s.tool, "setting": s.label, "from": s.source, "step": f"{s.step:g}", "γ": f"{s.gamma:g}",
            "chains × steps": f"{s.chains} × {s.draws}", "burn-in": str(s.burn_in),
            "batch": "all" if s.batch is None else str(s.batch), "nβ": f"{n_beta(s, n):.1f}",
            "gradients": f"{gradients(s, n):,.0f}", "calls": f"{calls(s):,}",
        }
        for s in SETTINGS
    )  # fmt: skip


def _problems(runs: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return d, λ and the exact local coefficients of each problem, means over data sets."""
    found = []
    for name in dict.fromkeys(runs["problem"]):
        model = catalogue.MODELS[name]
        local = rows[(rows["problem"] == name) & (rows["quantity"] == LOCAL)].drop_duplicates(["seed", "gamma"])
        values = {f"local, γ = {gamma:g}": part["exact"].mean() for gamma, part in local.groupby("gamma")}
        found.append({"problem": name, "family": model.family, "d": model.dim, "λ": str(model.exact.value), **values})
    return pd.DataFrame(found)


def _tables(runs: pd.DataFrame, scored: Score) -> str:
    """Return the tables by family, one for each target, as `singular score` prints them."""
    told = [target for target in TARGETS if target in set(scored.rows["quantity"])]
    parts = []
    for target, shown in zip(told, shown_score(scored), strict=False):
        frame = shown.frame.drop(columns=["in 50 %", "in 90 %"])
        frame.insert(3, LOST, [_lost(runs, f, m) for f, m in zip(frame["family"], frame["method"], strict=True)])
        title = "Scored against λ" if target == ASYMPTOTIC else "Scored against the local coefficient"
        about = f"{TARGETS[target].symbol}: {TARGETS[target].definition}."
        parts.append(f"## {title}\n\n{about} Columns are told in [SCORING](../SCORING.md).\n\n"
                     f"{markdown(frame)}")  # fmt: skip
    return "\n\n".join(parts)


def _lost(runs: pd.DataFrame, family: str, method: str) -> int:
    """Return in how many runs of a method there was no answer, in one family or in a sum of them."""
    own = runs.loc[(runs["method"] == method) & (runs["status"] != ""), "family"]
    if family == EVERY:
        return len(own)
    return int((~own.str.endswith(FAR_OUT)).sum() if family == NEAR else (own == family).sum())


def _told(known: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in known.items())
