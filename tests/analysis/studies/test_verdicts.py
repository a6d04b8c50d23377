"""Pages say what their tables say: the committed tables, and the same with the contrary result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from singular.analysis.resolution_axis import ISOTROPIC, OWN, SGLD, TEMPERED
from singular.analysis.studies import (
    noise_floor_text,
    noise_floor_verdict,
    pseudo_singular_text,
    temperature_axis,
    volume_text,
    watanabe_2013,
)
from singular.analysis.studies.floor_rows import COEFFICIENT

STUDIES = Path(__file__).parents[3] / "docs" / "studies"


def committed(name):
    table = pd.read_csv(STUDIES / f"{name}.csv")
    words = table.columns[~table.dtypes.map(pd.api.types.is_numeric_dtype)]
    return table.assign(**{column: table[column].fillna("") for column in [*words, "flags"]})


def where(table, rows, value, column="value"):
    """The table with ``column`` of these rows replaced, or changed by a function of it."""
    moved = value(table[column]) if callable(value) else value
    return table.assign(**{column: table[column].mask(rows, moved)})


def contrary(say, table, cases):
    """``say`` has the usual words of the committed table, and the other ones of the moved table."""
    says = say(table)
    for usual, other, instead in cases:
        moved = say(other)
        assert usual in says and instead not in says, usual
        assert instead in moved and usual not in moved, usual


def test_noise_floor():
    table = committed("noise-floor")
    part, noise, coefficient = table["part"], table["noise"], table["quantity"] == COEFFICIENT
    own = (part == "own") & coefficient
    on_quadratics = part == "quadratic"
    product = (part == "isotropic") & coefficient & (table["problem"] == "product")
    half = where(table, on_quadratics & (noise == "minibatch"), 2.0)
    coldest = on_quadratics & (noise == "minibatch") & (table["temperature"] < 0.01)
    contrary(
        noise_floor_verdict.verdict,
        table,
        [
            ("regular and singular models alike", where(table, product, 1.5, "ratio"), "does not hold for isotropic"),
            ("regular and singular models alike", where(table, on_quadratics & (noise == "isotropic"), 9.0, "z"),
             "on quadratics, by their exact law"),
            ("it holds for steps preconditioned", where(table, on_quadratics & (noise == "preconditioned"), 9.0, "z"),
             "not even for steps preconditioned"),
            ("is not a count of directions", half, "It holds for real minibatches on regular models"),
            ("is not a count of directions", where(table, coldest, 1e4), "does not even order settings"),
            ("there is no equilibrium at T", where(table, own, 1.0, "ratio"), "nothing speaks against it"),
            ("there is no equilibrium at T", where(table, own & (table["problem"] == "product"), 1.0, "ratio"),
             "it fails in"),
        ],
    )  # fmt: skip
    assert noise_floor_verdict.verdict(table) in noise_floor_text.text(table)


def test_pseudo_singular():
    table = committed("pseudo-singular")
    parting = table["part"] == "parting"
    direction = parting & table["problem"].str.startswith("direction")
    stopped = direction & (table["noise"] == pseudo_singular_text.STOPPED)
    never = direction & (table["noise"] == pseudo_singular_text.HESSIAN)
    neighbour = parting & table["problem"].str.startswith("near-product")
    contrary(
        pseudo_singular_text.text,
        table,
        [
            ("SGD stopped early*, up to a factor of", where(table, stopped, 7.0, "ratio"),
             "For *SGD stopped early* the floor is elsewhere"),
            ("It fails for *SGD, C = H*", where(table, never, 1.0, "ratio"), "It fails for none of the learners"),
            ("holds for *Gibbs*", where(table, direction, np.nan, "ratio"), "holds for none of these learners"),
            ("It needs a condition", where(table, neighbour, table["gibbs"]), "the floor is where it is on quadratics"),
        ],
    )  # fmt: skip


def test_temperature_axis():
    table = committed("temperature-axis")
    kind, singular = table["kind"], table["problem"] == "product"
    isotropic, own = kind.isin([SGLD, ISOTROPIC]), kind == OWN
    contrary(
        temperature_axis.text,
        table,
        [
            ("go out of sight one after the other", where(table, kind == TEMPERED, 1.0), "it does not fall in both"),
            ("isotropic noise lie on this curve", where(table, isotropic & singular, 2.0, "ratio"), "off this curve"),
            ("which is positive", where(table, isotropic & singular, 0.5, "ratio"), "which is negative in"),
            ("**Where it fails.**", where(table, own, 1.0, "ratio"), "**Where it should fail.**"),
            ("In the singular model the noise dies out", where(table, own & singular, 1.4, "ratio"),
             "In the singular model it is off in 3 of 3"),
        ],
    )  # fmt: skip


def test_watanabe():
    table = committed("watanabe-2013")
    wbic = (table["quantity"] == watanabe_2013.WBIC) & (table["method"] == "ladder")
    keys = ["hidden", "seed"]
    free = table[(table["quantity"] == watanabe_2013.F) & (table["method"] == "ladder")].set_index(keys)["value"]
    noise = np.resize([-1.0, 1.0], int(wbic.sum()))
    same = table.copy()
    same.loc[wbic, "value"] = free.reindex(pd.MultiIndex.from_frame(table.loc[wbic, keys])).to_numpy() + noise
    contrary(
        watanabe_2013.text,
        table,
        [("**WBIC is not F_n.**", same, "no sure difference"),
         ("It is not the same for every H", same, "It may be the same for every H")],
    )  # fmt: skip


def test_volume():
    table = committed("volume")
    splitting, exact = table["method"] == "splitting", table["exact"].notna()
    curve = table["quantity"] == volume_text.LOG_VOLUME
    straight = table.assign(value=table["value"].mask(splitting & curve, 9.0 * np.log(table["epsilon"])))
    ellipsoid = (table["method"] == "ellipsoid") & curve & exact
    contrary(
        volume_text.text,
        table,
        [("slopes would mislead, the more", straight, "slopes would not mislead here"),
         ("A regular model does not save it", where(table, ellipsoid, table["exact"]), "On these it holds at large ε")],
    )  # fmt: skip
