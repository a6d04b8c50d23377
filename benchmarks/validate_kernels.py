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
from kernels_agree import SMC, Route, every_family, held_against, kept_in, names, numbers, ways
from kernels_joint import held, kernel_step, move_step
from kernels_law import Joint
from kernels_page import page
from kernels_picture import picture
from kernels_ranks import Case, ranks, spoilt
from replicates import every

from singular.models import catalogue
from singular.models.problem import Problem
from singular.models.structure import Sufficient
from singular.posteriors.store import write

CHOSEN = (
    "reduced-rank-1-2-2-0", "hadamard-2-1", "relu-2", "tanh-2", "factor-analysis-4-2-1", "matrix-factor-3-2-2-r1",
    "deep-linear-1-2-2-1-r0", "deep-linear-2-2-1-2-2-r1",
)  # fmt: skip
"""Families on which moves and kernels are calibrated: of the linear ones members whose Jacobian is not 1."""
COOL, WARM = 1.0, 0.3
REPLICATES, BLOCK = 200, 25
"""Ladders of each kernel on each family, and ladders in one task."""
WRONG_CHECKS = (
    ("reduced-rank-1-2-2-0", "orbit of B and A", "Jacobian"),
    ("deep-linear-1-2-2-1-r0", "orbit of W2 and W1", "Jacobian"),
    ("relu-2", "scaling of units", "Jacobian"), ("hadamard-2-1", "scaling between factors", "Jacobian"),
    ("reduced-rank-1-2-2-0", "moves", "Jacobian"), ("hadamard-2-1", "moves+nuts", "Jacobian"),
    ("relu-2", "moves+collapsed", "Jacobian"), ("reduced-rank-1-2-2-0", "collapsed", "block"),
    ("tanh-2", "collapsed", "block"),
)  # fmt: skip
WRONG_CASES = (Case("hadamard-2-1", "moves+nuts", "Jacobian"), Case("tanh-2", "collapsed", "block"))


class Check(NamedTuple):
    """A move or a kernel on a family at one β."""

    model: str
    what: str
    beta: float
    wrong: str = ""


class Block(NamedTuple):
    """Ladders of one kernel, of its seeds those from ``first`` up to ``last``, not included."""

    case: Case
    first: int
    last: int


def tried(name: str) -> list[str]:
    """Return the kernels calibrated on a member: all on the first, on others one that uses what they declare."""
    kernels = [way for way in ways(name) if way != SMC]
    if name == CHOSEN[0]:
        return kernels
    return [*(kernel for kernel in kernels if kernel.startswith("moves")), *kernels[-1:]][:1]


def checks(chosen: list[str]) -> list[Check]:
    """Return all moves and kernels of these members, tempered where such data are to be had: ranks are at β = 1."""
    found = []
    for name in chosen:
        model = catalogue.get(name)
        beta = COOL if isinstance(model.sufficient, Sufficient) else WARM
        found += [Check(name, what, beta) for what in (*model.moves, *tried(name))]
    return [*found, *(Check(name, what, COOL, wrong) for name, what, wrong in WRONG_CHECKS)]


def blocks(chosen: list[str], replicates: int) -> list[Block]:
    """Return all ladders to be ranked, some at a time."""
    cases = [Case(name, kernel) for name in chosen for kernel in tried(name)]
    starts = range(0, replicates, BLOCK)
    return [Block(case, s, min(s + BLOCK, replicates)) for case in (*WRONG_CASES, *cases) for s in starts]


def file_of(part: Route | Check | Block, folder: Path) -> Path:
    """Return where a part is kept."""
    if isinstance(part, Route):
        return kept_in(part, folder)
    if isinstance(part, Check):
        what = part.what.replace(" ", "-")
        return folder / f"joint-{part.model}-{what}-{part.beta:g}{'-wrong' * bool(part.wrong)}.csv"
    case, span = part.case, f"{part.first}-{part.last}"
    return folder / f"ranks-{case.model}-{case.kernel}-{span}{'-wrong' * bool(case.wrong)}.csv"


def checked(check: Check, folder: Path) -> pd.DataFrame:
    """Return what Geweke's test finds, kept on disk."""
    path = file_of(check, folder)
    if not path.exists():
        with spoilt(check.wrong):
            make = move_step if check.what in catalogue.get(check.model).moves else kernel_step
            joint = Joint.of(catalogue.get(check.model), check.beta)
            found = held(joint, partial(_made, make, check.what), seed=zlib.crc32(repr(check).encode()))
        write(path, found.assign(**check._asdict(), kind=make.__name__.split("_")[0]).to_csv(index=False))
    found = pd.read_csv(path, dtype={"wrong": str}).fillna({"wrong": ""})
    return found[[touched(check, quantity) for quantity in found["quantity"]]]


def touched(check: Check, quantity: str) -> bool:
    """Return whether a step can change a quantity: sites that a move leaves as they are tell of their start alone."""
    model = catalogue.get(check.model)
    sites = model.moves[check.what].sites if check.what in model.moves else ()
    left = [site for site in Problem.from_model(model, n=1).parts.sites.latent if sites and site not in sites]
    return quantity not in {name for site in left for name in (f"‖{site}‖", f"{site}, first entry")}


def _made(make, what, joint):
    return make(joint, what)


def ranked(block: Block, folder: Path) -> pd.DataFrame:
    """Return the ranks of some ladders, kept on disk."""
    case = block.case
    own = 1000 * (zlib.crc32(repr(case).encode()) % 2**20)
    path = file_of(block, folder)
    if not path.exists():
        found = pd.concat([ranks(case, own + seed) for seed in range(block.first, block.last)], ignore_index=True)
        write(path, found.to_csv(index=False))
    return pd.read_csv(path, dtype={"wrong": str}).fillna({"wrong": ""})


def main() -> None:
    """Run what is missing, and write page, table and picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="ladders for each kernel and family")
    parser.add_argument("--out", type=Path, default=Path("docs/validation"), help="where the page goes")
    parser.add_argument("--work", type=Path, default=Path("out/validate-kernels"), help="where parts are kept")
    parser.add_argument("--ready", action="store_true", help="run nothing: a page of the parts that are there")
    arguments = parser.parse_args()
    work = arguments.work
    for folder in (work, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    chosen = every_family(CHOSEN, moves=True)
    routes = [Route(name, way) for name in names() for way in ways(name)]

    missing: dict[str, int] = {}

    def gathered(function, items, what: str) -> pd.DataFrame:
        if not arguments.ready:
            for _ in every(partial(function, folder=work), items, what):
                pass
        there = [item for item in items if file_of(item, work).exists()]
        missing[what] = len(items) - len(there)
        return pd.concat([function(item, work) for item in there], ignore_index=True)

    agreeing = held_against(gathered(numbers, routes, "ladders by kernel"))
    joint = gathered(checked, checks(chosen), "checks of the joint law")
    ranking = gathered(ranked, blocks(chosen, arguments.replicates), "blocks of ranked ladders")
    picture(agreeing, joint, ranking).savefig(arguments.out / "KERNELS.png")
    write(arguments.out / "KERNELS.md", page(agreeing, joint, ranking, missing))
    columns = ["model", "d", "n", "way", "quantity", "beta", "value", "mcse", "reference", "known", "error", "z",
               "seconds", "flags"]  # fmt: skip
    write(arguments.out / "KERNELS.csv", agreeing[columns].to_csv(index=False, float_format="%.6g"))


if __name__ == "__main__":
    main()
