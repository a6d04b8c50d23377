"""Control variates: exact where they must be, honest elsewhere, and left out where their mean is not 0."""

import numpy as np
import pytest

from singular import analysis, models, posteriors
from singular.analysis.control_variates import Controls, gathered, virial_series
from singular.analysis.draws import read_draws
from singular.analysis.thresholds import ROUNDS_PER_CONTROL
from singular.analysis.trust import monte_carlo_error
from tests.ladders import WBIC_BETA, GammaLadder, tree

VIRIALS = ("log_prior", "nll_virial", "log_prior_virial")
QUADRATIC = GammaLadder(persistence=0.5, swaps=True, virials=True)
LADDERS = 120
BETAS = np.array([0.0, 0.02, 0.06, WBIC_BETA, 0.5, 1.0])


class Quartic:
    """z ~ N(0, 1), nll = 40 z⁴ + 3 z: neither quadratic nor homogeneous; exact draws by the inverse distribution."""

    grid = np.linspace(-6, 6, 200_001)

    @staticmethod
    def nll(z):
        return 40 * z**4 + 3 * z

    def density(self, beta):
        weights = np.exp(-0.5 * self.grid**2 - beta * (self.nll(self.grid) - self.nll(self.grid).min()))
        return weights / weights.sum()

    def moments(self, beta):
        p = self.density(beta)
        mean = np.sum(p * self.nll(self.grid))
        return mean, np.sum(p * (self.nll(self.grid) - mean) ** 2)

    def free_energy(self):
        prior = np.exp(-0.5 * self.grid**2)
        return -np.log(np.sum(prior * np.exp(-self.nll(self.grid))) / prior.sum())

    def ladder(self, rng, wrong=1.0, chains=4, draws=300):
        z = np.stack(
            [np.interp(rng.random((chains, draws)), np.cumsum(self.density(b)), self.grid) for b in BETAS], axis=-1
        )
        made = tree(
            BETAS, nll=self.nll(z), log_prior=-0.5 * z**2,
            nll_virial=wrong * z * (160 * z**3 + 3), log_prior_virial=-(z**2),
        )  # fmt: skip
        made.attrs["dim"] = 1
        return made


def without(ladder):
    """Return a ladder that does not hold the virials."""
    stats = {name: ladder["sample_stats"][name].to_numpy() for name in ("nll",)}
    made = tree(ladder["sample_stats"]["beta"].to_numpy(), **stats)
    made.attrs = dict(ladder.attrs)
    return made


def scores(estimates, exact):
    return np.array([(e.value - exact) / e.mcse for e in estimates])


def held(z):
    """The z-scores of independent estimates: mean 0, standard deviation 1, within 4 of their own errors."""
    assert abs(z.mean()) < 4 * z.std() / np.sqrt(z.size)
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * z.size)


def test_a_quadratic_nll_leaves_its_mean_without_error():
    ladder = QUADRATIC.one(0)
    exact = QUADRATIC.exact([WBIC_BETA])
    found, plain = analysis.wbic(ladder), analysis.wbic(without(ladder))
    assert found.value == pytest.approx(exact["mean_nll"][0], abs=1e-9)
    assert found.mcse < 1e-9 < 1e-2 < plain.mcse


@pytest.mark.slow
def test_the_variance_of_a_quadratic_nll_is_known_far_better_and_no_more_than_said():
    exact = float(QUADRATIC.exact([WBIC_BETA])["effective_learning_coefficient"][0])
    ladders = QUADRATIC.many(1, LADDERS)
    found = [analysis.learning_coefficient(ladder) for ladder in ladders]
    plain = analysis.learning_coefficient(without(ladders[0]))
    assert np.median([e.mcse for e in found]) < 1e-9 < plain.mcse
    assert all(abs(e.value - exact) < 4 * e.mcse + 1e-9 for e in found)


@pytest.mark.parametrize("method", ["mbar", "ti", "stepping-stone"])
@pytest.mark.slow
def test_free_energies_of_a_quadratic_nll_keep_honest_errors(method):
    exact = float(QUADRATIC.exact([1.0])["free_energy"][0])
    ladders = QUADRATIC.many(2, LADDERS)
    found = [analysis.free_energy(ladder, method) for ladder in ladders]
    plain = np.mean([analysis.free_energy(without(ladder), method).mcse for ladder in ladders[:20]])
    if method == "ti":  # all that is left is the error of the rule, and what is off by more than it claims says so
        off = np.array([e.value - exact for e in found])
        assert np.sqrt(np.mean(off**2)) < 0.1 * plain
        assert all(e.flags or abs(d) < 4 * e.mcse + e.discretisation_error for e, d in zip(found, off, strict=True))
        return
    held(scores(found, exact))
    assert np.mean([e.mcse for e in found]) < 0.7 * plain


@pytest.fixture(scope="module")
def quartics():
    rng = np.random.default_rng(3)
    return [Quartic().ladder(rng) for _ in range(LADDERS)]


