"""The tidy frame, and what bad input gets."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from singular import analysis, models, posteriors
from singular.errors import InputError
from tests.ladders import WBIC_BETA, GammaLadder, tree

TRUTH = GammaLadder(swaps=True, persistence=0.3)
LADDER = TRUTH.one(0)
NLL = LADDER["sample_stats"]["nll"].values


def test_one_row_per_number_with_the_exact_one_beside():
    table = analysis.summary(LADDER, exact=SimpleNamespace(frame=TRUTH.exact()))
    first = ["problem", "n", "seed", "beta", "quantity", "method", "value", "mcse", "exact", "flags"]
    assert list(table.columns[:10]) == first
    rungs = TRUTH.betas.size
    assert table.groupby("quantity").size().to_dict() == {
        "free_energy": 2,
        "wbic": 1,
        "learning_coefficient": 3,
        "effective_learning_coefficient": 2 * (rungs - 1),
        "mean_nll": rungs,
    }
    assert (table.problem == "gamma").all() and (table.n == 100).all() and (table.seed == 0).all()
    z = (table.value - table.exact) / np.hypot(table.mcse, 2 * table.discretisation_error)
    assert (z.abs() < 4.5).all()
    assert (table["flags"] == "").all()


def test_without_an_oracle_the_exact_column_is_empty():
    for problem in (None, SimpleNamespace(model=None, name="gamma", n=100, seed=0)):
        table = analysis.summary(LADDER, problem)
        assert table.exact.isna().all() and table.exact.dtype == float


def test_the_numbers_are_those_of_the_single_calls():
    table = analysis.summary(LADDER).set_index(["quantity", "method"])
    for key, e in {
        ("free_energy", "mbar"): analysis.free_energy(LADDER),
        ("free_energy", "ti"): analysis.free_energy(LADDER, "ti"),
        ("wbic", "wbic"): analysis.wbic(LADDER),
        ("learning_coefficient", "variance"): analysis.learning_coefficient(LADDER),
        ("learning_coefficient", "two-temperature"): analysis.learning_coefficient(LADDER, "two-temperature"),
    }.items():
        row = table.loc[[key]].iloc[0]
        assert (row["value"], row["mcse"], row["target"], row["beta"]) == (e.value, e.mcse, e.target, e.beta)


def test_targets_say_what_is_estimated():
    assert analysis.free_energy(LADDER).target == "F_n(1), the negative log evidence"
    assert analysis.wbic(LADDER).target == "mean nll at beta=0.217"
    assert analysis.learning_coefficient(LADDER).target == "lambda_eff at beta=0.217"
    two = analysis.learning_coefficient(LADDER, "two-temperature")
    assert two.target == "secant of the mean nll over 1/beta between beta=0.217 and 0.466"


def spoilt(value, index):
    nll = NLL.copy()
    nll[index] = value
    return tree(TRUTH.betas, nll=nll)


def without(*names):
    ladder = tree(TRUTH.betas, nll=NLL)
    ladder.attrs = {k: v for k, v in ladder.attrs.items() if k not in names}
    return ladder


BAD = {
    "unknown method": (lambda: analysis.free_energy(LADDER, "mbra"), "method='mbra'.*did you mean 'mbar'"),
    "unknown coefficient": (lambda: analysis.learning_coefficient(LADDER, "imai"), "method='imai'.*variance"),
    "unknown curve": (
        lambda: analysis.effective_learning_coefficient(LADDER, method="x"),
        "Allowed: mbar, rung",
    ),
    "curve method": (lambda: analysis.free_energy_curve(LADDER, "tii"), "did you mean 'ti'"),
    "no rung": (lambda: analysis.free_energy(LADDER, "ti", 0.5), "beta=0.5 is no rung.*rungs are 0, 0.01"),
    "outside": (lambda: analysis.free_energy(LADDER, beta=1.5), r"beta=1.5 is not in \[0, 1\]"),
    "betas outside": (lambda: analysis.effective_learning_coefficient(LADDER, [0.0, 0.5]), r"in \(0, 1\]"),
    "betas empty": (lambda: analysis.effective_learning_coefficient(LADDER, []), "at least one"),
    "betas no rung": (lambda: analysis.effective_learning_coefficient(LADDER, [0.5]), "betas=0.5 is no rung"),
    "flags no rung": (lambda: analysis.flags(LADDER, [0.5]), "betas=0.5 is no rung"),
    "coefficient at 0": (lambda: analysis.learning_coefficient(LADDER, beta=0.0), "above it"),
    "two at the top": (
        lambda: analysis.learning_coefficient(LADDER, "two-temperature", 1.0),
        "beta=1 is the highest rung",
    ),
    "nan": (lambda: analysis.wbic(spoilt(np.nan, (0, 3, 2))), "1 of 2000 draws at beta=0.02159"),
    "infinite": (lambda: analysis.wbic(spoilt(np.inf, (0, 3, 2))), "nll is NaN or infinite"),
    "minus infinite": (lambda: analysis.wbic(spoilt(-np.inf, (0, 3, 0))), "nll is NaN or infinite"),
    "prior all infinite": (lambda: analysis.free_energy(spoilt(np.inf, (..., 0))), "every draw at beta=0"),
    "no stats": (lambda: analysis.wbic(xr.DataTree()), "no sample_stats/nll"),
    "no tree": (lambda: analysis.wbic(NLL), "ladder=ndarray has no sample_stats/nll"),
    "no nll": (lambda: analysis.wbic(tree(TRUTH.betas, lp=NLL)), "no sample_stats/nll"),
    "no beta": (lambda: analysis.wbic(LADDER.sel(beta=1.0)), "has dimensions"),
    "betas descending": (lambda: analysis.wbic(tree(TRUTH.betas[::-1], nll=NLL)), "ascending"),
    "beta above 1": (lambda: analysis.wbic(tree(2 * TRUTH.betas, nll=NLL)), r"within \[0, 1\]"),
    "three draws": (lambda: analysis.wbic(tree(TRUTH.betas, nll=NLL[:, :3])), "3 draws a chain, at least 4"),
    "no wbic_beta": (lambda: analysis.wbic(without("wbic_beta", "n")), "no wbic_beta"),
    "wbic no rung": (
        lambda: analysis.wbic(tree(TRUTH.betas * 0.9, nll=NLL)),
        "wbic_beta=0.217.* is no rung",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(InputError, match=message):
        call()


def test_the_sample_size_serves_for_the_wbic_rung():
    assert analysis.wbic(without("wbic_beta")).beta == pytest.approx(WBIC_BETA)


@pytest.mark.slow
def test_importing_is_light():
    code = (
        "import sys, singular.analysis; "
        "print([m for m in ('pymbar', 'matplotlib', 'arviz', 'arviz_stats', 'blackjax') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.slow
def test_a_catalogue_ladder_brings_its_exact_values_and_other_data_do_not():
    problem = models.problem("linear-2", n=30, seed=1)
    ladder = posteriors.ladder(problem, [0, 0.1, 1 / np.log(30), 1], chains=2, draws=20, warmup=20)
    table = analysis.summary(ladder)
    assert table.exact.notna().all()
    assert np.isclose(table.exact.iloc[0], posteriors.quadrature(problem, [1.0]).at(1.0).free_energy)
    ladder.attrs["data_hash"] = "0" * 16
    assert analysis.summary(ladder).exact.isna().all()
