"""Effective draws of nL_n a second and a gradient, on stiff posteriors: our kernels beside NumPyro's NUTS on all rows.

    make bench-stiff      # writes docs/validation/STIFF.md

Every problem at β = 1, chains one after the other on one core, in one process, compile time left out. NumPyro runs the
model as it is written, on all rows of the data. Ours run a ladder of the two rungs 0 and 1, whose swaps are never
accepted, so that only the kernel counts: plain NUTS on what the family says suffices of the data, and the kernel that
the family gives by itself. All begin at points whose coordinates are uniform from −2 to 2, as NumPyro's do by
themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("SINGULAR_CACHE_DIR", "")

import arviz as az
import jax
import numpy as np
import pandas as pd
from numpyro.infer import MCMC, NUTS
from replicates import wrapped

from singular import __version__, models, posteriors
from singular.analysis.markdown import markdown
from singular.models.problem import Problem
from singular.posteriors.kernels import kernel_of
from singular.posteriors.precision import x64
from singular.posteriors.store import write

N = 500
DEPTH = 10
WATANABE = {"input_sd": 3.0, "noise": 0.1, "prior": 10.0}
"""Standard deviations of Watanabe (2013), JMLR 14, section 6."""
GOALS = {"reduced rank": 20.0}
GOAL = 3.0
"""Ratio of effective draws a second that is aimed at."""
SETTLED = 1.05
"""R̂ of chains that have arrived."""


def problems() -> dict[str, Problem]:
    """Return the problems by a name for tables."""
    found = {f"reduced rank, H = {h}": models.reduced_rank(6, 6, h, 3, **WATANABE) for h in (3, 4, 5, 6)}
    found |= {
        "deep linear, 4 layers": models.deep_linear([4, 4, 4, 4, 4], 2),
        "factor analysis, p = 10, k = 3": models.factor_analysis(10, 3, 3),
        "tanh, H = 4": models.tanh_network(4),
    }
    return {name: Problem.from_model(model, n=N, seed=0) for name, model in found.items()}


def numpyro_nuts(problem: Problem, draws: int, warmup: int, chains: int) -> dict:
    """Return what NumPyro's NUTS makes of the model as it is written."""
    with x64():
        sampler = MCMC(
            NUTS(problem.density, max_tree_depth=DEPTH),
            num_warmup=warmup, num_samples=draws, num_chains=chains, chain_method="sequential", progress_bar=False,
        )  # fmt: skip
        fields = ("num_steps", "potential_energy", "diverging")
        sampler.warmup(jax.random.PRNGKey(0), **problem.kwargs, extra_fields=fields)
        sampler.post_warmup_state = sampler.last_state
        sampler.run(jax.random.PRNGKey(1), **problem.kwargs, extra_fields=fields)  # compiles
        began = time.perf_counter()
        sampler.run(jax.random.PRNGKey(2), **problem.kwargs, extra_fields=fields)
        seconds = time.perf_counter() - began
        extra = sampler.get_extra_fields(group_by_chain=True)
        sites = sampler.get_samples(group_by_chain=True)
        flat = {site: np.asarray(v).reshape(-1, *v.shape[2:]) for site, v in sites.items()}
        split = jax.jit(jax.vmap(lambda values: problem.parts.split(problem.parts.invert(values))[1]))
        nll = np.asarray(split(flat)).reshape(chains, draws)
    return _row(nll, seconds, int(np.sum(extra["num_steps"])), float(np.mean(np.asarray(extra["diverging"]))))


def ours(problem: Problem, kernel: str | None, draws: int, warmup: int, chains: int) -> dict:
    """Return what a kernel of ours does at β = 1."""
    with x64():
        start = problem.parts.constrain(np.random.default_rng(0).uniform(-2, 2, problem.dim))
        init = {site: np.asarray(start[site]) for site in problem.parts.sites.latent}
    tree = posteriors.ladder(
        problem, [0.0, 1.0], chains=chains, draws=draws, warmup=warmup, kernel=kernel, progress=False, cores=1,
        max_tree_depth=DEPTH, target_acceptance=0.8, init=init,
    )  # fmt: skip
    stats = tree["sample_stats"].isel(beta=1)
    with x64():
        overhead = kernel_of(problem, kernel).overhead
    gradients = int(stats["n_steps"].sum()) + overhead * chains * draws
    name = json.loads(tree.attrs["settings"])["kernel"]
    seconds = tree.attrs["wall_time"] - tree.attrs["warmup_time"]
    return {"kernel": name, **_row(stats["nll"].to_numpy(), seconds, gradients, float(stats["diverging"].mean()))}


