"""The density of a normal mixture with free means and variances, in any number of dimensions."""

from __future__ import annotations

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def galaxies_density(velocity, components):
    """The NumPyro model of `galaxies`."""
    _mixture("velocity", velocity, components, (20.0, 10.0), 20.0)


def mixture_density(y, components, centre, spread):
    """The NumPyro model of `acidity`, `faithful` and `iris`: components normals with independent coordinates."""
    _mixture("y", y, components, (centre, spread), 1.0)


def _mixture(name, observed, components, location, scale):
    """Means N(location), variances InverseGamma(3, scale), flat weights; ``observed`` is (n,) or (n, p)."""
    shape = (components, *observed.shape[1:])
    coordinates = len(shape) - 1
    mean = numpyro.sample("mean", dist.Normal(*location).expand(shape).to_event(len(shape)))
    variance = numpyro.sample("variance", dist.InverseGamma(3.0, scale).expand(shape).to_event(len(shape)))
    mean, deviation = jnp.asarray(mean), jnp.sqrt(jnp.asarray(variance))
    if components == 1:
        numpyro.sample(name, dist.Normal(mean[0], deviation[0]).to_event(coordinates), obs=observed)
        return
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(components)))
    normals = dist.Normal(mean, deviation).to_event(coordinates)
    numpyro.sample(name, dist.MixtureSameFamily(dist.Categorical(probs=weight), normals), obs=observed)
