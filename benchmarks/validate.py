"""Do the error bars mean what they say? Coverage of intervals over many data sets, against the exact answer.

For each model and data seed one ladder at default settings; each estimate with its Monte Carlo error makes intervals,
and these should hold the exact finite-n value (``posteriors.quadrature``) as often as they claim.

    make validate            # 50 seeds of 8 models, writes docs/validation/COVERAGE.md and COVERAGE.csv

A run goes on where it was stopped: ladders that are done are read back from ``out/validation``.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from replicates import MODELS, Run, estimates, every, printed
from scipy.stats import binom, norm

from singular import __version__
from singular.posteriors.store import write

SEEDS = 50
LEVELS = (0.5, 0.9, 0.95)
JUDGED = (0.5, 0.95)
BAND = 0.999
"""A share is outside if chance alone puts it there less than once in a thousand times."""
MEDIAN_BOUND = 0.02
FOUR_PARAMETERS = ("tanh-2", "linear-4")


def coverage(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, for each estimator over all models and over each, how often intervals hold the exact value."""
    out = []
    for (quantity, method), group in rows.groupby(["quantity", "method"], sort=False):
        for model, part in [("all", group), *group.groupby("model", sort=False)]:
            z = part["z"].to_numpy()
            row = {"quantity": quantity, "method": method, "model": model, "replicates": z.size,
                   "median error": (part["value"] - part["exact"]).abs().median(), "median mcse": part["mcse"].median(),
                   "mean z": z.mean(), "± of mean": z.std(ddof=1) / np.sqrt(z.size), "sd z": z.std(ddof=1),
                   "largest z": np.abs(z).max()}  # fmt: skip
            outside = []
            for level in LEVELS:
                held = int(np.sum(np.abs(z) < norm.isf((1 - level) / 2)))
                low, high = band(z.size, level)
                row[f"{level:.0%}"] = held / z.size
                row[f"band of {level:.0%}"] = f"{low / z.size:.3f} to {high / z.size:.3f}"
                if not low <= held <= high:
                    outside.append(f"{level:.0%}")
            row["outside"] = ", ".join(outside)
            out.append(row)
    return pd.DataFrame(out)


def band(replicates: int, level: float) -> tuple[int, int]:
    """Return the counts between which a binomial lies with probability `BAND` or more."""
    low, high = (binom.ppf(p, replicates, level) for p in ((1 - BAND) / 2, (1 + BAND) / 2))
    return int(low), int(high)


def page(rows: pd.DataFrame, seeds: int, n: int) -> str:
    """Return docs/validation/COVERAGE.md."""
    table = coverage(rows)
    pooled = table[table["model"] == "all"].drop(columns="model")
    single = table[table["model"] != "all"].drop(columns=[f"band of {level:.0%}" for level in LEVELS])
    judged = [row for row in table.itertuples() if any(f"{level:.0%}" in str(row.outside) for level in JUDGED)]
    verdicts = "\n".join(f"- {row.quantity}, {row.method}, {row.model}: {row.outside}" for row in judged)
    bands = "; ".join(f"{level:.0%}: {_shares(seeds, level)}" for level in LEVELS)
    free = rows[rows["quantity"] == "free_energy"].assign(error=lambda r: (r["value"] - r["exact"]).abs())
    medians = free.pivot_table(index="model", columns="method", values="error", aggfunc="median", sort=False)
    four = free[free["model"].isin(FOUR_PARAMETERS)].groupby("method", sort=False)["error"].median()
    told = ", ".join(f"{method} {error:.4f}" for method, error in four.items())
    once = rows.drop_duplicates(["model", "seed"])
    cost = once.groupby("model", sort=False)[["rungs", "seconds", "diverging"]].median().reset_index()
    flagged = rows.assign(flagged=rows["flags"].fillna("") != "").groupby(["quantity", "method"], sort=False)["flagged"]
    coarse = rows[rows["discretisation_error"] > 0].groupby(["method", "model"], sort=False)
    coarse = coarse.apply(lambda g: (g["discretisation_error"] / g["mcse"]).median(), include_groups=False)
    return f"""# Coverage: do the error bars hold?

Made by `make validate` with singular {__version__}: {rows["model"].nunique()} models, n = {n}, {seeds} data sets
each, {len(once)} ladders at default settings (4 chains × 1000 draws after 500 of warm-up), the data seed being the
sampler's too. An interval of level p is value ± q mcse, q the normal quantile; it should hold the exact finite-n value
of what the estimate aims at (`posteriors.quadrature`) in a share p of the replicates. The band is where a binomial
share lies with probability {BAND:.1%}. λ_eff is taken at 1/log n and at 1 alone, so that the replicates of an estimator
are independent. No flagged estimate is left out. z = (estimate − exact)/mcse.

Outside the band at {" or ".join(f"{level:.0%}" for level in JUDGED)}, of {len(table)} rows of both tables \
({len(JUDGED) * len(table)} comparisons, of which chance puts about {(1 - BAND) * len(JUDGED) * len(table):.1f} or fewer
outside):

{verdicts or "none."}

## All models together

{printed(pooled)}

## Each model

Bands with {seeds} replicates: {bands}.

{printed(single)}

## Median |F − exact|, nats

{printed(medians.reset_index())}

On the four-parameter models ({", ".join(FOUR_PARAMETERS)}): {told}; goal ≤ {MEDIAN_BOUND}.

## Discretisation error

Median of the claimed discretisation error in units of mcse; it is not part of the intervals, and 0 for other methods.

{printed(coarse.rename("discretisation error / mcse").reset_index())}

## Size and cost of a ladder

{printed(cost)}

Medians; seconds are wall time on one core of a busy machine; `diverging` is the largest share of divergent steps on a
rung. Largest stated error of an oracle: {rows["oracle_error"].max():.1g} nats.

## Share of estimates that carry a flag

{printed(flagged.mean().rename("flagged").reset_index())}
"""


def _shares(replicates: int, level: float) -> str:
    low, high = band(replicates, level)
    return f"{low / replicates:.2f} to {high / replicates:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="data sets for each model")
    parser.add_argument("--n", type=int, default=500, help="observations of each data set")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validation"), help="where ladders are kept")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    runs = [Run(model, "default", arguments.n, seed) for model in arguments.models for seed in range(arguments.seeds)]
    done = pd.concat(every(partial(estimates, folder=arguments.work), runs, "ladders"), ignore_index=True)
    order = {name: i for i, name in enumerate(arguments.models)}
    rows = done.sort_values(["model", "seed"], key=lambda c: c.map(order) if c.name == "model" else c, kind="stable")
    rows = rows[np.isfinite(rows["z"])]
    write(arguments.out / "COVERAGE.md", page(rows, arguments.seeds, arguments.n))
    write(arguments.out / "COVERAGE.csv", coverage(rows).to_csv(index=False, float_format="%.4g"))
    print(coverage(rows).query("model == 'all'").to_string(index=False))


if __name__ == "__main__":
    main()
