"""What docs/ADDING_A_MODEL.md tells to do, done: its model is held to all that the catalogue's members are."""

from __future__ import annotations

import inspect
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate

from singular import models, posteriors
from singular.errors import InputError
from singular.models import catalogue, description
from singular.posteriors.quadrature import population
from tests import by_hand
from tests.models import test_contract as contract

PAGE = (Path(__file__).parent.parent / "docs" / "ADDING_A_MODEL.md").read_text()
CHECKS = {name: check for name, check in vars(contract).items() if name.startswith("test_")}
FOR_A_MODEL = [name for name, check in CHECKS.items() if list(inspect.signature(check).parameters) == ["model"]]


@pytest.fixture(scope="module")
def page():
    names = {"__name__": "adding_a_model"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.S):
        exec(compile(block, "ADDING_A_MODEL.md", "exec"), names)
    return names


@pytest.fixture
def added(page, monkeypatch):
    """Register the page's family and one member, as the page says."""
    family, model = page["gated_level"], page["gated_level"](1)
    families = {**catalogue.FAMILIES, "gated_level": family}
    for module in (catalogue, description):
        monkeypatch.setattr(module, "FAMILIES", families)
    monkeypatch.setattr(catalogue, "MODELS", {**catalogue.MODELS, model.name: model})
    monkeypatch.setitem(by_hand.LIKELIHOODS, "gated_level", page["LIKELIHOODS"]["gated_level"])
    return model


def test_the_contract_has_checks_to_hold_it_to():
    assert len(FOR_A_MODEL) >= 9


@pytest.mark.parametrize("name", FOR_A_MODEL)
def test_it_keeps_the_contract(name, added):
    CHECKS[name](added)


def test_the_contract_catches_a_wrong_excess_loss(added, monkeypatch):
    import dataclasses

    wrong = dataclasses.replace(added, excess_loss=lambda w: 2 * added.excess_loss(w))
    with pytest.raises(AssertionError):
        CHECKS["test_the_excess_loss_is_that_of_many_simulated_observations"](wrong)


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_its_oracle_is_right_by_another_route(page, beta):
    """F and the mass of a phase by SciPy's adaptive rule over both parameters, on 40 observations."""
    problem = models.Problem.from_model(page["gated_level"](1), n=40, seed=3)
    row = posteriors.quadrature(problem, [beta]).at(beta)
    y = problem.kwargs["y"]

    def density(a, b):
        mean = a * (b**2 - 1)
        nll = 0.5 * (np.sum(y**2) - 2 * mean * y.sum() + y.size * mean**2)
        return np.exp(-beta * nll - 0.5 * (a**2 + b**2)) / (2 * np.pi)

    def mass(reach):
        value, error = integrate.dblquad(density, 0, 9, lambda b: -reach(b), reach, epsabs=0, epsrel=1e-9)
        assert error < 1e-6 * value
        return 2 * value

    total, near = (
        mass(lambda b: 9.0),
        sum(
            2
            * integrate.dblquad(density, low, high, lambda b: -abs(b - 1), lambda b: abs(b - 1), epsabs=0, epsrel=1e-9)[
                0
            ]
            for low, high in ((0, 1), (1, 9))
        ),
    )
    free_energy = -np.log(total) + 0.5 * beta * y.size * np.log(2 * np.pi)
    assert row["free_energy"] == pytest.approx(free_energy, abs=1e-6)
    assert row["phase:level"] == pytest.approx(near / total, rel=1e-6)
    assert row["phase:level"] + row["phase:gate"] == pytest.approx(1, abs=1e-9)


def test_its_coefficient_shows_in_the_population_integral(page):
    """λ = 1/2 with m = 2: Z(t) t^(1/2) grows as log t, so between equal factors of t it grows by equal steps."""
    sizes = np.array([1e6, 1e8, 1e10, 1e12])
    lifted = np.exp(population(page["gated_level"](1), sizes)["log_z"]) * np.sqrt(sizes)
    steps = np.diff(lifted)
    assert steps == pytest.approx(np.full(3, steps[0]), rel=1e-2)
    lifted = np.exp(population(page["gated_level"](2), sizes)["log_z"]) * sizes**0.25
    assert lifted.to_numpy() == pytest.approx(np.full(4, lifted.iloc[-1]), rel=0.05)


def test_what_the_page_says_of_it(page):
    assert page["gated_level"](3).exact.value == Fraction(1, 6)
    assert page["exact"].frame["error_free_energy"].max() < 1e-9
    with pytest.raises(InputError, match="power=5"):
        page["gated_level"](5)
    for path in re.findall(r"`((?:models|tests)/[\w/.]+)`", PAGE) + re.findall(r"pytest (\S+)", PAGE):
        assert (Path(__file__).parent.parent / path).exists(), path
