"""devinterp and lambda_hat's formula scored against exact values, as any other estimator may be.

Problems are exported, estimated on by each tool's own call or formula at the exported optimum, written down as
submissions, and scored by `singular.analysis.score` beside our own ladders.

    make score-devinterp      # makes its environment, writes docs/scores/DEVINTERP.md, .csv, .png and submissions

A run goes on where it was stopped: what is done is read back from ``out/score-devinterp``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from score_devinterp_findings import apart
from score_devinterp_page import page, table
from score_devinterp_picture import picture
from score_devinterp_runs import every_run, submission
from score_devinterp_settings import DEVINTERP, LAMBDA_HAT, PROBLEMS, SEEDS, N

from singular import analysis
from singular.posteriors.store import write

REFERENCE_DRAWS = 2000
"""Draws of each chain of the ladders that stand in for exact values: half of what `singular score` takes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="data sets for each problem")
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS), choices=PROBLEMS)
    parser.add_argument("--out", type=Path, default=Path("docs/scores"), help="where page and submissions go")
    parser.add_argument("--work", type=Path, default=Path("out/score-devinterp"), help="where runs are kept")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    runs = every_run(arguments.problems, N, arguments.seeds, arguments.work)
    files = []
    for tool in (DEVINTERP, LAMBDA_HAT):
        files.append(arguments.out / f"{tool.replace('_', '-')}-estimates.csv")
        write(files[-1], submission(runs, tool).to_csv(index=False, float_format="%.6g"))
    scored = analysis.score(
        files, arguments.work / "score", reference_draws=REFERENCE_DRAWS, exports=arguments.work / "exports",
        progress=sys.stderr.isatty(), report=print,
    )  # fmt: skip
    scored = apart(runs, scored)
    write(arguments.out / "DEVINTERP.csv", table(runs, scored).to_csv(index=False, float_format="%.5g"))
    write(arguments.out / "DEVINTERP.png", lambda path: picture(scored.rows).savefig(path, format="png"))
    write(arguments.out / "DEVINTERP.md", page(runs, scored, REFERENCE_DRAWS))
    print(table(runs, scored).to_string(index=False))


if __name__ == "__main__":
    main()
