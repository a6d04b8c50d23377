"""Simulation-based calibration of the ladder at β = 1 and at β = 1/log n.

Parameters are drawn from the prior and data from the model at them; then the rank of the true value among independent
draws of the (tempered) posterior is uniform, for every function of parameters and data (Talts et al., 2018). At β other
than 1 this holds if the data come from the tempered likelihood, normalised: for normal noise of variance 1 that is the
same mean with noise of variance 1/β, and all models here have such noise. Ranked are each parameter and nll.
A sampler spoilt on purpose is run as well, to see that it is noticed.

    python benchmarks/validate_calibration.py            # writes docs/validation/CALIBRATION.md, .csv and pictures

A run goes on where it was stopped: replicates that are done are read back from ``out/calibration``.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpyro import handlers
from replicates import every, printed
from scipy.stats import binom

from singular import __version__, models, posteriors
from singular.models import catalogue
from singular.posteriors import exchange
from singular.posteriors.store import write

MODELS = ("linear-4", "product", "tanh-2", "relu-2")
SPOILT = "linear-4"
"""The spoilt sampler runs on this one, where neighbouring rungs differ most."""
N = 100
REPLICATES = 200
BETAS = tuple(sorted({0.0, 1 / math.log(N), 1.0, *np.geomspace(0.003, 0.09, 4), 0.45}))
CHAINS, DRAWS, WARMUP = 1, 392, 200
KEPT = 49
"""Draws that the true value is ranked among: every eighth, so that ranks run from 0 to 49."""
TEMPERATURES = {"β = 1": 1.0, "β = 1/log n": 1 / math.log(N)}
SIMULATIONS = 4000
SIGNIFICANT = 0.01
BINS = 10


class Replicate(NamedTuple):
    """One draw of parameters and data, and the rung that is ranked."""

    model: str
    beta: float
    seed: int
    broken: bool


def ranks(replicate: Replicate, folder: Path) -> pd.DataFrame:
    """Return one row for each quantity: its rank among the draws, from 0 to `KEPT`."""
    name = f"{replicate.model}-{replicate.beta:.4f}-{'broken-' * replicate.broken}{replicate.seed}.csv"
    path = folder / name
    if not path.exists():
        write(path, _ranks(replicate).to_csv(index=False))
    return pd.read_csv(path)


def _ranks(replicate: Replicate) -> pd.DataFrame:
    if replicate.broken:
        exchange._swaps = swaps_too_bold
    truth, data, nll = simulate(replicate)
    problem = models.Problem.from_numpyro(catalogue.get(replicate.model).density, **data)
    tree = posteriors.ladder(
        problem, BETAS, CHAINS, DRAWS, WARMUP, seed=replicate.seed, progress=False, cores=1, max_tree_depth=8
    )
    rung = tree.isel(beta=int(np.argmin(np.abs(np.array(BETAS) - replicate.beta))), missing_dims="ignore")
    step = CHAINS * DRAWS // KEPT
    rows = []

    def add(quantity: str, draws: np.ndarray, true: float) -> None:
        thinned = draws.reshape(-1)[step - 1 :: step]
        rows.append((*replicate[:3], quantity, int(np.sum(thinned < true)), thinned.size))

    for site, value in truth.items():
        draws = rung["posterior"][site].to_numpy().reshape(CHAINS, DRAWS, -1)
        for i, true in enumerate(value.reshape(-1)):
            add(f"{site}[{i}]" if value.size > 1 else site, draws[..., i], float(true))
    add("nll", rung["sample_stats"]["nll"].to_numpy(), nll)
    return pd.DataFrame(rows, columns=["model", "beta", "seed", "quantity", "rank", "draws"])


def simulate(replicate: Replicate) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], float]:
    """Return parameters from the prior, data from the tempered likelihood at them, and nll there, in nats."""
    model = catalogue.get(replicate.model)
    with jax.enable_x64(True):
        x = model.simulate(jax.random.key(10_000 + replicate.seed), N)["x"]
        run = handlers.seed(model.density, jax.random.key(20_000 + replicate.seed))
        trace = handlers.trace(run).get_trace(x=x)
        likelihood = trace["y"]["fn"]
        if not np.allclose(likelihood.variance, 1.0):
            raise ValueError(f"{replicate.model}: noise of variance {likelihood.variance} where 1 is needed")
        mean = np.asarray(likelihood.mean)
    truth = {k: np.asarray(s["value"]) for k, s in trace.items() if s["type"] == "sample" and k != "y"}
    noise = np.random.default_rng([replicate.seed, 30_000]).standard_normal(mean.shape) / math.sqrt(replicate.beta)
    nll = 0.5 * np.sum(noise**2) + 0.5 * noise.size * math.log(2 * math.pi)
    return truth, {"x": x, "y": mean + noise}, float(nll)


def swaps_too_bold(nll, betas, count, index, key):
    """Swap neighbours with half the log ratio: too often, so that every rung drifts towards its neighbours."""
    return SWAPS(0.5 * nll, betas, count, index, key)


SWAPS = exchange._swaps


def lowest_tails(counts: np.ndarray, replicates: int) -> np.ndarray:
    """Return the smallest two-sided tail probability of the ECDF over all points, (…,).

    ``counts`` is (…, KEPT): how many ranks are below 1, 2, …, of `KEPT` + 1 equally likely ones; each is binomial.
    Säilynoja, Bürkner and Vehtari (2022), Stat. Comput. 32, 32.
    """
    shares = np.arange(1, KEPT + 1) / (KEPT + 1)
    below, above = binom.cdf(counts, replicates, shares), binom.sf(counts - 1, replicates, shares)
    return np.minimum(1.0, 2 * np.minimum(below, above)).min(axis=-1)


def counts_of(found: np.ndarray) -> np.ndarray:
    """Return how many of the ranks lie below 1, 2, …, KEPT."""
    return np.cumsum(np.bincount(found, minlength=KEPT + 1))[:-1]


def simulated_tails(replicates: int) -> np.ndarray:
    """Return `lowest_tails` of uniform ranks, many times over."""
    rng = np.random.default_rng(0)
    uniform = rng.multinomial(replicates, np.full(KEPT + 1, 1 / (KEPT + 1)), size=SIMULATIONS)
    return lowest_tails(np.cumsum(uniform, axis=1)[:, :-1], replicates)


def judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Return for each model, β and quantity the mean rank and the p-value of uniformity."""
    out, null = [], {}
    for (model, beta, quantity), part in rows.groupby(["model", "beta", "quantity"], sort=False):
        found = part["rank"].to_numpy()
        size = found.size
        null.setdefault(size, simulated_tails(size))
        tail = float(lowest_tails(counts_of(found), size))
        p = (1 + np.sum(null[size] <= tail * (1 + 1e-9))) / (1 + SIMULATIONS)
        scaled = (found + 0.5) / (KEPT + 1)
        out.append({"model": model, "β": beta, "quantity": quantity, "replicates": size, "mean rank": scaled.mean(),
                    "± of mean": math.sqrt(1 / 12 / size), "sd of rank × √12": scaled.std() * math.sqrt(12),
                    "p": p})  # fmt: skip
    return pd.DataFrame(out)


