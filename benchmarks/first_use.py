"""From how many parameters on does a family's structure pay, compiling included?

    make bench-first-use      # writes docs/validation/FIRST_USE.md and FIRST_USE.csv

One ladder at default settings of each model, by NUTS and by the kernel that its structure gives whatever its size
(`singular.posteriors.kernels.automatic` with `FROM` lifted), in a process of its own: once with an empty folder of
compiled programs, as on the first use of a model, and once more with what that left there, as on every later one. What
is timed is the call of `posteriors.ladder` alone. A run goes on where it was stopped: models that are done are read
back from ``out/first-use``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
from replicates import printed, wrapped

from singular import __version__, models, posteriors
from singular.posteriors import kernels
from singular.posteriors.precision import CACHE_VARIABLE
from singular.posteriors.store import write

MODELS = (
    "relu-1", "tanh-1", "reduced-rank-1-2-1-0", "tanh-2", "reduced-rank-2-2-1-1", "hadamard-2-1",
    "matrix-factor-2-2-1-r0", "tanh-3", "relu-3", "reduced-rank-1-2-2-0", "tanh-4", "reduced-rank-2-2-2-1",
    "deep-linear-1-2-2-1-r0", "reduced-rank-3-3-2-1", "factor-analysis-4-2-1", "deep-linear-3-2-2-3-r1",
)  # fmt: skip
"""Members of two to sixteen parameters that declare a block or moves."""
USES = ("first", "later")
RATES = {"rate": "seconds", "sampling rate": "sampling"}
"""Effective draws a second of the whole call, and of sampling alone."""
N = 500


def structured(name: str) -> str:
    """Return the kernel that a model's structure gives, however few parameters it has."""
    least, kernels.FROM = kernels.FROM, 0
    try:
        return kernels.automatic(models.problem(name, n=N, seed=0))
    finally:
        kernels.FROM = least


def timed(name: str, kernel: str, settings: dict | None = None) -> dict[str, float]:
    """Return seconds of one ladder in this process, and effective draws of nL_n at β = 1."""
    problem = models.problem(name, n=N, seed=0)
    began, used = time.perf_counter(), time.process_time()
    tree = posteriors.ladder(problem, kernel=kernel, progress=False, **(settings or {}))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    nll = tree["sample_stats"]["nll"].isel(beta=-1).to_numpy()
    ess = float(az.ess(az.from_dict({"posterior": {"nll": nll}}))["nll"])
    sampling = tree.attrs["wall_time"] - tree.attrs["warmup_time"]
    return {
        "seconds": seconds,
        "core seconds": cpu,
        "sampling": sampling,
        "ess": ess,
        "rungs": tree["sample_stats"].sizes["beta"],
    }


def apart(name: str, kernel: str, folder: str, settings: dict | None = None) -> dict[str, float]:
    """Return the same of a process of its own that keeps its programs in ``folder``."""
    command = [sys.executable, __file__, "--one", name, kernel, json.dumps(settings or {})]
    done = subprocess.run(command, env=os.environ | {CACHE_VARIABLE: folder}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.decode().splitlines()[-1])


