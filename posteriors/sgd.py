"""Ensembles of gradient descent: many runs of GD, SGD, momentum or Adam from a law of starts, in one program.

One convention, held here and nowhere else: the loss is the *mean* loss L_n = nll/n and a step of plain SGD is

    z ← z − η (∇L_B(z) + noise + decay(z)),

L_B the mean loss of the minibatch, z the unconstrained vector. Momentum is the heavy ball, v ← μ v − η g, z ← z + v.
The noise of a gradient has covariance ρ C, C that of one observation (normalised 1/n) and ρ = 1/B with replacement, (n
− B)/(B (n − 1)) without. Where C = σ² I the stationary law is close to exp(−L_n/T), T = η σ² ρ/(2(1 − μ)); where it is
not, there is no one temperature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from singular.errors import InputError, unknown_name, whole
from singular.models.density import map_rows
from singular.models.problem import Problem
from singular.posteriors.ensemble import beside, ensemble_tree
from singular.posteriors.langevin import own_seed
from singular.posteriors.precision import keep_compiled_programs, x64
from singular.posteriors.progress import progress_line
from singular.posteriors.sgd_program import Record, programs
from singular.posteriors.sgd_setting import Setting, checked_setting

PIECES = 20
"""The records are made in so many pieces of one length, between which a run can be watched and stopped."""
KEEPS = ("geometric", "linear")
STARTS = ("box", "prior")


def sgd(
    problem: Problem,
    *,
    learning_rate: float | None = None,
    optimiser: Any = "sgd",
    batch_size: int | None = None,
    momentum: float | None = None,
    replacement: bool = True,
    weight_decay: float | str = 0.0,
    noise: str | np.ndarray | None = None,
    sigma: float = 1.0,
    runs: int = 100,
    steps: int = 1000,
    keep: str | Sequence[int] | np.ndarray = "geometric",
    records: int = 40,
    start: str | np.ndarray | Callable[[Any], Any] = "prior",
    box: float = 1.0,
    seed: int = 0,
    progress: bool = True,
) -> xr.DataTree:
    """Run gradient descent many times from a law of starts, all runs in one compiled program.

    Parameters
    ----------
    problem : Problem
    learning_rate : float
        η > 0, of the *mean* loss nll/n. Left out where ``optimiser`` is a transformation with its own.
    optimiser : {"sgd", "momentum", "adam"} or optax.GradientTransformation
        ``adam`` has optax's other settings. Only the first two have a temperature.
    batch_size : int, optional
        B observations a step, drawn anew for each step and run (no passes over a shuffled order, whose noise is
        another). All observations if not given: gradient descent.
    momentum : float, optional
        μ in [0, 1), of ``optimiser="momentum"`` alone; 0.9 if not given.
    replacement : bool
        Whether a minibatch may hold an observation twice.
    weight_decay : float or "prior"
        ψ ≥ 0: ψ z is added to the gradient, before any momentum or rescaling. Under isotropic noise of temperature T
        the law is then close to exp(−L_n/T − ψ‖z‖²/(2T)): ψ = Tτ is a normal prior of precision τ. ``"prior"``
        takes −T ∇log φ, φ the problem's own prior: the law is close to the tempered posterior at β = 1/(nT).
    noise : None, "isotropic", "mixed" or (d, d) float
        None: that of the minibatch, if any. ``"isotropic"``: normal, of variance σ²/B a coordinate, on the gradient of
        all data, in place of a minibatch's (B = 1 if no ``batch_size``, which may exceed n). A matrix: the same with
        covariance σ² C/B. ``"mixed"``: the minibatch's and, added to it, the isotropic one.
    sigma : float
        σ ≥ 0 of the noise that is added.
    runs, steps : int
    keep : {"geometric", "linear"} or sequence of int
        The steps after which runs are recorded, ascending, 0 the start; or how to place about ``records`` of them from
        0 to ``steps``. A list that ends before ``steps`` ends the runs there.
    records : int
    start : {"prior", "box"}, array or callable
        Draws of the prior; uniform in [−box, box]^d of the unconstrained space; the starts themselves, (runs, d), or
        one for all, (d,), unconstrained; or a function key -> (d,) that JAX can trace, called with a key for each run.
    box : float
        Half the width of the box.
    seed : int
        Run i is the same whatever the number of runs and records.
    progress : bool
        Show a progress line (on a terminal only).

    Returns
    -------
    DataTree
        ``/posterior``: each site, (run, step, …). ``/sample_stats``, (run, step): ``nll`` (all data, nats), ``excess``
        (L_n − L_n(reference), nats per observation, the reference being the maximum-likelihood point
        ``problem.reference``), ``log_prior``, ``gradient_norm`` (of L_n); ``gradient_noise`` (run, step, coordinate),
        the deviation of the next step's gradient from that of all data, where there is any; and ``diverged`` (run,):
        the run left for infinity. Such runs are kept, NaN or infinite from there on, and counted in the attributes
        ``diverged`` and ``flags``. Attributes ``learning_rate``, ``batch_size`` (0: all data), ``momentum``,
        ``weight_decay`` (a number), ``noise``, ``sigma``, ``spread`` (ρ), ``temperature_scale`` (ηρ/(2(1 − μ))),
        ``temperature`` (σ² times that under isotropic noise, 0 without noise, else NaN for the reason in
        ``temperature_note``), ``start``, ``reference_nll``, ``gradient_evaluations``, ``data_passes``, ``complete``,
        and those of a ladder. On Ctrl-C the records that there are, ``complete`` 0.

    Raises
    ------
    InputError
        If an argument is not as above, or a minibatch is asked of a model whose nll is no sum over rows.

    References
    ----------
    Mandt, Hoffman and Blei (2017), J. Mach. Learn. Res. 18(134): constant-step SGD as a sampler and its temperature.
    Ziyin, Liu, Mori and Ueda (2022), ICLR: its covariance at a finite step.

    Examples
    --------
    >>> from singular import models
    >>> tree = sgd(models.problem("linear-2", n=50), learning_rate=0.1, batch_size=5, runs=3, steps=20, records=5)
    >>> dict(tree["posterior"].sizes), tree["sample_stats"]["step"].values.tolist()
    ({'run': 3, 'step': 5, 'w_dim_0': 2}, [0, 1, 4, 9, 20])
    """
    if not isinstance(problem, Problem):
        raise InputError(f"problem={problem!r} is a {type(problem).__name__}; make one with models.problem(name)")
    setting = checked_setting(
        problem.n, problem.dim, optimiser=optimiser, learning_rate=learning_rate, batch_size=batch_size,
        momentum=momentum, replacement=replacement, weight_decay=weight_decay, noise=noise, sigma=sigma,
    )  # fmt: skip
    whole("runs", runs, 1)
    whole("seed", seed, 0)
    kept = kept_steps(keep, steps, records)
    began = time.perf_counter()
    keep_compiled_programs()
    with x64(), progress_line(progress) as line:
        starting, running = (jax.random.fold_in(jax.random.PRNGKey(seed), i) for i in range(2))
        z, told = _starts(problem, start, box, _keys(starting, runs))
        line.stage("descending", len(kept))
        found, complete = _run(problem, setting, _keys(running, runs), z, kept, line)
    kept = kept[: found.z.shape[1]]
    settings = {**setting.described(), "runs": runs, "steps": int(kept[-1]), "start": told}
    stats, attributes = _read(problem, setting, found, runs * int(kept[-1]))
    about = {"sampler_seed": seed, "complete": int(complete), "wall_time": time.perf_counter() - began, "start": told}
    return ensemble_tree(problem, kept, found.z, stats, settings, {**attributes, **about})


def sgd_settings(
    problem: Problem, settings: Sequence[Mapping[str, Any]], *, seed: int = 0, **common: Any
) -> xr.DataTree:
    """Run an ensemble at each of several settings and lay them side by side: ``setting`` in the place of β.

    Parameters
    ----------
    problem : Problem
    settings : sequence of mappings
        Each with arguments of `sgd` (``learning_rate``, ``batch_size``, ``momentum``, ``sigma``, …); all but ``keep``,
        ``steps``, ``records``, ``runs`` and ``progress``, which are common. Settings that differ only in numbers share
        one compiled program.
    seed : int
        Every setting has its own seed, made of this one and its place: ensembles are independent.
    **common
        Arguments of `sgd` for all settings.

    Returns
    -------
    DataTree
        As `sgd`, dimensions (run, step, setting, …), with coordinates ``temperature``, ``temperature_scale``,
        ``learning_rate``, ``batch_size``, ``momentum``, ``sigma``, ``weight_decay`` along ``setting``.
        ``tree["sample_stats"].to_dataset().swap_dims(setting="temperature")`` has the temperature as its axis.

    Raises
    ------
    InputError
        As `sgd`; if there is no setting, or one holds an argument that must be common.

    Examples
    --------
    >>> from singular import models
    >>> problem = models.problem("linear-2", n=50)
    >>> steps = [{"learning_rate": rate} for rate in (0.05, 0.1)]
    >>> tree = sgd_settings(problem, steps, noise="isotropic", runs=3, steps=8, records=4)
    >>> dict(tree["sample_stats"]["nll"].sizes), tree["sample_stats"]["temperature"].values.tolist()
    ({'run': 3, 'step': 4, 'setting': 2}, [0.025, 0.05])
    """
    if isinstance(settings, Mapping | str) or len(settings) == 0 or not all(isinstance(s, Mapping) for s in settings):
        raise InputError(f"settings={settings!r}: allowed is a sequence of at least one mapping of arguments of sgd")
    shared = {"keep", "steps", "records", "runs", "progress", "seed"}
    for i, one in enumerate(settings):
        if clash := sorted(shared & set(one)):
            raise InputError(f"settings[{i}] has {', '.join(clash)}: allowed only for all settings together")
    whole("seed", seed, 0)
    trees = [sgd(problem, **{**common, **one}, seed=own_seed(seed, i)) for i, one in enumerate(settings)]
    if any(not tree.attrs["complete"] for tree in trees):
        fewest = min(tree["sample_stats"].sizes["step"] for tree in trees)
        trees = [tree.isel(step=slice(fewest), missing_dims="ignore") for tree in trees]
    names = ("temperature", "temperature_scale", "learning_rate", "batch_size", "momentum", "sigma", "weight_decay")
    tree = beside(trees, {name: [tree.attrs[name] for tree in trees] for name in names})
    tree.attrs["sampler_seed"] = seed
    return tree


def kept_steps(keep: str | Sequence[int] | np.ndarray, steps: int, records: int) -> np.ndarray:
    """Return the steps after which runs are recorded, ascending; arguments and errors are those of `sgd`."""
    whole("steps", steps, 1)
    whole("records", records, 2)
    if isinstance(keep, str):
        if keep not in KEEPS:
            raise unknown_name("keep", keep, KEEPS)
        line = np.linspace(0, steps, records) if keep == "linear" else np.geomspace(1, steps + 1, records) - 1
        return np.unique(np.round(line).astype(int))
    kept = np.asarray(keep)
    good = kept.ndim == 1 and kept.size > 0 and np.issubdtype(kept.dtype, np.integer)
    if not good or kept[0] < 0 or kept[-1] > steps or not (np.diff(kept) > 0).all():
        raise InputError(
            f"keep={keep!r}: allowed are {', '.join(KEEPS)} or whole numbers, ascending, from 0 to {steps}"
        )
    return kept.astype(int)


def _keys(key: Any, runs: int) -> Any:
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(runs))


def _starts(problem: Problem, start: Any, box: Any, keys: Any) -> tuple[np.ndarray, str]:
    """Return the starts, (run, d), and what to call them."""
    shape = (len(keys), problem.dim)
    if isinstance(start, str):
        if start not in STARTS:
            raise unknown_name("start", start, (*STARTS, "an array", "a function"))
        if start == "prior":
            return map_rows(problem.parts.prior_draw, keys), start
        if isinstance(box, bool) or not isinstance(box, int | float | np.number) or not 0 < box < np.inf:
            raise InputError(f"box={box!r}: allowed is a finite number above 0")
        draw = partial(jax.random.uniform, shape=shape[1:], minval=-float(box), maxval=float(box))
        return np.asarray(jax.vmap(draw)(keys)), f"box {float(box):g}"
    if callable(start):
        z, told = np.asarray(jax.vmap(start)(keys), dtype=np.float64), "function"
    else:
        z, told = np.asarray(start, dtype=np.float64), "array"
        z = np.broadcast_to(z, shape) if z.shape == shape[1:] else z
    if z.shape != shape or not np.isfinite(z).all():
        raise InputError(f"start gives shape {z.shape}: allowed are {shape[0]} × {shape[1]} finite numbers")
    return z, told


def _run(problem: Problem, setting: Setting, keys, z, kept: np.ndarray, line) -> tuple[Record, bool]:
    """Return the records, (run, step, …), and whether they are all there."""
    begin, advance = programs(problem, setting)
    numbers = setting.numbers(problem.dim)
    runs = begin(jnp.asarray(z), numbers)
    piece = -(-len(kept) // PIECES)
    lengths = np.zeros(-(-len(kept) // piece) * piece, int)  # the last piece is filled up with records of no steps
    lengths[: len(kept)] = np.diff(kept, prepend=0)
    pieces, complete = [], True
    try:
        for first in range(0, len(kept), piece):
            runs, record = advance(keys, runs, jnp.asarray(lengths[first : first + piece]), numbers)
            pieces.append(jax.tree.map(np.asarray, record))
            line.advance(piece)
    except KeyboardInterrupt:
        if not pieces:
            raise
        complete = False
    found = jax.tree.map(lambda *parts: np.moveaxis(np.concatenate(parts)[: len(kept)], 0, 1), *pieces)
    return found, complete


def _read(problem: Problem, setting: Setting, found: Record, steps: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the statistics of all records and the attributes of the run."""
    reference = problem.reference
    lost = ~np.isfinite(found.z).all(axis=(1, 2)) | ~np.isfinite(found.nll).all(axis=1)
    stats = {
        "nll": found.nll,
        "excess": (found.nll - reference.nll) / problem.n,
        "log_prior": found.log_prior,
        "gradient_norm": found.gradient_norm,
        "diverged": lost,
    }
    if setting.noise != "none":
        stats["gradient_noise"] = found.noise
    lowest = float(np.min(found.nll, where=np.isfinite(found.nll), initial=np.inf))
    flags = list(reference.flags)
    if lost.any():
        flags.append(f"{int(lost.sum())} of {lost.size} runs left for infinity")
    if lowest < reference.nll - 1e-6 * (1 + abs(reference.nll)):
        flags.append(f"the reference is not the minimum: runs came {reference.nll - lowest:.3g} nats below it")
    rows = (setting.batch_size or problem.n) if setting.minibatch else problem.n
    attributes = {
        "sampler": f"{setting.optimiser_name} ensemble",
        "adjusted": 0,
        **{k: v for k, v in setting.described().items() if k not in ("batch_size", "replacement", "weight_decay")},
        "batch_size": setting.batch_size or 0,
        "replacement": int(setting.replacement),
        "weight_decay": setting.temperature if setting.weight_decay == "prior" else setting.weight_decay,
        "prior_decay": int(setting.weight_decay == "prior"),
        "spread": setting.spread,
        "temperature_scale": setting.temperature_scale,
        "temperature": setting.temperature,
        "temperature_note": setting.temperature_note,
        "reference_nll": reference.nll,
        "diverged": int(lost.sum()),
        "flags": "; ".join(flags),
        "gradient_evaluations": steps + lost.size * found.nll.shape[1],
        "data_passes": steps * rows / problem.n + lost.size * found.nll.shape[1],
    }
    return stats, attributes
