"""The singular BIC against its defining equations, closed forms and the published table of factor analysis."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import brentq

from singular import models, posteriors
from singular.analysis.penalised import bic
from singular.analysis.singular_bic import nested_coefficients, singular_bic, singular_bics
from singular.errors import InputError


def random_case(seed, models=5, poset=False):
    """Log-likelihoods that grow, λ_ij that grow with i and j and reach d_i/2 at j = i, any multiplicity."""
    rng = np.random.default_rng(seed)
    maxima = -500 + np.cumsum(rng.exponential(6.0, models))
    dims = np.cumsum(rng.integers(1, 5, models))
    table = []
    for i in range(models):
        row = [
            (dims[j] / 2 + rng.uniform(0.1, 0.9) * (dims[i] - dims[j]) / 2, int(rng.integers(1, 4))) for j in range(i)
        ]
        if poset:
            row = [None if rng.random() < 0.4 else entry for entry in row]
        table.append([*row, (dims[i] / 2, 1)])
    return maxima, table, rng.dirichlet(np.full(models, 3.0))


def by_iteration(maxima, table, n, prior):
    """L_i = Σ_j L'_ij L_j P_j / Σ_j L_j P_j, repeated until it stands still, in units that keep exp in range."""
    top = maxima.max() - 0.5 * np.log(n)
    found = []
    for i, row in enumerate(table):
        of = {
            j: np.exp(maxima[i] - e[0] * np.log(n) + (e[1] - 1) * np.log(np.log(n)) - top)
            for j, e in enumerate(row)
            if e
        }
        value = of[i]
        for _ in range(200_000):
            masses = {j: (value if j == i else found[j]) * prior[j] for j in of}
            new = sum(of[j] * masses[j] for j in of) / sum(masses.values())
            if abs(new - value) <= 1e-15 * value:
                break
            value = new
        found.append(value)
    return np.log(found) + top