@pytest.mark.slow
def test_errors_are_smaller_and_honest_where_nothing_is_quadratic(quartics):
    truth = Quartic()
    mean, variance = truth.moments(WBIC_BETA)
    for estimator, exact, gain in (
        (analysis.wbic, mean, 0.5),
        (lambda ladder: analysis.learning_coefficient(ladder, "mbar"), WBIC_BETA**2 * variance, 1.0),
        (analysis.free_energy, truth.free_energy(), 0.6),
    ):
        found = [estimator(ladder) for ladder in quartics]
        held(scores(found, exact))
        plain = [estimator(without(ladder)).mcse for ladder in quartics[:20]]
        assert np.mean([e.mcse for e in found]) < gain * np.mean(plain)


@pytest.mark.slow
def test_the_error_of_a_long_tailed_variance_is_no_worse_told_with_controls_than_without(quartics):
    """nll² has so long a tail here that 1200 draws tell too small an error, with controls or without."""
    truth = Quartic()
    exact = WBIC_BETA**2 * truth.moments(WBIC_BETA)[1]
    found = [analysis.learning_coefficient(ladder, "variance") for ladder in quartics]
    plain = [analysis.learning_coefficient(without(ladder), "variance") for ladder in quartics]
    errors, before = (np.array([e.value - exact for e in every]) for every in (found, plain))
    assert np.sqrt(np.mean(errors**2)) < np.sqrt(np.mean(before**2))
    assert np.std(scores(found, exact)) < np.std(scores(plain, exact)) + 4 / np.sqrt(2 * LADDERS)


def test_a_wrong_gradient_is_noticed_and_left_out():
    ladder = Quartic().ladder(np.random.default_rng(4), wrong=1.3, draws=2000)
    first = read_draws(ladder).controls(5)
    plain = analysis.free_energy(without(ladder))
    assert first is None or first.series.shape[-1] < 3
    assert abs(analysis.free_energy(ladder).value - plain.value) < 4 * plain.mcse


def test_series_that_cannot_serve_are_left_out():
    rng = np.random.default_rng(5)
    z = rng.standard_normal((4, 500))
    squares = z**2
    arguments = (0.5 * squares, -0.5 * squares, squares, -squares)
    assert virial_series(*arguments, beta=0.0, dim=1).shape == (4, 500, 3)
    infinite = np.where(z > 3, np.inf, 0.5 * squares)
    with np.errstate(invalid="ignore"):
        assert virial_series(infinite, *arguments[1:3], -squares, beta=0.0, dim=1).shape[-1] < 3
    assert virial_series(*arguments, beta=0.0, dim=2).shape[-1] == 0  # the mean is not 0
    outlier = np.zeros((4, 500))
    outlier[0, 0], outlier[0, 1] = 1.0, -1e-3
    assert virial_series(outlier, outlier, outlier, outlier, beta=1.0, dim=0).shape[-1] == 0


def test_too_many_controls_for_the_rounds_are_none():
    series = np.random.default_rng(6).standard_normal((2, 50, 100 // ROUNDS_PER_CONTROL))
    every, few = gathered([series]), gathered([series, series])
    assert every is not None and every.series.shape == series.shape
    assert few is not None and few.series.shape == (2, 50, 2)  # the first of each
    assert gathered([series[..., :1]] * 6) is None
    assert gathered([series[..., :0]]) is None


@pytest.mark.parametrize("chains", [1, 4])
def test_fitting_noise_makes_no_error_smaller_than_it_is(chains):
    rng = np.random.default_rng(7)
    z = []
    for _ in range(400):
        target, noise = rng.standard_normal((chains, 400 // chains)), rng.standard_normal((chains, 400 // chains, 30))
        rest = target - Controls(noise).fitted(target)
        z.append(rest.mean() / monte_carlo_error(rest))
    held(np.array(z))


def test_fitting_takes_off_what_there_is_to_take():
    rng = np.random.default_rng(8)
    controls = rng.standard_normal((4, 300, 2))
    target = controls @ np.array([3.0, -1.0]) + 0.1 * rng.standard_normal((4, 300))
    assert np.std(target - Controls(controls).fitted(target)) < 0.11


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linear-4", "product"])
def test_on_a_real_ladder(name):
    problem = models.problem(name, n=200, seed=3)
    ladder = posteriors.ladder(problem, draws=400, warmup=200, seed=3, progress=False)
    exact = posteriors.quadrature(problem, [float(ladder.attrs["wbic_beta"]), 1.0]).frame
    found, plain = analysis.wbic(ladder), analysis.wbic(without(ladder))
    assert found.mcse < 0.6 * plain.mcse
    assert abs(found.value - exact["mean_nll"].iloc[0]) < 4 * found.mcse
    for method in ("mbar", "ti"):
        evidence = analysis.free_energy(ladder, method)
        assert abs(evidence.value - exact["free_energy"].iloc[1]) < 4 * evidence.mcse + evidence.discretisation_error
        assert evidence.discretisation_error < evidence.mcse
    assert set(VIRIALS) <= set(ladder["sample_stats"].data_vars)
