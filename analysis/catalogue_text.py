"""One entry of the catalogue for the terminal: a made model or real data, told in full."""

from __future__ import annotations

import json

from singular.analysis import catalogue_pages, catalogue_real
from singular.models import catalogue
from singular.models.description import describe


def told(name: str) -> tuple[dict[str, str], str]:
    """Return what is known of a model, a real data set or one of its problems, heading -> text, and a note.

    Raises
    ------
    InputError
        If none has that name, with the nearest one.

    Examples
    --------
    >>> facts, note = told("product")
    >>> facts["made by"], facts["sampled by"]
    ('models.monomial(exponents=[1, 1])', 'singular sample product')
    """
    if name not in catalogue.MODELS:
        return catalogue_real.facts(name), _plain(catalogue_real.find(name)[0].note)
    model = catalogue.MODELS[name]
    used = {"made by": catalogue_pages.call(model), "sampled by": f"singular sample {name}"}
    return {"family": model.family, **catalogue_pages.facts(model), **used}, _plain(model.note)


def as_json(name: str) -> str:
    """Return ``models.describe`` of a model, or `catalogue_real.describe`, as a JSON object.

    Raises
    ------
    InputError
        As `told`.
    """
    known = describe(catalogue.MODELS[name]) if name in catalogue.MODELS else catalogue_real.describe(name)
    return json.dumps(known, ensure_ascii=False, indent=1, allow_nan=False)


def _plain(note: str) -> str:
    return " ".join(note.replace("`", "").split())
