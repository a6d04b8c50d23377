"""Does n (E[G_n] − S) tend to λ? The Bayesian learning curve, from exact predictive densities.

G_n is the mean of −log p(y | x, D_n) over a new observation, p the Bayes predictive density at β = 1; S is the same for
the truth, so that E[G_n] − S = E[F_{n+1}] − E[F_n] − S, and n times it tends to λ (Watanabe 2009). A single difference
F_{n+1} − F_n − (−log p0(y)) has mean λ/n and standard deviation √(2λ/n): millions of data sets would be needed. Two
exact steps and one identity make a few hundred enough.

1. All models here are y ~ N(Σ_h a_h φ_h(x; b), 1) with a ~ N(0, I), and the oracle's nodes b_i with weights p_i at
   β = 1 make the posterior a mixture of normals, a | b_i ~ N(m_i, V_i). The predictive density is then a mixture too,
   Σ_i p_i N(y; φᵀm_i, 1 + φᵀV_iφ), and G_n − S = E_x KL(truth ‖ predictive) is a smooth integral over x and y
   done by rule: no new observation is drawn.
2. Leaving one out is as exact: 1/p(y_k | x_k, D∖k) = E[1/p(y_k | x_k, w) | D], a Gaussian integral at every node
   (φᵀV_iφ < 1 as the k-th row is among the data), so the cross-validation loss C_n = −(1/n) Σ_k log p(y_k | x_k, D∖k)
   has no error of its own, and E[C_n] = E[G_{n−1}] for every n and every model.
3. G_n − S and C_n − S_n, S_n = −(1/n) Σ_k log p0(y_k | x_k), fluctuate in opposite ways: their sum is 2λ/n + o_p(1/n)
   (Watanabe 2010, with WAIC or cross-validation alike). The mean of n (G_n − S) and (n − 1)(C_n − S_n) is
   therefore an unbiased estimate of the curve halfway between n − 1 and n, of far smaller variance than either.

For linear regression the mean over the noise is in closed form as well: a check that shares nothing with step 2.

    python benchmarks/validate_learning_curve.py   # writes docs/validation/LEARNING_CURVE.md, .csv and .png

A run goes on where it was stopped: finished (model, n) are read back from ``out/validate-learning-curve``.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from exact_predictive import (
    KINDS,
    LINEAR_TRUTH,
    four_dimensions,
    generalisation_excess,
    leave_one_out_excess,
    posterior,
)
from replicates import every, printed

from singular import __version__, models
from singular.analysis.figures import BLUE, GREY, ORANGE, VERMILION, finish, new_figure, png
from singular.models import catalogue
from singular.posteriors.store import write

SIZES = (10, 30, 100, 300, 1000, 3000)
DATA_SETS = 200
SLOW = {"tanh-2": 300}
"""Models whose nodes are many: largest n, and `FEWER` data sets."""
FEWER = 50
GOAL = 0.05
"""Standard error wanted, as a share of λ."""
DESIGNS = 500
"""Random designs over which the closed form of linear regression is averaged."""


def measure(name: str, n: int, data_sets: int) -> pd.DataFrame:
    """Return one row for each data set: seed, ``fresh`` n (G_n − S) and ``held_out`` (n − 1)(C_n − S_n)."""
    rows = []
    for seed in range(data_sets):
        data = models.problem(name, n=n, seed=seed).kwargs
        post = posterior(name, data)
        fresh, held_out = generalisation_excess(name, post), leave_one_out_excess(name, post, data)
        rows.append({"seed": seed, "fresh": n * fresh, "held_out": (n - 1) * held_out})
    return pd.DataFrame(rows)


class Part(NamedTuple):
    """Data sets of one model at one n, and the file they are kept in."""

    name: str
    n: int
    data_sets: int
    path: Path


def kept(part: Part) -> None:
    """Measure the data sets of a part and keep them."""
    write(part.path, measure(part.name, part.n, part.data_sets).to_csv(index=False))


def linear_closed_form(n: int, designs: int, seed: int = 0) -> tuple[float, float]:
    """Return n (E[G_n] − S) of linear-4 and its standard error: noise and new y in closed form, designs at random.

    Given the design, m = V Xᵀy with V = (I + XᵀX)⁻¹, so m − w0 has mean −V w0 and covariance V XᵀX V = V − V²;
    the mean of KL over the noise is ½ [log v + (1 + xᵀ(V − V² + V w0 w0ᵀ V) x)/v − 1], v = 1 + xᵀVx.
    """
    rng = np.random.default_rng(seed)
    inputs, weights = four_dimensions()
    values = []
    for _ in range(designs):
        x = rng.standard_normal((n, 4)) if n < 100 else _root_of_wishart(rng, n)
        v = np.linalg.inv(np.eye(4) + x.T @ x)
        away = v @ LINEAR_TRUTH
        error = np.sum(inputs @ (v - v @ v + np.outer(away, away)) * inputs, axis=1)
        variance = 1 + np.sum(inputs @ v * inputs, axis=1)
        values.append(n * float(weights @ (0.5 * (np.log(variance) + (1 + error) / variance - 1))))
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(designs))


def _root_of_wishart(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return R, 4 × 4, with RᵀR distributed as XᵀX of n rows of x ~ N(0, I): Bartlett's decomposition."""
    factor = np.tril(rng.standard_normal((4, 4)), -1)
    factor[np.diag_indices(4)] = np.sqrt(rng.chisquare(n - np.arange(4)))
    return factor.T


