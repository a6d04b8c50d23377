"""Do the error bars mean what they say? Many seeds of each model against the exact answer.

For each model and data seed one ladder at default settings; every estimate is compared with the finite-n
oracle in units of its own Monte Carlo error, z = (estimate − exact)/mcse. If the errors are honest the z have
mean 0 and standard deviation 1: a bar twice too large gives 0.5, one half too small 2.

    make validate            # 40 seeds, writes docs/validation.md and docs/validation.csv

A run goes on where it was stopped: finished seeds are read back from the folder ``out/validation``.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from singular import __version__, analysis, models, posteriors
from singular.analysis.markdown import markdown
from singular.posteriors.store import write

MODELS = ("tanh-1", "tanh-2", "product", "linear-4", "mixture-known")
SEEDS = 40
BOUNDS = (0.8, 1.25)
MEAN_BOUND = 0.03
FREE_ENERGY = ("mbar", "ti", "stepping-stone")


def one_seed(name: str, seed: int, n: int) -> pd.DataFrame:
    """Return one row per estimate: model, seed, beta, quantity, method, value, mcse, exact, …"""
    problem = models.problem(name, n=n, seed=seed)
    began = time.perf_counter()
    tree = posteriors.ladder(problem, seed=seed, progress=False)
    seconds = time.perf_counter() - began
    betas = tree.sample_stats.beta.values
    exact = posteriors.quadrature(problem, betas)
    rows = []

    def add(quantity, beta, estimate, truth, truth_error):
        rows.append(
            {
                "model": name, "seed": seed, "beta": beta, "quantity": quantity, "method": estimate.method,
                "value": estimate.value, "mcse": estimate.mcse,
                "discretisation_error": estimate.discretisation_error, "exact": truth, "exact_error": truth_error,
                "rungs": betas.size, "seconds": seconds,
                "flags": estimate.flags if isinstance(estimate.flags, str) else "; ".join(estimate.flags),
            }
        )  # fmt: skip

    top = exact.at(1.0)
    for method in FREE_ENERGY:
        estimate = analysis.free_energy(tree, method=method)
        add("free_energy", 1.0, estimate, top.free_energy, top.error_free_energy)
    at_wbic = exact.at(tree.attrs["wbic_beta"])
    add("wbic", tree.attrs["wbic_beta"], analysis.wbic(tree), at_wbic.mean_nll, at_wbic.error_mean_nll)
    for method in ("rung", "mbar"):
        for row in analysis.effective_learning_coefficient(tree, method=method).itertuples():
            truth = exact.at(row.beta)
            add("effective_learning_coefficient", row.beta, row, truth.effective_learning_coefficient,
                truth.error_effective_learning_coefficient)  # fmt: skip
    low, high = tree.attrs["wbic_beta"], betas[np.searchsorted(betas, tree.attrs["wbic_beta"]) + 1]
    secant = (exact.at(low).mean_nll - exact.at(high).mean_nll) / (1 / low - 1 / high)
    add("learning_coefficient", low, analysis.learning_coefficient(tree, method="two-temperature"), secant, 0.0)
    return pd.DataFrame(rows)


def standardised(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation of z, and the median error, per model and pooled."""
    rows = rows.assign(z=(rows.value - rows.exact) / np.hypot(rows.mcse, rows.exact_error),
                       error=(rows.value - rows.exact).abs())  # fmt: skip
    out = []
    for (quantity, method), group in rows.groupby(["quantity", "method"], sort=False):
        for model, part in [*group.groupby("model", sort=False), ("pooled", group)]:
            z = part.z.to_numpy()
            mean_error = z.std(ddof=1) / math.sqrt(part.groupby(["model", "seed"]).ngroups)
            pooled = model == "pooled"
            out.append(
                {
                    "quantity": quantity, "method": method, "model": model, "estimates": z.size,
                    "mean z": z.mean(), "± of mean": mean_error, "sd z": z.std(ddof=1),
                    "largest |z|": np.abs(z).max(), "median error": part.error.median(),
                    "median mcse": part.mcse.median(),
                    "within": ("yes" if BOUNDS[0] <= z.std(ddof=1) <= BOUNDS[1] else "NO") if pooled else "",
                }
            )  # fmt: skip
    return pd.DataFrame(out)


def page(rows: pd.DataFrame, seeds: int, n: int) -> str:
    """Return docs/validation.md."""
    table = standardised(rows)
    runs = rows.drop_duplicates(["model", "seed"])
    cost = runs.groupby("model", sort=False).agg(rungs=("rungs", "median"), seconds=("seconds", "median"))
    mbar = rows[(rows.quantity == "free_energy") & (rows.method == "mbar")]
    median = (mbar.value - mbar.exact).abs().median()
    flagged = rows.assign(flagged=rows["flags"].fillna("") != "")
    flagged = flagged.groupby(["model", "quantity", "method"], sort=False)["flagged"].mean()
    return f"""# Validation: do the error bars hold?

Made by `make validate` with singular {__version__}: {len(MODELS)} models, n = {n}, {seeds} data sets each, one ladder
at default settings per data set (4 chains × 1000 draws after 500 of warm-up), the data seed being the sampler's too.
Every estimate is compared with the exact finite-n value (`posteriors.quadrature`) in units of its own error:
z = (estimate − exact)/mcse. Honest errors give mean 0 and standard deviation 1; the pooled standard deviation
must lie in [{BOUNDS[0]}, {BOUNDS[1]}]. "± of mean" is the standard error of the mean of z over data sets.

Median |F − exact| by MBAR over all {len(mbar)} runs: **{median:.4f} nats** (goal ≤ {MEAN_BOUND}).

## Standardised errors

{markdown(table)}

λ_eff is taken on every rung above β = 0; rungs of one ladder are correlated. Thermodynamic integration has a
discretisation error besides (not in z); where it is larger than the Monte Carlo error, z shows it.

## Size and cost of a ladder

{markdown(cost.reset_index())}

Seconds are wall time on the machine that made this page, compilation in the first run of each model included.

## Share of estimates that carry a flag

{markdown(flagged.reset_index())}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--work", type=Path, default=Path("out/validation"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    frames = []
    jobs = [(name, seed) for name in arguments.models for seed in range(arguments.seeds)]
    for name, seed in track(jobs, "validating"):
        path = arguments.work / f"{name}-n{arguments.n}-{seed}.csv"
        if not path.exists():
            write(path, one_seed(name, seed, arguments.n).to_csv(index=False))
        frames.append(pd.read_csv(path, keep_default_na=False, na_values=["nan"]))
    rows = pd.concat(frames, ignore_index=True)
    write(arguments.out / "validation.md", page(rows, arguments.seeds, arguments.n))
    write(arguments.out / "validation.csv", standardised(rows).to_csv(index=False, float_format="%.4g"))
    print(standardised(rows).query("model == 'pooled'").to_string(index=False))


if __name__ == "__main__":
    main()
