"""devinterp 1.3.2 on an exported problem: a torch module, a loader and its own call."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterator

import torch
from devinterp.optim.sgld import SGLD
from devinterp.slt.sampler import estimate_learning_coeff_with_summary
from score_devinterp_problem import PREDICTIONS, Subject, mean_loss
from score_devinterp_settings import Setting
from torch.utils.data import DataLoader, TensorDataset


class Network(torch.nn.Module):
    """The model of a problem, its weights at the exported optimum; in 32 bit, as is usual in torch."""

    def __init__(self, subject: Subject):
        super().__init__()
        self.kind = subject.family
        self.sites = torch.nn.ParameterDict(
            {name: torch.tensor(value, dtype=torch.float32) for name, value in subject.optimum.items()}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return PREDICTIONS[self.kind](dict(self.sites), x, torch.tanh)


class Rows(DataLoader):
    """The usual shuffled loader of a tensor data set, which takes a batch in one piece and not row by row."""

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        tensors = self.dataset.tensors
        for rows in torch.randperm(len(tensors[0])).split(self.batch_size):
            yield tuple(tensor[rows] for tensor in tensors)


def loss(model: Network, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return the mean loss of a batch."""
    return mean_loss(model.kind, dict(model.sites), *batch, torch.tanh)


def estimate(subject: Subject, setting: Setting, seed: int) -> tuple[float, float, str]:
    """Return the estimate, its standard error as the spread over chains claims it, and why there is none if so.

    nβ is left to devinterp, and so is the loss at the start. The mean over all draws is taken, as ``llc/mean`` is; the
    error is ``llc/std``/√chains.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    data = TensorDataset(*(torch.tensor(values, dtype=torch.float32) for values in (subject.x, subject.y)))
    options = {"lr": setting.step, "localization": setting.gamma}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the same ones come whether the estimate is right or wrong
        try:
            found = estimate_learning_coeff_with_summary(
                Network(subject),
                Rows(data, batch_size=setting.batch or subject.n, shuffle=True),
                evaluate=loss,
                sampling_method=SGLD,
                optimizer_kwargs=options,
                num_draws=setting.draws,
                num_chains=setting.chains,
                num_burnin_steps=setting.burn_in,
                seed=seed,
                verbose=False,
            )
        except RuntimeError as error:
            if "NaN detected" not in str(error):
                raise
            return math.nan, math.nan, str(error)
    value, error = found["llc/mean"], found["llc/std"] / math.sqrt(setting.chains)
    if math.isfinite(value) and math.isfinite(error):
        return value, error, ""
    return math.nan, math.nan, f"the estimate is {value}"
