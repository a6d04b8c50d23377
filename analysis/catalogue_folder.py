"""The folder ``docs/catalogue``: a page for each model, pictures, a page for the real data, and an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from singular.analysis import catalogue_real
from singular.analysis.catalogue_pages import DRAWN, escape, markdown_table, numbers, page, short_kind
from singular.models import catalogue
from singular.models.base import Model
from singular.posteriors import store

COMMAND = "make catalogue"
INDEX, REAL = "README.md", "real_data.md"
OTHERS = ("CHECKS.md", "LADDERS.md")
"""Pages in the folder that another program writes."""


def pages() -> dict[str, str]:
    """Return every page, file name -> Markdown."""
    made = {f"{model.name}.md": page(model) for model in catalogue.MODELS.values()}
    return {INDEX: index(), REAL: catalogue_real.page(), **made}


def pictured() -> list[Model]:
    """Return the models that have a picture: those of one or two parameters."""
    return [model for model in catalogue.MODELS.values() if model.dim <= DRAWN]


def write_pages(folder: str | Path, pictures: bool = True, say: Callable[[str], object] | None = None) -> list[Path]:
    """Write every page, and every picture unless told not to; each file is whole or as it was.

    Parameters
    ----------
    folder : path
        Must exist.
    pictures : bool
    say : callable or None
        Told the name of each file that is written.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    StoreError
        If a file cannot be written.
    """
    written = []
    for name, content in _contents(pictures):
        written.append(store.write(Path(folder) / name, content))
        if say is not None:
            say(name)
    return written


def left_over(folder: str | Path) -> list[str]:
    """Return the names of pages and pictures in the folder that belong to no model."""
    mine = {*pages(), *(f"{model.name}.png" for model in pictured()), *OTHERS}
    return sorted(
        path.name for path in Path(folder).iterdir() if path.suffix in (".md", ".png") and path.name not in mine
    )


def index() -> str:
    """Return the page that links all others, one table for the whole catalogue."""
    models = list(catalogue.MODELS.values())
    families = list(dict.fromkeys(model.family for model in models))
    exact = sum(model.exact is not None for model in models)
    oracles = sum(model.integral is not None for model in models)
    rows = [
        (
            f"[{model.name}]({model.name}.md)",
            escape(model.family),
            *numbers(model),
            "yes" if model.integral else "",
            short_kind(model),
        )
        for model in sorted(models, key=lambda model: families.index(model.family))
    ]
    parts = [
        "# The catalogue",
        f"{len(models)} models of {len(families)} families: {exact} with an exact learning coefficient λ and "
        f"multiplicity m, {oracles} with an oracle that gives the evidence exactly at finite n. ≤ is an upper bound, ? "
        "is unknown. Each page has the formulas, where λ comes from, and for one or two parameters a picture.",
        "[How λ and m were checked](CHECKS.md) · [the ladder on each](LADDERS.md) · [real data](real_data.md) · "
        "[adding a model](../ADDING_A_MODEL.md)",
        markdown_table(("model", "family", "d", "d/2", "λ", "m", "oracle", "kind"), rows),
        f"These pages are made from the models by `{COMMAND}`.",
    ]
    return "\n\n".join(parts) + "\n"


def _contents(pictures: bool) -> Iterator[tuple[str, str | bytes]]:
    yield from pages().items()
    if not pictures:
        return
    from singular.analysis.catalogue_pictures import picture
    from singular.analysis.figures import png

    for model in pictured():
        figure = picture(model)
        if figure is not None:
            yield f"{model.name}.png", png(figure)
