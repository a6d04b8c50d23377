"""Predictive criteria against linear regression, where all of them are known at every β and n."""

import functools

import arviz as az
import numpy as np
import pytest

from singular import models, posteriors
from singular.analysis.criteria import (
    functional_variance,
    functional_variance_of,
    singular_fluctuation,
    singular_fluctuation_of,
    training_loss,
    training_loss_of,
    waic,
    waic_of,
)
from singular.analysis.criteria_table import criteria
from singular.analysis.criterion import paired_difference
from singular.analysis.cross_validation import cross_validation, cross_validation_of, largest_khat, loo
from singular.analysis.estimate import difference
from singular.analysis.generalisation import generalisation_loss, generalisation_loss_of
from singular.analysis.pointwise import (
    held_out_blocks,
    held_out_log_likelihood,
    log_likelihood_at,
    pointwise_log_likelihood,
)
from singular.analysis.rung_likelihoods import Rung, moments
from singular.errors import InputError
from tests.gaussian_regression import Exact, ladder

BETAS = (0.0, 0.3, 1.0)
N = 40


@pytest.fixture(scope="module")
def problem():
    return models.problem("linear-2", n=N, seed=3)


@pytest.fixture(scope="module")
def tree(problem):
    return ladder(problem, BETAS, seed=1, draws=1000)


@pytest.fixture(scope="module")
def held_out():
    return models.problem("linear-2", n=300, seed=4)


def exact(problem, beta=1.0):
    return Exact(problem.kwargs["x"], problem.kwargs["y"], beta)


def near(e, truth, bound):
    """Within four of its errors, and not by being vague."""
    assert abs(e.value - truth) < 4 * e.mcse
    assert e.mcse < bound


def test_closed_forms_agree_with_numerical_integrals(problem):
    """The closed forms rest on nothing but this."""
    for beta in (0.3, 1.0):
        post = exact(problem, beta)
        r, s = post.residuals()
        nodes, weights = np.polynomial.hermite_e.hermegauss(120)
        weights = weights / weights.sum()
        logs = -0.5 * np.log(2 * np.pi) - 0.5 * (r[:, None] + np.sqrt(s)[:, None] * nodes) ** 2
        mean = logs @ weights
        np.testing.assert_allclose(post.variances, ((logs - mean[:, None]) ** 2) @ weights, rtol=1e-10)
        for a in (1.0, -beta, 1 - beta):
            np.testing.assert_allclose(post.log_power_mean(a), np.log(np.exp(a * logs) @ weights), atol=1e-10)
        np.testing.assert_allclose(
            post.left_out(), -(post.log_power_mean(1 - beta) - post.log_power_mean(-beta)), atol=1e-10
        )


def test_pointwise_is_the_model_at_the_draws(problem, tree):
    for k, beta in enumerate(BETAS):
        values = pointwise_log_likelihood(tree, problem, beta)
        w = tree["posterior"]["w"].values[:, :, k]
        assert values.shape == (4, 1000, N)
        np.testing.assert_allclose(values, exact(problem).log_likelihood(w), atol=1e-12)
        np.testing.assert_allclose(-values.sum(axis=-1), tree["sample_stats"]["nll"].values[..., k], atol=1e-10)


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_against_closed_forms(problem, tree, beta):
    post = exact(problem, beta)
    loss, variance = post.losses().mean(), post.variances.sum()
    near(training_loss(tree, problem, beta), loss, 1e-3)
    near(functional_variance(tree, problem, beta), variance, 0.2)
    near(singular_fluctuation(tree, problem, beta), beta * variance / 2, 0.1)
    total = loss + beta * variance / N
    near(waic(tree, problem, beta, "loss"), total, 3e-3)
    near(waic(tree, problem, beta), -N * total, 0.1)
    near(waic(tree, problem, beta, "deviance"), 2 * N * total, 0.2)
    left_out = post.left_out().mean()
    near(cross_validation(tree, problem, beta, "loss"), left_out, 3e-3)
    near(cross_validation(tree, problem, beta, "loss", smooth=False), left_out, 3e-3)
    near(cross_validation(tree, problem, beta, "deviance"), 2 * N * left_out, 0.2)


