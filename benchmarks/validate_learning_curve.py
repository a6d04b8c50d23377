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
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from replicates import every
from scipy.special import logsumexp

from singular import __version__, models
from singular.analysis.figures import BLUE, GREY, ORANGE, VERMILION, finish, new_figure, png
from singular.analysis.markdown import markdown
from singular.models import catalogue
from singular.posteriors.store import write

SIZES = (10, 30, 100, 300, 1000, 3000)
DATA_SETS = 200
FEWER = {"tanh-2": 100}
"""Data sets of a model whose nodes are many."""
GOAL = 0.05
"""Standard error wanted, as a share of λ."""
DESIGNS = 4000
"""Random designs over which the closed form of linear regression is averaged."""
NEGLIGIBLE = 1e-12
"""Nodes of a smaller posterior weight than this share of the largest are dropped."""
CHUNK = 2_000_000
LOG_2PI = math.log(2 * math.pi)


class Kind(NamedTuple):
    """Features φ(x; b), (N, H, Q) from nodes (N, k) and inputs; the true mean at inputs; a rule for x ~ N(0, I)."""

    features: Callable[[np.ndarray, np.ndarray], np.ndarray]
    truth: Callable[[np.ndarray], np.ndarray]
    inputs: Callable[[], tuple[np.ndarray, np.ndarray]]


def even_line() -> tuple[np.ndarray, np.ndarray]:
    """Return the trapezoid rule for E g(x), x ~ N(0, 1), of an even g; fine enough for tanh(9 x) to four digits."""
    x = 0.1 * np.arange(0, 71)
    weights = np.exp(-0.5 * x**2) * np.where(x == 0, 0.5, 1.0)
    return x, weights / weights.sum()


def four_dimensions() -> tuple[np.ndarray, np.ndarray]:
    """Return the product of four Gauss-Hermite rules for E g(x), x ~ N(0, I_4), as (Q, 4) and (Q,)."""
    points, weights = np.polynomial.hermite_e.hermegauss(9)
    grid = np.meshgrid(*[points] * 4, indexing="ij")
    product = np.prod(np.meshgrid(*[weights] * 4, indexing="ij"), axis=0).ravel()
    return np.stack([g.ravel() for g in grid], axis=1), product / product.sum()


def _scalar(function: Callable[[np.ndarray], np.ndarray]):
    """Return features of hidden units function(b_h x) at scalar inputs."""
    return lambda points, x: function(points[:, :, None] * x)


LINEAR_TRUTH = np.array([1.0, -1 / 2, 1 / 3, -1 / 4])
KINDS = {
    "linear-4": Kind(lambda points, x: x.T[None], lambda x: x @ LINEAR_TRUTH, four_dimensions),
    "tanh-1-1": Kind(_scalar(np.tanh), np.tanh, even_line),
    "product": Kind(_scalar(lambda u: u), np.zeros_like, even_line),
    "tanh-1": Kind(_scalar(np.tanh), np.zeros_like, even_line),
    "monomial-1-2": Kind(lambda points, x: points[:, :, None] ** 2 * x, np.zeros_like, even_line),
    "tanh-2": Kind(_scalar(np.tanh), np.zeros_like, even_line),
}


