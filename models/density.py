"""A NumPyro model taken apart: log prior and nll as functions of one flat unconstrained vector.

The model is traced once into jaxprs. Whatever data it reads, through its arguments, a closure or a
global, becomes a constant of the jaxpr and is handed to compiled code as an argument: a second data
set of the same shape compiles nothing, and can never be answered with the first one's numbers.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from jax.core import eval_jaxpr
from jax.flatten_util import ravel_pytree
from numpyro import handlers
from numpyro.distributions import biject_to, constraints
from numpyro.distributions.distribution import ImproperUniform
from numpyro.distributions.util import sum_rightmost
from numpyro.infer.util import compute_log_probs
from numpyro.primitives import Messenger

from singular.errors import InputError
from singular.models.structure import LinearGaussian, Sufficient

JACOBIAN_SITE = re.compile(r"^_.*_log_det$")
"""Sites that carry a change of variables: they belong to the prior."""
FUNCTIONS_KEPT = 256
ROWS = 128
"""Rows a compiled map takes at once: one shape, so that the map is compiled once."""


class Sites(NamedTuple):
    """The sites of one model, in order of appearance.

    ``latent`` maps each continuous latent site to its unconstrained shape; ``discrete`` are the latent
    sites summed out, ``observed`` the sites with data (``numpyro.factor`` among them).
    """

    latent: dict[str, tuple[int, ...]]
    discrete: tuple[str, ...]
    observed: tuple[str, ...]
    deterministic: tuple[str, ...]
    sample_sizes: dict[str, int]
    plate_nesting: int


@dataclass(frozen=True)
class Traced:
    """A function as a jaxpr, its captured arrays apart: ``call(constants, *arguments)``."""

    text: str
    constants: tuple[np.ndarray, ...]
    call: Callable[..., Any]

    def __call__(self, *arguments):
        return self.call(self.constants, *arguments)


_compiled: OrderedDict[tuple[str, ...], Callable[..., Any]] = OrderedDict()


def compiled(purpose: str, make: Callable[..., Callable[..., Any]], *parts: Traced) -> Callable[..., Any]:
    """Return ``make(*parts)``, compiled once per structure of the parts and bound to their arrays.

    ``make`` takes the parts as plain functions and returns the function to compile; ``purpose`` names it.
    """
    key = (purpose, *(part.text for part in parts))
    if key not in _compiled:
        calls = [part.call for part in parts]

        def run(constants, *arguments):
            bound = [partial(call, own) for call, own in zip(calls, constants, strict=True)]
            return make(*bound)(*arguments)

        _compiled[key] = jax.jit(run)
        while len(_compiled) > FUNCTIONS_KEPT:
            _compiled.popitem(last=False)
    _compiled.move_to_end(key)
    return partial(_compiled[key], tuple(part.constants for part in parts))


def map_block(function: Traced) -> Callable[[Any], Any]:
    """Return the compiled map of ``function`` over a block of `ROWS` rows."""
    return compiled("rows", lambda f: lambda block: jax.lax.map(f, block), function)


def map_rows(function: Traced, rows: Any) -> Any:
    """Apply a one-argument traced function to every row, in blocks of one shape; returns NumPy arrays."""
    run = map_block(function)
    rows = np.asarray(rows)
    size = -(-rows.shape[0] // ROWS) * ROWS
    padded = np.concatenate([rows, np.broadcast_to(rows[:1], (size - rows.shape[0], *rows.shape[1:]))])
    blocks = [jax.tree.map(np.asarray, run(padded[i : i + ROWS])) for i in range(0, size, ROWS)]
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: rows.shape[0]], *blocks)


@dataclass(frozen=True)
class Density:
    """The parts of a model that samplers and estimators need.

    Attributes
    ----------
    dim : int
        Length of the flat unconstrained vector ``z``.
    split : z -> (log_prior, nll)
        Log prior density on the unconstrained space (change of variables included) and −log p(D | w), nats.
    prior_draw : key -> z
        One exact draw from the prior, by running the model forward.
    constrain : z -> {site: value}
        Latent sites on their own supports, and deterministic sites.
    pointwise : z -> {site: log-likelihood of each observation}
        None if discrete sites were summed out.
    unconstrain : {site: value} -> z
        Checked, in NumPy; ``invert`` is the same as a traceable function.
    """

    sites: Sites
    dim: int
    split: Traced
    prior_draw: Traced
    constrain: Traced
    pointwise: Traced | None
    unconstrain: Callable[[dict[str, Any]], np.ndarray]
    invert: Callable[[dict[str, Any]], Any]


def trace_density(
    model: Callable,
    args: tuple,
    kwargs: dict,
    sufficient: LinearGaussian | Sufficient | None = None,
    sums: Any = None,
) -> Density:
    """Trace a NumPyro model, with its data, into a `Density`. Call inside a 64-bit scope.

    With ``sufficient`` the nll is taken from ``sums``, its summary of the data, and for all else the model is run on
    the first row alone.

    Raises
    ------
    InputError
        If the model has no observed or no continuous latent site, an improper prior, a ``numpyro.param``,
        a subsampled plate, or a discrete latent site that cannot be enumerated.
    """
    sites = _sites(model, args, kwargs)
    few = (
        kwargs
        if sufficient is None
        else {name: value[:1] if np.ndim(value) else value for name, value in kwargs.items()}
    )
    forward = partial(_forward, model, args, few, sites)
    flat, unravel = ravel_pytree({name: jnp.zeros(shape) for name, shape in sites.latent.items()})
    parts = partial(parts_of, model, args, few, sites)

    def split(z):
        log_prior, nll = parts(unravel(z))
        if sufficient is not None:
            nll = sufficient.nll(_constrain(model, args, few, sites, unravel(z)), sums)
        return log_prior, nll

    def prior_draw(key):
        return ravel_pytree(forward(key))[0]

    def constrain(z):
        return _constrain(model, args, few, sites, unravel(z))

    def pointwise(z):
        return _pointwise(model, args, kwargs, sites, unravel(z))

    def unconstrain(values):
        missing = [name for name in sites.latent if name not in values]
        if missing:
            raise InputError(f"values lacks the sites {missing}; needed: {list(sites.latent)}")
        fixed = {name: jnp.asarray(values[name], dtype=float) for name in sites.latent}
        return np.asarray(invert(fixed))

    def invert(values):
        return ravel_pytree(_inverse(model, args, few, sites, values))[0]

    key = jax.random.PRNGKey(0)
    return Density(
        sites=sites,
        dim=flat.size,
        split=hoist(split, flat),
        prior_draw=hoist(prior_draw, key),
        constrain=hoist(constrain, flat),
        pointwise=None if sites.discrete else hoist(pointwise, flat),
        unconstrain=unconstrain,
        invert=invert,
    )


def hoist(function: Callable, *examples) -> Traced:
    """Trace ``function`` at ``examples`` and take every array it captures out as an argument."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*examples)
    treedef = jax.tree.structure(shapes)
    jaxpr = closed.jaxpr

    def call(constants, *arguments):
        leaves = eval_jaxpr(jaxpr, constants, *jax.tree.leaves(arguments))
        return jax.tree.unflatten(treedef, leaves)

    text = re.sub(r" at 0x[0-9a-f]+", "", str(jaxpr)) + str(treedef)
    return Traced(text, tuple(np.asarray(constant) for constant in closed.consts), call)


