"""Pages say what their tables say: the committed tables, and the same with the contrary result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from singular.analysis.resolution_axis import ISOTROPIC, OWN, SGLD, TEMPERED
from singular.analysis.studies import (
    free_energy_at_the_floor_text,
    noise_floor_text,
    noise_floor_verdict,
    pseudo_singular_text,
    superposition_text,
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
    minibatch = on_quadratics & (noise == "minibatch") & (table["temperature"] < 0.01)
    one = minibatch & (table["learning_rate"] == table.loc[minibatch, "learning_rate"].min())
    on_tanh, decayed = own & (table["problem"] == "tanh-2"), own & (table["weight_decay"] > 0)
    contrary(
        noise_floor_text.text,
        table,
        [
            (
                "all settings of one noise agree",
                where(table, one, 9.0),
                "differ by more than 10% under noise minibatch",
            ),
            ("a count of directions for isotropic noise only", half, "for noise isotropic, minibatch"),
            ("Least of all falls tanh-2", where(table, on_tanh, 0.0, "ratio"), "Least of all falls deep-linear"),
            ("does not hold runs out", where(table, decayed, 1.0, "ratio"), "holds runs out at the Gibbs value in"),
        ],
    )


def test_pseudo_singular():
    table = committed("pseudo-singular")
    parting = table["part"] == "parting"
    direction = parting & table["problem"].str.startswith("direction")
    stopped = direction & (table["noise"] == pseudo_singular_text.STOPPED)
    never = direction & (table["noise"] == pseudo_singular_text.HESSIAN)
    neighbour = parting & table["problem"].str.startswith("near-product")
    seen = (table["part"] == "curve") & (table["noise"] == pseudo_singular_text.HESSIAN)
    seen &= (table["problem"] == "regular") & (table["temperature"] < 1e-5)
    contrary(
        pseudo_singular_text.text,
        table,
        [
            ("SGD stopped early*, up to a factor of", where(table, stopped, 7.0, "ratio"),
             "For *SGD stopped early* the floor is elsewhere"),
            ("It fails for *SGD, C = H*", where(table, never, 1.0, "ratio"), "It fails for none of the learners"),
            ("holds for *Gibbs*", where(table, direction, np.nan, "ratio"), "holds for none of these learners"),
            ("It needs a condition", where(table, neighbour, table["gibbs"]), "the floor is where it is on quadratics"),
            ("for ε = 0.3 only", where(table, neighbour, 1.0, "ratio"), "for every ε"),
            ("**A floor that is none**", where(table, seen, 9.0), "the direction comes into sight here too"),
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


def test_superposition():
    table = committed("superposition")
    law = (table["quantity"] == superposition_text.CROSSING) & (table["method"] == "exact")
    with_l, with_k = (
        law & (table["phase"] == law_) for law_ in (superposition_text.THEIRS_L, superposition_text.THEIRS_K)
    )
    contrary(
        lambda rows: superposition_text.text(rows, 0),
        table,
        [("two omissions nearly cancel", where(table, with_l, 5e3), "at unit noise with neither"),
         ("two omissions nearly cancel", where(table, with_k, 600.0), "at unit noise with L and K")],
    )  # fmt: skip


def test_free_energy_at_the_floor():
    table = committed("free-energy-at-the-floor")
    mixed, fine = table["noise"] == "mixed", table["noise"] == "isotropic"
    contrary(
        free_energy_at_the_floor_text.text,
        table,
        [("**Where it fails: the model", where(table, mixed, 0.0, "z_gibbs"), "it does as well (all"),
         ("free energy at T decides (", where(table, fine, 9.0, "z_gibbs"), "free energy at T does not decide")],
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
