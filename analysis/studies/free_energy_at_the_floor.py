"""Two wells under constant-step SGD: does the time in each follow its free energy at the temperature of the noise?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from singular import models, posteriors
from singular.analysis.gradient_noise import observation_gradients
from singular.analysis.occupancy_law import OccupancyLaw, chain_law, diffusion_law
from singular.analysis.studies.cells import WITHIN
from singular.analysis.studies.free_energy_at_the_floor_figure import draw
from singular.analysis.studies.free_energy_at_the_floor_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop
from singular.models.crossings.two_wells import FLAT, SHARP, SPREAD, SUMMIT
from singular.models.problem import Problem
from singular.models.sufficient import equivalent_rows

if TYPE_CHECKING:
    import xarray as xr

ISOTROPIC, OWN, MIXED = "isotropic", "minibatch", "mixed"
N = 1000
RUNS = 300
TIME = 1500.0
"""Steps times η/(1 − μ): as long as gradient flow would be followed; the second half is counted."""
RECORDS = 200
CORES = (-0.5, 1.5)
"""A run has crossed when it was below the one and is above the other, or the other way: not while it is on the top."""
BURN_IN = 4.0
"""Relaxations of the chain that the half left out should have: 2 % of the start is left after them."""
SPAN, SPACING = (-5.0, 8.0), 0.005
"""Nodes of the law of small steps."""
CELLS = (
    *((ISOTROPIC, c, t, 0.05, 0.0) for c in (0.0, 0.1) for t in (0.05, 0.07, 0.1, 0.15, 0.25)),
    *((ISOTROPIC, 0.03, t, 0.05, 0.0) for t in (0.1, 0.25)),
    *((ISOTROPIC, 0.1, 0.1, step, 0.0) for step in (0.1, 0.2, 0.3)),
    (ISOTROPIC, 0.0, 0.1, 0.2, 0.0),
    *((ISOTROPIC, c, 0.1, 0.01, 0.9) for c in (0.0, 0.1)),
    *((OWN, c, t, 2 * t, 0.0) for c in (0.0, 0.1) for t in (0.025, 0.05, 0.1)),
    *((OWN, c, 0.1, 0.02, 0.9) for c in (0.0, 0.1)),
    *((MIXED, 0.1, 0.1, step, 0.0) for step in (0.03, 0.05, 0.1, 0.15, 0.18)),
    *((MIXED, 0.0, 0.1, step, 0.0) for step in (0.05, 0.1, 0.18)),
)
"""Noise, c, T (nominal), η and μ. B = 1 throughout, and T = η (1 + σ²)/(2 (1 − μ)), σ² the noise that is added."""
CURVE = {
    "temperature": tuple(np.geomspace(0.025, 0.3, 15)),
    "step": (0.0125, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    "own": (0.02, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18),
}
"""Where the exact curves are computed: over T; over η under isotropic noise; over η of mixed noise at T = 0.1."""


def added_noise(kind: str, temperature: float, step_size: float, momentum: float) -> float:
    """Return σ² of the noise to add so that η (own + σ²)/(2 (1 − μ)) = T, own noise being 1 or, if isotropic, 0."""
    whole = 2 * temperature * (1 - momentum) / step_size
    return whole if kind == ISOTROPIC else whole - 1


def laws(
    problem: Problem, kind: str, temperature: float, step_size: float, momentum: float = 0.0
) -> dict[str, float | OccupancyLaw]:
    """Return the exact laws of one setting: ``gibbs`` (a share), ``small`` and, without momentum, ``chain``.

    ``gibbs`` is the flat well's share of the tempered posterior at nβ = 1/T by quadrature. ``small`` is the law of
    small steps with the noise the steps have, which momentum leaves as it is. ``chain`` is the law of the steps as
    they are made, the minibatch of one observation among n included; only where noise is added, since the law on nodes
    needs some.
    """
    decay = temperature / SPREAD**2
    beta = 1 / (problem.n * temperature)
    sigma = max(0.0, added_noise(kind, temperature, step_size, momentum)) ** 0.5
    if sigma < 1e-6:
        sigma = 0.0

    def gradients(spacing):
        w = SUMMIT + (np.arange(*(round((end - SUMMIT) / spacing) for end in SPAN)) + 0.5) * spacing
        return w, observation_gradients(problem, w[:, None])[:, :, 0] + decay * w[:, None]

    w, each = gradients(SPACING)
    variance = np.full(len(w), sigma**2) + (0.0 if kind == ISOTROPIC else each.var(axis=1))
    found: dict[str, float | OccupancyLaw] = {
        "gibbs": float(posteriors.quadrature(problem, [beta]).at(beta)["phase:flat"]),
        "small": diffusion_law(w, each.mean(axis=1), variance, step_size / (1 - momentum)),
    }
    if momentum == 0 and sigma > 0:
        spread = step_size * sigma
        w, each = gradients(min(spread / 1.05, 0.1))
        each = each.mean(axis=1, keepdims=True) if kind == ISOTROPIC else each
        found["chain"] = chain_law(w, w[:, None] - step_size * each, spread)
    return found


def occupied(
    kind: str, advantage: float, temperature: float, step_size: float, momentum: float, seed: int
) -> pd.DataFrame:
    """Return one row: the flat well's share of the second half of the runs, beside every exact law.

    Half of the runs start at the bottom of each well, and the two halves count alike. The error is that of the mean
    over independent runs, each half's own, and no less than one run in all: runs that all agree have no spread.
    """
    problem = Problem.from_model(models.uneven_wells(advantage), n=N, seed=seed)
    steps = round(TIME * (1 - momentum) / step_size)
    tree = posteriors.sgd(
        equivalent_rows(problem) if kind == ISOTROPIC else problem,
        learning_rate=step_size, batch_size=1, runs=RUNS, steps=steps, seed=seed, progress=False,
        weight_decay=temperature / SPREAD**2,
        start=np.repeat([[SHARP], [FLAT]], (RUNS // 2, RUNS - RUNS // 2), axis=0),
        keep=np.unique(np.linspace(0, steps, RECORDS + 1).astype(int)),
        **({"optimiser": "momentum", "momentum": momentum} if momentum else {}),
        **_noise(kind, temperature, step_size, momentum),
    )  # fmt: skip
    exact = laws(problem, kind, temperature, step_size, momentum)
    small, chain = exact["small"], exact.get("chain")
    assert isinstance(small, OccupancyLaw)
    measured = measure(tree)
    row = {
        "noise": kind, "advantage": advantage, "temperature": temperature, "step_size": step_size, "momentum": momentum,
        "own": 0.0 if kind == ISOTROPIC else step_size / (2 * temperature * (1 - momentum)),
        "n": N, "seed": seed, "runs": RUNS, "steps": steps, **measured,
        "gibbs": exact["gibbs"], "small": small.share(low=SUMMIT),
        "chain": chain.share(low=SUMMIT) if isinstance(chain, OccupancyLaw) else np.nan,
        "relaxation": chain.relaxation if isinstance(chain, OccupancyLaw) else np.nan,
    }  # fmt: skip
    row |= {f"z_{law}": (row["value"] - row[law]) / row["mcse"] for law in ("gibbs", "small", "chain")}
    told = [f"law of small steps: {flag}" for flag in small.flags]
    told += [f"law of the chain: {flag}" for flag in chain.flags] if isinstance(chain, OccupancyLaw) else []
    row["flags"] = "; ".join([*flags(row), *told])
    return pd.DataFrame([row])


def _noise(kind: str, temperature: float, step_size: float, momentum: float) -> dict:
    if kind == OWN:
        return {}
    return {"noise": kind, "sigma": math.sqrt(added_noise(kind, temperature, step_size, momentum))}


def measure(tree: xr.DataTree) -> dict[str, float]:
    """Return share of the flat well and its error, each start's share, crossings a run, and the runs that left."""
    w = tree["posterior"]["w"].to_numpy()
    start, stays = w[:, 0] > SUMMIT, ~tree["sample_stats"]["diverged"].to_numpy()
    share = (w[:, w.shape[1] // 2 :] > SUMMIT).mean(axis=1)
    parts = [share[stays & (start == flat)] for flat in (False, True)]
    spread = [part.var(ddof=1) / len(part) if len(part) > 1 else np.nan for part in parts]
    means = [part.mean() if len(part) else np.nan for part in parts]
    return {
        "value": float(np.mean(means)),
        "mcse": max(0.5 * float(np.sqrt(np.sum(spread))), 1 / len(share)),
        "from_sharp": float(means[0]),
        "from_flat": float(means[1]),
        "z_starts": float((means[1] - means[0]) / max(float(np.sqrt(np.sum(spread))), 2 / len(share))),
        **{name: float(x) for name, x in zip(("up", "down"), _mean_crossings(w[stays]), strict=True)},
        "diverged": int((~stays).sum()),
    }


def crossings(w: np.ndarray) -> tuple[int, int]:
    """Return how often the records of one run passed from the sharp well's core to the flat one's, and back."""
    side = np.where(w > CORES[1], 1, np.where(w < CORES[0], -1, 0))
    turns = np.diff(side[side != 0])
    return int((turns > 0).sum()), int((turns < 0).sum())


def _mean_crossings(w: np.ndarray) -> np.ndarray:
    return np.mean([crossings(run) for run in w], axis=0) if len(w) else np.full(2, np.nan)


def flags(row: dict) -> list[str]:
    """Return why the share of one row may tell of something else than a stationary law."""
    found = []
    if row["up"] == row["down"] == 0:
        found.append("no run crossed: the share is that of the starts")
    elif row["up"] == 0 or row["down"] == 0:
        found.append(
            f"runs crossed {'up' if row['up'] else 'down'} only: none came back, and a share of all has no spread"
        )
    if row["z_starts"] > WITHIN:
        found.append(
            f"runs from the two wells differ by {row['z_starts']:.0f} errors: the share is between starts and law"
        )
    half = row["steps"] / 2
    if half < BURN_IN * row["relaxation"]:
        found.append(f"the half left out has {half / row['relaxation']:.1f} relaxations")
    if row["diverged"]:
        found.append(f"{row['diverged']} of {row['runs']} runs left for infinity and are not counted")
    return found


def curves(what: str, advantage: float, seed: int) -> pd.DataFrame:
    """Return exact shares along one of the curves, without runs."""
    problem = Problem.from_model(models.uneven_wells(advantage), n=N, seed=seed)
    settings = {
        "temperature": [(OWN, t, 2 * t) for t in CURVE["temperature"]],
        "step": [(ISOTROPIC, 0.1, step) for step in CURVE["step"]],
        "own": [(MIXED, 0.1, step) for step in CURVE["own"]],
    }[what]
    rows = []
    for kind, temperature, step in settings:
        exact = laws(problem, kind, temperature, step)
        small, chain = exact["small"], exact.get("chain")
        assert isinstance(small, OccupancyLaw)
        rows.append(
            {
                "noise": kind, "curve": what, "advantage": advantage, "temperature": temperature, "step_size": step,
                "momentum": 0.0, "own": 0.0 if kind == ISOTROPIC else step / (2 * temperature), "n": N, "seed": seed,
                "gibbs": exact["gibbs"], "small": small.share(low=SUMMIT),
                "chain": chain.share(low=SUMMIT) if isinstance(chain, OccupancyLaw) else np.nan,
                "flags": "; ".join(small.flags),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def run(workshop: Workshop) -> Finding:
    """Run every cell and lay the shares beside the laws."""
    drawn = workshop.parts(occupied, [(*cell, workshop.seed) for cell in CELLS])
    along = [("temperature", c, workshop.seed) for c in (0.0, 0.03, 0.1)]
    along += [(what, c, workshop.seed) for what in ("step", "own") for c in (0.0, 0.1)]
    table = pd.concat([pd.concat(drawn).assign(curve=""), *workshop.parts(curves, along)], ignore_index=True)
    return Finding(table, draw(table), text(table), shown(table))


STUDY = Study("free-energy-at-the-floor", "Two wells at the noise floor: where SGD follows the free energy", run)
