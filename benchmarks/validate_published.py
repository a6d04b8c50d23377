"""Published numbers beside ours: what is printed elsewhere and can be computed anew.

Four things: the table of local learning coefficients of normal crossings in the notebook ``normal_crossing`` of
devinterp; the coefficients of factor analysis in the package sBIC; the evidence of the radiata pine models; and the
set-up of Watanabe's (2013) reduced-rank experiment. Where a printed number could not be read at its source nothing is
compared with it.

    python benchmarks/validate_published.py      # writes docs/validation/PUBLISHED.md and PUBLISHED.csv

A run goes on where it was stopped: finished parts are read back from the folder ``out/validate-published``.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import published_crossings as crossings
import published_pines as pines
import published_ranks as ranks
from replicates import every, printed

from singular import __version__
from singular.errors import InputError
from singular.models import coefficients
from singular.posteriors.store import write

SBIC = {
    (0, 0): Fraction(3),
    (1, 0): Fraction(9, 2), (1, 1): Fraction(6),
    (2, 0): Fraction(6), (2, 1): Fraction(29, 4), (2, 2): Fraction(17, 2),
    (3, 0): Fraction(15, 2), (3, 1): Fraction(17, 2), (3, 2): Fraction(19, 2), (3, 3): Fraction(21, 2),
}  # fmt: skip
"""(factors fitted, factors true) -> λ of factor analysis of six variables, as in the tests of the R package sBIC."""


def factor_rows() -> pd.DataFrame:
    """Return our coefficient of factor analysis of six variables beside sBIC's, for each fitted and true number."""
    rows = []
    for (fitted, true), value in SBIC.items():
        try:
            found = coefficients.factor_analysis(6, fitted, true) if fitted else coefficients.regular(6)
            ours, same = str(found.value), "yes" if found.value == value and found.multiplicity == 1 else "NO"
        except InputError:
            ours, same = "", "not answered"
        rows.append({"fitted": fitted, "true": true, "sBIC": str(value), "ours": ours, "same": same})
    return pd.DataFrame(rows)


def factor_section() -> str:
    """Return the part of the page on factor analysis."""
    table = factor_rows()
    answered = table[table["ours"] != ""]
    return f"""## Factor analysis

λ of factor analysis of six variables with `fitted` factors when `true` are there (m = 1 throughout), beside the table
in the tests of the R package sBIC (Drton & Plummer 2017): {(answered["same"] == "yes").sum()} of {len(answered)} agree.
Both are one theorem in two programs, so this finds slips of the pen and no more;
[CHECKS.md](../catalogue/CHECKS.md) measures members of the family without the formula. Empty where
`coefficients.factor_analysis` refuses: the formula, which sBIC uses there, is not known to hold for every p, k and l.

{printed(table)}
"""


class Part(NamedTuple):
    """One part of the page that takes its time, and the file it is kept in."""

    kind: str
    key: Any
    path: Path


def kept(part: Part) -> None:
    """Make a part and keep it."""
    make = {
        "ranks": lambda key: ranks.rank_rows(*key, ranks.RANK_DRAWS),
        "pines": lambda key: pd.DataFrame([pines.pine_row(key)]),
        "crossings": lambda key: pd.DataFrame([crossings.crossing_row(key)]),
    }[part.kind]
    write(part.path, make(part.key).to_csv(index=False))


def page(tables: dict[str, pd.DataFrame]) -> str:
    """Return docs/validation/PUBLISHED.md."""
    parts = [
        crossings.section(tables["crossings"]), factor_section(), pines.section(tables["pines"]),
        ranks.section(tables["ranks"]),
    ]  # fmt: skip
    return f"""# Published numbers, computed anew

Made by `make validate-published` with singular {__version__}. "Published" is what could be read at its source or in a
package's own tests; figures known only by hearsay are not compared with.

{chr(10).join(parts)}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=ranks.RANK_TRIALS, help="data sets of the rank experiment")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-published"), help="finished parts")
    arguments = parser.parse_args()
    for folder in (arguments.out, arguments.work):
        folder.mkdir(parents=True, exist_ok=True)
    work, trials = arguments.work, arguments.trials
    parts = [Part("ranks", (h, trials), work / f"ranks-{h}-{trials}.csv") for h in range(6, 0, -1)]
    parts += [Part("pines", c, work / f"pine-{c}.csv") for c in pines.PINE]
    parts += [Part("crossings", p, work / f"crossing-{p[0]}-{p[1]}.csv") for p in crossings.CROSSINGS]
    for _ in every(kept, [part for part in parts if not part.path.exists()], "published numbers"):
        pass
    tables: dict[str, pd.DataFrame] = {
        kind: pd.concat(
            [pd.read_csv(p.path, keep_default_na=False, na_values=["nan", "inf"]) for p in parts if p.kind == kind]
        )
        for kind in ("crossings", "pines", "ranks")
    }
    tables = {kind: table.reset_index(drop=True) for kind, table in tables.items()}
    write(arguments.out / "PUBLISHED.md", page(tables))
    over, steps = ranks.rank_table(tables["ranks"])
    sections = {"normal crossing": tables["crossings"], "factor analysis": factor_rows(), "pine": tables["pines"],
                "reduced rank": over, "reduced rank, increments": steps}  # fmt: skip
    tidy = [_tidy(section, table) for section, table in sections.items()]
    write(arguments.out / "PUBLISHED.csv", pd.concat(tidy).to_csv(index=False, float_format="%.6g"))


def _tidy(section: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as rows of section, row, quantity and value."""
    long = table.assign(row=range(len(table))).melt(id_vars="row", var_name="quantity", value_name="value")
    return long.assign(section=section)[["section", "row", "quantity", "value"]].sort_values(["row", "quantity"])


if __name__ == "__main__":
    main()