def _sites(model, args, kwargs) -> Sites:
    """Run the model once and classify its sites: without computing if that will do, as it saves seconds."""
    found = []

    def run(key):
        with handlers.seed(rng_seed=key), handlers.trace() as trace, ProperPriors():
            model(*args, **kwargs)
        found.append(_classify(trace))
        return key

    key = jax.random.PRNGKey(0)
    try:
        jax.eval_shape(run, key)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        run(key)  # data or masks are made by JAX inside the model: their values are needed
    return found[0]


class ProperPriors(Messenger):
    """Refuse improper priors: β = 0 is the prior itself, and is drawn from."""

    def process_message(self, msg) -> None:
        if msg["type"] != "sample" or msg["is_observed"]:
            return
        fn = msg["fn"]
        while hasattr(fn, "base_dist"):
            fn = fn.base_dist
        if isinstance(fn, ImproperUniform):
            raise InputError(f"site {msg['name']!r} has an improper prior and cannot be drawn from; use a proper one")


def _classify(trace) -> Sites:
    latent, discrete, observed, deterministic, sizes = {}, [], [], [], {}
    nesting = 0
    for name, site in trace.items():
        if site["type"] == "param":
            raise InputError(f"site {name!r} is a numpyro.param; a Bayesian model needs a prior: make it a sample site")
        if site["type"] == "plate":
            size, subsample = site["args"][:2]
            if subsample is not None and subsample != size:
                raise InputError(
                    f"plate {name!r} subsamples {subsample} of {size}; the likelihood must be that of all "
                    "the data: leave subsample_size out"
                )
        if site["type"] == "deterministic":
            deterministic.append(name)
        if site["type"] != "sample":
            continue
        nesting = max([nesting] + [-f.dim for f in site["cond_indep_stack"] if f.dim is not None])
        if site["is_observed"]:
            observed.append(name)
            if not site["infer"].get("is_auxiliary", False):
                sizes[name] = _sample_size(name, site)
        elif site["fn"].support.is_discrete:
            if not site["fn"].has_enumerate_support:
                raise InputError(
                    f"discrete latent site {name!r} ({type(site['fn']).__name__}) has no finite support "
                    "and cannot be summed out; allowed: Categorical, Bernoulli, Binomial and the like"
                )
            discrete.append(name)
        else:
            latent[name] = jnp.shape(biject_to(site["fn"].support).inv(site["value"]))
    if discrete:
        _check_plates(trace)
    if not observed:
        raise InputError("the model has no observed site; pass the data to sample(..., obs=data)")
    if not latent:
        raise InputError("the model has no continuous latent site: there is nothing to sample")
    return Sites(latent, tuple(discrete), tuple(observed), tuple(deterministic), sizes, nesting)


