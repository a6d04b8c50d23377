"""The page of the evidence benchmark, from its rows; whatever it claims is computed from them."""

from __future__ import annotations

import evidence_peers as peers
import pandas as pd
from evidence_runs import TOOLS
from evidence_table import DONE, GRADIENT, LEVEL, READ_HERE, is_peer, standings, times, unfinished, verdicts
from evidence_tools import GOALS
from replicates import printed
from scipy.stats import chi2

from singular import __version__

COLUMNS = [
    "tool", "method", "runs", "rms error", "claimed error", "rms / claimed", "likelihoods", "gradients", "yardstick",
    "low", "high", f"gradient = {GRADIENT}", "by claim", "flagged",
]  # fmt: skip


def page(rows: pd.DataFrame, seeds: int, limit: int) -> str:
    """Return docs/validation/EVIDENCE.md."""
    table = standings(rows)
    judged = verdicts(table, GOALS)
    n = ", ".join(map(str, sorted(rows.loc[rows["status"] == DONE, "n"].astype(int).unique())))
    versions = rows[["tool", "version"]].drop_duplicates()
    packages = {TOOLS[row.tool].package: row.version for row in versions.itertuples() if TOOLS[row.tool].peer}
    told = ", ".join(f"{name} {number}" for name, number in packages.items())
    factors = ", ".join(
        f"{runs} runs: {runs / chi2.ppf((1 + LEVEL) / 2, runs):.2g} to {runs / chi2.ppf((1 - LEVEL) / 2, runs):.2g}"
        for runs in sorted(table["runs"].unique())
    )
    return f"""# The evidence beside other packages

Made by `make bench-evidence` with singular {__version__}, {told}: F(1) = −log evidence of problems whose exact value \
is known (`posteriors.quadrature`), n = {n}, up to {seeds} data sets each, the data's seed being the sampler's too: \
every tool gets the same data sets, as many of them as the column `runs` says. All tools compute in 64 bit.

**The yardstick** is mean evaluations × mean squared error, nats²: what a tool needs to reach an error of 1 nat, were \
its error to fall as one over the root of its evaluations. Less is better. An evaluation is one of log p(D | w), with \
or without its gradient; all of them count: pilots, warm-up, every leapfrog step. A second column counts a gradient as \
{GRADIENT} likelihoods.

**How well it is known**: with few runs, roughly. `low` and `high` hold it with probability {LEVEL:.0%} if the errors \
are independent normals of mean 0 (chi-square): a factor of {factors}.

## Ours against the best peer

Ours is MBAR on one ladder at default settings, chosen beforehand. The best peer is the least yardstick measured, of \
{_peers(table)}. The goal is a ratio of at most 1/10 from ten parameters up and of at most 1 at four; none is set \
between. `known` says whether the {LEVEL:.0%} interval of the ratio, `low` to `high` (Fisher's F), lies on one side of \
the goal.

{_against(judged)}

## Every tool

`rms error` and `claimed error`, mean over runs, in nats; a tool that claims no error has none. `by claim` is the \
yardstick with the claimed error in the place of the measured one. `flagged` is in how many runs this package's \
reading carries a flag; no run is left out for it.

![Error against evaluations, with lines of equal yardstick](EVIDENCE.png)

{_each(table)}

## Runs without an answer

A run may take {limit} s of processor time, compiling included; after one over the limit the tool's further seeds are \
not tried on that problem. `not run` is what there was no time for when this page was made: `make bench-evidence` goes \
on with it.

{printed(unfinished(rows)) if (rows["status"] != DONE).any() else "None."}

## Time

**Do not compare these times with those of other pages or machines, nor two of them that differ by less than a factor \
of about two.** They are seconds of processor time, one thread a process, on a machine that others use at the same \
time; no compiled program is kept between processes. `first call` is the first run of a process, compiling included; \
`a later run` the mean of those after it, on other data of the same shape. `compiling` is their difference, at equal \
evaluations; with one run they cannot be told apart. Readings are part of a run. One run stands for all readings.

{printed(times(rows))}

## What is counted, and how

- Our ladder: `gradient_evaluations` among its attributes, pilot and warm-up included. The bridge adds its own \
likelihoods. `mbar` uses the ladder's control variates; without them it is a row of its own.
- Our SMC: counted by `posteriors.smc`.
- dynesty: static, {peers.LIVE_POINTS} live points, else defaults; each call of the likelihood is counted.
- jaxns: defaults; its own count, expected log Z and its uncertainty.
- blackjax: adaptive tempered SMC, {peers.PARTICLES} particles, effective share {peers.EFFECTIVE_SHARE}, \
{peers.MOVES} moves of HMC of {peers.LEAPFROG} steps at each temperature; mass matrix from the particles and step \
sizes from the acceptance (to {peers.ACCEPTANCE}), by blackjax's own rules. Each temperature takes \
{peers.MOVES * peers.LEAPFROG + 1} gradients and 2 likelihoods a particle. A single run claims no error.
- NumPyro: NUTS with its default settings, {peers.CHAINS} chains × {peers.DRAWS} draws after {peers.WARMUP} of \
warm-up, on each of {peers.RUNGS} independent rungs β = (k/{peers.RUNGS - 1})^{peers.POWER}, exact draws at β = 0. \
Its draws are read off by this package's estimators, without control variates. `{READ_HERE}` takes the rung at β = 1 \
by itself, read off by this package's `analysis.bridge`: it is shown, but is not one of the peers of the goal.
- nll at kept draws is not counted: every sampler has it at hand.
- Largest stated error of an exact value: {table["oracle error"].max():.2g} nats; it is part of the errors measured.
"""


