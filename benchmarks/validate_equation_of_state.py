"""Watanabe's equation of state, over many data sets: does WAIC foretell the generalisation loss, and G + WAIC λ?

For each model, n and data seed one short ladder. At β = 1 and β = 1/2 it gives the training loss T, the functional
variance V, WAIC = T + βV/n and cross-validation CV; the generalisation loss G less the entropy S of the truth is an
integral over the truth, done by a Gauss–Hermite rule over fresh data in place of a sample of them. Then over data sets

    E[G] = E[T] + 2ν/n = E[WAIC] = E[CV]  and  (G − S) + (WAIC − L_n(w0)) = 2λ/(βn) + (β − 1)V/n,

each up to o(1/n), ν = (β/2) E[V]: Watanabe (2010), J. Mach. Learn. Res. 11, 3571. E[L_n(w0)] = S, and what is told of
T, WAIC and CV is their excess over L_n(w0) of the same data set, which has far less spread.

    python benchmarks/validate_equation_of_state.py     # writes docs/validation/EQUATION_OF_STATE.md and .csv

A run goes on where it was stopped: finished data sets are read back from ``out/equation-of-state``.
"""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from singular import __version__, models, posteriors
from singular.analysis.criteria import functional_variance_of, training_loss_of, waic_of
from singular.analysis.cross_validation import cross_validation_of
from singular.analysis.generalisation import predictive
from singular.analysis.markdown import markdown
from singular.analysis.pointwise import held_out_blocks, log_likelihood_at
from singular.analysis.rung_likelihoods import moments, read_rung
from singular.errors import unknown_name
from singular.models import Problem, catalogue
from singular.posteriors.store import write

BETAS = (0.0, 0.002, 0.005, 0.0125, 0.03, 0.07, 0.15, 0.27, 0.5, 1.0)
USED = (0.5, 1.0)
CHAINS, DRAWS, WARMUP = 4, 250, 150
SETS, SIZES = 60, (100, 400)
CHECKED = 10
"""One data set in so many has its G taken by a coarser rule too."""
ORDERS = {1: (80, 60), 2: (40, 30), 3: (14, 11)}
"""Order of the Gauss–Hermite rule by the number of normals one observation takes; the second is the coarser one."""


def _line(e: np.ndarray) -> dict:
    return {"x": e[:, :2], "y": e[:, :2] @ np.array([1.0, -0.5]) + e[:, 2]}


def _noise(e: np.ndarray) -> dict:
    return {"x": e[:, 0], "y": e[:, 1]}


TRUTHS: dict[str, tuple[int, Callable[[np.ndarray], dict]]] = {
    "linear-2": (3, _line),
    "product": (2, _noise),
    "tanh-2": (2, _noise),
    "mixture-known": (1, lambda e: {"y": e[:, 0]}),
}
"""What makes one observation of standard normals, and of how many: the truth of each model, as its simulator has it."""


@functools.cache
def fresh_data(name: str, order: int) -> tuple[Problem, np.ndarray, np.ndarray]:
    """Return the nodes of a rule over one observation of the truth, as data, their weights and the truth's density."""
    columns, make = TRUTHS[name]
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    grid = np.stack([g.ravel() for g in np.meshgrid(*[nodes] * columns, indexing="ij")], axis=1)
    share = np.prod([g.ravel() for g in np.meshgrid(*[weights / weights.sum()] * columns, indexing="ij")], axis=0)
    kept = share > 1e-16  # what is left out cannot be seen in float64
    problem = models.problem(name, n=1, seed=0).replace(kwargs=make(grid[kept]), seed=None, n=int(kept.sum()))
    return problem, share[kept] / share[kept].sum(), log_likelihood_at(problem, catalogue.get(name).optimum or {})


