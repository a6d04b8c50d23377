"""How far is WBIC from the free energy? Bias and spread over data sets, from exact numbers: no sampling at all.

For each data set the oracle gives F_n, WBIC = E_β[nL_n] and λ_eff = β² Var_β(nL_n) at β = 1/log n without Monte Carlo
error, so what is left is the spread over data sets, and its standard error is stated.

What theory says (Watanabe 2009, 2013), w0 an optimal point:

    F_n  = nL_n(w0) + λ log n − (m − 1) log log n + O_p(1)
    WBIC = nL_n(w0) + λ log n + U_n √(λ log n / 2) + O_p(1)

so that WBIC − F_n grows like (m − 1) log log n, has a constant, and a random part of mean 0 (U_n vanishes where the
optimal set is symmetric enough: in regular models, for instance). Two steps make the constant plain.

Without noise the evidence of t observations is Z(t) = ∫ φ exp(−tK), the free energy −log Z(n) and WBIC n E_t[K] at
t = n/log n: `noise_free_offset` is their difference, exact at finite n.

With noise, nL_n(w) − nL_n(w0) = nK(w) − √(nK(w)) ξ_n(w), where ξ_n has variance 2. Integration by parts along the
radius t = nK gives β E_β[nL_n − nL_n(w0)] = (noise-free coefficient) − (β/2) E_β[√(nK) ξ_n], whose mean over data is
the coefficient less β ν(β): ν is the singular fluctuation. To second order in β, ν → λ as β → 0 where the mean of
√(nK) ξ_n vanishes by symmetry, and it is smaller otherwise. Hence

    E[WBIC] = E[nL_n(w0)] + λ log n − (m − 1) log n/(log n − log log n) − ν + …

and WBIC lies below its two leading terms by λ + (m − 1): the evidence is overestimated. WBIC + λ_eff, called *adjusted*
here, takes ν → λ away by the variance of the same draws. Imai (2019, arXiv:1908.10572) names such a constant and
removes it; his formula was not at hand, the one here is derived as above. It mends the two leading terms and nothing
else: F_n has a constant of its own, set by the prior.

    python benchmarks/validate_wbic.py       # writes docs/validation/WBIC.md, WBIC.csv and WBIC.png

A run goes on where it was stopped: finished (model, n) are read back from ``out/validate-wbic``.
"""

from __future__ import annotations

import argparse
import math
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from least_nll import LEAST, at_truth
from replicates import every

from singular import __version__, models, posteriors
from singular.analysis.figures import BLUE, GREY, ORANGE, VERMILION, finish, new_figure, png
from singular.analysis.markdown import markdown
from singular.models import catalogue
from singular.posteriors.precision import keep_compiled_programs
from singular.posteriors.store import write

SIZES = (50, 160, 500, 1600, 5000)
DATA_SETS = 200
FEWER = 100
SLOW = {"mixture-known": 500, "logistic-2": 5000, "tanh-2": 5000}
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


def noise_free_offset(name: str, n: int) -> float:
    """Return WBIC − F of data without noise: n E_t[K] at t = n/log n, and log Z(n) added; nats."""
    frame = posteriors.population(catalogue.get(name), [n / math.log(n), float(n)])
    return float(n * frame["mean_excess"].iloc[0] + frame["log_z"].iloc[1])


class Part(NamedTuple):
    """Data sets of one model at one n, and the file they are kept in."""

    name: str
    n: int
    data_sets: int
    path: Path


def kept(part: Part) -> None:
    """Measure the data sets of a part and keep them, with the noise-free offset beside each."""
    keep_compiled_programs()
    rows = measure(part.name, part.n, part.data_sets).assign(noise_free=noise_free_offset(part.name, part.n))
    write(part.path, rows.to_csv(index=False))


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