def _peers(table: pd.DataFrame) -> str:
    names = table[is_peer(table)][["tool", "method"]].drop_duplicates().groupby("tool", sort=False)
    return "; ".join(f"{TOOLS[tool].label} ({', '.join(part['method'])})" for tool, part in names) or "none"


def _against(judged: pd.DataFrame) -> str:
    """Return both tables of `verdicts`, and what they say of the goals."""
    if judged.empty:
        return "Not measured in this run."
    columns = ["problem", "d", "ours", "best peer", "its yardstick", "ratio", "low", "high", "goal", "met", "known"]
    suffix = f", gradient = {GRADIENT}"
    names = {f"{name}{suffix}": name for name in ("best peer", "its yardstick", "ratio", "low", "high")}
    other = judged[["problem", "d", *names]].rename(columns=names)
    return f"""{printed(judged[columns])}

{_tally(judged)}

With a gradient counted as {GRADIENT} likelihoods:

{printed(other)}"""


def _tally(judged: pd.DataFrame) -> str:
    """Say how often the goals are met, and how often that is known."""
    out = []
    for goal, part in judged.dropna(subset="goal").groupby("goal"):
        met = part["met"] == "met"
        known = int((part["known"] == "yes").sum())
        who = ", ".join(part.loc[met, "problem"]) or "none"
        out.append(f"- Goal of at most {goal:g}: met on {met.sum()} of {len(part)} problems as measured ({who}); "
                   f"the interval decides {known} of them.")  # fmt: skip
    return "\n".join(out)


def _each(table: pd.DataFrame) -> str:
    named = table.rename(columns={"yardstick, gradient = 3": f"gradient = {GRADIENT}", "claimed yardstick": "by claim"})
    named["tool"] = named["tool"].map(lambda tool: TOOLS[tool].label)
    named[["likelihoods", "gradients"]] = named[["likelihoods", "gradients"]].map(lambda count: f"{count:,.0f}")
    parts = []
    for problem, group in named.groupby("problem", sort=False):
        judged = f"### {problem}, d = {group['d'].iloc[0]}"
        parts.append(f"{judged}\n\n{printed(group[COLUMNS])}")
    return "\n\n".join(parts)