def one_set(name: str, n: int, seed: int) -> pd.DataFrame:
    """Return one row for each β: n times G − S, T, WAIC and CV less L_n(w0), and V; each with its Monte Carlo error."""
    problem = models.problem(name, n=n, seed=seed)
    tree = posteriors.ladder(problem, BETAS, CHAINS, DRAWS, WARMUP, seed=seed, progress=False, cores=1)
    at_truth = -log_likelihood_at(problem, catalogue.get(name).optimum or {}).mean()
    columns, _ = TRUTHS[name]
    rows = []
    for beta in USED:
        rung = read_rung(tree, problem, beta)
        found = moments(rung.values)
        waic = waic_of(rung, found, "loss")
        excess = []
        for order in ORDERS[columns][: 2 if seed % CHECKED == 0 else 1]:
            fresh, weights, truth = fresh_data(name, order)
            log_mean, _ = predictive(held_out_blocks(tree, problem, fresh, beta))
            excess.append(n * float(weights @ (truth - log_mean)))
        rows.append(
            {
                "model": name, "n": n, "seed": seed, "beta": beta,
                "G": excess[0], "error of the rule": abs(excess[0] - excess[1]) if len(excess) > 1 else math.nan,
                "T": n * (training_loss_of(rung, found).value - at_truth),
                "V": functional_variance_of(rung, found).value,
                "WAIC": n * (waic.value - at_truth), "mcse of WAIC": n * waic.mcse,
                "CV": n * (cross_validation_of(rung, "loss", smooth=True).value - at_truth),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def mean_and_error(values: pd.Series) -> tuple[float, float]:
    """Return mean and standard error over data sets."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def relations(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of means, and that of sums, a row for each model, n and β."""
    means, sums = [], []
    for (name, n, beta), part in rows.groupby(["model", "n", "beta"], sort=False):
        about = {"model": name, "n": n, "β": beta, "data sets": len(part)}
        row = dict(about)
        for label, values in (
            ("G", part["G"]), ("T", part["T"]), ("2ν", beta * part["V"]), ("WAIC", part["WAIC"]),
            ("G − WAIC", part["G"] - part["WAIC"]), ("G − CV", part["G"] - part["CV"]),
        ):  # fmt: skip
            mean, error = mean_and_error(values)
            row[label] = f"{mean:.3f} ± {error:.3f}"
            if label.startswith("G −"):
                row[f"z of {label}"] = mean / error
        means.append(row)
        exact = catalogue.get(str(name)).exact
        assert exact is not None  # every model here has one
        row = dict(about) | {"sd of G": part["G"].std(ddof=1)}
        for label in ("WAIC", "CV"):
            total = part["G"] + part[label] - (beta - 1) * part["V"]
            mean, error = mean_and_error(total)
            row |= {f"G + {label}": f"{mean:.3f} ± {error:.3f}", f"sd of G + {label}": total.std(ddof=1)}
            row[f"z of {label}"] = (mean - 2 * float(exact.value) / beta) / error
        row["2λ/β"] = f"{2 * float(exact.value) / beta:.3f}"
        row["m"] = exact.multiplicity
        if beta == 1.0:
            row["2λ − 2(m − 1)/log n"] = f"{2 * float(exact.value) - 2 * (exact.multiplicity - 1) / math.log(n):.3f}"
        sums.append(row)
    return pd.DataFrame(means), pd.DataFrame(sums).astype({"2λ − 2(m − 1)/log n": object}).fillna("")


def page(rows: pd.DataFrame) -> str:
    """Return EQUATION_OF_STATE.md."""
    means, sums = relations(rows)
    z = np.concatenate([means["z of G − WAIC"], means["z of G − CV"]])
    noise = (rows["mcse of WAIC"] ** 2).groupby([rows["model"], rows["n"], rows["beta"]]).mean()
    spread = rows["WAIC"].groupby([rows["model"], rows["n"], rows["beta"]]).var()
    return f"""# Watanabe's equation of state over data sets

Made by `benchmarks/validate_equation_of_state.py` with singular {__version__}: ladders of {len(BETAS)} rungs,
{CHAINS} chains × {DRAWS} draws after {WARMUP} of warm-up, one for each data set. Every number is n times an excess, in
nats: G stands for n(G_n − S), S the entropy of the truth; T, WAIC and CV for n times what they exceed
L_n(w0) by, the loss of the truth on the same data, whose mean is S. G is an integral over the truth of the draws'
predictive density, by a Gauss–Hermite rule (off by at most {rows["error of the rule"].max():.1g} from a coarser one, on
one data set in {CHECKED}). ± is one standard error over data sets and z the mean in units of it. That error holds the
Monte Carlo error too, which makes at most {100 * (noise / spread).max():.1f} % of the variance of WAIC.

## The means: E[G] = E[T] + 2ν/n = E[WAIC] = E[CV]

2ν/n = β E[V]/n, so that T + 2ν/n and WAIC are one number, and one difference tests both. The relations with WAIC
hold up to o(1/n); that with cross-validation is exact at every n for G of n − 1 observations. Largest |z| of
{len(z)}: {np.abs(z).max():.1f}, root mean square {math.sqrt((z**2).mean()):.2f}.

{markdown(means)}

## The sums: (G − S) + (WAIC − L_n(w0)) = 2λ/(βn) + (β − 1)V/n

The term in V is taken to the left, so that each sum is to be held against 2λ/β. G and WAIC vary from one data set to
the next and in opposite ways: the sum has a smaller standard deviation (sd) than either. What it tends to is a limit:
z tells how far n is from that and not whether the relation holds. Where the multiplicity m is 2, F_n has a term
−(m − 1) log log n, so that n(E[G_n] − S) = n(E[F_{{n+1}}] − E[F_n] − S) is λ − (m − 1)/log n and terms of higher order:
the last column has twice that.

{markdown(sums)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=SETS, help=f"data sets of each model and n (default {SETS})")
    parser.add_argument("--n", type=int, nargs="*", default=list(SIZES), help="observations of each data set")
    parser.add_argument(
        "--models", nargs="*", default=list(TRUTHS), help=f"some of {', '.join(TRUTHS)}; all by default"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/equation-of-state"), help="keeps finished sets")
    arguments = parser.parse_args()
    for name in arguments.models:
        if name not in TRUTHS:
            raise unknown_name("--models", name, TRUTHS)
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    jobs = [(name, n, seed) for name in arguments.models for n in arguments.n for seed in range(arguments.sets)]
    frames = []
    for name, n, seed in track(jobs, "data sets"):
        path = arguments.work / f"{name}-n{n}-{seed}.csv"
        if not path.exists():
            write(path, one_set(name, n, seed).to_csv(index=False))
        frames.append(pd.read_csv(path))
    rows = pd.concat(frames, ignore_index=True)
    write(arguments.out / "EQUATION_OF_STATE.md", page(rows))
    write(arguments.out / "EQUATION_OF_STATE.csv", rows.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
