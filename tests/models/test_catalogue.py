"""The catalogue as a whole; what each member promises is in test_contract.py."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from singular.errors import InputError
from singular.models import catalogue


def test_exact_values_in_the_table():
    table = catalogue.table().set_index("name")
    assert list(catalogue.table().columns)[:8] == [
        "name", "family", "d", "d/2", "learning_coefficient", "multiplicity", "oracle", "source",
    ]  # fmt: skip
    expected = {
        "linear-2": (2, Fraction(1), 1),
        "linear-4": (4, Fraction(2), 1),
        "logistic-2": (2, Fraction(1), 1),
        "monomial-2": (1, Fraction(1, 4), 1),
        "product": (2, Fraction(1, 2), 2),
        "monomial-1-2": (2, Fraction(1, 4), 1),
        "monomial-2-2": (2, Fraction(1, 4), 2),
        "tanh-1": (2, Fraction(1, 2), 2),
        "tanh-2": (4, Fraction(2, 3), 1),
        "tanh-3": (6, Fraction(5, 6), 1),
        "reduced-rank-3-3-2-1": (12, Fraction(7, 2), 2),
        "mixture-known": (2, Fraction(1, 2), 2),
        "mixture-2": (3, Fraction(3, 4), 1),
        "two-wells": (1, Fraction(1, 4), 1),
    }
    assert set(table.index) >= set(expected)
    for name, (d, value, multiplicity) in expected.items():
        row = table.loc[name]
        assert (row["d"], row["learning_coefficient"], row["multiplicity"]) == (d, value, multiplicity)
        assert row["d/2"] == Fraction(d, 2) >= value
        assert row["source"]
        assert row["oracle"]


def test_there_are_enough_members_families_and_oracles():
    table = catalogue.table()
    assert len(table) >= 40 and table["name"].is_unique
    assert table["family"].nunique() >= 20
    assert (table["oracle"] != "").sum() >= 14


@pytest.mark.parametrize(("wrong", "near"), [("tanh2", "tanh-2"), ("produkt", "product"), ("", "")])
def test_an_unknown_name_is_refused_with_the_nearest(wrong, near):
    for call in (catalogue.get, catalogue.problem):
        with pytest.raises(InputError, match="model=") as caught:
            call(wrong)
        assert near in str(caught.value)


@pytest.mark.parametrize("n", [0, -1, 2.5, "10"])
def test_a_problem_refuses_an_impossible_size(n):
    with pytest.raises(InputError, match="n="):
        catalogue.problem("product", n=n)


def test_a_problem_carries_its_data_in_float64():
    one, again, other = (catalogue.problem("tanh-2", n=30, seed=seed) for seed in (1, 1, 2))
    assert (one.n, one.seed, one.model.name) == (30, 1, "tanh-2")
    assert one.kwargs["y"].dtype == np.float64
    np.testing.assert_array_equal(one.kwargs["y"], again.kwargs["y"])
    assert np.all(one.kwargs["y"] != other.kwargs["y"])


@pytest.mark.slow
def test_importing_the_catalogue_starts_no_backend():
    code = (
        "import singular.models.catalogue, singular.posteriors, singular.analysis\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge._backends, xla_bridge._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