def summarise(rows: pd.DataFrame, name: str, n: int) -> dict:
    """Return the row of one model and one n."""
    exact = catalogue.get(name).exact
    logs = math.log(math.log(n))
    offset = float(rows.noise_free.iloc[0])
    bias, error = mean_and_error(rows.wbic - rows.free_energy)
    leading = rows.at_truth + float(exact.value) * math.log(n)
    below, below_error = mean_and_error(rows.wbic - leading)
    mended, mended_error = mean_and_error(rows.wbic + rows.coefficient - leading)
    row = {
        "model": name, "λ": str(exact.value), "m": exact.multiplicity, "n": n, "data sets": len(rows),
        "bias": bias, "± bias": error, "sd": float((rows.wbic - rows.free_energy).std(ddof=1)),
        "loglog term": (exact.multiplicity - 1) * logs, "noise-free": offset, "noise": bias - offset,
        "WBIC − leading": below, "± leading": below_error,
        "adjusted − leading": mended, "± adjusted": mended_error,
        "mean λ_eff": float(rows.coefficient.mean()),
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
    figure = new_figure(3.1 * columns, 2.5 * math.ceil(len(names) / columns) + 0.6)
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
        finish(axes, f"{name}  (λ = {part['λ'].iloc[0]}, m = {part['m'].iloc[0]})", "n", "minus Fₙ, nats")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle("WBIC − Fₙ over data sets: within about a nat of the noise-free offset, and no single sign",
                    fontsize=12)  # fmt: skip
    return figure


def page(table: pd.DataFrame) -> str:
    """Return docs/validation/WBIC.md."""
    bias = table[["model", "λ", "m", "n", "data sets", "bias", "± bias", "sd", "loglog term", "noise-free", "noise"]]
    leading = table[["model", "n", "λ", "m", "WBIC − leading", "± leading", "adjusted − leading", "± adjusted"]]
    leading = leading.assign(predicted=[predicted_constant(r.λ, r.m, r.n) for r in table.itertuples()])
    leading = leading[leading["n"] == leading.groupby("model")["n"].transform("max")]
    names = [c.removeprefix("RMSE ") for c in table.columns if c.startswith("RMSE ")]
    errors = table[["model", "n", *(f"RMSE {name}" for name in names)]]
    closer = [
        sum(table[f"RMSE {name}"] < table["RMSE WBIC"]) for name in names if name != "WBIC"
    ]  # fmt: skip
    known = [int(table[f"RMSE {name}"].notna().sum()) for name in names if name != "WBIC"]
    against = ", ".join(f"{name} in {count} of {of}" for name, count, of in zip(names[1:], closer, known, strict=True))
    low, high = int((table["bias"] < -2 * table["± bias"]).sum()), int((table["bias"] > 2 * table["± bias"]).sum())
    worst = table.loc[table["RMSE WBIC"].idxmax()]
    return f"""# WBIC against the free energy

Made by `python benchmarks/validate_wbic.py` with singular {__version__}. Every F_n, WBIC and λ_eff below is exact at
finite n (`posteriors.quadrature`, stated error at most {table["error"].max():.1g} nats): nothing is sampled, and the
errors are those of a mean over data sets. Nats throughout.

![Bias of WBIC over n](WBIC.png)

Of {len(table)} pairs of model and n, the mean of WBIC − F_n is below 0 by more than two standard errors in {low} and
above it in {high}: **the sign depends on the prior and on m**, so "WBIC overestimates the evidence" is no law. What
holds throughout is that WBIC lies below its own two leading terms (second table). The largest root mean square
difference is {worst["RMSE WBIC"]:.2f} nats ({worst["model"]}, n = {worst["n"]}).

## Bias, and what theory names of it

`bias` is the mean of WBIC − F_n, `sd` its standard deviation over data sets. `loglog term` is (m − 1) log log n, the
only part that grows. `noise-free` is the same difference for data without noise, n E_t[K] + log Z(n) at t = n/log n,
exact at this n: it holds the log log term, the constant of the prior and all corrections in 1/log n. `noise` is what
remains, the doing of the fluctuation of the log likelihood; in a regular model it vanishes.

{markdown(bias)}

## WBIC against its own two leading terms

Mean of WBIC − (nL_n(w0) + λ log n) at the largest n, and of the same with λ_eff = β² Var_β(nL_n) added. Derived: the
first tends to −λ − (m − 1) where the fluctuation has mean 0 by symmetry, `predicted` with the finite-n form
(m − 1) log n/(log n − log log n) of its second part, to which the prior adds terms in log n/n^(1/…) that fade. Adding
λ_eff removes −λ and leaves −(m − 1). Imai (2019, arXiv:1908.10572) finds a constant that makes WBIC overestimate the
log marginal likelihood and removes it; his formula could not be consulted, so `adjusted` is the form derived at the
head of the program and not a replication of his.

{markdown(leading)}

In mixture-known the optimal set is not symmetric: a component of small weight can only be added, not taken away, and
the constant is nearer to 0.

## Root mean square difference from F_n

`BIC` is nL_n(ŵ) + (d/2) log n, `λ, m at ŵ` has λ log n − (m − 1) log log n in its place, and `λ, m at w0` sits at the
true parameter, which nobody knows in practice; empty where ŵ has no cheap form. None of the last three knows the
constant that the prior sets. Smaller than that of WBIC: {against}.

{markdown(errors)}
"""


def predicted_constant(value: str, multiplicity: int, n: int) -> float:
    """Return −λ − (m − 1) log n/(log n − log log n), what a symmetric singularity makes of WBIC − leading terms."""
    logs = math.log(n)
    return -float(Fraction(value)) - (multiplicity - 1) * logs / (logs - math.log(logs))


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
    table = []
    for part in parts:
        rows = pd.read_csv(part.path)
        table.append({**summarise(rows, part.name, part.n), "error": rows["error"].max()})
    frame = pd.DataFrame(table)
    write(arguments.out / "WBIC.md", page(frame))
    write(arguments.out / "WBIC.csv", frame.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "WBIC.png", png(picture(frame)))


if __name__ == "__main__":
    main()
