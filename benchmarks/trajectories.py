"""How should a rung without structure move? NUTS with a diagonal or a chosen mass matrix, and adjusted MCLMC.

    make bench-trajectories      # writes docs/validation/TRAJECTORIES.md

Whole ladders at the same settings, chains one after the other on one core. What counts is effective draws for each
evaluation of a gradient while sampling: on every rung but the prior's the effective draws of nL_n or of log φ,
whichever has fewer (nL_n is stiff, log φ slow), added up, over the gradients of all rungs. Beside NUTS with a diagonal
mass matrix, the reference, stand NUTS with a mass matrix chosen in warm-up; NUTS whose trees are cut at depth 4, for a
ladder may not need trajectories that go all the way; and the adjusted microcanonical sampler of blackjax
(`singular.posteriors.microcanonical`), which keeps every rung's distribution, as swaps demand and the plain one does
not. Its step size is adapted to the same acceptance as that of NUTS, its mass matrix in the same windows, and its mean
length is a factor times √d in units of the draws' own scales.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("SINGULAR_CACHE_DIR", "")

import arviz as az
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd

from singular import analysis, models, posteriors
from singular.analysis.markdown import markdown
from singular.models.problem import Problem
from singular.posteriors.kernels import Kernel, kernel_of, microcanonical
from singular.posteriors.microcanonical import LENGTH
from singular.posteriors.store import write

FACTORS = (0.5, 1.0, 2.0)
"""Mean length of a microcanonical trajectory over √d; that of the kernel ``mclmc`` is among them."""
WINS = 1.2
"""Ratio of effective draws a gradient from which a kernel counts as better than plain NUTS."""
DEPTH, SHORT = 10, 4
PLAIN, CHOSEN, CUT, MICRO = "NUTS, diagonal mass", "NUTS, chosen mass", f"NUTS, depth ≤ {SHORT}", "adjusted MCLMC"
NAMES = ("tanh-4", "two-phase-relu-1.57", "superposition-2-5", "mixture-3-2", "reduced-rank-3-3-2-1",
         "deep-linear-2-2-2-2-r0", "factor-analysis-4-2-1")  # fmt: skip
REAL = ("iris-2", "galaxies-3", "holzinger-2")


def problems() -> dict[str, Problem]:
    """Return the problems by a name for tables: singular ones, real data, and regressions with correlated inputs."""
    found = {name: models.problem(name, n=200, seed=0) for name in NAMES}
    found |= {name: models.real.problem(name) for name in REAL}
    return found | {"logistic, d = 10, correlated": logistic(), "linear, d = 30, correlated": linear()}


def logistic() -> Problem:
    """Return a logistic regression on ten inputs, neighbours of correlation 0.9."""
    x, rng = _inputs(10, 0.9, 500)

    def density(x, y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
        numpyro.sample("y", dist.Bernoulli(logits=x @ w), obs=y)

    return Problem.from_numpyro(density, x, (rng.random(500) < 1 / (1 + np.exp(-x[:, 0]))).astype(float))


def linear() -> Problem:
    """Return a linear regression on thirty inputs, neighbours of correlation 0.95."""
    x, rng = _inputs(30, 0.95, 400)

    def density(x, y):
        w = numpyro.sample("w", dist.Normal(0.0, 1.0).expand([x.shape[1]]).to_event(1))
        numpyro.sample("y", dist.Normal(x @ w, 1.0), obs=y)

    return Problem.from_numpyro(density, x, x[:, 0] + rng.normal(size=400))


def _inputs(size: int, correlation: float, n: int) -> tuple[np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(size)
    covariance = correlation ** abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return rng.normal(size=(n, size)) @ np.linalg.cholesky(covariance).T, rng


def kernels() -> dict[str, tuple[Callable[[Problem], Kernel], int]]:
    """Return the kernels and their deepest trees by a name for tables."""
    plain, chosen = (partial(kernel_of, name="nuts", mass=mass) for mass in ("diagonal", "chosen"))
    found: dict[str, tuple[Callable[[Problem], Kernel], int]] = {
        PLAIN: (plain, DEPTH), CHOSEN: (chosen, DEPTH), CUT: (plain, SHORT),
    }  # fmt: skip
    return found | {f"{MICRO}, {f:g} √d": (partial(microcanonical, length=f), DEPTH) for f in FACTORS}


def measured(problem: Problem, betas, kernel, depth: int, draws: int, warmup: int, chains: int) -> dict:
    """Return effective draws and their cost of one ladder."""
    tree = posteriors.ladder(
        problem, betas, chains=chains, draws=draws, warmup=warmup, kernel=kernel, max_tree_depth=depth, cores=1,
        progress=False,
    )  # fmt: skip
    stats = tree["sample_stats"]
    parts = {name: stats[name].transpose("chain", "draw", "beta").to_numpy()[:, :, 1:] for name in ("nll", "log_prior")}
    data = az.from_dict({"posterior": parts})
    ess, rhat = (np.stack([table[name].to_numpy() for name in parts]) for table in (az.ess(data), az.rhat(data)))
    trips, energy = analysis.round_trips(tree), analysis.free_energy(tree)
    found = {
        "rungs": stats.sizes["beta"], "free energy": energy.value, "mcse": energy.mcse, "rhat": rhat.max(),
        "round trips": 0 if trips is None else int(np.sum(trips)), "ess": ess.min(axis=0).sum(),
        "gradients": int(stats["n_steps"].sum()), "seconds": tree.attrs["wall_time"] - tree.attrs["warmup_time"],
        "dense": float(stats["dense_mass"].isel(beta=slice(1, None)).mean()),
        "diverging": float(stats["diverging"].mean()),
    }  # fmt: skip
    return found | {f"ess a {cost}": found["ess"] / found[f"{cost}s"] for cost in ("gradient", "second")}


def compare(names: list[str], draws: int, warmup: int, chains: int) -> pd.DataFrame:
    """Return a row for each problem and kernel, on the rungs that a pilot by plain NUTS places."""
    rows = []
    for name, problem in problems().items():
        if names and name not in names:
            continue
        pilot = posteriors.ladder(problem, kernel="nuts", mass="diagonal", draws=4, warmup=20, chains=2, progress=False)
        betas = pilot["posterior"]["beta"].to_numpy().tolist()
        for label, (kernel, depth) in kernels().items():
            found = measured(problem, betas, kernel, depth, draws, warmup, chains)
            rows.append({"problem": name, "d": problem.dim, "kernel": label, **found})
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    return pd.DataFrame(rows)


def gains(rows: pd.DataFrame) -> pd.DataFrame:
    """Return effective draws a gradient over those of plain NUTS: a row for each problem, a column for each kernel."""
    table = rows.pivot(index="problem", columns="kernel", values="ess a gradient")[list(kernels())]
    return table.div(table[PLAIN], axis=0).loc[rows["problem"].unique()].drop(columns=PLAIN)


def told(gain: pd.Series) -> str:
    """Return what a kernel gains, in words."""
    better, worse = gain.index[gain > WINS].tolist(), gain.index[gain < 1 / WINS].tolist()
    verdict = "wins" if gain.median() > WINS and not worse else "does not win"
    return (
        f"{verdict}: median gain {gain.median():.2f}, least {gain.min():.2f}, largest {gain.max():.2f}; better on "
        f"{len(better)} of {len(gain)}" + (f", worse on {', '.join(worse)}" if worse else ", worse on none")
    )


def page(rows: pd.DataFrame, command: str) -> str:
    """Return the report."""
    table = gains(rows)
    base = rows[rows["kernel"] == PLAIN].set_index("problem").loc[rows["problem"]].reset_index()
    z = (rows["free energy"] - base["free energy"]) / np.hypot(rows["mcse"], base["mcse"])
    z = z.where(rows["kernel"] != PLAIN)
    shown = pd.DataFrame(
        {
            "problem": rows["problem"], "d": rows["d"].map(str), "rungs": rows["rungs"].map(str),
            "kernel": rows["kernel"],
            "F": [f"{v:.2f} ± {e:.2f}" for v, e in zip(rows["free energy"], rows["mcse"], strict=True)],
            "z": ["" if np.isnan(one) else f"{one:+.1f}" for one in z], "largest R̂": rows["rhat"].map("{:.3f}".format),
            "round trips": rows["round trips"].map(str), "effective draws": rows["ess"].map("{:,.0f}".format),
            "a thousand gradients": (1000 * rows["ess a gradient"]).map("{:.3g}".format),
            "a second": rows["ess a second"].map("{:,.0f}".format), "dense rungs": rows["dense"].map("{:.0%}".format),
            "diverging": rows["diverging"].map("{:.2%}".format),
        }
    )  # fmt: skip
    verdicts = "\n".join(f"- {name} {told(table[name])}." for name in table)
    return f"""# Trajectories

Made by `{command}`. {__doc__.split(chr(10) * 2, 2)[2].strip()}

A kernel wins if its median gain over plain NUTS is above {WINS:g} and no problem is worse by as much. The kernel
`mclmc` of the ladder has the length {LENGTH:g} √d.

{verdicts}

Free energies lie within {z.abs().max():.1f} joint errors of those of plain NUTS (root mean square z
{np.sqrt((z**2).mean()):.2f} of {z.count()}). Effective draws a gradient, over those of plain NUTS:

{markdown(table.map("{:.2f}".format).reset_index())}

Every run:

{markdown(shown)}
"""


def main() -> None:
    """Run the comparison and write its page and table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/validation"))
    parser.add_argument("--problems", nargs="*", default=[], help="names of the table; all if none is given")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--chains", type=int, default=4)
    arguments = parser.parse_args()
    rows = compare(arguments.problems, arguments.draws, arguments.warmup, arguments.chains)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "TRAJECTORIES.csv", rows.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "TRAJECTORIES.md", page(rows, "make bench-trajectories"))


if __name__ == "__main__":
    main()