def picture(rows: pd.DataFrame) -> Figure:
    """Draw for each quantity and β the histogram of ranks, and ECDF − uniform with the simultaneous 95 % envelope."""
    quantities = list(dict.fromkeys(rows["quantity"]))
    figure = Figure(figsize=(11, 1.55 * len(quantities) + 0.7), dpi=80, layout="constrained")
    panels = figure.subplots(len(quantities), 4, squeeze=False)
    shares = np.arange(1, KEPT + 1) / (KEPT + 1)
    for i, quantity in enumerate(quantities):
        for j, (label, beta) in enumerate(TEMPERATURES.items()):
            found = rows[(rows["quantity"] == quantity) & np.isclose(rows["beta"], beta)]["rank"].to_numpy()
            size, (left, right) = found.size, panels[i, 2 * j : 2 * j + 2]
            low, high = (binom.ppf(p, size, 1 / BINS) for p in (0.005, 0.995))
            left.axhspan(low, high, color="#DDDDDD")
            left.hist(found, bins=np.linspace(0, KEPT + 1, BINS + 1), color="#0072B2")
            level = np.quantile(simulated_tails(size), 0.05)
            low, high = (binom.ppf(p, size, shares) / size - shares for p in (level / 2, 1 - level / 2))
            right.fill_between(shares, low, high, color="#DDDDDD", step="mid")
            right.step(shares, counts_of(found) / size - shares, where="mid", color="#D55E00")
            left.set_ylabel(quantity if j == 0 else "")
            if i == 0:
                left.set_title(f"{label}: ranks")
                right.set_title(f"{label}: ECDF − uniform")
    return figure


