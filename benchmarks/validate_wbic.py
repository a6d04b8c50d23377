"""How far is WBIC from the free energy? Bias and spread over data sets, from exact numbers: no sampling at all.

For each data set the oracle gives F_n, WBIC = E_β[nL_n] and λ_eff = β² Var_β(nL_n) at β = 1/log n without Monte Carlo
error, so what is left is the spread over data sets, and its standard error is stated.

What theory says (Watanabe 2009, 2013), w0 an optimal point:

    F_n  = nL_n(w0) + λ log n − (m − 1) log log n + O_p(1)
    WBIC = nL_n(w0) + λ log n + U_n √(λ log n / 2) + O_p(1)

so that WBIC − F_n grows like (m − 1) log log n, has a constant, and a random part of mean 0 (U_n vanishes where the
optimal set is symmetric enough: in regular models, for instance). Two steps make the constant plain.

Without noise the evidence of t observations is Z(t) = ∫ φ exp(−tK), the free energy −log Z(n) and WBIC n E_t[K] at
t = n/log n: `noise_free` has it and their difference, exact at finite n.

With noise, nL_n(w) − nL_n(w0) = nK(w) − √(nK(w)) ξ_n(w), where ξ_n has variance 2. Integration by parts along the
radius t = nK gives β E_β[nL_n − nL_n(w0)] = (noise-free coefficient) − (β/2) E_β[√(nK) ξ_n], whose mean over data is
the coefficient less β ν(β): ν is the singular fluctuation. To second order in β, ν → λ as β → 0 where the mean of
√(nK) ξ_n vanishes by symmetry, and it is smaller otherwise. Hence

    E[WBIC] = E[nL_n(w0)] + λ log n − (m − 1) log n/(log n − log log n) − ν + …

and WBIC lies below its two leading terms by ν + (m − 1) in the limit. WBIC + λ_eff, called *adjusted* here, takes ν → λ
away by the variance of the same draws. Imai (2019, arXiv:1908.10572) names such a constant and removes it; his formula
was not at hand, the one here is derived as above. It mends the two leading terms and nothing else: F_n has a constant
of its own, set by the prior, and so WBIC + λ_eff need not be nearer to F_n.

    python benchmarks/validate_wbic.py       # writes docs/validation/WBIC.md, WBIC.csv and WBIC.png

A run goes on where it was stopped: finished (model, n) are read back from ``out/validate-wbic``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from least_nll import LEAST, at_truth
from replicates import every, printed

from singular import __version__, models, posteriors
from singular.analysis.figures import BLUE, GREY, ORANGE, VERMILION, finish, new_figure, png
from singular.models import catalogue
from singular.posteriors.precision import keep_compiled_programs
from singular.posteriors.store import write

SIZES = (50, 160, 500, 1600, 5000)
DATA_SETS = 100
FEWER = 100
SLOW = {"mixture-known": 500, "logistic-2": 1600, "tanh-2": 5000}
"""Models whose oracle takes a second or more: largest n, and `FEWER` data sets."""


def measure(name: str, n: int, data_sets: int) -> pd.DataFrame:
    """Return one row for each data set: seed, free_energy, wbic, coefficient, at_truth, least, error (nats)."""
    beta, best, truth = 1 / math.log(n), LEAST[name], at_truth(name)
    rows = []
    for seed in range(data_sets):
        problem = models.problem(name, n=n, seed=seed)
        exact = posteriors.quadrature(problem, [beta, 1.0])
        low, top = exact.at(beta), exact.at(1.0)
        rows.append(
            {
                "seed": seed,
                "free_energy": top.free_energy,
                "wbic": low.mean_nll,
                "coefficient": low.effective_learning_coefficient,
                "at_truth": truth(problem.kwargs),
                "least": best(**problem.kwargs) if best else math.nan,
                "error": max(top.error_free_energy, low.error_mean_nll, low.error_effective_learning_coefficient),
            }
        )
    return pd.DataFrame(rows)


def noise_free(name: str, sizes: Sequence[int]) -> pd.DataFrame:
    """Return WBIC and WBIC − F of data without noise: n E_t[K] at t = n/log n, and log Z(n) added to it; nats."""
    grid = np.array(sizes, dtype=float)
    frame = posteriors.population(catalogue.get(name), np.concatenate([grid / np.log(grid), grid]))
    wbic = grid * frame["mean_excess"].to_numpy()[: grid.size]
    offset = wbic + frame["log_z"].to_numpy()[grid.size :]
    return pd.DataFrame({"wbic": wbic, "offset": offset}, index=pd.Index(sizes, name="n"))


class Part(NamedTuple):
    """Data sets of one model at one n, and the file they are kept in."""

    name: str
    n: int
    data_sets: int
    path: Path


def kept(part: Part) -> None:
    """Measure the data sets of a part and keep them."""
    keep_compiled_programs()
    write(part.path, measure(part.name, part.n, part.data_sets).to_csv(index=False))


def criteria(rows: pd.DataFrame, name: str, n: int) -> dict[str, pd.Series]:
    """Return each stand-in for F_n, a value for each data set, nats."""
    model = catalogue.get(name)
    value, order = float(model.exact.value), model.exact.multiplicity
    penalty = value * math.log(n) - (order - 1) * math.log(math.log(n))
    return {
        "WBIC": rows.wbic,
        "adjusted": rows.wbic + rows.coefficient,
        "BIC": rows.least + 0.5 * model.dim * math.log(n),
        "λ, m at ŵ": rows.least + penalty,
        "λ, m at w0": rows.at_truth + penalty,
    }


def mean_and_error(values: pd.Series | np.ndarray) -> tuple[float, float]:
    """Return the mean and its standard error over data sets."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))


