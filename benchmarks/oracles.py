"""Print the stated errors of every oracle: ``python benchmarks/oracles.py [n]``."""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd

from singular.models import catalogue
from singular.posteriors.quadrature import quadrature


def stated_errors(n: int) -> pd.DataFrame:
    """Return one row for each model: the largest stated errors over β, and the time in seconds."""
    betas = np.unique(np.concatenate([[0.0, 1 / np.log(n)], np.geomspace(1 / n, 1.0, 12)]))
    rows = []
    for name in catalogue.MODELS:
        problem = catalogue.problem(name, n=n)
        start = time.perf_counter()
        exact = quadrature(problem, betas)
        last = exact.at(1.0)
        rows.append(
            {
                "name": name,
                "F(1)": last["free_energy"],
                "error_F": exact.frame["error_free_energy"].max(),
                "error_E_relative": (exact.frame["error_mean_nll"] / exact.frame["mean_nll"]).max(),
                "lambda_eff(1)": last["effective_learning_coefficient"],
                "error_lambda_eff": exact.frame["error_effective_learning_coefficient"].max(),
                "seconds": time.perf_counter() - start,
                "route": exact.route,
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with pd.option_context("display.width", 200, "display.max_columns", 20, "display.max_colwidth", 70):
        table = stated_errors(size)
        print(f"n = {size}; the largest stated error over β, free energies in nats")
        print(table.to_string(index=False, float_format=lambda v: f"{v:.6g}"))
