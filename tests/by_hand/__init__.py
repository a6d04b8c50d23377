"""Likelihoods written by hand in plain NumPy, one for each builder: nothing here shares code with the package.

``LIKELIHOODS[builder](arguments, parameters, data)`` returns nL_n(w), (B,), for parameters (B, …) by site.
"""

from tests.by_hand import crossings, linear_networks, mixtures, networks, regular

MODULES = (regular, crossings, linear_networks, networks, mixtures)
LIKELIHOODS = {builder: function for module in MODULES for builder, function in module.LIKELIHOODS.items()}
assert len(LIKELIHOODS) == sum(len(module.LIKELIHOODS) for module in MODULES)
