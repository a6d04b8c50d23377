"""Do all routes to the free energy lead to the same number?

For each model one ladder at default settings, read off by MBAR, thermodynamic integration (two rules), stepping stones
and bridge sampling, and one run of tempered sequential Monte Carlo, which shares nothing with it. Any two routes are
held against each other in units of the error of their difference, which is joint where they share draws.

    make validate-routes     # writes docs/validation/ROUTES.md and ROUTES.csv

A run goes on where it was stopped: models that are done are read back from ``out/validate-routes``.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from replicates import every, printed

from singular import __version__, analysis, models, posteriors
from singular.analysis.estimate import Estimate
from singular.analysis.trust import monte_carlo_error
from singular.posteriors.store import write

MODELS = (
    "linear-4", "logistic-2", "poisson-2", "softmax-3", "product", "monomial-1-2", "tanh-1", "tanh-2", "tanh-3",
    "relu-1", "hadamard-2-0", "reduced-rank-2-2-2-1", "mixture-known", "mixture-2", "factor-analysis-3-1-0",
    "latent-class-2",
)  # fmt: skip
"""Regular and singular, with and without an exact evidence, one to eight parameters."""
FAR = 4.0
"""Distance of two routes, in errors of their difference, from which they are said to disagree."""


def estimates(name: str, n: int) -> list[Estimate]:
    """Return the free energy of one data set by every route."""
    problem = models.problem(name, n=n, seed=0)
    ladder = posteriors.ladder(problem, seed=0, progress=False, cores=1)
    found = [analysis.free_energy(ladder, method) for method in ("mbar", "ti", "ti-interpolant", "stepping-stone")]
    return [*found, analysis.bridge(ladder, problem), analysis.free_energy_smc(posteriors.smc(problem, seed=0))]


def error_of_difference(first: Estimate, second: Estimate) -> float:
    """Return the error of the difference: joint for what both owe to one ladder, in squares for all else.

    A bridge has draws of its own besides those of the ladder, whose share of ``mcse`` is not in its influence; a run
    of sequential Monte Carlo has nothing in common with a ladder. Discretisation errors are added.
    """
    if first.influence.shape != second.influence.shape:
        joint = math.hypot(first.mcse, second.mcse)
    else:
        own = [max(0.0, e.mcse**2 - monte_carlo_error(e.influence) ** 2) for e in (first, second)]
        joint = math.sqrt(monte_carlo_error(first.influence - second.influence) ** 2 + sum(own))
    return joint + first.discretisation_error + second.discretisation_error


def compared(name: str, n: int, folder: Path) -> pd.DataFrame:
    """Return one row for each pair of routes, and one for each route beside the exact value; kept on disk."""
    path = folder / f"{name}-n{n}.csv"
    if not path.exists():
        write(path, _compared(name, n).to_csv(index=False))
    return pd.read_csv(path, dtype={"flags": str}).fillna({"flags": ""})


def _compared(name: str, n: int) -> pd.DataFrame:
    problem = models.problem(name, n=n, seed=0)
    known = problem.model is not None and problem.model.integral is not None
    exact = float(posteriors.quadrature(problem, [1.0]).frame["free_energy"].iloc[0]) if known else math.nan
    found = estimates(name, n)
    rows = [
        {"first": e.method, "second": "exact", "value": e.value, "difference": e.value - exact,
         "error": e.mcse + e.discretisation_error, "flags": "; ".join(e.flags)}
        for e in found
    ]  # fmt: skip
    rows += [
        {"first": a.method, "second": b.method, "difference": a.value - b.value, "error": error_of_difference(a, b),
         "flags": "; ".join(dict.fromkeys((*a.flags, *b.flags)))}
        for a, b in combinations(found, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(model=name, d=problem.dim, exact=exact)


def known(exact: float) -> str:
    """Return an exact value as text, empty where there is none."""
    return "" if math.isnan(exact) else f"{exact:.3f}"


def summarised(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each model: F by each route, and the pair that is furthest apart."""
    out = []
    for name, part in rows.groupby("model", sort=False):
        single, pairs = part[part["second"] == "exact"], part[part["second"] != "exact"]
        z = pairs["difference"] / pairs["error"]
        worst = pairs.loc[z.abs().idxmax()]
        row: dict[str, object] = {"model": name, "d": int(part["d"].iloc[0]), "exact": known(part["exact"].iloc[0])}
        row |= {r.first: f"{r.value:.3f} ± {r.error:.3f}" for r in single.itertuples()}
        row |= {"furthest apart": f"{worst['first']}, {worst['second']}", "z": float(z.abs().max()),
                "rms z": float(np.sqrt(np.mean(z**2))),
                "flagged routes": int((single["flags"] != "").sum())}  # fmt: skip
        out.append(row)
    return pd.DataFrame(out)


def page(rows: pd.DataFrame, n: int) -> str:
    """Return docs/validation/ROUTES.md."""
    pairs = rows[rows["second"] != "exact"].assign(z=lambda r: r["difference"] / r["error"])
    far, clean = pairs[pairs["z"].abs() > FAR], pairs[pairs["flags"] == ""]
    agreeing = pairs.groupby("model")["z"].apply(lambda z: bool((z.abs() <= FAR).all()))
    single = rows[(rows["second"] == "exact") & rows["exact"].notna()]
    off = single["difference"].abs() / single["error"]
    listed = far[["model", "first", "second", "difference", "error", "z", "flags"]]
    flags = rows[(rows["second"] == "exact") & (rows["flags"] != "")][["model", "first", "flags"]]
    return f"""# Do all routes to the free energy agree?

Made by `make validate-routes` with singular {__version__}: {rows["model"].nunique()} models, n = {n}, data seed 0. One
ladder at default settings is read off by MBAR, corrected thermodynamic integration (`ti`), the integral of the quintic
interpolant (`ti-interpolant`), stepping stones and warp-III bridge sampling at β = 1; `smc` is tempered sequential
Monte Carlo in independent replicates at its own defaults, a run of its own. Nats. ± is Monte Carlo error plus
discretisation error. Two routes are compared in units of the error of their difference, which is joint where they share
the ladder's draws.

On **{int(agreeing.sum())} of {agreeing.size} models every route agrees with every other** within {FAR:g} errors. Of \
{len(pairs)} pairs {len(far)} are further apart, {int((far["flags"] == "").sum())} of them with no flag on either route;
root mean square z {math.sqrt((pairs["z"] ** 2).mean()):.2f}, over the {len(clean)} pairs without a flag \
{math.sqrt((clean["z"] ** 2).mean()):.2f}. Of {len(single)} numbers with an exact value {int((off > FAR).sum())} are off
by more than {FAR:g} of their errors.

{printed(summarised(rows))}

## Pairs further apart than {FAR:g} errors

{printed(listed) if len(listed) else "None."}

## Flags

{printed(flags.rename(columns={"first": "route"})) if len(flags) else "None."}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=500, help="observations of each data set")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-routes"), help="where models are kept")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    done = list(every(partial(compared, n=arguments.n, folder=arguments.work), arguments.models, "models"))
    order = {name: i for i, name in enumerate(arguments.models)}
    rows = pd.concat(sorted(done, key=lambda part: order[part["model"].iloc[0]]), ignore_index=True)
    write(arguments.out / "ROUTES.md", page(rows, arguments.n))
    write(arguments.out / "ROUTES.csv", rows.to_csv(index=False, float_format="%.6g"))
    print(summarised(rows).to_string(index=False))


if __name__ == "__main__":
    main()
