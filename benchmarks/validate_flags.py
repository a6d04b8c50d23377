"""Do the flags catch what is wrong, and leave alone what is right?

Ladders at default settings, and ladders that are starved (few draws, few rungs, bad steps) or spoilt (a chain that is
stuck, a chain in a region of its own) on purpose. An estimate is called wrong if it is off by more than 4 of its own
Monte Carlo errors. Told are the share of wrong estimates that carry a flag, and the share of right ones at default
settings that carry one.

    python benchmarks/validate_flags.py      # writes docs/validation/FLAGS.md and FLAGS.csv

A run goes on where it was stopped: ladders that are done are read back from ``out/validation``.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from replicates import KINDS, MODELS, SAMPLED, SPOILT, Run, estimates, every, printed

from singular import __version__
from singular.posteriors.store import write

WRONG = 4.0
DEFAULT_SEEDS, STARVED_SEEDS = 10, 3
FIRST_SEED = 1000
"""The limits were chosen on seeds below this."""
FLAGGED_MODELS = (*MODELS, "two-wells")
"""With one more whose wells only the prior joins, and whose nll has no mean under the prior."""
SHARES = (0.0, 0.01, 0.1, 1.0)
"""Bounds of the classes of divergent steps."""


def marked(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the estimates that have a value and an error, with ``wrong`` and ``flagged``."""
    rows = rows[np.isfinite(rows["z"]) & (rows["mcse"] > 0)]
    return rows.assign(wrong=rows["z"].abs() > WRONG, flagged=rows["flags"].fillna("") != "")


def by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Return counts for each kind of ladder."""
    out = []
    for kind in [k for k in KINDS if k in set(rows["kind"])]:
        part = rows[rows["kind"] == kind]
        wrong, right = part[part["wrong"]], part[~part["wrong"]]
        out.append(
            {
                "ladders": kind,
                "runs": part.groupby(["model", "seed"]).ngroups,
                "estimates": len(part),
                "sd z": part["z"].clip(-20, 20).std(),
                "wrong": len(wrong),
                "wrong, flagged": int(wrong["flagged"].sum()),
                "right": len(right),
                "right, flagged": int(right["flagged"].sum()),
            }
        )
    table = pd.DataFrame(out)
    total = table.drop(columns=["ladders", "sd z"]).sum().to_dict()
    return pd.concat([table, pd.DataFrame([{"ladders": "all", **total}])], ignore_index=True)[table.columns]


def reasons(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how many estimates of each kind carry each sort of flag."""
    told = rows.assign(reason=rows["flags"].fillna("").str.split("; ")).explode("reason")
    told = told[told["reason"] != ""]
    told = told.assign(reason=told["reason"].map(sort_of))
    told = told.drop_duplicates(["model", "kind", "seed", "quantity", "method", "reason"])
    counts = pd.crosstab(told["reason"], told["kind"])
    return counts[[k for k in KINDS if k in counts]].reset_index().rename_axis(columns=None)


def sort_of(flag: str) -> str:
    """Return what a flag is about, without its numbers."""
    for words in (
        "not trustworthy: blocks", "not trustworthy: chains", "not trustworthy: heavy", "effective draws", "ess",
        "rhat", "do not fit each other", "do not fit a neighbour", "steps diverged", "cut off at max_tree_depth",
        "swap acceptance", "overlap", "round trip", "too far apart", "at beta=0",
    ):  # fmt: skip
        if words in flag:
            return words
    return flag