def summarise(rows: pd.DataFrame, name: str, n: int, still: pd.Series) -> dict:
    """Return the row of one model and one n; ``still`` is what `noise_free` says of them."""
    exact = catalogue.get(name).exact
    bias, error = mean_and_error(rows.wbic - rows.free_energy)
    above = rows.wbic - rows.at_truth
    below, below_error = mean_and_error(above - float(exact.value) * math.log(n))
    moved, moved_error = mean_and_error(above - still.wbic)
    left, left_error = mean_and_error(above + rows.coefficient - still.wbic)
    row = {
        "model": name, "λ": str(exact.value), "m": exact.multiplicity, "n": n, "data sets": len(rows),
        "bias": bias, "± bias": error, "sd": float((rows.wbic - rows.free_energy).std(ddof=1)),
        "loglog term": (exact.multiplicity - 1) * math.log(math.log(n)), "noise-free": still.offset,
        "noise": bias - still.offset,
        "WBIC − leading": below, "± leading": below_error,
        "without noise": still.wbic - float(exact.value) * math.log(n),
        "fluctuation": moved, "± fluctuation": moved_error, "mean λ_eff": float(rows.coefficient.mean()),
        "remainder": left, "± remainder": left_error,
    }  # fmt: skip
    for criterion, values in criteria(rows, name, n).items():
        gap = values - rows.free_energy
        row[f"bias {criterion}"], row[f"± {criterion}"] = mean_and_error(gap)
        row[f"RMSE {criterion}"] = float(np.sqrt(np.mean(gap**2)))
    return row


def picture(table: pd.DataFrame):
    """Draw the bias of WBIC and of its adjusted form over n, a panel a model, beside what theory names."""
    names = list(dict.fromkeys(table["model"]))
    columns = 4
    figure = new_figure(3.1 * columns, 2.7 * math.ceil(len(names) / columns) + 0.6)
    panels = figure.subplots(math.ceil(len(names) / columns), columns, sharex=True, squeeze=False).ravel()
    for axes, name in zip(panels, names, strict=False):
        part = table[table["model"] == name]
        axes.axhline(0, color="black", lw=0.8)
        axes.plot(part["n"], part["loglog term"], color=ORANGE, ls="--", lw=1.5, label="(m − 1) log log n")
        axes.plot(part["n"], part["noise-free"], color=GREY, ls=":", lw=1.8, label="without noise, exact")
        for column, mark, colour, label in (("WBIC", "o", BLUE, "WBIC"), ("adjusted", "s", VERMILION, "WBIC + λ_eff")):
            axes.errorbar(part["n"], part[f"bias {column}"], 2 * part[f"± {column}"], fmt=f"{mark}-", ms=4, lw=1.2,
                          capsize=2.5, color=colour, mfc="white", label=f"{label}, ± 2 s.e.")  # fmt: skip
        axes.set_xscale("log")
        finish(axes, f"{name}\nλ = {part['λ'].iloc[0]}, m = {part['m'].iloc[0]}", "n", "minus Fₙ, nats")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(f"WBIC − Fₙ over data sets: {_signs(table)}", fontsize=12)
    return figure