def _row(nll: np.ndarray, seconds: float, gradients: int, diverging: float) -> dict:
    data = {"nll": nll}
    ess = float(az.ess(az.from_dict({"posterior": data}))["nll"])
    rhat = float(az.rhat(az.from_dict({"posterior": data}))["nll"])
    return {
        "mean nll": nll.mean(), "mcse": nll.std(ddof=1) / np.sqrt(ess), "ess": ess, "rhat": rhat, "seconds": seconds,
        "gradients": gradients, "diverging": diverging, "ess a second": ess / seconds,
        "ess a gradient": ess / gradients,
    }  # fmt: skip


def compare(names: list[str], draws: int, warmup: int, chains: int) -> pd.DataFrame:
    """Return a row for each problem and sampler."""
    rows = []
    for name, problem in problems().items():
        if names and name not in names:
            continue
        runs = {
            "NumPyro NUTS": lambda p=problem: numpyro_nuts(p, draws, warmup, chains),
            "ours, NUTS": lambda p=problem: ours(p, "nuts", draws, warmup, chains),
            "ours, automatic": lambda p=problem: ours(p, None, 4 * draws, warmup, chains),
        }
        for sampler, run in runs.items():
            rows.append({"problem": name, "d": problem.dim, "sampler": sampler, **run()})
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)
    return pd.DataFrame(rows)


def page(rows: pd.DataFrame, draws: int, warmup: int, chains: int) -> str:
    """Return the report."""
    base = rows[rows["sampler"] == "NumPyro NUTS"].set_index("problem")
    best = rows[rows["sampler"] == "ours, automatic"].set_index("problem")
    speed = best["ess a second"] / base["ess a second"]
    goals = {name: next((g for start, g in GOALS.items() if name.startswith(start)), GOAL) for name in speed.index}
    met = [name for name in speed.index if speed[name] >= goals[name]]
    gap = (best["mean nll"] - base["mean nll"]) / np.hypot(best["mcse"], base["mcse"])

    def ratio(column: str) -> list[str]:
        return [f"{row[column] / base.loc[row['problem'], column]:.3g}" for _, row in rows.iterrows()]

    shown = pd.DataFrame(
        {
            "problem": rows["problem"], "d": rows["d"].map(str), "sampler": rows["sampler"],
            "kernel": rows["kernel"].fillna("nuts"),
            "mean nL_n": [f"{v:.2f} ± {e:.2f}" for v, e in zip(rows["mean nll"], rows["mcse"], strict=True)],
            "R̂": rows["rhat"].map("{:.3f}".format), "effective draws": rows["ess"].map("{:,.0f}".format),
            "a second": rows["ess a second"].map("{:,.2f}".format),
            "a gradient": rows["ess a gradient"].map("{:.2g}".format),
            "a second, ratio": ratio("ess a second"),
            "a gradient, ratio": ratio("ess a gradient"),
        }
    )  # fmt: skip
    lines = [f"- {name}: {speed[name]:.3g} times (goal {goals[name]:g}), means {gap[name]:+.1f} errors apart"
             for name in speed.index]  # fmt: skip
    stuck = rows[rows["rhat"] > SETTLED]
    settled = (
        f"""R̂ of all samplers on all problems is at most {SETTLED}."""
        if stuck.empty
        else f"""R̂ is above {SETTLED}
    on {len(stuck)} of {len(rows)} rows, where the chains have not arrived and neither means nor effective draws say
    much: {"; ".join(f"{row['sampler']} on {row['problem']}" for _, row in stuck.iterrows())}."""
    )
    first = f"""Made by `make bench-stiff` with singular {__version__}. {__doc__.split(chr(10) * 2, 2)[2]}"""
    second = f"""n = {N}. {chains} chains of {draws} draws after {warmup} of warm-up, trees of depth {DEPTH} at most, 4
    times as many draws by the kernel that the family gives. {settled}"""
    return f"""# Stiff posteriors

{wrapped(first)}

{wrapped(second)}

Goals of effective draws of nL_n a second, ours over NumPyro's, met on {len(met)} of {len(speed)}:

{chr(10).join(lines)}

{markdown(shown)}
"""


def main() -> None:
    """Run the comparison and write its page and table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/validation"))
    parser.add_argument("--problems", nargs="*", default=[], help="names of the table; all if none is given")
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--warmup", type=int, default=500)
    parser.add_argument("--chains", type=int, default=2)
    arguments = parser.parse_args()
    rows = compare(arguments.problems, arguments.draws, arguments.warmup, arguments.chains)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write(arguments.out / "STIFF.csv", rows.to_csv(index=False, float_format="%.6g"))
    write(arguments.out / "STIFF.md", page(rows, arguments.draws, arguments.warmup, arguments.chains))


if __name__ == "__main__":
    main()
