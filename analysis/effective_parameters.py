"""The effective number of parameters of a regression: how much its predictions follow the data, Σ ∂f_i/∂y_i.

The same number for gradient descent stopped after N steps, averaged over its starts, and for the mean prediction of
a tempered posterior. On a linear model it is the trace of the smoother: what `learned_directions` counts, or ridge.
What is not linear has no smoother, but has this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpyro import distributions as dist
from numpyro import handlers

from singular.analysis.draws import read_draws
from singular.analysis.estimate import Estimate, estimate
from singular.analysis.law_inputs import number
from singular.errors import InputError, whole
from singular.posteriors.precision import keep_compiled_programs, x64

if TYPE_CHECKING:
    import xarray as xr

    from singular.models.problem import Problem


def descent_parameters(
    problem: Problem, step_size: float, steps: Sequence[int] | np.ndarray, *, runs: int = 100, seed: int = 0
) -> pd.DataFrame:
    """Return the effective parameters of gradient descent from draws of the prior, after each of some numbers of steps.

    Σ_i ∂f_i(w_N)/∂y_i, the derivative taken through all N steps of w ← w − η ∇L_n, the starts held fixed, and averaged
    over them. Under normal noise of variance σ² its mean over data sets is Σ_i Cov(f_i, y_i)/σ² (Stein's identity),
    which is half of how far, in units of σ², the sum of squares of these data understates that of fresh ones.

    Parameters
    ----------
    problem : Problem
        With normal observations whose scale no parameter changes. One tangent is carried for each number observed;
        ``models.sufficient.equivalent_rows``, where it applies, leaves the sum as it is and has few.
    step_size : float
        η > 0, of the mean loss nL_n/n.
    steps : sequence of int
        Ascending, N ≥ 0.
    runs : int
        Starts, at least 2.
    seed : int

    Returns
    -------
    DataFrame
        One row for each N: ``step``, ``time`` = ηN, ``value``, ``mcse`` (over the starts), ``flags`` (runs that left
        for infinity and are left out).

    Raises
    ------
    InputError
        If an argument is not as above.

    References
    ----------
    Stein (1981), Ann. Statist. 9, 1135: the identity. Efron (2004), J. Am. Stat. Assoc. 99, 619: effective parameters
    as covariances. Ye (1998), J. Am. Stat. Assoc. 93, 120: of a procedure that is no linear smoother.

    Examples
    --------
    >>> from singular import models
    >>> from singular.models.sufficient import equivalent_rows
    >>> problem = equivalent_rows(models.problem("linear-2", n=50))
    >>> found = descent_parameters(problem, 0.1, [0, 10, 1000], runs=3)
    >>> found["value"].round(3).tolist()
    [0.0, 1.253, 2.0]
    """
    eta = number("step_size", step_size)
    kept = np.asarray(steps)
    if kept.ndim != 1 or kept.size == 0 or not np.issubdtype(kept.dtype, np.integer) or kept[0] < 0:
        raise InputError(f"steps={steps!r}: allowed are whole numbers of at least 0, ascending")
    if np.any(np.diff(kept) <= 0):
        raise InputError(f"steps={steps!r}: allowed are whole numbers of at least 0, ascending")
    whole("runs", runs, 2)
    whole("seed", seed, 0)
    predict, _, y, nll = predictions(problem)
    n = problem.n
    keep_compiled_programs()
    with x64():
        starts = jax.vmap(problem.parts.prior_draw)(jax.random.split(jax.random.PRNGKey(seed), runs))
        basis = jnp.eye(y.size).reshape(y.size, *y.shape)
        slope = jax.grad(lambda z, seen: nll(z, seen) / n)

        def step(_, state):
            z, tangents = state

            def along(tangent, direction):
                return jax.jvp(slope, (z, jnp.asarray(y)), (tangent, direction))[1]

            moved = tangents - eta * jax.vmap(along)(tangents, basis)
            return z - eta * slope(z, jnp.asarray(y)), moved

        def divergence(state):
            z, tangents = state
            changes = jax.vmap(lambda tangent: jax.jvp(predict, (z,), (tangent,))[1])(tangents)
            return jnp.sum(changes * basis)

        def record(state, count):
            state = jax.lax.fori_loop(0, count, step, state)
            return state, divergence(state)

        def run(start, counts):
            return jax.lax.scan(record, (start, jnp.zeros((y.size, start.size))), counts)[1]

        counts = jnp.asarray(np.diff(kept, prepend=0))
        values = np.asarray(jax.jit(jax.vmap(run, (0, None)))(starts, counts))
    lost = ~np.isfinite(values)
    told = [f"{k} of {runs} runs left for infinity" if k else "" for k in lost.sum(axis=0)]
    values = np.where(lost, np.nan, values)
    left = (~lost).sum(axis=0)
    if left.min() < 2:
        raise InputError(f"step_size={step_size!r}: fewer than 2 of {runs} runs are left; take a smaller step")
    return pd.DataFrame(
        {
            "step": kept,
            "time": eta * kept,
            "value": np.nanmean(values, axis=0),
            "mcse": np.nanstd(values, axis=0, ddof=1) / np.sqrt(left),
            "flags": told,
        }
    )


def tempered_parameters(ladder: xr.DataTree, problem: Problem, beta: float) -> Estimate:
    """Estimate the effective parameters of a tempered posterior's mean prediction, β Σ_i Var_β(f_i)/σ².

    It is Σ_i ∂E_β[f_i]/∂y_i, exactly; for a linear model under N(0, I/τ) the ridge count Σ h/(h + τ/(nβ)).

    Parameters
    ----------
    ladder : DataTree
    problem : Problem
        The one it was sampled from, with normal observations whose scale no parameter changes.
    beta : float
        A rung.

    Returns
    -------
    Estimate
        Dimensionless.

    Raises
    ------
    InputError
        If the ladder cannot be read, β is no rung or the observations are of another kind.

    References
    ----------
    The derivative of a mean under exp(−β nL_n) φ; Watanabe (2010), J. Mach. Learn. Res. 11, 3571: the same as a
    functional variance.
    """
    from singular.analysis.diagnostics import rung_flags
    from singular.posteriors.unconstrained import unconstrained

    draws = read_draws(ladder)
    place = draws.index(beta)
    predict, variance, y, _ = predictions(problem)
    z = unconstrained(ladder, problem, float(draws.betas[place]))
    with x64():
        f = np.asarray(jax.jit(jax.vmap(predict))(z.reshape(-1, problem.dim)))
    f = f.reshape(*z.shape[:2], y.size)
    spread = float(draws.betas[place]) * np.sum((f - f.mean(axis=(0, 1))) ** 2, axis=-1) / variance
    return estimate(
        spread.mean(),
        spread - spread.mean(),
        target=f"beta times the summed posterior variances of predictions over sigma^2 at beta={beta:.3g}",
        method="rung",
        beta=float(draws.betas[place]),
        flags=rung_flags(ladder, draws, [place]),
    )


def predictions(problem: Problem) -> tuple[Callable, float, np.ndarray, Callable]:
    """Return z -> mean of the observations, their variance, what was observed, and (z, y) -> nll.

    Raises
    ------
    InputError
        If the problem has no single site of normal observations, or their variance is not one number.
    """
    observed = problem.parts.sites.observed
    if len(observed) != 1 or observed[0] not in problem.kwargs:
        raise InputError(
            f"problem={problem.name!r} observes {list(observed)}: allowed is one site whose data is the argument "
            "of its name"
        )
    site = observed[0]

    def law(z):
        values = problem.parts.constrain(z)
        model = handlers.substitute(handlers.seed(problem.density, jax.random.PRNGKey(0)), data=values)
        return handlers.trace(model).get_trace(*problem.args, **problem.kwargs)[site]["fn"]

    with x64():
        draws = [problem.parts.prior_draw(jax.random.PRNGKey(i)) for i in range(2)]
        laws = [law(z) for z in draws]
        kinds = [one.base_dist if isinstance(one, dist.Independent) else one for one in laws]
        variances = [np.asarray(one.variance) for one in laws]
    if not all(isinstance(kind, dist.Normal) for kind in kinds) or np.ptp(np.stack(variances)) > 0:
        raise InputError(f"problem={problem.name!r}: allowed are normal observations of one variance, known beforehand")
    return (
        lambda z: law(z).mean,
        float(variances[0].flat[0]),
        np.asarray(problem.kwargs[site], dtype=np.float64),
        lambda z, y: -jnp.sum(law(z).log_prob(y)),
    )
