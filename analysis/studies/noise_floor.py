"""The noise floor: excess loss at equilibrium against temperature, and which noise has a temperature at all."""

from __future__ import annotations

import pandas as pd

from singular.analysis.studies.floor_rows import COEFFICIENT
from singular.analysis.studies.noise_floor_figure import draw
from singular.analysis.studies.noise_floor_quadratics import exact_curve, largest, simulated
from singular.analysis.studies.noise_floor_singular import isotropic, mixed, mixed_curve, own
from singular.analysis.studies.noise_floor_text import shown, text
from singular.analysis.studies.workshop import Finding, Study, Workshop

TEMPERATURES = (0.002, 0.02, 0.2)
SETTINGS = ((1, 0.0), (8, 0.0), (1, 0.9), (8, 0.9))
"""Batch size and momentum at each temperature; the learning rate is 2BT(1 − μ), if that is stable."""
STABLE = 0.95
STEP_SIZES = {
    ("isotropic", 0.0): (0.02, 0.06, 0.2, 0.5),
    ("isotropic", 0.9): (0.01, 0.1, 0.4, 1.0),
    ("as the Hessian", 0.0): (0.02, 0.06, 0.2, 0.5),
    ("preconditioned", 0.0): (0.02, 0.1, 0.5, 1.5),
}
"""At B = 1, for the exact laws at a finite step."""
HOT = 0.1
SINGULAR = {
    "product": (0.01, 0.03, 0.1),
    "monomial-2": (0.02, 0.05, 0.1),
    "deep-linear-1-1-1-1-r0": (0.01, 0.03, 0.06),
    "tanh-2": (0.02, 0.05, 0.1),
}
"""Learning rates at T = `HOT` under isotropic noise."""
PRODUCT = ((0.002, 0.05, 0.0), (0.02, 0.05, 0.0), (0.02, 0.005, 0.9), (0.2, 0.05, 0.0))
"""Temperature, learning rate and momentum of the product over two decades."""
OWN = (*((name, rate, 4) for name in SINGULAR for rate in (0.05, 0.2)), ("product", 0.2, 16))
"""Problem, learning rate and batch size of own noise, each with and without weight decay."""
MIXED = (
    (0.005, 1, 1e-4), (0.005, 1, 1e-3), (0.005, 1, 1e-2),
    (0.02, 4, 1e-5), (0.02, 4, 1e-4), (0.02, 4, 1e-3), (0.02, 4, 1e-2),
)  # fmt: skip
"""Learning rate, batch size (κ = 2η/B of one value) and the temperature of what is injected."""
KAPPA = 0.01


def quadratic_jobs(seed: int) -> list[tuple]:
    """Return the settings of all ensembles on quadratics, those that are not stable left out."""
    jobs = [
        (noise, 2 * size * t * (1 - mu), size, mu, seed)
        for noise in ("minibatch", "isotropic", "as the Hessian")
        for t in TEMPERATURES
        for size, mu in SETTINGS
        if 2 * size * t * (1 - mu) < STABLE * largest(noise, size, mu, seed)
    ]
    return jobs + [(noise, rate, 1, mu, seed) for (noise, mu), rates in STEP_SIZES.items() for rate in rates]


def curve_jobs(seed: int) -> list[tuple]:
    """Return the exact curves: every setting of own and isotropic noise, and the three noises at B = 1."""
    each = [(noise, size, mu, seed) for noise in ("minibatch", "isotropic") for size, mu in SETTINGS]
    return each + [(noise, 1, 0.0, seed) for noise in ("as the Hessian", "preconditioned")]


def singular_jobs(seed: int) -> list[tuple]:
    """Return the settings of isotropic noise on singular models."""
    jobs = [(name, HOT, rate, 0.0, seed) for name, rates in SINGULAR.items() for rate in rates]
    return jobs + [("product", *setting, seed) for setting in PRODUCT]


def run(workshop: Workshop) -> Finding:
    """Run ensembles at equal temperatures on quadratics and on singular models, and hold them against exact laws."""
    seed = workshop.seed
    parts = [
        *workshop.parts(mixed, [(*setting, seed) for setting in MIXED]),
        *workshop.parts(own, [(*setting, decayed, seed) for setting in OWN for decayed in (0, 1)]),
        *workshop.parts(simulated, quadratic_jobs(seed)),
        *workshop.parts(isotropic, singular_jobs(seed)),
        *workshop.parts(exact_curve, curve_jobs(seed)),
        *workshop.parts(mixed_curve, [(KAPPA,)]),
    ]
    table = pd.concat(parts, ignore_index=True)
    table["flags"] = table["flags"].fillna("")
    table = table.sort_values(
        by=["part", "problem", "noise", "batch_size", "momentum", "weight_decay", "temperature", "learning_rate",
            "steps"],
        kind="stable", ignore_index=True,
    )  # fmt: skip
    return Finding(table, draw(table, COEFFICIENT), text(table), shown(table))


STUDY = Study("noise-floor", "The noise floor: when the noise of SGD is a temperature", run)
