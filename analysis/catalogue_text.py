"""One entry of the catalogue for the terminal: a made model or a real data set, told in full."""

from __future__ import annotations

import json
from typing import Any

from singular.analysis import catalogue_pages
from singular.errors import unknown_name
from singular.models import catalogue, real
from singular.models.description import describe


def told(name: str) -> tuple[dict[str, str], str]:
    """Return what is known of a model or a real problem, heading -> text, and a note.

    Raises
    ------
    InputError
        If neither has that name, with the nearest one.

    Examples
    --------
    >>> facts, note = told("tanh-2")
    >>> facts["made by"], facts["sampled by"]
    ('models.tanh_network(hidden=2)', 'singular sample tanh-2')
    """
    if name in catalogue.MODELS:
        model = catalogue.MODELS[name]
        facts, note = {"family": model.family, **catalogue_pages.facts(model)}, model.note.replace("``", "")
        facts["made by"] = catalogue_pages.call(model)
    else:
        facts, note = {heading: str(text) for heading, text in _real(name).items() if heading != "name"}, ""
    return {**facts, "sampled by": f"singular sample {name}"}, note


def as_json(name: str) -> str:
    """Return ``models.describe`` of a model, or what is known of a real problem, as a JSON object.

    Raises
    ------
    InputError
        As `told`.
    """
    known = describe(catalogue.MODELS[name]) if name in catalogue.MODELS else _real(name)
    return json.dumps(known, ensure_ascii=False, indent=1, allow_nan=False)


def _real(name: str) -> dict[str, Any]:
    members = {member[0]: member for member in real.members()}
    if name not in members:
        raise unknown_name("model", name, [*catalogue.MODELS, *members])
    _, family, dim, source = members[name]
    return {"name": name, "family": family, "d": dim, "source": source}
