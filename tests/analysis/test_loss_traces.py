"""The coefficient from recorded losses: exact chi-square losses, noise of rows, and baselines that are refused."""

import math

import numpy as np
import pytest
from scipy import stats

from singular.analysis.loss_traces import local_coefficient_from_losses
from singular.errors import InputError

D, N, BASELINE = 6, 200, 1.3
BETA = 1 / math.log(N)
CHAINS, DRAWS = 4, 1000
RUNS = 200


def losses(seed, beta=BETA, draws=DRAWS, persistence=0.0):
    """Mean losses of a d-dimensional quadratic under exact draws: nβ(L − L*) = χ²_d/2; z an AR(1) over draws."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(CHAINS, D))
    found = np.empty((CHAINS, draws))
    for k in range(draws):
        z = persistence * z + math.sqrt(1 - persistence**2) * rng.normal(size=z.shape)
        found[:, k] = BASELINE + np.sum(z**2, axis=1) / (2 * N * beta)
    return found


@pytest.mark.parametrize("beta", [BETA, 1.0, 0.01])
def test_chi_square_losses(beta):
    found = local_coefficient_from_losses(losses(1, beta), BASELINE, N, beta)
    assert abs(found.value - D / 2) < 4 * found.mcse
    exact = math.sqrt(D / 2 / (CHAINS * DRAWS))  # Var(χ²_d/2) = d/2
    assert found.mcse == pytest.approx(exact, rel=0.15)
    assert found.beta == beta and found.method == "loss-trace"
    assert found.flags == ("the bias of the sampler's step, if it rejects nothing, is not in the error",)


def test_beta_is_one_over_log_n_by_default():
    values = losses(1)
    assert local_coefficient_from_losses(values, BASELINE, N) == local_coefficient_from_losses(
        values, BASELINE, N, BETA
    )


def test_the_error_covers_under_autocorrelation():
    """±1.96 mcse of correlated draws, in the binomial 99.9 % band of 95 %, or of 93 % as the error is estimated too."""
    hits = 0
    for seed in range(RUNS):
        found = local_coefficient_from_losses(losses((5, seed), draws=200, persistence=0.7), BASELINE, N)
        hits += abs(found.value - D / 2) < stats.norm.ppf(0.975) * found.mcse
    low, high = stats.binom.ppf(0.0005, RUNS, 0.93), stats.binom.ppf(0.9995, RUNS, 0.95)
    assert low <= hits <= high


def test_losses_of_a_minibatch_add_their_noise_to_the_error_and_no_bias():
    """Each of B rows has noise of standard deviation 0.5 about the mean loss: nβ·0.5/√B at every draw."""
    rows, spread = 20, 0.5
    noise = np.random.default_rng(3).normal(size=(CHAINS, DRAWS)) * spread / math.sqrt(rows)
    found = local_coefficient_from_losses(losses(2) + noise, BASELINE, N)
    assert abs(found.value - D / 2) < 4 * found.mcse
    variance = D / 2 + (N * BETA * spread) ** 2 / rows
    assert found.mcse == pytest.approx(math.sqrt(variance / (CHAINS * DRAWS)), rel=0.15)


def test_a_noisy_baseline_is_refused_or_flagged():
    """Its noise is one number: 5 errors off here, and no spread shows it."""
    values, noisy = losses(2), BASELINE + 0.02
    with pytest.raises(InputError, match=r"baseline_rows=20: it must be the loss of all n=200"):
        local_coefficient_from_losses(values, noisy, N, baseline_rows=20)
    found = local_coefficient_from_losses(values, noisy, N, baseline_rows=20, noisy_baseline=True)
    assert any("baseline of 20 of 200 observations: its noise is not in the error" in flag for flag in found.flags)
    assert found.value - D / 2 < -5 * found.mcse
    for rows in (None, N):
        whole = local_coefficient_from_losses(values, BASELINE, N, baseline_rows=rows)
        assert not any("baseline" in flag for flag in whole.flags)


@pytest.mark.parametrize(("rows", "cause"), [(None, "a centre that is no minimum"), (20, "a noisy baseline")])
def test_a_negative_value_is_flagged_with_its_cause(rows, cause):
    found = local_coefficient_from_losses(losses(2), BASELINE + 1, N, baseline_rows=rows, noisy_baseline=True)
    assert found.value == pytest.approx(D / 2 - N * BETA, abs=4 * found.mcse)
    (flag,) = [flag for flag in found.flags if flag.startswith("negative")]
    assert cause in flag


def test_chains_that_disagree_are_flagged():
    values = losses(2)
    values[0] += 3 * values.std()
    assert any(flag.startswith("rhat") for flag in local_coefficient_from_losses(values, BASELINE, N).flags)
    assert not any(flag.startswith("rhat") for flag in local_coefficient_from_losses(values[:1], BASELINE, N).flags)


GOOD = {"losses": np.ones((2, 8)) + np.arange(8), "baseline": 0.5, "n": N, "beta": BETA}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("losses", (np.ones(8), np.ones((2, 3)), np.full((2, 8), np.nan), np.full((2, 8), np.inf), np.ones((1, 2, 8)))),
        ("baseline", (np.nan, np.inf, None, "low")),
        ("n", (2, 10.0, True, None)),
        ("beta", (0.0, -1.0, 1.5, np.nan)),
        ("baseline_rows", (0, N + 1)),
    ],
)
def test_bad_input(name, values):
    for value in values:
        with pytest.raises(InputError, match=name):
            local_coefficient_from_losses(**{**GOOD, name: value})