def test_the_draws_of_a_sampled_ladder(problem):
    """The same with the sampler in place of exact draws."""
    sampled = posteriors.ladder(problem, chains=4, draws=500, warmup=200, seed=2, progress=False)
    post = exact(problem)
    near(training_loss(sampled, problem), post.losses().mean(), 2e-3)
    near(functional_variance(sampled, problem), post.variances.sum(), 0.2)
    near(waic(sampled, problem), -(post.losses() + post.variances).sum(), 0.2)
    near(loo(sampled, problem), -post.left_out().sum(), 0.2)
    tempered = sampled.attrs["wbic_beta"]
    near(waic(sampled, problem, tempered, "loss"),
         (exact(problem, tempered).losses() + tempered * exact(problem, tempered).variances).mean(), 1e-2)  # fmt: skip


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_generalisation_loss_of_fresh_data(problem, tree, held_out, beta):
    losses = exact(problem, beta).losses(held_out.kwargs["x"], held_out.kwargs["y"])
    plain = generalisation_loss(tree, problem, held_out, beta)
    near(plain, losses.mean(), 5e-3)
    assert plain.se_data == pytest.approx(losses.std(ddof=1) / np.sqrt(300), rel=0.01)
    truth = log_likelihood_at(held_out, held_out.model.optimum)
    np.testing.assert_allclose(
        truth, -0.5 * np.log(2 * np.pi) - 0.5 * (held_out.kwargs["y"] - held_out.kwargs["x"] @ [1.0, -0.5]) ** 2
    )
    excess = generalisation_loss(tree, problem, held_out, beta, baseline=truth)
    near(excess, (losses + truth).mean(), 5e-3)
    assert excess.value == pytest.approx(plain.value + truth.mean())
    assert excess.se_data < plain.se_data / 2  # what all predictions share cancels


def test_blocks_of_draws_change_nothing(problem, tree, held_out, monkeypatch):
    whole = held_out_log_likelihood(tree, problem, held_out)
    reference = generalisation_loss(tree, problem, held_out)
    waic_whole = waic(tree, problem)
    monkeypatch.setattr("singular.analysis.pointwise.ELEMENTS", 300 * 500)
    blocks = list(held_out_blocks(tree, problem, held_out))
    assert len(blocks) > 5
    assert np.array_equal(np.concatenate(blocks).reshape(whole.shape), whole)
    again = generalisation_loss(tree, problem, held_out)
    assert again.value == pytest.approx(reference.value, rel=1e-12)
    assert again.mcse == pytest.approx(reference.mcse, rel=1e-9)
    monkeypatch.setattr("singular.analysis.rung_likelihoods.ELEMENTS", 4000 * 3)
    assert waic(tree, problem).value == pytest.approx(waic_whole.value, rel=1e-13)
    assert waic(tree, problem).mcse == pytest.approx(waic_whole.mcse, rel=1e-9)


def test_loo_is_arvizs(problem, tree):
    ours = loo(tree, problem)
    flat = posteriors.rung(tree, 1.0, problem)
    nll = tree["sample_stats"]["nll"].values[..., -1]
    efficiency = float(az.ess(nll, method="mean")) / nll.size
    theirs = az.loo(flat, pointwise=True, reff=efficiency)
    assert ours.value == pytest.approx(theirs.elpd, abs=1e-9)
    assert ours.se_data == pytest.approx(theirs.se, rel=1e-9)
    np.testing.assert_allclose(ours.contributions, theirs.elpd_i.values, atol=1e-10)
    assert largest_khat(4000) == pytest.approx(theirs.good_k)
    assert abs(az.loo(flat).elpd - ours.value) < ours.mcse  # by default ArviZ smooths a slightly other tail
    assert loo(tree, problem, "deviance").value == pytest.approx(-2 * theirs.elpd)
    assert loo(tree, problem, "loss").value == pytest.approx(-theirs.elpd / N)