def page(rows: pd.DataFrame, broken: pd.DataFrame | None) -> str:
    """Return docs/validation/CALIBRATION.md."""
    table = judged(rows)
    least, count = float(table["p"].min()), len(table)
    control = "" if broken is None else _control(judged(broken))
    images = "\n\n".join(
        f"![Ranks of {m}: histograms and ECDF]({picture_name(m)})" for m in dict.fromkeys(rows["model"])
    )
    return f"""# Simulation-based calibration of the ladder

Made by `python benchmarks/validate_calibration.py` with singular {__version__}. Parameters from the prior, {N}
observations from the model at them, one ladder of {len(BETAS)} fixed rungs ({CHAINS} chain × {DRAWS} draws after
{WARMUP} of warm-up); the true value of each parameter, and nll at the true parameters, is ranked among {KEPT} of the
draws, every eighth (Talts, Betancourt, Simpson, Vehtari and Gelman, 2018, arXiv:1804.06788). If the sampler is right,
ranks are uniform, whatever the shape of the posterior.

At β = 1/log n = {1 / math.log(N):.3f} the data come from the tempered likelihood, normalised. With normal noise of
variance 1, p(y | x, w)^β is proportional to a normal density of variance 1/β: exact for these models, and not to be had
for others without their normalising constant.

p is the probability, under uniform ranks, of an ECDF as far outside as this one somewhere along its length
(Säilynoja, Bürkner and Vehtari, 2022, by {SIMULATIONS} simulations, so p ≥ {1 / (1 + SIMULATIONS):.2g}). The
quantities of one model share their replicates. Smallest of {count}: p = {least:.3g}, times {count} (Bonferroni)
**{min(1.0, least * count):.2g}**: {"no" if least * count > SIGNIFICANT else "A"} departure from uniformity at
{SIGNIFICANT:.0%}.

{printed(table)}

{control}
{images}
"""


def _control(table: pd.DataFrame) -> str:
    least, count = float(table["p"].min()), len(table)
    return f"""## Is a wrong sampler noticed?

The same with swaps accepted at half their log ratio, which mixes the laws of neighbouring rungs: smallest p =
{least:.2g} of {count}, times {count} {min(1.0, least * count):.2g}: it is \
{"noticed" if least * count <= SIGNIFICANT else "NOT noticed"} at {SIGNIFICANT:.0%}.

{printed(table)}
"""


def picture_name(model: str) -> str:
    return f"calibration-{model}.png"


def collected(model_names, betas, count: int, broken: bool, folder: Path) -> pd.DataFrame:
    """Run or read back the replicates."""
    jobs = [Replicate(m, b, s, broken) for m in model_names for b in betas for s in range(count)]
    what = "spoilt ladders" if broken else "ladders"
    rows = pd.concat(every(partial(ranks, folder=folder), jobs, what), ignore_index=True)
    order = {name: i for i, name in enumerate(model_names)}
    return rows.sort_values(["model", "beta"], key=lambda c: c.map(order) if c.name == "model" else -c, kind="stable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="for each model and β")
    parser.add_argument("--models", nargs="*", default=list(MODELS), help="members with normal noise of variance 1")
    parser.add_argument("--broken", type=int, default=REPLICATES, help=f"replicates of the spoilt sampler, on {SPOILT}")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/calibration"), help="where ranks are kept")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    betas = list(TEMPERATURES.values())
    rows = collected(arguments.models, betas, arguments.replicates, False, arguments.work)
    broken = collected([SPOILT], betas, arguments.broken, True, arguments.work) if arguments.broken else None
    for model, part in rows.groupby("model", sort=False):
        picture(part).savefig(arguments.out / picture_name(str(model)))
    write(arguments.out / "CALIBRATION.md", page(rows, broken))
    write(arguments.out / "CALIBRATION.csv", judged(rows).to_csv(index=False, float_format="%.4g"))
    print(judged(rows).to_string(index=False))


if __name__ == "__main__":
    main()