def _check_plates(trace) -> None:
    """Summing out discrete sites needs every batch dimension declared as a plate."""
    for name, site in trace.items():
        if site["type"] != "sample":
            continue
        plates = {frame.dim for frame in site["cond_indep_stack"]}
        for axis, size in enumerate(reversed(site["fn"].batch_shape), start=1):
            if size > 1 and -axis not in plates:
                raise InputError(
                    f"site {name!r} has a batch dimension of size {size} under no plate; in a model with "
                    "discrete latent sites wrap it in numpyro.plate or call .to_event(1) on its distribution"
                )


def _sample_size(name, site) -> int:
    value = np.asarray(site["value"])
    if value.size == 0:
        raise InputError(f"observed site {name!r} has no data (shape {value.shape}); at least one is needed")
    if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
        bad = int((~np.isfinite(value)).sum())
        raise InputError(
            f"observed site {name!r} has {bad} values that are NaN or infinite; for missing values use "
            "numpyro.handlers.mask with any finite filling"
        )
    batch = np.broadcast_shapes(site["fn"].batch_shape, value.shape[: value.ndim - site["fn"].event_dim])
    if not batch:
        return value.shape[0] if value.ndim else 1
    mask = getattr(site["fn"], "_mask", None)
    if mask is None:
        return int(batch[0])
    seen = np.broadcast_to(np.asarray(mask), batch)
    return int(seen.reshape(batch[0], -1).any(axis=1).sum())


def _unconstrained(params):
    """Return a substitute function that reads unconstrained values and records the change of variables."""

    def substitute_fn(site):
        if site["type"] != "sample" or site["name"] not in params:
            return None
        u, support = params[site["name"]], site["fn"].support
        transform = biject_to(support)
        index = site["infer"].get("_scan_current_index", None)
        if index is not None:
            shift = transform.codomain.event_dim - transform.domain.event_dim
            if jnp.ndim(u) > len(site["fn"].shape()) - shift:
                u = u[index]
        if support is constraints.real:
            return u
        value = transform(u)
        log_det = transform.log_abs_det_jacobian(u, value)
        extra = jnp.ndim(log_det) - jnp.ndim(value) + len(site["fn"].event_shape)
        numpyro.factor(f"_{site['name']}_log_det", sum_rightmost(log_det, extra))
        return value

    return substitute_fn


def parts_of(model, args, kwargs, sites, params):
    """Return (log prior, nll) at unconstrained ``params``."""
    if sites.discrete:
        return _parts_enumerated(model, args, kwargs, sites, params)
    fixed = handlers.substitute(handlers.seed(model, rng_seed=0), substitute_fn=_unconstrained(params))
    log_probs, _ = compute_log_probs(fixed, args, kwargs, {})
    observed = set(sites.observed)
    log_prior = sum((v for k, v in log_probs.items() if k not in observed), start=jnp.zeros(()))
    nll = -sum((v for k, v in log_probs.items() if k in observed), start=jnp.zeros(()))
    return log_prior, nll


def _parts_enumerated(model, args, kwargs, sites, params):
    """The same with discrete sites summed out: nll = −(log joint − log prior), each an exact sum."""
    from numpyro.contrib.funsor import config_enumerate, enum, log_density

    def log_joint(function):
        summed = enum(config_enumerate(function), -sites.plate_nesting - 1)
        fixed = handlers.substitute(summed, substitute_fn=_unconstrained(params))
        return log_density(fixed, args, kwargs, {})[0]

    log_prior = log_joint(handlers.block(model, hide=list(sites.observed)))
    return log_prior, log_prior - log_joint(model)


def _forward(model, args, kwargs, sites, key):
    """Draw every continuous latent site from the prior and return the unconstrained values."""
    with handlers.seed(rng_seed=key), handlers.trace() as trace:
        model(*args, **kwargs)
    return {
        name: biject_to(trace[name]["fn"].support).inv(jnp.asarray(trace[name]["value"], dtype=float))
        for name in sites.latent
    }


def _inverse(model, args, kwargs, sites, values):
    with handlers.seed(rng_seed=0), handlers.substitute(data=values), handlers.trace() as trace:
        model(*args, **kwargs)
    return {name: biject_to(trace[name]["fn"].support).inv(values[name]) for name in sites.latent}


def _constrain(model, args, kwargs, sites, params):
    fixed = handlers.substitute(handlers.seed(model, rng_seed=0), substitute_fn=_unconstrained(params))
    trace = handlers.trace(fixed).get_trace(*args, **kwargs)
    names = [*sites.latent, *(() if sites.discrete else sites.deterministic)]
    return {name: trace[name]["value"] for name in names}


def _pointwise(model, args, kwargs, sites, params):
    fixed = handlers.substitute(handlers.seed(model, rng_seed=0), substitute_fn=_unconstrained(params))
    log_probs, _ = compute_log_probs(fixed, args, kwargs, {}, sum_log_prob=False)
    return {name: log_probs[name] for name in sites.observed}