def test_error_over_observations_is_apart(problem, tree):
    post = exact(problem)
    losses = post.losses() + post.variances
    for scale, factor in (("log", np.sqrt(N)), ("deviance", 2 * np.sqrt(N)), ("loss", 1 / np.sqrt(N))):
        e = waic(tree, problem, scale=scale)
        assert e.se_data == pytest.approx(factor * losses.std(ddof=1), rel=0.02)
        assert e.se_data > 10 * e.mcse
    assert training_loss(tree, problem).se_data == pytest.approx(post.losses().std(ddof=1) / np.sqrt(N), rel=0.01)


def test_differences_carry_both_errors(problem, tree):
    w, l = waic(tree, problem), loo(tree, problem)
    gap = paired_difference(w, l)
    post = exact(problem)
    parts = -(post.losses() + post.variances) + post.left_out()
    assert abs(gap.value - parts.sum()) < 4 * gap.mcse
    assert gap.mcse < 0.2 * np.hypot(w.mcse, l.mcse)  # one set of draws: nearly all of the error is shared
    assert gap.se_data == pytest.approx(np.sqrt(N) * parts.std(), rel=0.3)
    assert gap.value == pytest.approx(difference(w, l).value)
    with pytest.raises(InputError, match="scale"):
        paired_difference(w, waic(tree, problem, scale="loss"))


def test_table(problem, tree):
    frame = criteria(tree, problem, beta=0.3, scale="loss").set_index("quantity")
    assert list(frame.index) == [
        "training_loss", "functional_variance", "singular_fluctuation", "waic", "cross_validation",
    ]  # fmt: skip
    assert (frame.beta == 0.3).all()
    assert frame.loc["waic", "flags"].startswith("variance of the log-likelihood > 0.4 at 4 of 40")
    assert (frame["flags"].drop("waic") == "").all()
    assert frame.loc["waic", "value"] == pytest.approx(waic(tree, problem, 0.3, "loss").value)
    assert frame.loc["cross_validation", "se_data"] == pytest.approx(
        cross_validation(tree, problem, 0.3, "loss").se_data
    )


def test_influence_is_what_a_draw_contributes(problem):
    """Leaving a draw out moves each number by its influence over the number of draws, sign and all."""
    post, beta = exact(problem, 0.3), 0.3
    values = post.log_likelihood(post.draws(np.random.default_rng(0), 1, 2000))

    def all_of(values):
        rung = Rung(values, beta)
        each = moments(values)
        yield training_loss_of(rung, each)
        yield functional_variance_of(rung, each)
        yield singular_fluctuation_of(rung, each)
        for scale in ("log", "deviance", "loss"):
            yield waic_of(rung, each, scale)
            yield cross_validation_of(rung, scale, smooth=False)
        yield generalisation_loss_of(lambda: [values[0]], values.shape[:2], beta)

    whole = list(all_of(values))
    for t in (5, 700, 1999):
        without = all_of(np.delete(values, t, axis=1))
        for e, less in zip(whole, without, strict=True):
            assert 1999 * (e.value - less.value) == pytest.approx(e.influence[0, t], rel=0.02), e.target


CASES = {"independent": 0.0, "autocorrelated": 0.8}


@functools.cache
def many(case, beta, replicates=200):
    """Criteria of many sets of exact draws of one posterior, and their targets."""
    data = models.problem("linear-2", n=N, seed=3).kwargs
    fresh = models.problem("linear-2", n=50, seed=4).kwargs
    post = Exact(data["x"], data["y"], beta)
    other = Exact(fresh["x"], fresh["y"])
    rng = np.random.default_rng(sorted(CASES).index(case) + 10)
    persistence = CASES[case]
    found = {name: [] for name in ("training", "variance", "waic", "psis", "raw", "fresh")}
    for _ in range(replicates):
        w = post.draws(rng, chains=4, draws=250 if persistence == 0 else 600, persistence=persistence)
        rung = Rung(post.log_likelihood(w), beta)
        each = moments(rung.values)
        found["training"].append(training_loss_of(rung, each))
        found["variance"].append(functional_variance_of(rung, each))
        found["waic"].append(waic_of(rung, each, "log"))
        if persistence == 0 and beta == 1.0:
            found["psis"].append(cross_validation_of(rung, "log", smooth=True))
        found["raw"].append(cross_validation_of(rung, "log", smooth=False))
        block = other.log_likelihood(w).reshape(-1, 50)
        found["fresh"].append(generalisation_loss_of(lambda block=block: [block], w.shape[:2], beta))
    targets = {
        "training": post.losses().mean(),
        "variance": post.variances.sum(),
        "waic": -(post.losses() + beta * post.variances).sum(),
        "psis": -post.left_out().sum(),
        "raw": -post.left_out().sum(),
        "fresh": post.losses(fresh["x"], fresh["y"]).mean(),
    }
    return {name: np.array([(e.value - targets[name]) / e.mcse for e in es]) for name, es in found.items() if es}


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.3, 1.0])
@pytest.mark.parametrize("case", CASES)
def test_standardised_errors(case, beta):
    for name, z in many(case, beta).items():
        print(f"{case}, beta {beta}, {name}: mean {z.mean():+.2f}, sd {z.std(ddof=1):.2f}")  # seen with pytest -rP
        # sums of squares are skewed and their error rises with them, so few effective draws shift the mean of z
        assert abs(z.mean()) < 0.4, name
        assert 0.8 < z.std(ddof=1) < 1.25, name


