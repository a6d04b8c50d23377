"""Are the kernels right? Every one against exact answers, and every move against the joint law of parameters and data.

    make validate-kernels     # writes docs/validation/KERNELS.md, KERNELS.csv and KERNELS.png

Three tests, of which the first two are of whole ladders: the numbers of each kernel against the oracle
(`kernels_agree`), simulation-based calibration (`kernels_ranks`), and Geweke's test of single moves and kernels
(`kernels_joint`). Moves that are wrong on purpose go through the last two. A run goes on where it was stopped: parts
that are done are read back from ``out/validate-kernels``.
"""

from __future__ import annotations

import argparse
import zlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from kernels_agree import SMC, Route, every_family, held_against, names, numbers, ways
from kernels_joint import Joint, held, kernel_step, move_step
from kernels_page import page
from kernels_picture import picture
from kernels_ranks import Case, ranks, spoilt
from replicates import every

from singular.models import catalogue
from singular.models.structure import Sufficient
from singular.posteriors.store import write

CHOSEN = (
    "reduced-rank-1-2-2-0", "deep-linear-1-2-2-1-r0", "deep-linear-2-2-1-2-2-r1", "matrix-factor-3-2-2-r1",
    "hadamard-2-1", "relu-2", "tanh-2", "exponential-2", "factor-analysis-4-2-1",
)  # fmt: skip
"""Families on which moves and kernels are calibrated: of the linear ones members whose Jacobian is not 1."""
COOL, WARM = 1.0, 0.3
REPLICATES, BLOCK = 100, 100
"""Ladders of each kernel on each family, and ladders in one task."""
WRONG_CHECKS = (
    ("reduced-rank-1-2-2-0", "orbit of B and A", "Jacobian"),
    ("deep-linear-1-2-2-1-r0", "orbit of W2 and W1", "Jacobian"),
    ("relu-2", "scaling of units", "Jacobian"), ("hadamard-2-1", "scaling between factors", "Jacobian"),
    ("reduced-rank-1-2-2-0", "moves", "Jacobian"), ("hadamard-2-1", "moves+nuts", "Jacobian"),
    ("relu-2", "moves+collapsed", "Jacobian"), ("reduced-rank-1-2-2-0", "collapsed", "block"),
    ("tanh-2", "collapsed", "block"),
)  # fmt: skip
WRONG_CASES = (
    Case("reduced-rank-1-2-2-0", "moves", "Jacobian"), Case("hadamard-2-1", "moves+nuts", "Jacobian"),
    Case("tanh-2", "collapsed", "block"),
)  # fmt: skip


class Check(NamedTuple):
    """A move or a kernel on a family at one β."""

    model: str
    what: str
    beta: float
    wrong: str = ""


class Block(NamedTuple):
    """Ladders of one kernel, with the seeds from ``first`` up to ``last``, not included."""

    case: Case
    first: int
    last: int


def tried(name: str) -> list[str]:
    """Return the kernels that are calibrated on a member: all on the first, on others those that use what they declare.

    Where moves do without NUTS, NUTS after them is left to the first.
    """
    kernels = [way for way in ways(name) if way != SMC]
    if name == CHOSEN[0]:
        return kernels
    moving = [kernel for kernel in kernels if kernel.startswith("moves")]
    return [kernel for kernel in moving if kernel != "moves+nuts" or "moves" not in moving] or kernels[-1:]


def checks(chosen: list[str]) -> list[Check]:
    """Return all moves and kernels of these members: moves at both β, kernels tempered, where such data are to be had.

    At β = 1 kernels are ranked.
    """
    found = []
    for name in chosen:
        model = catalogue.get(name)
        tempered = not isinstance(model.sufficient, Sufficient)
        found += [Check(name, move, beta) for move in model.moves for beta in ((COOL, WARM) if tempered else (COOL,))]
        found += [Check(name, kernel, WARM if tempered else COOL) for kernel in tried(name)]
    return [*found, *(Check(name, what, COOL, wrong) for name, what, wrong in WRONG_CHECKS)]


def blocks(chosen: list[str], replicates: int) -> list[Block]:
    """Return all ladders to be ranked, some at a time."""
    cases = [Case(name, kernel) for name in chosen for kernel in tried(name)]
    starts = range(0, replicates, BLOCK)
    return [Block(case, s, min(s + BLOCK, replicates)) for case in (*cases, *WRONG_CASES) for s in starts]


def checked(check: Check, folder: Path) -> pd.DataFrame:
    """Return what Geweke's test finds, kept on disk."""
    what = check.what.replace(" ", "-")
    path = folder / f"joint-{check.model}-{what}-{check.beta:g}{'-wrong' * bool(check.wrong)}.csv"
    if not path.exists():
        with spoilt(check.wrong):
            make = move_step if check.what in catalogue.get(check.model).moves else kernel_step
            joint = Joint.of(catalogue.get(check.model), check.beta)
            found = held(joint, partial(_made, make, check.what), seed=zlib.crc32(repr(check).encode()))
        write(path, found.assign(**check._asdict(), kind=make.__name__.split("_")[0]).to_csv(index=False))
    return pd.read_csv(path, dtype={"wrong": str}).fillna({"wrong": ""})


def _made(make, what, joint):
    return make(joint, what)


def ranked(block: Block, folder: Path) -> pd.DataFrame:
    """Return the ranks of some ladders, kept on disk."""
    case = block.case
    path = folder / f"ranks-{case.model}-{case.kernel}-{block.first}-{block.last}{'-wrong' * bool(case.wrong)}.csv"
    if not path.exists():
        found = pd.concat([ranks(case, seed) for seed in range(block.first, block.last)], ignore_index=True)
        write(path, found.to_csv(index=False))
    return pd.read_csv(path, dtype={"wrong": str}).fillna({"wrong": ""})


def main() -> None:
    """Run what is missing, and write page, table and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="ladders for each kernel and family")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-kernels"), help="where parts are kept")
    arguments = parser.parse_args()
    work = arguments.work
    for folder in (work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    chosen = every_family(CHOSEN)
    routes = [Route(name, way) for name in names() for way in ways(name)]

    def gathered(function, items, what: str) -> pd.DataFrame:
        for _ in every(partial(function, folder=work), items, what):
            pass
        return pd.concat([function(item, work) for item in items], ignore_index=True)

    agreeing = held_against(gathered(numbers, routes, "kernels"))
    joint = gathered(checked, checks(chosen), "moves")
    ranking = gathered(ranked, blocks(chosen, arguments.replicates), "ladders")
    picture(agreeing, joint, ranking).savefig(arguments.out / "KERNELS.png")
    write(arguments.out / "KERNELS.md", page(agreeing, joint, ranking))
    columns = ["model", "d", "n", "way", "quantity", "beta", "value", "mcse", "reference", "known", "error", "z",
               "seconds", "flags"]  # fmt: skip
    write(arguments.out / "KERNELS.csv", agreeing[columns].to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
