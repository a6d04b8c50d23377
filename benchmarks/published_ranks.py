"""Watanabe's (2013) reduced-rank experiment: WBIC − nS_n over the number of hidden units."""

from __future__ import annotations

import math
from fractions import Fraction

import arviz as az
import gibbs_reduced_rank as gibbs
import numpy as np
import pandas as pd
from replicates import printed

from singular.models import coefficients

RANK_N, RANK_SIZE, RANK_TRUE = 500, 6, 3
RANK_INPUT, RANK_NOISE, RANK_PRIOR, RANK_TRUTH = 3.0, 0.1, 10.0, 0.2
RANK_TRIALS, RANK_CHAINS, RANK_DRAWS, RANK_WARMUP = 100, 2, 2000, 300


def rank_data(trials: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs (T, n, 6), outputs (T, n, 6) and true matrices (T, 6, 6) of Watanabe's (2013) set-up."""
    rng = np.random.default_rng(seed)
    size = RANK_SIZE
    truth = rng.normal(0, RANK_TRUTH, (trials, size, RANK_TRUE)) @ rng.normal(0, RANK_TRUTH, (trials, RANK_TRUE, size))
    x = rng.normal(0, RANK_INPUT, (trials, RANK_N, size))
    noise = rng.normal(0, RANK_NOISE, (trials, RANK_N, size))
    return x, x @ np.swapaxes(truth, 1, 2) + noise, truth


def rank_rows(hidden: int, trials: int, draws: int) -> pd.DataFrame:
    """Return WBIC − nS_n of each trial at this H, with λ_eff, Monte Carlo error, ESS and R̂."""
    x, y, truth = rank_data(trials)
    sums = gibbs.sums_of(x, y, RANK_CHAINS)
    beta = 1 / math.log(RANK_N)
    drawn = gibbs.sample(sums, hidden, beta, RANK_NOISE, RANK_PRIOR, draws, RANK_WARMUP, seed=hidden)
    drawn = drawn.reshape(trials, RANK_CHAINS, draws)
    entropy = gibbs.nll(gibbs.Sums(*(a[::RANK_CHAINS] for a in sums[:3]), RANK_N), truth, RANK_NOISE)
    rows = []
    for trial, chains in enumerate(drawn):
        effective = float(az.ess(chains))
        rows.append(
            {
                "H": hidden, "trial": trial, "excess": float(chains.mean() - entropy[trial]),
                "mcse": float(chains.std(ddof=1)) / math.sqrt(effective), "ess": effective,
                "rhat": float(az.rhat(chains)), "coefficient": beta**2 * float(chains.var(ddof=1)),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def rank_lambda(hidden: int) -> tuple[Fraction, int]:
    """Return λ, m at this H: with H below the true rank those of the best matrix of rank H."""
    found = coefficients.reduced_rank(RANK_SIZE, RANK_SIZE, hidden, RANK_TRUE)
    return found.value, found.multiplicity


def leading_terms(value: Fraction, multiplicity: int) -> float:
    """Return λ log n − λ − (m − 1) log n/(log n − log log n): E[WBIC] − nS of a symmetric singularity to order one."""
    logs = math.log(RANK_N)
    return float(value) * (logs - 1) - (multiplicity - 1) * logs / (logs - math.log(logs))


def rank_table(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one table over H, and one of the increments from the true rank on, with errors over trials."""
    over, steps = [], []
    wide = rows.pivot(index="trial", columns="H", values="excess")
    best = wide.idxmin(axis=1)
    root = math.sqrt(len(wide))
    for hidden, part in rows.groupby("H"):
        value, order = rank_lambda(hidden)
        over.append(
            {
                "H": hidden, "d": 12 * hidden, "λ": str(value), "m": order, "WBIC − nS": float(part.excess.mean()),
                "sd of trials": float(part.excess.std(ddof=1)), "mcse": float(part.mcse.mean()),
                "smallest in": int((best == hidden).sum()), "λ_eff": float(part.coefficient.mean()),
                "± λ_eff": float(part.coefficient.std(ddof=1)) / root,
                "least ESS": float(part.ess.min()), "largest R̂": f"{part.rhat.max():.4f}",
            }
        )  # fmt: skip
        if hidden > RANK_TRUE:
            before, before_order = rank_lambda(hidden - 1)
            gained = wide[hidden] - wide[hidden - 1]
            steps.append(
                {
                    "H": f"{hidden - 1} → {hidden}", "increment": float(gained.mean()),
                    "± s.e.": float(gained.std(ddof=1)) / root, "positive in": int((gained > 0).sum()),
                    "Δλ log n": float(value - before) * math.log(RANK_N),
                    "to order one": leading_terms(value, order) - leading_terms(before, before_order),
                    "Δd/2 log n": 6 * math.log(RANK_N),
                }
            )  # fmt: skip
    return pd.DataFrame(over), pd.DataFrame(steps)


def section(rows: pd.DataFrame) -> str:
    """Return the part of the page on the reduced-rank experiment."""
    over, steps = rank_table(rows)
    trials, draws = rows["trial"].nunique(), RANK_DRAWS
    right = int(over.loc[over["H"] == RANK_TRUE, "smallest in"].iloc[0])
    away = {
        name: ((steps["increment"] - steps[name]) / steps["± s.e."]).abs()
        for name in ("Δλ log n", "to order one", "Δd/2 log n")
    }
    wide = rows.pivot(index="trial", columns="H", values="excess")
    total = wide[over["H"].max()] - wide[RANK_TRUE]
    least, most = over["least ESS"].min(), over["largest R̂"].astype(float).max()
    return f"""## Reduced-rank regression as in Watanabe (2013)

y = B A x + noise, six inputs and six outputs, true rank {RANK_TRUE}, n = {RANK_N}, x of sd 3, noise of sd 0.1, entries
of A and B ~ N(0, 10²), those of the true factors of sd 0.2, fitted with H = 1 … 6: WBIC − nS_n over {trials} data sets,
nS_n the nll at the truth. The set-up is that of the author's program. The truths are drawn at random, and they alone
decide the first two rows; no printed average could be read at its source, so what is compared is the order and the
theory. Sampled by exact conditional draws of A and B at β = 1/log n (`benchmarks/gibbs_reduced_rank.py`: {RANK_CHAINS}
chains × {draws} sweeps a data set, begun far out in the prior); least effective sample size of a data set {least:.0f},
largest R̂ {most:.3f}. `λ_eff` is β² Var_β(nL_n), `mcse` the mean Monte Carlo error of one data set's WBIC.

The smallest WBIC is at the true rank in {right} of {trials} data sets.

{printed(over)}

Beyond the true rank WBIC grows. `± s.e.` is the error of a mean over data sets, and `to order one` counts what WBIC
leaves out of its two leading terms too, −λ − (m − 1) log n/(log n − log log n) ([WBIC.md](WBIC.md)). The increments are
{_list(away["Δλ log n"])} of their errors from Δλ log n, {_list(away["to order one"])} from `to order one` and
{_list(away["Δd/2 log n"])} from Δd/2 log n, what BIC would add. All together it is {total.mean():.2f} ±
{total.std(ddof=1) / math.sqrt(trials):.2f}, and `to order one` {steps["to order one"].sum():.2f}. How the single
increments should fall short of the turns of m at this n has not been worked out: that is open.

{printed(steps)}
"""


def _list(values: pd.Series) -> str:
    return ", ".join(f"{value:.1f}" for value in values)
