"""The pages of the catalogue in Markdown, made from the models themselves: nothing on them is typed by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from singular.models.base import Model

DRAWN = 2
"""Models of up to so many parameters have a picture."""
ENTRIES = 12
"""An array of more numbers than that is told by its shape."""


def facts(model: Model) -> dict[str, str]:
    """Return what is known of a model, heading -> plain text, in the order of reading.

    Examples
    --------
    >>> from singular.models import get
    >>> facts(get("tanh-2"))["learning coefficient"]
    'λ = 2/3 ≈ 0.667, m = 1'
    """
    known = model.exact or model.bound
    rows = {
        "model": model.description,
        "prior": model.prior,
        "truth": model.truth,
        "parameters": f"d = {model.dim}, d/2 = {Fraction(model.dim, 2)}{_sites(model)}",
        "learning coefficient": _coefficient(model),
        "source": known.source if known else "",
        "conditions": known.conditions if known else "",
        "kind": _kind(model),
        "optimal point": _optimum(model),
        "phases": _phases(model),
        "oracle": model.integral.route if model.integral else "none: its evidence at finite n is not known exactly",
    }
    return {heading: text for heading, text in rows.items() if text}


def call(model: Model) -> str:
    """Return the Python expression that makes the model.

    Examples
    --------
    >>> from singular.models import get
    >>> call(get("product"))
    'models.monomial(exponents=[1, 1])'
    """
    return f"models.{model.builder}({', '.join(f'{name}={_literal(v)}' for name, v in model.arguments.items())})"


def _literal(value: object) -> str:
    """Return a JSON value as Python, its strings in double quotes as the style has it."""
    return repr(value).replace("'", '"')


def page(model: Model) -> str:
    """Return the page of one model; its picture, if it has one, is ``<name>.png`` beside it.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        Markdown, ending in a line break.
    """
    known = facts(model)
    formulas = [f"{heading}  {known[heading]}" for heading in ("model", "prior", "truth") if heading in known]
    parts = [
        f"# {model.name}",
        f"Family: {escape(model.family)}. {_sentence(known['kind'])}",
        "```text\n" + "\n".join(formulas) + "\n```",
        markdown_table(("d", "d/2", "λ", "m"), [numbers(model)]),
        _provenance(model),
        *([escape(model.note)] if model.note else []),
        *([f"![{caption(model)}]({model.name}.png)", escape(caption(model))] if model.dim <= DRAWN else []),
        "## What is known",
        "\n".join(
            f"- {heading.capitalize()}: {escape(known[heading])}"
            for heading in ("parameters", "optimal point", "phases", "oracle")
            if heading in known
        ),
        "## How to take it up",
        "```python\nfrom singular import models\n\n"
        f'problem = models.problem("{model.name}", n=500, seed=0)\nmodel = {call(model)}\n```',
        f"```sh\nsingular sample {model.name} --n 500\n```",
        "[All models](README.md) · [numeric checks](CHECKS.md)",
    ]
    return "\n\n".join(parts) + "\n"


def caption(model: Model) -> str:
    """Return what the picture of a model of one or two parameters shows, in a line."""
    marked = "coloured by phase" if model.phases else "in orange"
    if model.dim == 1:
        return f"The excess loss K(w) over the range of the prior, its optimal set {marked}, and the prior below."
    borders = ", dotted lines where phases meet" if model.phases else ""
    return (
        f"The excess loss K(w), darker where smaller; its optimal set {marked}{borders}; the prior dashed, unless even."
    )


def numbers(model: Model) -> tuple[str, str, str, str]:
    """Return d, d/2, λ and m for a table: λ as ≤ where only a bound is known, as ? where nothing is."""
    exact, bound = model.exact, model.bound
    value = str(exact.value) if exact else f"≤ {bound.value}" if bound else "?"
    return str(model.dim), str(Fraction(model.dim, 2)), value, str(exact.multiplicity) if exact else ""


def short_kind(model: Model) -> str:
    """Return ``singular`` or ``regular``, and ``boundary`` for a truth on the edge of the prior's support."""
    return ("singular" if model.singular else "regular") + (", boundary" if model.boundary else "")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; cells must be escaped already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escape(text: str) -> str:
    """Return plain text such that Markdown shows it as it is; what stands in backticks is left as code.

    Examples
    --------
    >>> escape("a*b < 1 in ``rest``")
    'a\\\\*b \\\\< 1 in `rest`'
    """
    pieces = re.split(r"(`+[^`]+`+)", " ".join(text.split()))
    return "".join(
        f"`{piece.strip('`')}`" if piece.startswith("`") else re.sub(r"([*<~|])", r"\\\1", piece) for piece in pieces
    )


def _provenance(model: Model) -> str:
    known = model.exact or model.bound
    if known is None:
        return "Neither λ nor an upper bound below d/2 is known."
    text = "λ and m: " if model.exact else "The exact λ is not known. The bound: "
    text += _stopped(escape(known.source))
    return f"{text} Holds for: {_stopped(escape(known.conditions))}" if known.conditions else text


def _coefficient(model: Model) -> str:
    if model.exact:
        return f"λ = {_fraction(model.exact.value)}, m = {model.exact.multiplicity}"
    if model.bound:
        return f"λ ≤ {_fraction(model.bound.value)}; the exact value is not known"
    return "not known, nor an upper bound below d/2"


def _kind(model: Model) -> str:
    text = "singular: the Fisher information is degenerate at the optimum" if model.singular else "regular"
    if model.boundary:
        text += "; the truth lies on the edge of the prior's support, where λ may exceed d/2"
    return text


def _sites(model: Model) -> str:
    shapes = {} if model.optimum is None else {site: np.shape(value) for site, value in model.optimum.items()}
    listed = [site + (f" ({' × '.join(map(str, shape))})" if shape else "") for site, shape in shapes.items()]
    return f"; sites {', '.join(listed)}" if listed else ""


def _optimum(model: Model) -> str:
    return "; ".join(f"{site} = {_array(value)}" for site, value in (model.optimum or {}).items())


def _phases(model: Model) -> str:
    if not model.phases:
        return ""
    regions = model.integral.regions if model.integral else {}
    lacking = [name for name in model.phases if name not in regions]
    names = ", ".join(model.phases)
    if not lacking:
        return f"{names}; the oracle gives the mass of each"
    return f"{names}; no exact mass of {'any' if len(lacking) == len(model.phases) else ', '.join(lacking)}"


def _array(value: object) -> str:
    array = np.asarray(value, dtype=float)
    if array.size > ENTRIES:
        return f"an array of {' × '.join(map(str, array.shape))}, in `model.optimum`"
    rounding = 1e-12 * np.abs(array).max(initial=0.0)
    return str(np.vectorize(lambda v: float(f"{v:.4g}") if abs(v) > rounding else 0.0, otypes=[float])(array).tolist())


def _fraction(value: Fraction) -> str:
    return str(value) if value.denominator == 1 else f"{value} ≈ {float(value):.3f}"


def _sentence(text: str) -> str:
    return _stopped(text[:1].upper() + text[1:])


def _stopped(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."