@pytest.mark.parametrize("poset", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_fixed_point_of_the_averages(seed, poset):
    maxima, table, prior = random_case(seed, poset=poset)
    np.testing.assert_allclose(
        singular_bic(maxima, table, 80, prior), by_iteration(maxima, table, 80, prior), atol=1e-7
    )


@pytest.mark.parametrize("seed", range(4))
def test_each_value_is_the_positive_root_of_its_equation(seed):
    maxima, table, prior = random_case(seed, models=4)
    n = 300
    solved = singular_bic(maxima, table, n, prior)
    for i, row in enumerate(table):
        penalised = np.array([maxima[i] - lam * np.log(n) + (m - 1) * np.log(np.log(n)) for lam, m in row])

        def equation(log_x, i=i, penalised=penalised):
            logs = np.append(solved[:i], log_x)
            masses = np.exp(logs - logs.max()) * prior[: i + 1]
            return np.sum((np.exp(log_x - solved[i]) - np.exp(penalised - solved[i])) * masses)

        root = brentq(equation, solved[i] - 30, penalised.max() + 1, xtol=1e-12)
        assert solved[i] == pytest.approx(root, abs=1e-8)


def test_two_models_in_closed_form():
    n, maxima = 100, np.array([-150.0, -147.5])
    table = [[(0.5, 1)], [(0.75, 2), (1.5, 1)]]
    first = np.exp(-0.5 * np.log(n))
    small = np.exp(2.5 - 0.75 * np.log(n) + np.log(np.log(n)))
    large = np.exp(2.5 - 1.5 * np.log(n))
    root = (large - first + np.sqrt((large - first) ** 2 + 4 * small * first)) / 2
    np.testing.assert_allclose(singular_bic(maxima, table, n), np.log([first, root]) - 150.0, rtol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_equal_coefficients_give_bic(seed):
    maxima, table, prior = random_case(seed)
    bic = [[row[-1]] * len(row) for row in table]
    expected = maxima - [float(row[-1][0]) * np.log(200) for row in bic]
    np.testing.assert_allclose(singular_bic(maxima, bic, 200, prior), expected, atol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_it_lies_between_its_smallest_and_largest_penalty(seed):
    maxima, table, prior = random_case(seed, models=7)
    for value, row, top in zip(singular_bic(maxima, table, 500, prior), table, maxima, strict=True):
        ends = [top - lam * np.log(500) + (m - 1) * np.log(np.log(500)) for lam, m in row]
        assert min(ends) - 1e-9 <= value <= max(ends) + 1e-9


def test_the_truth_decides_which_penalty_holds():
    """A submodel that fits as well takes all the weight, one that fits far worse takes none."""
    table = [[(1, 1)], [(2, 1), (4, 1)]]
    n = 10**6
    same, worse = (singular_bic([-10 - gap, -10.0], table, n)[1] for gap in (0.0, 1000.0))
    assert same == pytest.approx(-10 - 2 * np.log(n), abs=1e-3)
    assert worse == pytest.approx(-10 - 4 * np.log(n), abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, -1e5, 1e5])
def test_likelihoods_far_apart_and_far_from_zero(shift):
    maxima = np.array([-3000.0, -1500.0, 0.0, 0.5])
    table = [[(0.5 + j + 0.1 * (i - j), 1) for j in range(i + 1)] for i in range(4)]
    values = singular_bic(maxima + shift, table, 50)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values - shift, singular_bic(maxima, table, 50), atol=1e-8)
    # the first two are ruled out, so the third stands by itself and the fourth averages over two
    assert values[2] - shift == pytest.approx(-2.5 * np.log(50), abs=1e-9)


def test_the_published_coefficients_of_factor_analysis():
    """Six variables, 0 to 3 factors: the table that the authors' own package tests."""
    table = nested_coefficients("factor_analysis", range(4), observed=6, conjectured=True)
    half = Fraction(1, 2)
    expected = [[3], [9 * half, 6], [6, Fraction(29, 4), 17 * half], [15 * half, 17 * half, 19 * half, 21 * half]]
    assert [[value for value, _ in row] for row in table] == expected
    assert {m for row in table for _, m in row} == {1}


def test_what_no_theorem_covers_is_refused_unless_asked_for():
    with pytest.raises(InputError, match="no exact value is known"):
        nested_coefficients("factor_analysis", range(4), observed=6)
    assert nested_coefficients("factor_analysis", range(3), observed=6)[2][1] == (Fraction(29, 4), 1)


def test_tables_are_those_of_the_catalogue():
    table = nested_coefficients("reduced_rank", range(11), inputs=15, outputs=10)
    assert [float(table[h][5][0]) for h in range(5, 11)] == [50, 52.5, 55, 57.5, 60, 62.5]  # published, rank 5
    assert table[0] == [(0, 1)]
    for h, row in enumerate(table[1:], start=1):
        assert row[h][0] == Fraction(h * (25 - h), 2)  # half the dimension of matrices of rank h
        assert [c[0] for c in row] == sorted(c[0] for c in row)
    mixtures = nested_coefficients("normal_mixture", [1, 2, 3], dimension=2, concentration=2)
    assert mixtures[2][0] == (models.coefficients.normal_mixture(3, 1, 2, 2).value, 1)


@pytest.mark.parametrize("hidden", [1, 2])
def test_on_a_singular_model_it_is_nearer_to_the_free_energy_than_bic(hidden):
    problem = models.problem(f"tanh-{hidden}", n=200, seed=3)
    known = problem.model.exact
    (e,) = singular_bics([problem], [[(known.value, known.multiplicity)]])
    exact = posteriors.quadrature(problem, [1.0]).frame.free_energy[0]
    assert abs(e.value - exact) < 0.5 * abs(bic(problem).value - exact)
    assert (e.mcse, e.method, e.beta, e.flags) == (0.0, "singular-bic", 1.0, ())


def test_a_larger_model_that_fits_worse_is_flagged():
    problems = [models.problem("linear-2", n=50, seed=0), models.problem("linear-4", n=50, seed=0)]
    order = problems if problems[0].reference.nll < problems[1].reference.nll else problems[::-1]
    first, second = singular_bics(order, [[(1, 1)], [(1, 1), (2, 1)]])
    assert first.flags == ()
    assert any("fits worse than a model it contains" in flag for flag in second.flags)


def test_the_printed_example_of_the_authors_package():
    """Normal mixtures in the plane, 1 to 8 components: r = 5, φ = 3, and log n of the 350 numbers of 175 points."""
    maxima = [-732.9610, -697.5850, -683.9564, -676.2722, -668.5807, -661.2474, -653.9223, -646.2799]
    printed = [-747.6058, -729.8036, -727.4262, -728.7474, -729.9027, -731.3697, -732.8346, -733.9800]
    table = [[(0.5 * min(6 * j - 1 + 3 * (i - j), 5 * i + j - 1), 1) for j in range(1, i + 1)] for i in range(1, 9)]
    np.testing.assert_allclose(singular_bic(maxima, table, 350), printed, atol=2e-4)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([1.0, np.nan], [[(1, 1)], [(1, 1), (2, 1)]], 100), "log_likelihoods"),
        (([1.0], [[(1, 1)], [(1, 1), (2, 1)]], 100), "rows"),
        (([1.0], [[(-1, 1)]], 100), "λ=-1.0"),
        (([1.0], [[(1, 0)]], 100), "m=0"),
        (([1.0], [[None]], 100), "own submodel"),
        (([1.0], [[(1, 1)]], 2), "n=2"),
        (([1.0], [[(1, 1)]], 100, [0.0]), "prior"),
    ],
)
def test_bad_input(arguments, word):
    with pytest.raises(InputError, match=word):
        singular_bic(*arguments)


@pytest.mark.parametrize(
    ("family", "sizes", "arguments", "word"),
    [
        ("mixture", [1], {}, "family='mixture'"),
        ("reduced_rank", [1, 0], {"inputs": 2, "outputs": 2}, "ascending"),
        ("reduced_rank", [1], {"input": 2}, "inputs"),
        ("reduced_rank", [1], {"inputs": 2}, "needs outputs"),
    ],
)
def test_bad_tables(family, sizes, arguments, word):
    with pytest.raises(InputError, match=word):
        nested_coefficients(family, sizes, **arguments)
