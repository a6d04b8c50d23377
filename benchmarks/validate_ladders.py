"""Does the ladder run on every model of the catalogue, and does it say so where it does not?

For each member one ladder at default settings (4 chains × 1000 draws after 500 of warm-up), one process on each core
and one core for each ladder: time, the worst rung's ESS and R̂ of nll, divergences, and F_n(1) beside the exact value in
units of its Monte Carlo error.

    make validate-ladders       # writes docs/catalogue/LADDERS.md and LADDERS.csv

A run goes on where it was stopped: ladders that are done are read back from ``out/validate-ladders``.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from singular import __version__
from singular.analysis.cases import Job, Outcome, Settings, run
from singular.analysis.markdown import markdown
from singular.errors import SingularError
from singular.models import catalogue
from singular.posteriors.ladder import available_cores
from singular.posteriors.store import write

FAR = 4.0
"""|F − exact| in units of its error from which an estimate is called wrong."""


def row_of(outcome: Outcome) -> dict:
    """Return what one ladder has to show."""
    found, worst = outcome.free_energy, outcome.worst
    error = np.hypot(found["mcse"], exact_error(outcome))
    trips = [int(count) for count in outcome.round_trips.split(", ")] if outcome.round_trips else []
    coefficient = outcome.lambda_eff
    return {
        "seconds": outcome.facts["wall_time"],
        "rungs": worst["rungs"],
        "min ESS": worst["ess_bulk"],
        "max R̂": worst["rhat"],
        "divergent": worst["divergences"],
        "round trips": min(trips, default=0),
        "F": found["value"],
        "mcse": found["mcse"],
        "exact": found["exact"],
        "z": (found["value"] - found["exact"]) / error,
        "z of λ_eff": (coefficient["value"] - coefficient["exact"]) / coefficient["mcse"],
        "flags": outcome.flags,
    }


def exact_error(outcome: Outcome) -> float:
    """Return the stated error of the exact free energy at β = 1, nats; 0 where there is none."""
    if outcome.curve is None:
        return 0.0
    return float(outcome.curve.loc[outcome.curve["beta"] == 1.0, "error_free_energy"].iloc[0])


def one(name: str, n: int, folder: Path) -> dict:
    """Run one ladder, or read it back, and return its row; a refusal by the package becomes the flag."""
    model = catalogue.get(name)
    about = {"model": name, "d": model.dim}
    try:
        return about | row_of(run(Job(name, n, 0, Settings(), folder / f"{name}.nc"), False, 1))
    except SingularError as error:
        return about | {"flags": f"no ladder: {error}"}


def page(rows: pd.DataFrame, n: int) -> str:
    """Return docs/catalogue/LADDERS.md."""
    known = rows[rows["exact"].notna()]
    far = known[known["z"].abs() > FAR]
    silent = far[far["flags"] == ""]
    clean = rows[rows["flags"] == ""]
    troubled = rows[rows["flags"] != ""]
    shown = rows.assign(
        flags=[len(f.split("; ")) if f else 0 for f in rows["flags"]],
        **{column: rows[column].map("{:.3f}".format, na_action="ignore") for column in ("F", "mcse", "exact")},
    )
    return f"""# The ladder on every model of the catalogue

Made by `make validate-ladders` with singular {__version__}: n = {n}, data seed 0, default settings, each ladder on one
core with as many side by side as there are cores. `seconds` is the wall time of one ladder, compilation included;
`min ESS` and `max R̂` are those of nll on the worst rung, `divergent` the largest share of divergent steps on a rung,
`round trips` the fewest in a chain. z = (F − exact)/error, F by MBAR, the error that of Monte Carlo and of the oracle.

{len(rows)} models: {len(clean)} without a flag, {len(troubled)} with one. Of {len(known)} with an exact value
{len(far)} are off by more than {FAR:g} errors, {len(silent)} of these without a flag. Root mean square z: \
{math.sqrt((known["z"] ** 2).mean()):.2f}; median |F − exact|: {(known["F"] - known["exact"]).abs().median():.4f} nats.

{markdown(shown)}

## What the flags say

{_flag_list(troubled)}
"""


def _flag_list(troubled: pd.DataFrame) -> str:
    if troubled.empty:
        return "No model was flagged."
    return "\n".join(f"- `{row.model}`: {row.flags}" for row in troubled.itertuples())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=500, help="observations of each data set (default 500)")
    parser.add_argument("--models", nargs="*", default=list(catalogue.MODELS), help="names; all of them by default")
    parser.add_argument("--out", type=Path, default=Path("docs/catalogue"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-ladders"), help="where ladders are kept")
    arguments = parser.parse_args()
    for name in arguments.models:
        catalogue.get(name)
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    longest_first = sorted(arguments.models, key=lambda name: -catalogue.get(name).dim)
    task = partial(one, n=arguments.n, folder=arguments.work)
    rows = {}
    # fresh processes now and then: compiled programs add up to gigabytes
    with multiprocessing.get_context("spawn").Pool(available_cores(), maxtasksperchild=8) as pool:
        for row in track(pool.imap_unordered(task, longest_first), "ladders", total=len(longest_first)):
            rows[row["model"]] = row
            seconds, z = row.get("seconds", math.nan), row.get("z", math.nan)
            print(f"{row['model']}: {seconds:.0f} s, z = {z:.2f}  {row['flags']}", flush=True)
    frame = pd.DataFrame([rows[name] for name in arguments.models])
    write(arguments.out / "LADDERS.md", page(frame, arguments.n))
    write(arguments.out / "LADDERS.csv", frame.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
