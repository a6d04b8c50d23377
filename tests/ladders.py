"""Ladders with known truth: nll is c + |x|², x normal, sampled by a real replica exchange.

Under the prior x is d-dimensional normal with variance 1/(2s), so e = |x|² is Gamma(λ = d/2, rate s), and
at β it is Gamma(λ, rate s + β): F(β) = cβ + λ log((s + β)/s), E = c + λ/(s + β), Var = λ/(s + β)².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

N = 100
WBIC_BETA = 1 / np.log(N)


@dataclass(frozen=True)
class GammaLadder:
    """A truth, and how its ladders are drawn.

    ``persistence`` is the autocorrelation of x from round to round, ``swaps`` switches the exchange of
    neighbours on, and ``common`` is the share of each round's noise that all rungs have in common. With
    ``virials`` the ladders hold what control variates are made of.
    """

    dim: int = 3
    rate: float = 0.02
    offset: float = 140.0
    rungs: int = 8
    chains: int = 4
    draws: int = 500
    persistence: float = 0.0
    swaps: bool = False
    common: float = 0.0
    virials: bool = False

    @property
    def shape(self) -> float:
        return self.dim / 2

    @property
    def betas(self) -> np.ndarray:
        below = np.geomspace(self.rate / 2, WBIC_BETA, self.rungs - 3)
        return np.concatenate([[0.0], below, [np.sqrt(WBIC_BETA), 1.0]])

    def exact(self, betas=None) -> pd.DataFrame:
        """Return the frame of an `Exact`."""
        betas = self.betas if betas is None else np.asarray(betas, dtype=float)
        total = self.rate + betas
        return pd.DataFrame(
            {
                "beta": betas,
                "free_energy": self.offset * betas + self.shape * np.log(total / self.rate),
                "mean_nll": self.offset + self.shape / total,
                "variance_nll": self.shape / total**2,
                "effective_learning_coefficient": self.shape * (betas / total) ** 2,
            }
        )

    def simulate(self, rng: np.random.Generator, ladders: int) -> dict[str, np.ndarray]:
        """Draw many ladders at once; every array is (ladder, chain, draw, beta)."""
        betas, rows = self.betas, ladders * self.chains
        scale = np.sqrt(0.5 / (self.rate + betas))[:, None]

        def noise():
            own = rng.standard_normal((rows, betas.size, self.dim))
            if self.common == 0.0:
                return own
            shared = rng.standard_normal((rows, 1, self.dim))
            return np.sqrt(1 - self.common) * own + np.sqrt(self.common) * shared

        kick = np.sqrt(1 - self.persistence**2)
        x = scale * noise()
        replica = np.tile(np.arange(betas.size), (rows, 1))
        kept = {
            "nll": np.empty((rows, self.draws, betas.size)),
            "replica": np.empty((rows, self.draws, betas.size), dtype=int),
            "swap_probability": np.full((rows, self.draws, betas.size), np.nan),
        }
        for t in range(self.draws):
            x = self.persistence * x + kick * scale * noise()
            energy = np.sum(x**2, axis=-1)
            if self.swaps:
                low = np.arange(t % 2, betas.size - 1, 2)
                gain = (betas[low + 1] - betas[low]) * (energy[:, low + 1] - energy[:, low])
                probability = np.exp(np.minimum(gain, 0.0))
                kept["swap_probability"][:, t, low] = probability
                order = np.tile(np.arange(betas.size), (rows, 1))
                accepted = rng.random(probability.shape) < probability
                order[:, low] += accepted
                order[:, low + 1] -= accepted
                x = np.take_along_axis(x, order[..., None], axis=1)
                replica = np.take_along_axis(replica, order, axis=1)
                energy = np.take_along_axis(energy, order, axis=1)
            kept["nll"][:, t] = self.offset + energy
            kept["replica"][:, t] = replica
        return {name: a.reshape(ladders, self.chains, *a.shape[1:]) for name, a in kept.items()}

    def many(self, seed: int, ladders: int) -> list[xr.DataTree]:
        """Return independent ladders."""
        arrays = self.simulate(np.random.default_rng(seed), ladders)
        names = ["nll", *(("replica", "swap_probability") if self.swaps else ())]
        if self.virials:
            energy = arrays["nll"] - self.offset
            arrays |= {"log_prior": -self.rate * energy, "nll_virial": 2 * energy}
            arrays["log_prior_virial"] = 2 * arrays["log_prior"]
            names += ["log_prior", "nll_virial", "log_prior_virial"]
        made = [tree(self.betas, **{name: arrays[name][i] for name in names}) for i in range(ladders)]
        for ladder in made:
            ladder.attrs["dim"] = self.dim
        return made

    def one(self, seed: int) -> xr.DataTree:
        """Return one ladder."""
        return self.many(seed, 1)[0]


def tree(betas, **sample_stats: np.ndarray) -> xr.DataTree:
    """Lay arrays (chain, draw, beta) out as docs/ARCHITECTURE.md says."""
    chains, draws = next(iter(sample_stats.values())).shape[:2]
    stats = xr.Dataset(
        {name: (("chain", "draw", "beta"), a) for name, a in sample_stats.items()},
        coords={"chain": np.arange(chains), "draw": np.arange(draws), "beta": np.asarray(betas)},
    )
    ladder = xr.DataTree.from_dict({"/sample_stats": stats})
    ladder.attrs = {"problem": "gamma", "n": N, "seed": 0, "wbic_beta": WBIC_BETA, "complete": 1}
    return ladder