def measured(name: str, work: Path, repeats: int, settings: dict | None = None) -> pd.DataFrame:
    """Return a row for each kernel, use and repeat, kept on disk."""
    path = work / f"{name}.csv"
    if not path.exists():
        rows = []
        for repeat in range(repeats):
            for kernel, what in (("nuts", "nuts"), (structured(name), "structure")):
                with tempfile.TemporaryDirectory() as folder:
                    rows += [
                        {"model": name, "kernel": kernel, "what": what, "use": use, "repeat": repeat,
                         **apart(name, kernel, folder, settings)}
                        for use in USES
                    ]  # fmt: skip
        write(path, pd.DataFrame(rows).assign(d=models.problem(name, n=N, seed=0).dim).to_csv(index=False))
    return pd.read_csv(path)


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return for each model and use the seconds of both, the least of all repeats, and what structure gains.

    ``quicker`` is the ratio of seconds, ``gain`` that of effective draws a second of the whole call.
    """
    out = []
    for (name, d, use), part in rows.groupby(["model", "d", "use"], sort=False):
        row: dict[str, object] = {"model": name, "d": d, "use": use}
        for what in ("nuts", "structure"):
            own = part[part["what"] == what]
            best = own.loc[own["seconds"].idxmin()]
            row |= {f"{what} s": best["seconds"], f"{what} core s": best["core seconds"], f"{what} ess": best["ess"]}
            row |= {f"{what} {name}": best["ess"] / best[of] for name, of in RATES.items()}
        row["kernel"] = part.loc[part["what"] == "structure", "kernel"].iloc[0]
        row["quicker"] = part_ratio(row, "s", upside_down=True)
        row["gain"] = part_ratio(row, "rate")
        out.append(row)
    return pd.DataFrame(out).sort_values(["d", "model", "use"], kind="stable", ignore_index=True)


def part_ratio(row: dict, what: str, upside_down: bool = False) -> float:
    """Return structure over NUTS."""
    ratio = float(row[f"structure {what}"]) / float(row[f"nuts {what}"])
    return 1 / ratio if upside_down else ratio


def pays_from(table: pd.DataFrame, use: str, column: str) -> int | None:
    """Return the least d from which on structure is ahead on every model, None if it is not on the largest."""
    own = table[table["use"] == use]
    behind = own.loc[own[column] < 1.0, "d"]
    above = own.loc[own["d"] > (behind.max() if len(behind) else 0), "d"]
    return int(above.min()) if len(above) else None


def page(rows: pd.DataFrame, wanted: int) -> str:
    """Return docs/validation/FIRST_USE.md, of so many models wanted those that are measured."""
    table = compared(rows)
    answers = {(use, column): pays_from(table, use, column) for use in USES for column in ("quicker", "gain")}

    def told(use: str, column: str) -> str:
        found = answers[use, column]
        return f"from d = {found}" if found is not None else "from no d measured"

    first = f"""`FROM` is **{kernels.FROM}**: below so many parameters `kernel=None` is NUTS. On later uses of a model a
    structured kernel gives, over NUTS, in effective draws of nL_n a second of the whole call: with fewer parameters
    {_side(table[table["d"] < kernels.FROM])}; with {kernels.FROM} and more {_side(table[table["d"] >= kernels.FROM])}.
    It is ahead on every model of a size and above **{told("first", "gain")} on the first use and
    {told("later", "gain")} on later ones**, and in seconds of a call of so many draws, whatever they are worth,
    **{told("first", "quicker")} and {told("later", "quicker")}**."""
    count = table["model"].nunique()
    if count < wanted:
        span = f"of {table['d'].min()} to {table['d'].max()} parameters"
        first += f""" **{count} of {wanted} models are measured yet**, {span}: nothing is said of larger ones."""
    second = f"""{count} models, n = {N}, default settings: 4 chains × 1000 draws after the pilot and
    500 of warm-up. ess is of nL_n at β = 1. Each call in a process of its own; of {int(rows["repeat"].max()) + 1} such
    calls the quickest is told, in seconds of wall time on two cores and, in brackets, core seconds of all threads.
    *quicker* is the ratio of seconds, *gain* that of effective draws a second of the whole call, structure to NUTS."""
    return f"""# When does structure pay?

Made by `make bench-first-use` with singular {__version__}.

{wrapped(first)}

{wrapped(second)}

{printed(_by_size(table))}

{printed(_shown(table))}
"""


def _side(table: pd.DataFrame) -> str:
    later = table[table["use"] == "later"]
    if later.empty:
        return "nothing is measured"
    behind = [f"{row['model']} ({row['gain']:.2g})" for _, row in later[later["gain"] < 1.0].iterrows()]
    return (
        f"**{later['gain'].median():.2g} times** in the median, more on **{len(later) - len(behind)} of {len(later)}**"
        + (f", less on {', '.join(behind)}" if behind else "")
    )


def _by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each d and use the least, the median and the largest of both ratios."""
    out = []
    for (d, use), part in table.groupby(["d", "use"], sort=True):
        row = {"d": str(d), "use": use, "models": str(len(part))}
        for column in ("quicker", "gain"):
            low, middle, high = np.quantile(part[column], [0, 0.5, 1])
            row |= {f"{column}, least": f"{low:.2g}", f"{column}, median": f"{middle:.2g}",
                    f"{column}, largest": f"{high:.2g}"}  # fmt: skip
        out.append(row)
    return pd.DataFrame(out)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    shown = table[["model", "kernel", "use"]].copy()
    shown.insert(1, "d", table["d"].map(str))
    for what in ("nuts", "structure"):
        pairs = zip(table[f"{what} s"], table[f"{what} core s"], strict=True)
        shown[f"{what}: s (core s)"] = [f"{wall:.1f} ({cpu:.1f})" for wall, cpu in pairs]
        shown[f"{what}: ess"] = table[f"{what} ess"].map("{:.0f}".format)
        shown[f"{what}: ess a second of sampling"] = table[f"{what} sampling rate"].map("{:.0f}".format)
    shown["quicker"], shown["gain"] = table["quicker"], table["gain"]
    return shown


def main() -> None:
    """Measure what is missing, and write page and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=3, metavar=("MODEL", "KERNEL", "SETTINGS"), help="time one ladder, in JSON")
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--ready", action="store_true", help="measure nothing: a page of the models that are there")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/first-use"), help="where parts are kept")
    arguments = parser.parse_args()
    if arguments.one:
        name, kernel, settings = arguments.one
        print(json.dumps(timed(name, kernel, json.loads(settings))))
        return
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    parts, wanted = [], arguments.models
    for name in [n for n in wanted if not arguments.ready or (arguments.work / f"{n}.csv").exists()]:
        parts.append(measured(name, arguments.work, arguments.repeats))
        print(compared(parts[-1]).to_string(index=False, header=len(parts) == 1), flush=True)
    rows = pd.concat(parts, ignore_index=True)
    write(arguments.out / "FIRST_USE.md", page(rows, len(wanted)))
    write(arguments.out / "FIRST_USE.csv", rows.to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