class Posterior(NamedTuple):
    """A mixture of normals: log weights (N,), nodes (N, k), means (N, H) and covariances (N, H, H) of the weights a."""

    log_weights: np.ndarray
    points: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def posterior(name: str, data: dict[str, np.ndarray]) -> Posterior:
    """Return the posterior at β = 1 as a mixture over the oracle's nodes."""
    kind, integral = KINDS[name], catalogue.get(name).integral
    nodes = integral.nodes(data, 0)
    x, y = data["x"], data["y"]
    grams, moments = [], []
    width = max(1, CHUNK // len(y))
    for start in range(0, len(nodes.log_weights), width):
        features = kind.features(nodes.points[start : start + width], x)
        grams.append(features @ np.swapaxes(features, 1, 2))
        moments.append(features @ y)
    gram, moment = np.concatenate(grams), np.concatenate(moments)
    precision = gram + np.eye(gram.shape[1])
    covariances = np.linalg.inv(precision)
    means = np.einsum("nhk,nk->nh", covariances, moment)
    logs = nodes.log_weights + 0.5 * (np.sum(means * moment, axis=1) - np.linalg.slogdet(precision)[1])
    keep = logs > logs.max() + math.log(NEGLIGIBLE)
    return Posterior(logs[keep] - logsumexp(logs[keep]), nodes.points[keep], means[keep], covariances[keep])


def predictive_moments(post: Posterior, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return φᵀm and φᵀVφ, both (N, Q)."""
    centre = np.einsum("nhq,nh->nq", features, post.means)
    return centre, np.einsum("nhq,nhk,nkq->nq", features, post.covariances, features, optimize=True)


def generalisation_excess(name: str, post: Posterior) -> float:
    """Return G_n − S = E_x KL(truth ‖ predictive), nats."""
    kind = KINDS[name]
    inputs, weights = kind.inputs()
    centre, spread = predictive_moments(post, kind.features(post.points, inputs))
    target = kind.truth(inputs)
    if len(post.log_weights) == 1:  # one normal: the divergence has a closed form
        gap, variance = target - centre[0], 1 + spread[0]
        return float(weights @ (0.5 * (np.log(variance) + (1 + gap**2) / variance - 1)))
    points, masses = np.polynomial.hermite_e.hermegauss(24)
    masses = masses / masses.sum()
    log_variance = np.log1p(spread)
    total = 0.0
    for y, mass in zip(points, masses, strict=True):
        logs = -0.5 * ((target + y - centre) ** 2 / (1 + spread) + log_variance)
        total += mass * float(weights @ (-0.5 * y**2 - logsumexp(post.log_weights[:, None] + logs, axis=0)))
    return total


def leave_one_out_excess(name: str, post: Posterior, data: dict[str, np.ndarray]) -> float:
    """Return C_n − S_n, the exact cross-validation loss over that of the truth, nats an observation."""
    kind, total = KINDS[name], 0.0
    width = max(1, CHUNK // len(post.log_weights))
    for start in range(0, len(data["y"]), width):
        x, y = data["x"][start : start + width], data["y"][start : start + width]
        centre, spread = predictive_moments(post, kind.features(post.points, x))
        logs = 0.5 * ((y - centre) ** 2 / (1 - spread) - np.log1p(-spread))
        total += float(np.sum(logsumexp(post.log_weights[:, None] + logs, axis=0) - 0.5 * (y - kind.truth(x)) ** 2))
    return total / len(data["y"])


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
        error = np.einsum("qi,ij,qj->q", inputs, v - v @ v + np.outer(away, away), inputs)
        variance = 1 + np.einsum("qi,ij,qj->q", inputs, v, inputs)
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
        "over λ": value / float(exact.value), "from G alone": float(rows.fresh.mean()),
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
    figure.suptitle("Regular models reach λ by n = 100; m = 2 keeps the curve below λ for longer than anyone waits",
                    fontsize=12)  # fmt: skip
    return figure


def page(table: pd.DataFrame) -> str:
    """Return docs/validation/LEARNING_CURVE.md."""
    shown = ["model", "λ", "m", "n", "data sets", "n (E[G] − S)", "± s.e.", "share of λ", "over λ", "from G alone",
             "± of G", "correlation", "z of G − C"]  # fmt: skip
    linear = table[table["model"] == "linear-4"]
    check = ""
    if len(linear):
        linear = linear[["n", "n (E[G] − S)", "± s.e.", "closed form", "± closed"]]
        gap = linear["n (E[G] − S)"] - linear["closed form"]
        linear = linear.assign(z=gap / np.hypot(linear["± s.e."], linear["± closed"]))
        check = f"""
## Linear regression, with the noise in closed form

Given the design the mean over the noise is a formula; {DESIGNS} random designs leave the error in the last column but
one. z = difference in units of both errors.

{markdown(linear)}
"""
    last = table[table["n"] == table["n"].max()]
    ends = "; ".join(
        f"{row.model} {row.value:.3f} ± {row.error:.3f} (λ = {row.λ})"
        for row in last.rename(columns={"n (E[G] − S)": "value", "± s.e.": "error"}).itertuples()
    )
    met = int((table["share of λ"] <= GOAL).sum())
    return f"""# The Bayesian learning curve

Made by `python benchmarks/validate_learning_curve.py` with singular {__version__}: n (E[G_n] − S) tends to λ, G_n the
generalisation loss of the Bayes predictive density at β = 1, S the entropy of the truth, nats an observation.
Nothing is sampled but the data sets. Predictive densities come from the oracle's nodes and are exact; what is shown is
the mean of n (G_n − S) and (n − 1)(C_n − S_n), C_n exact leave-one-out cross-validation: unbiased halfway between n − 1
and n, and steady because the two fluctuate against each other (`correlation`). `z of G − C` tests that they have the
same mean, which is an identity up to one observation. The goal was a standard error of {GOAL:.0%} of λ: met in {met} of
{len(table)} rows; `from G alone` shows what it would be without cross-validation.

![n (E[G] − S) over n](LEARNING_CURVE.png)

At n = {table["n"].max()}: {ends}.

{markdown(table[shown])}

Where m = 2 the evidence is n^(−λ) log n, and the increment of its logarithm gives n (E[G_n] − S) ≈ λ − (m − 1)/log n:
the curve has not arrived at n = 3000 and will not at any n that can be had.
{check}"""


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
        count = min(arguments.data_sets, FEWER.get(name, arguments.data_sets))
        parts += [Part(name, n, count, arguments.work / f"{name}-n{n}-{count}.csv") for n in arguments.sizes]
    missing = [part for part in parts if not part.path.exists()]
    missing.sort(key=lambda part: part.n * (10 if part.name in FEWER else 1), reverse=True)  # long ones first
    for _ in every(kept, missing, "learning curves"):
        pass
    table = [summarise(pd.read_csv(part.path), part.name, part.n) for part in parts]
    frame = pd.DataFrame(table)
    write(arguments.out / "LEARNING_CURVE.md", page(frame))
    write(arguments.out / "LEARNING_CURVE.csv", frame.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "LEARNING_CURVE.png", png(picture(frame)))


if __name__ == "__main__":
    main()