def _signs(table: pd.DataFrame) -> str:
    low, high = int((table["bias"] < -2 * table["± bias"]).sum()), int((table["bias"] > 2 * table["± bias"]).sum())
    return f"mean below 0 in {low}, above 0 in {high} of {len(table)} (by more than two standard errors)"


def bias_section(table: pd.DataFrame) -> str:
    """Return the part of the page that holds the mean of WBIC − F_n beside what theory names of it."""
    regular = table[[not catalogue.get(name).singular for name in table["model"]]]
    singular = table.drop(regular.index)
    shown = ["model", "λ", "m", "n", "data sets", "bias", "± bias", "sd", "loglog term", "noise-free", "noise"]
    worst = table.loc[table["RMSE WBIC"].idxmax()]
    several = table[table["m"] > 1].groupby("model")
    risen = (several["bias"].last() - several["bias"].first()) / (
        several["loglog term"].last() - several["loglog term"].first()
    )
    slow = table[table["m"] == 1].groupby("model")["bias"].agg(["first", "last"])
    slowest = (slow["last"] - slow["first"]).idxmax()
    return f"""## Bias, and what theory names of it

`bias` is the mean of WBIC − F_n, `sd` its standard deviation over data sets. `loglog term` is (m − 1) log log n, the
only part that grows without bound. `noise-free` is the same difference for data without noise, n E_t[K] + log Z(n) at
t = n/log n, exact at this n: it holds the log log term, the constant of the prior and all corrections in 1/log n.
`noise` is what remains, the doing of the fluctuation of the log likelihood: {_range(regular["noise"])} nats in the
regular models and {_range(singular["noise"])} in the singular ones.

Over data sets: {_signs(table)}. The largest root mean square
difference is {worst["RMSE WBIC"]:.2f} nats ({worst["model"]}, n = {worst["n"]}).

At these n the log log term is not the whole of the rise. Where m > 1 the bias rises from the first n to the last by
{risen.min():.2f} to {risen.max():.2f} of what that term does. Where m = 1 it may rise as well: in {slowest} from
{slow["first"][slowest]:+.2f} to {slow["last"][slowest]:+.2f}. The exact noise-free column shows both.

{printed(table[shown])}
"""


def leading_section(table: pd.DataFrame) -> str:
    """Return the part of the page that holds WBIC against its two leading terms."""
    columns = ["model", "n", "λ", "m", "WBIC − leading", "± leading", "without noise", "fluctuation", "± fluctuation",
               "mean λ_eff", "remainder", "± remainder"]  # fmt: skip
    shown = table.loc[table["n"] == table.groupby("model")["n"].transform("max"), columns]
    shown = shown.assign(limit=[str(-Fraction(r.λ) - (r.m - 1)) for r in shown.itertuples()])
    below = int((shown["WBIC − leading"] < -2 * shown["± leading"]).sum())
    above = int((shown["WBIC − leading"] > 2 * shown["± leading"]).sum())
    scores = shown["remainder"] / shown["± remainder"]
    furthest = shown.loc[scores.abs().idxmax()]
    return f"""## WBIC against its own two leading terms

Mean of WBIC − (nL_n(w0) + λ log n) at the largest n. It has two parts. `without noise` is n E_t[K] − λ log n, exact for
this n; it tends to −(m − 1), slowly where the next pole of the zeta function is near or m is 2. `fluctuation` is what
the noise of the data does on average, −ν by the derivation at the head of the program, and ν → λ where the optimal set
is symmetric enough; so the sum should tend to `limit`, −λ − (m − 1). `mean λ_eff`, β² Var_β(nL_n), is an estimate of λ
from the same draws as WBIC: where ν and λ_eff are alike it takes the fluctuation away, and `remainder`, the sum of the
two, is 0.

WBIC is below its leading terms by more than two standard errors in {below} of {len(shown)} models, above in {above}.
The remainder is within two standard errors of 0 in {int((scores.abs() < 2).sum())} of {len(shown)}; the furthest is
{furthest["remainder"]:+.2f} ± {furthest["± remainder"]:.2f} ({furthest["model"]}), root mean square
{float(np.sqrt(np.mean(scores**2))):.2f} standard errors.

{printed(shown)}

Imai (2019, arXiv:1908.10572) finds a constant that makes WBIC overestimate the log marginal likelihood and removes it.
His formula could not be consulted: `adjusted` below, WBIC + λ_eff, follows from the derivation here and is not a
replication of his.
"""


