"""The evidence by this package and by others, on problems whose evidence is known exactly.

Error, claimed error, evaluations of the likelihood or its gradient, and time: our ladder and our SMC, dynesty, jaxns,
blackjax's adaptive tempered SMC, and plain NumPyro NUTS on independent rungs. The yardstick is evaluations × squared
error.

    make bench-evidence      # makes its environment, writes docs/validation/EVIDENCE.md, EVIDENCE.csv and EVIDENCE.png

A run goes on where it was stopped: what is done is read back from ``out/evidence``.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import pandas as pd
from evidence_page import page
from evidence_picture import picture
from evidence_runs import TOOLS, every_batch
from evidence_table import standings, verdicts
from evidence_tools import GOALS

from singular.posteriors.store import write

SEEDS = 5
LIMIT = 240


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="data sets for each problem, at most")
    parser.add_argument("--limit", type=int, default=LIMIT, help="processor seconds that one run may take")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then; what is left is told as not run")
    parser.add_argument("--problems", nargs="*", default=list(GOALS), choices=list(GOALS))
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=list(TOOLS))
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/evidence"), help="where runs are kept")
    arguments = parser.parse_args()
    for folder in (arguments.work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    until = time.time() + 60 * arguments.minutes
    found = every_batch(
        arguments.tools, arguments.problems, arguments.seeds, arguments.work.resolve(), arguments.limit, until
    )
    rows = pd.concat(found, ignore_index=True)
    for column, order in (("tool", list(TOOLS)), ("problem", arguments.problems)):
        rows = rows.sort_values(column, key=lambda c, order=order: c.map(order.index), kind="stable")
    table = standings(rows)
    write(arguments.out / "EVIDENCE.csv", table.to_csv(index=False, float_format="%.5g"))
    write(arguments.out / "EVIDENCE.png", lambda path: picture(table).savefig(path, format="png"))
    write(arguments.out / "EVIDENCE.md", page(rows, arguments.seeds, arguments.limit))
    print(verdicts(table, GOALS).to_string(index=False))


if __name__ == "__main__":
    main()