def summarise(rows: pd.DataFrame, name: str, n: int) -> dict:
    """Return the row of one model and one n."""
    exact = catalogue.get(name).exact
    both = (rows.fresh + rows.held_out) / 2
    size = math.sqrt(len(rows))
    value, error = float(both.mean()), float(both.std(ddof=1) / size)
    gap = rows.fresh - rows.held_out
    row = {
        "model": name, "λ": str(exact.value), "m": exact.multiplicity, "n": n, "data sets": len(rows),
        "n (E[G] − S)": value, "± s.e.": error, "share of λ": error / float(exact.value),
        "over λ": value / float(exact.value), "z of λ": (value - float(exact.value)) / error,
        "λ − (m−1)/log n": float(exact.value) - (exact.multiplicity - 1) / math.log(n),
        "from G alone": float(rows.fresh.mean()),
        "± of G": float(rows.fresh.std(ddof=1) / size), "correlation": float(rows.fresh.corr(rows.held_out)),
        "z of G − C": float(gap.mean() / gap.std(ddof=1) * size),
    }  # fmt: skip
    if name == "linear-4":
        row["closed form"], row["± closed"] = linear_closed_form(n, DESIGNS)
    return row


def picture(table: pd.DataFrame):
    """Draw n (E[G_n] − S) / λ over n, a panel a model."""
    names = list(dict.fromkeys(table["model"]))
    figure = new_figure(10.5, 5.6)
    for axes, name in zip(figure.subplots(2, 3, sharex=True).ravel(), names, strict=False):
        part = table[table["model"] == name]
        value, order = float(part["n (E[G] − S)"].iloc[0] / part["over λ"].iloc[0]), int(part["m"].iloc[0])
        axes.axhline(value, color=ORANGE, ls="--", lw=1.6, label="λ")
        if order > 1:
            sizes = np.geomspace(30, part["n"].max(), 50)
            axes.plot(sizes, value - (order - 1) / np.log(sizes), color=GREY, ls=":", lw=1.6,
                      label="λ − (m − 1)/log n")  # fmt: skip
        axes.errorbar(part["n"], part["from G alone"], 2 * part["± of G"], fmt="s", ms=4, color=VERMILION, capsize=2,
                      mfc="white", lw=1, alpha=0.7, label="from G alone, ± 2 s.e.")  # fmt: skip
        axes.errorbar(part["n"], part["n (E[G] − S)"], 2 * part["± s.e."], fmt="o-", ms=4, color=BLUE, capsize=2,
                      label="G and C together, ± 2 s.e.")  # fmt: skip
        if part.get("closed form") is not None and part["closed form"].notna().any():
            axes.plot(part["n"], part["closed form"], "x", color="black", ms=7, label="closed form")
        axes.set_xscale("log")
        axes.set_ylim(0, None)
        finish(axes, f"{name}  (λ = {part['λ'].iloc[0]}, m = {order})", "n", "n (E[Gₙ] − S)")
        axes.legend(fontsize=7, frameon=False, loc="lower right")
    figure.suptitle(f"n (E[Gₙ] − S) over n, exact for each data set; at the largest n: {_shares(table)} of λ",
                    fontsize=12)  # fmt: skip
    return figure


def _last(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["n"] == table.groupby("model")["n"].transform("max")]


def _shares(table: pd.DataFrame) -> str:
    shares = _last(table).groupby("m")["over λ"].agg(["min", "max"])
    return "; ".join(f"m = {m}: {row['min']:.2f} to {row['max']:.2f}" for m, row in shares.iterrows())


