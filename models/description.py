"""A model in words and JSON: what it is, what is known of it, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from singular.errors import InputError, unknown_name
from singular.models.base import Model
from singular.models.catalogue import FAMILIES


def describe(model: Model) -> dict[str, Any]:
    """Return what is known of a model as a dictionary of JSON values.

    λ and d/2 are written as fractions (``"7/2"``), unknown ones as None; ``builder`` and ``arguments`` make the
    model again (`from_description`).

    Examples
    --------
    >>> from singular.models import get
    >>> description = describe(get("tanh-2"))
    >>> description["learning_coefficient"], description["multiplicity"], description["half_d"]
    ('2/3', 1, '2')
    """
    exact, bound = model.exact, model.bound
    known = exact or bound
    return {
        "name": model.name,
        "family": model.family,
        "builder": model.builder,
        "arguments": json.loads(json.dumps(dict(model.arguments))),
        "description": model.description,
        "prior": model.prior,
        "truth": model.truth,
        "note": model.note,
        "d": model.dim,
        "half_d": _half(model.dim),
        "learning_coefficient": None if exact is None else str(exact.value),
        "multiplicity": None if exact is None else exact.multiplicity,
        "upper_bound": None if bound is None else str(bound.value),
        "source": None if known is None else known.source,
        "conditions": None if known is None else known.conditions,
        "singular": model.singular,
        "boundary": model.boundary,
        "optimum": None if model.optimum is None else {k: np.asarray(v).tolist() for k, v in model.optimum.items()},
        "phases": list(model.phases),
        "oracle": None if model.integral is None else model.integral.route,
    }


def from_description(description: Mapping[str, Any]) -> Model:
    """Make the model that `describe` described.

    Raises
    ------
    InputError
        If the builder is unknown, or what it makes is not what the description says.

    Examples
    --------
    >>> from singular.models import get
    >>> from_description(describe(get("product"))).name
    'product'
    """
    for key in ("builder", "arguments"):
        if key not in description:
            raise InputError(f"description lacks {key!r}; allowed is what describe() returns")
    if description["builder"] not in FAMILIES:
        raise unknown_name("builder", description["builder"], FAMILIES)
    model = FAMILIES[description["builder"]](**description["arguments"])
    made = describe(model)
    for key, value in description.items():
        if key not in made or made[key] != value:
            raise InputError(f"description[{key!r}]={value!r}: the model made from it has {made.get(key)!r}")
    return model


def _half(d: int) -> str:
    return str(d // 2) if d % 2 == 0 else f"{d}/2"
