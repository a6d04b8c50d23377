"""The data that ship are the published ones: counts, sums and figures that papers and other programs print for them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import poisson

from singular.models import real
from singular.models.real.data_set import FILES

SUMS = {
    "acidity": (155, [791.289947]),
    "carcinoma": (118, [66, 79, 45, 32, 71, 25, 66]),
    "deaths": (10, [45, 1096]),
    "diabetes": (442, [11658.1, 2051.5036, 67243]),
    "faithful": (272, [948.677, 19284]),
    "galaxies": (82, [1708180]),
    "holzinger": (301, [8914, 7330, 5419, 2764, 5226, 4605, 28979, 33273, 58234]),
    "iris": (150, [876.5, 458.6, 563.7, 179.9, 150]),
    "linnerud": (20, [3572, 708, 1122, 189, 2911, 1406]),
    "mcycle": (133, [3348.8, -3397.6]),
    "nile": (100, [sum(range(1871, 1971)), 91935]),
    "pine": (42, [125660, 1170.1, 1125.1]),
    "wine": (178, [2314.11, 361.21, 900.339999, 170.426, 464.88, 132947, 167]),
}
"""Rows and column sums: the same in the copies that ``models/data/README.md`` names."""


@pytest.mark.parametrize("name", FILES)
def test_no_number_was_lost_or_changed(name):
    table = real.read(name)
    rows, sums = SUMS[name]
    assert {len(column) for column in table.values()} == {rows}
    assert [float(column.sum()) for column in table.values()] == pytest.approx(sums, abs=1e-6)
    assert all(np.isfinite(column).all() for column in table.values())


def test_every_file_is_a_data_set_and_the_readme_tells_of_it():
    from importlib import resources

    text = resources.files("singular.models").joinpath("data", "README.md").read_text(encoding="utf-8")
    files = {f.name for f in resources.files("singular.models").joinpath("data").iterdir() if f.name.endswith(".csv")}
    assert files == {f"{name}.csv" for name in FILES} == {f"{name}.csv" for name in real.DATA_SETS}
    for name in FILES:
        told = text.split(f"## {name}.csv")[1].split("\n## ")[0]
        assert "- Source: " in told and "- Licence: " in told
        assert all(f"`{column}`" in text for column in real.read(name))


def test_the_galaxies_are_those_of_postman_and_not_the_mistyped_copy():
    velocity = real.read("galaxies")["velocity_km_per_s"]
    assert (np.diff(velocity) > 0).all()
    assert velocity[77] == 26960
    assert velocity[[0, 81]].tolist() == [9172, 34279]


def test_the_nile_is_that_of_cobb():
    nile = real.read("nile")
    assert nile["year"].tolist() == list(range(1871, 1971))
    assert nile["flow_1e8_m3"][[0, 27, 28, 42, 99]].tolist() == [1120, 1100, 774, 456, 740]


def test_the_irises_are_those_of_fisher():
    """Means by species as printed by Fisher (1936), and the two flowers that other copies have wrong."""
    iris = real.read("iris")
    table = np.stack(list(iris.values()), axis=1)
    means = [table[iris["species"] == s, :4].mean(axis=0) for s in range(3)]
    assert means[0] == pytest.approx([5.006, 3.428, 1.462, 0.246], abs=1e-9)
    assert means[1] == pytest.approx([5.936, 2.770, 4.260, 1.326], abs=1e-9)
    assert means[2] == pytest.approx([6.588, 2.974, 5.552, 2.026], abs=1e-9)
    assert table[34, :4].tolist() == [4.9, 3.1, 1.5, 0.2]
    assert table[37, :4].tolist() == [4.9, 3.6, 1.4, 0.1]


def test_the_wines_of_each_cultivar_are_as_many_as_published():
    wine = real.read("wine")
    assert np.bincount(wine["cultivar"].astype(int)).tolist() == [59, 71, 48]
    assert (wine["alcohol"].min(), wine["alcohol"].max()) == (11.03, 14.83)
    assert (wine["proline"].min(), wine["proline"].max()) == (278, 1680)


def test_the_geyser_is_that_of_the_r_manual():
    """Azzalini and Bowman's data as in R: means 3.487783 and 70.89706 minutes."""
    table = real.read("faithful")
    assert table["eruption_min"].mean() == pytest.approx(3.487783, abs=5e-7)
    assert table["waiting_min"].mean() == pytest.approx(70.89706, abs=5e-6)


def test_the_canonical_correlations_of_the_fitness_data_are_the_published_ones():
    """0.7956, 0.2006 and 0.0726 between body and exercises."""
    body, exercises = (np.stack(list(real.read("linnerud").values())[i : i + 3], axis=1) for i in (0, 3))
    bases = [np.linalg.qr(block - block.mean(axis=0))[0] for block in (body, exercises)]
    found = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    assert found == pytest.approx([0.795608, 0.200556, 0.072570], abs=1e-6)


def test_the_school_tests_have_the_published_likelihood():
    """The free covariance matrix of the nine tests, on lavaan's scale, has log-likelihood −3695.092."""
    y = np.stack(list(real.read("holzinger").values()), axis=1) / [6, 4, 8, 3, 4, 7, 23, 20, 36]
    n, p = y.shape
    log_likelihood = -n / 2 * (np.linalg.slogdet(np.cov(y.T, bias=True))[1] + p * np.log(2 * np.pi) + p)
    assert log_likelihood == pytest.approx(-3695.092, abs=5e-4)


def test_the_patients_and_the_helmets_have_the_published_ranges():
    diabetes, mcycle = real.read("diabetes"), real.read("mcycle")
    assert (diabetes["progression"].min(), diabetes["progression"].max()) == (25, 346)
    assert (mcycle["acceleration_g"].min(), mcycle["acceleration_g"].max()) == (-134.0, 75.0)
    assert (np.diff(mcycle["time_ms"]) >= 0).all()


def test_the_lakes_run_from_acid_to_alkaline():
    y = real.read("acidity")["log_acidity_index"]
    assert y[:3].tolist() == [2.928524, 3.910021, 3.732896]
    assert y.min() > 2.9 and y.max() < 7.2


def test_the_deaths_have_the_maximum_of_hasselblad():
    """Weight 0.360 of rate 1.256 against 2.663, log-likelihood −1989.95."""
    table = real.read("deaths")

    def nll(z):
        weight = 1 / (1 + np.exp(-z[0]))
        terms = np.log([[weight], [1 - weight]]) + poisson.logpmf(table["deaths"], np.exp(z[1:, None]))
        return -(table["days"] * logsumexp(terms, axis=0)).sum()

    found = minimize(nll, [0.0, 0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    assert found.fun == pytest.approx(1989.946, abs=1e-3)
    assert [1 / (1 + np.exp(-found.x[0])), *np.exp(found.x[1:])] == pytest.approx([0.3599, 1.256, 2.663], abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "published"), [(2, 317.2568), (3, 293.705), (4, 289.2858)])
def test_the_verdicts_have_the_published_maxima(classes, published):
    """Linzer and Lewis (2011), from the tables of Agresti (2002)."""
    assert real.carcinoma(classes).reference.nll == pytest.approx(published, abs=2e-3)
    patterns = np.unique(np.stack(list(real.read("carcinoma").values()), axis=1), axis=0)
    assert len(patterns) == 20