def error_section(table: pd.DataFrame) -> str:
    """Return the part of the page that holds root mean square differences from F_n."""
    names = [c.removeprefix("RMSE ") for c in table.columns if c.startswith("RMSE ")]
    against = ", ".join(
        f"{name} in {int((table[f'RMSE {name}'] < table['RMSE WBIC']).sum())} of {int(table[f'RMSE {name}'].count())}"
        for name in names[1:]
    )
    common = table.groupby("model")["n"].transform("max") == table["n"].max()
    medians = table[common].groupby("n")["RMSE WBIC"].median()
    last = table[table["n"] == table.groupby("model")["n"].transform("max")]
    kinds = last.groupby(last["model"].map(lambda name: catalogue.get(name).singular))
    spans = {
        kind: " and ".join(f"{name} {part[f'RMSE {name}'].min():.2f} to {part[f'RMSE {name}'].max():.2f}"
                           for name in ("WBIC", "BIC"))
        for kind, part in kinds
    }  # fmt: skip
    course = ", ".join(f"{value:.2f} (n = {n})" for n, value in medians.items())
    return f"""## Root mean square difference from F_n

`BIC` is nL_n(ŵ) + (d/2) log n, `λ, m at ŵ` has λ log n − (m − 1) log log n in its place, and `λ, m at w0` sits at the
true parameter, which nobody knows in practice; empty where ŵ has no cheap form. None of the last three knows the
constant that the prior sets. Smaller than that of WBIC: {against}.

The median of that of WBIC over the models taken to n = {medians.index.max()} is {course}.
At the largest n of each model, nats: regular, {spans.get(False, "none")}; singular, {spans.get(True, "none")}.

{printed(table[["model", "n", *(f"RMSE {name}" for name in names)]])}
"""


def page(table: pd.DataFrame) -> str:
    """Return docs/validation/WBIC.md."""
    short = [f"{name} (n ≤ {n})" for name, n in table.groupby("model")["n"].max().items() if n < table["n"].max()]
    return f"""# WBIC against the free energy

Made by `make validate-wbic` with singular {__version__}. Every F_n, WBIC and λ_eff below is exact at finite n
(`posteriors.quadrature`, stated error at most {table["error"].max():.1g} nats): nothing is sampled, and the errors are
those of a mean over data sets. The data sets of one seed grow with n, so rows of one model are not independent. Stopped
early because the oracle is slow there: {", ".join(short) or "none"}. Nats throughout.

![Bias of WBIC over n](WBIC.png)

{bias_section(table)}
{leading_section(table)}
{error_section(table)}"""


def _range(values: pd.Series) -> str:
    return f"{values.min():+.2f} to {values.max():+.2f}" if len(values) else "—"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=list(LEAST), choices=list(LEAST), metavar="NAME")
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="numbers of observations")
    parser.add_argument("--data-sets", type=int, default=DATA_SETS, help=f"for each; {FEWER} where oracles are slow")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-wbic"), help="where finished parts are kept")
    arguments = parser.parse_args()
    for folder in (arguments.out, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for name in arguments.models:
        count = min(FEWER, arguments.data_sets) if name in SLOW else arguments.data_sets
        sizes = [n for n in arguments.sizes if n <= SLOW.get(name, n)]
        parts += [Part(name, n, count, arguments.work / f"{name}-n{n}-{count}.csv") for n in sizes]
    missing = [part for part in parts if not part.path.exists()]
    missing.sort(key=lambda part: part.n * (10 if part.name in SLOW else 1), reverse=True)  # long ones first
    for _ in every(kept, missing, "data sets"):
        pass
    still = {name: noise_free(name, arguments.sizes) for name in arguments.models}
    table = []
    for part in parts:
        rows = pd.read_csv(part.path)
        table.append({**summarise(rows, part.name, part.n, still[part.name].loc[part.n]), "error": rows["error"].max()})
    frame = pd.DataFrame(table)
    write(arguments.out / "WBIC.md", page(frame))
    write(arguments.out / "WBIC.csv", frame.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "WBIC.png", png(picture(frame)))


if __name__ == "__main__":
    main()