def test_a_good_ladder_has_no_flag(tree, problem):
    """Where no observation is influential: 4000 independent draws, 40 rows, at a low temperature."""
    for e in (training_loss(tree, problem), functional_variance(tree, problem), loo(tree, problem)):
        assert e.flags == ()


def test_influential_observations_are_flagged():
    x = np.random.default_rng(0).normal(size=(30, 2))
    x[0] = (6.0, -5.0)
    y = x @ [1.0, -0.5] + np.random.default_rng(1).normal(size=30)
    y[0] += 12.0
    problem = models.problem("linear-2", n=30, seed=0).replace(kwargs={"x": x, "y": y})
    tree = ladder(problem, BETAS, seed=1)
    variances = exact(problem).variances
    count = int((variances > 0.4).sum())
    assert variances.max() > 2
    assert any(f"0.4 at {count} of 30" in flag for flag in waic(tree, problem).flags)
    assert any(flag.startswith("Pareto k") for flag in loo(tree, problem).flags)
    assert any("rests on fewer" in flag for flag in generalisation_loss(
        tree, problem, problem.replace(kwargs={"x": 40 * x, "y": 40 * y}, seed=7)).flags)  # fmt: skip


def test_few_draws_are_flagged(problem):
    small = ladder(problem, BETAS, seed=1, chains=2, draws=50)
    for e in (training_loss(small, problem), waic(small, problem), loo(small, problem)):
        assert any(flag.startswith("ess") and "of nll" not in flag for flag in e.flags)
    assert any(flag.endswith("of waic at beta=1") for flag in waic(small, problem).flags)


@pytest.mark.parametrize("call", [training_loss, waic, loo, cross_validation, functional_variance])
def test_no_such_rung(problem, tree, call):
    if call is not loo:
        with pytest.raises(InputError, match=r"beta=0\.5"):
            call(tree, problem, 0.5)
        with pytest.raises(InputError, match="the prior"):
            call(tree, problem, 0.0)
    with pytest.raises(InputError, match="does not have the data"):
        call(tree, models.problem("linear-2", n=N, seed=5))


def test_unknown_scale(problem, tree):
    for call in (waic, cross_validation, criteria):
        with pytest.raises(InputError, match=r"scale='bits'.*deviance"):
            call(tree, problem, scale="bits")


def test_generalisation_needs_fresh_data_and_a_baseline_of_their_size(problem, tree, held_out):
    for seen in (problem, models.problem("linear-2", n=300, seed=3)):
        with pytest.raises(InputError, match="fresh data"):
            generalisation_loss(tree, problem, seen)
    with pytest.raises(InputError, match="latent sites"):
        generalisation_loss(tree, problem, models.problem("linear-4", n=50, seed=9))
    with pytest.raises(InputError, match="must be a Problem"):
        generalisation_loss(tree, problem, {"x": held_out.kwargs["x"]})
    with pytest.raises(InputError, match="baseline"):
        generalisation_loss(tree, problem, held_out, baseline=np.zeros(5))
    with pytest.raises(InputError, match="the prior"):
        generalisation_loss(tree, problem, held_out, beta=0.0)