def linear_section(table: pd.DataFrame) -> str:
    """Return the part of the page that holds linear regression against its closed form, empty without that model."""
    linear = table[table["model"] == "linear-4"]
    if linear.empty:
        return ""
    linear = linear[["n", "n (E[G] − S)", "± s.e.", "closed form", "± closed"]]
    gap = linear["n (E[G] − S)"] - linear["closed form"]
    linear = linear.assign(z=gap / np.hypot(linear["± s.e."], linear["± closed"]))
    return f"""
## Linear regression, with the noise in closed form

Given the design the mean over the noise is a formula; {DESIGNS} random designs leave the error `± closed`. z is the
difference in units of both errors: the largest of {len(linear)} is {linear["z"].abs().max():.1f}.

{printed(linear)}
"""


def page(table: pd.DataFrame) -> str:
    """Return docs/validation/LEARNING_CURVE.md."""
    shown = ["model", "λ", "m", "n", "data sets", "n (E[G] − S)", "± s.e.", "over λ", "z of λ", "λ − (m−1)/log n",
             "share of λ", "from G alone", "± of G", "correlation", "z of G − C"]  # fmt: skip
    last = _last(table).rename(columns={"n (E[G] − S)": "value", "± s.e.": "error"})
    ends = "; ".join(
        f"{row.model} {row.value:.3f} ± {row.error:.3f} (λ = {row.λ}, n = {row.n})" for row in last.itertuples()
    )
    met = int((table["share of λ"] <= GOAL).sum())
    single = last[last["m"] == 1]
    double = last[last["m"] > 1]
    near = double["value"] - double["λ − (m−1)/log n"]
    short = [f"{row.model} stops at n = {row.n}" for row in last.itertuples() if row.n < table["n"].max()]
    gain = (table["± of G"] / table["± s.e."]).median()
    scores = table["z of G − C"]
    return f"""# The Bayesian learning curve

Made by `make validate-learning-curve` with singular {__version__}: n (E[G_n] − S) tends to λ, G_n the generalisation
loss of the Bayes predictive density at β = 1, S the entropy of the truth, nats an observation. Nothing is sampled but
the data sets. Predictive densities come from the oracle's nodes and are exact; what is shown is the mean of
n (G_n − S) and (n − 1)(C_n − S_n), C_n exact leave-one-out cross-validation: unbiased halfway between n − 1 and n, and
steady because the two fluctuate against each other (`correlation`): the error is {gain:.1f} times smaller (median) than
`from G alone`. `z of G − C` tests that the two have the same mean, which is an identity up to one observation: largest
{scores.abs().max():.1f}, root mean square {float(np.sqrt(np.mean(scores**2))):.2f} over {len(table)} rows, of which
those of one model share data. A standard error of at most {GOAL:.0%} of λ was the goal: met in {met} of {len(table)}
rows. {"; ".join(short)}{", for its nodes are many. " if short else ""}`z of λ` is the distance from λ in standard
errors; a finite n need not be at λ.

![n (E[G] − S) over n](LEARNING_CURVE.png)

At the largest n of each: {ends}.

{printed(table[shown])}

Where m = 1, {int((single["z of λ"].abs() < 2).sum())} of {len(single)} are within two standard errors of λ at the
largest n. Where m = 2 the evidence is n^(−λ) log n, and the increment of its logarithm gives
n (E[G_n] − S) ≈ λ − (m − 1)/log n, which the curves miss there by
{", ".join(f"{value:+.3f}" for value in near)}, terms of higher order in 1/log n included. By it λ = 1/2 is reached to
one tenth only at log n = {1 / (0.1 * 0.5):.0f}: the limit cannot be seen in data, its approach can.
{linear_section(table)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="NAME")
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="numbers of observations")
    parser.add_argument("--data-sets", type=int, default=DATA_SETS, help="for each model and n")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-learning-curve"), help="finished parts")
    arguments = parser.parse_args()
    for folder in (arguments.out, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for name in arguments.models:
        count = min(FEWER, arguments.data_sets) if name in SLOW else arguments.data_sets
        parts += [
            Part(name, n, count, arguments.work / f"{name}-n{n}-{count}.csv")
            for n in arguments.sizes
            if n <= SLOW.get(name, n)
        ]
    missing = [part for part in parts if not part.path.exists()]
    missing.sort(key=lambda part: part.n * (10 if part.name in SLOW else 1), reverse=True)  # long ones first
    for _ in every(kept, missing, "learning curves"):
        pass
    table = [summarise(pd.read_csv(part.path), part.name, part.n) for part in parts]
    frame = pd.DataFrame(table)
    write(arguments.out / "LEARNING_CURVE.md", page(frame))
    write(arguments.out / "LEARNING_CURVE.csv", frame.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "LEARNING_CURVE.png", png(picture(frame)))


if __name__ == "__main__":
    main()