def divergences(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the standard deviation of z by the largest share of divergent steps on a rung of the ladder."""
    rows = rows[rows["kind"].isin(["default", "wild steps"])]
    classes = pd.cut(rows["diverging"], SHARES, include_lowest=True)
    out = []
    for (kind, model, share), part in rows.groupby([rows["kind"], rows["model"], classes], observed=True):
        runs = part.groupby("seed").ngroups
        out.append({"ladders": kind, "model": model, "share divergent": str(share), "runs": runs,
                    "mean z": part["z"].mean(), "sd z": part["z"].std(), "largest |z|": part["z"].abs().max(),
                    "flagged": part["flagged"].mean()})  # fmt: skip
    return pd.DataFrame(out)


def page(rows: pd.DataFrame) -> str:
    """Return docs/validation/FLAGS.md."""
    table = by_kind(rows)
    wrong = rows[rows["wrong"]]
    right = rows[~rows["wrong"] & (rows["kind"] == "default")]
    silent = wrong[~wrong["flagged"]]
    runs = rows.groupby(["model", "kind", "seed"]).ngroups
    starved = wrong[~wrong["kind"].isin(["default", *SPOILT])]
    clusters = wrong.groupby(["model", "kind", "seed"]).ngroups
    listed = silent[["model", "kind", "seed", "quantity", "method", "beta", "z"]]
    per_model = right.groupby("model", sort=False)["flagged"].agg(["size", "sum"]).reset_index()
    per_model.columns = ["model", "right estimates", "flagged"]
    settings = "\n".join(f"- {kind}: {dict(SAMPLED[kind])}" for kind in SAMPLED if kind != "default")
    return f"""# Do the flags catch what is wrong?

Made by `python benchmarks/validate_flags.py` with singular {__version__}: {runs} ladders of \
{rows["model"].nunique()} models, n = {int(rows["n"].iloc[0])}. Their seeds, from {int(rows["seed"].min())} on, are \
none of those on which the limits in `analysis/thresholds.py`
were chosen. An estimate is wrong if it is off by more than {WRONG:g} of its own Monte Carlo
errors; estimates of one ladder share their draws.

| | share | of | goal |
|---|---|---|---|
| wrong estimates that carry a flag | {wrong["flagged"].mean():.1%} | {len(wrong)} in {clusters} ladders | ≥ 95 % |
| of these on starved ladders, not spoilt by hand | {starved["flagged"].mean():.1%} | {len(starved)} | |
| right estimates at default settings that carry a flag | {right["flagged"].mean():.1%} | {len(right)} | ≤ 5 % |

Arguments of the starved ladders (all else at its default; `rungs` evenly spaced in log β):

{settings}
- stuck chain: a default ladder, its last chain frozen from a random round on, on the rungs above a random one
- chain apart: a default ladder, nll of its last chain moved by 0.25 to 2 standard deviations above a random rung

## By kind of ladder

{printed(table)}

Starvation by itself seldom makes a wrong number: the errors grow with it. What does is a chain that is not where the
others are. Flags on right numbers of starved ladders are no false alarms: they say that the run was starved.

## Wrong without a flag

{printed(listed) if len(listed) else "None."}

## Right at default settings, by model

{printed(per_model)}

## Why

Estimates that carry a flag of each sort.

{printed(reasons(rows))}

## Divergent steps

Ladders by the share of divergent NUTS steps on their worst rung. If divergences went with wrong numbers, the standard
deviation of z would grow with their share.

{printed(divergences(rows))}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=DEFAULT_SEEDS, help="data sets at default settings, each model")
    parser.add_argument("--starved", type=int, default=STARVED_SEEDS, help="data sets for each kind of starved ladder")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help="seeds are taken from here on")
    parser.add_argument("--n", type=int, default=500, help="observations of each data set")
    parser.add_argument("--models", nargs="*", default=list(FLAGGED_MODELS))
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validation"), help="where ladders are kept")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    runs = [
        Run(model, kind, arguments.n, arguments.first_seed + seed)
        for model in arguments.models
        for kind in KINDS
        for seed in range(arguments.starved if kind in SAMPLED and kind != "default" else arguments.seeds)
    ]
    runs.sort(key=lambda run: run.kind not in SAMPLED)  # the spoilt ones are made of ladders that are there by then
    done = every(partial(estimates, folder=arguments.work), runs, "ladders")
    rows = marked(pd.concat(done, ignore_index=True).sort_values(["model", "kind", "seed"], kind="stable"))
    write(arguments.out / "FLAGS.md", page(rows))
    write(arguments.out / "FLAGS.csv", by_kind(rows).to_csv(index=False, float_format="%.4g"))
    print(by_kind(rows).to_string(index=False))


if __name__ == "__main__":
    main()
