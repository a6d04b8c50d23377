"""The ``singular`` command: parse, call one function, print. No arithmetic; help imports nothing heavy."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from singular.errors import InputError, SingularError
from singular.printing import console, print_facts, print_json, print_table, status

BAD_INPUT, INTERRUPTED = 2, 130

app = typer.Typer(
    name="singular",
    help="Bayesian statistics on singular models: tempered NUTS ladders, free energy and learning coefficients, "
    "each number with its error and beside the exact one.",
    epilog="Start with: singular models, then singular sample tanh-2, or the whole of it: singular study.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[str, typer.Argument(help="A name that `singular models` lists.", metavar="MODEL")]
Models = Annotated[list[str], typer.Argument(help="Names that `singular models` lists.", metavar="MODEL...")]
Seed = Annotated[int, typer.Option(help="Seed of the simulated data and of the sampler.", min=0)]
Size = Annotated[int, typer.Option("--n", help="Observations to simulate; real data have their own.", min=1)]
Chains = Annotated[int, typer.Option(help="Independent ladders; errors come from comparing them.", min=1)]
Draws = Annotated[int, typer.Option(help="Draws kept on every rung of each chain.", min=4)]
Warmup = Annotated[int, typer.Option(help="Adaptation rounds before them.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print tidy rows as JSON and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the package's own errors into one line and exit code 2, and Ctrl-C into 130."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except SingularError as error:
            typer.echo(f"singular: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            typer.echo("singular: interrupted; what was finished is kept", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return run


@app.command()
@guarded
def study(
    name: Annotated[
        str | None,
        typer.Argument(help="One of the studies that --list tells; none for the main job.", metavar="[NAME]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for what is made.")] = Path("out"),
    seed: Seed = 0,
    n: Annotated[int | None, typer.Option("--n", help="Main job: observations to simulate, 500.", min=1)] = None,
    draws: Annotated[int | None, typer.Option(help="Main job: draws on every rung of a chain, 400.", min=4)] = None,
    warmup: Annotated[int | None, typer.Option(help="Main job: adaptation rounds, 200.", min=0)] = None,
    chains: Annotated[int | None, typer.Option(help="Main job: independent ladders, 4.", min=1)] = None,
    listed: Annotated[bool, typer.Option("--list", help="The studies, each with its question.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The main job, or one study: a question answered by a table, a picture and a page.

    The main job samples the catalogue and the real data, holds every number against
    the exact one and writes OUT/report.html. A study NAME writes its page, picture
    and table to OUT/NAME. What is in OUT already is not computed again: stop with
    Ctrl-C and start again, and it goes on where it was.

    Examples:

        singular study

        singular study --list

        singular study two-wells

        singular study --out big --n 2000 --draws 4000

        singular study concentration --json > rows.json
    """
    sizes = {key: value for key, value in (("n", n), ("draws", draws), ("warmup", warmup), ("chains", chains))
             if value is not None}  # fmt: skip
    if listed:
        _list_studies(json)
    elif name is not None:
        if sizes:
            raise InputError(f"{', '.join(sizes)} with study {name!r}: allowed for the main job alone")
        _one_study(name, out, seed, json, quiet)
    else:
        _main_job(out, seed, sizes, json, quiet)


def _main_job(out: Path, seed: int, sizes: Mapping[str, Any], json: bool, quiet: bool) -> None:
    from singular.analysis import study as studies
    from singular.analysis.model_choice import CHOICE, PREDICTION, PRIOR
    from singular.analysis.tables import narrow, readable

    say = None if quiet or json or not sys.stderr.isatty() else status
    result = studies.study(out, seed=seed, report=say, **sizes)
    if json:
        print_json(result.rows)
        return
    made = readable(result.table.drop(columns=["n", "d"]))
    n = int(result.table["n"].iloc[0])
    print_table(f"Made data, n = {n}: the ladder beside the exact answers", *narrow(made))
    for title, columns in (
        ("Real data: model choice by free energy, WBIC, BIC, WAIC and LOO, nats", CHOICE),
        ("Real data: the evidence with all prior scales halved and doubled, by reweighting", PRIOR),
        ("Real data: leave-one-out prediction, nats behind the best size", PREDICTION),
    ):
        print_table(title, *narrow(readable(result.sizes.loc[:, list(columns)])))
    print_table("Product regression: shares of posterior mass as n grows", *narrow(readable(result.growth)))
    typer.echo(f"report: {result.report}   ({result.seconds:.0f} s)")


def _one_study(name: str, out: Path, seed: int, json: bool, quiet: bool) -> None:
    from singular.analysis.studies.carry_out import carry_out
    from singular.analysis.tables import narrow

    say = None if quiet or json or not sys.stderr.isatty() else status
    written = carry_out(name, out, seed, report=say)
    if json:
        print_json(written.finding.table)
        return
    print_table(written.title, *narrow(written.finding.shown))
    for what, path in (("page", written.page), ("picture", written.picture), ("rows", written.rows)):
        typer.echo(f"{what}: {path}")
    typer.echo(f"({written.seconds:.0f} s)")


def _list_studies(json: bool) -> None:
    import pandas as pd

    from singular.analysis.studies import QUESTIONS

    frame = pd.DataFrame(list(QUESTIONS.items()), columns=["study", "question"])
    if json:
        print_json(frame)
    else:
        print_table("Studies: singular study NAME", frame)


@app.command()
@guarded
def models(
    name: Annotated[
        str | None, typer.Argument(help="A model or data set, to be told in full.", metavar="[NAME]")
    ] = None,
    family: Annotated[str | None, typer.Option(help="Only families whose name contains this.")] = None,
    dim: Annotated[int | None, typer.Option(help="Only those of so many parameters.", min=1)] = None,
    max_dim: Annotated[int | None, typer.Option(help="Only those of no more parameters.", min=1)] = None,
    singular: Annotated[
        bool | None, typer.Option("--singular/--regular", help="Only singular or regular ones.")
    ] = None,
    oracle: Annotated[
        bool | None, typer.Option("--oracle/--no-oracle", help="Only those with or without an exact evidence.")
    ] = None,
    made: Annotated[bool | None, typer.Option("--made/--real", help="Only made truths, or real data.")] = None,
    json: Json = False,
) -> None:
    """The catalogue: every model with its exact learning coefficient, multiplicity and oracle; and the real data.

    λ is written as ≤ where only an upper bound is known, as ? where nothing is.

    Examples:

        singular models

        singular models tanh-2

        singular models --family network --max-dim 6 --oracle

        singular models --regular --json
    """
    from singular.analysis import catalogue_text
    from singular.analysis.catalogue_list import catalogue_frame, shown_catalogue

    if name is not None:
        if any(option is not None for option in (family, dim, max_dim, singular, oracle, made)):
            raise InputError(f"model={name!r} and a filter: allowed is one or the other")
        if json:
            typer.echo(catalogue_text.as_json(name))
        else:
            print_facts(name, *catalogue_text.told(name))
        return
    frame = catalogue_frame(family, dim, max_dim, singular, oracle, made)
    if json:
        print_json(frame)
    elif frame.empty:
        typer.echo("no model is like that")
    else:
        print_table("Catalogue", shown_catalogue(frame, console().width))


@app.command()
@guarded
def sample(
    model: Model,
    n: Size = 500,
    seed: Seed = 0,
    chains: Chains = 4,
    draws: Draws = 1000,
    warmup: Warmup = 500,
    betas: Annotated[str | None, typer.Option(help="Rungs, as in 0,0.01,0.1,1; by default chosen.")] = None,
    kernel: Annotated[
        str | None,
        typer.Option(
            help="How a rung moves: nuts (the reference), mclmc, collapsed, moves, or two in turn as in moves+nuts; by "
            "default what the model's structure offers, from eight parameters on."
        ),
    ] = None,
    mass: Annotated[
        str | None, typer.Option(help="Mass matrix of NUTS: diagonal, or chosen (dense where warm-up finds it pays).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="netCDF file to keep the ladder in.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sample one ladder and print its main numbers beside the exact values.

    Keep the ladder with --out, and `singular estimate` reads every further number off it.

    Examples:

        singular sample tanh-2

        singular sample galaxies-3 --out galaxies-3.nc

        singular sample product --n 10000 --draws 4000 --seed 1 --json

        singular sample factor-analysis-4-2-1 --kernel nuts
    """
    from singular.analysis.number_tables import shown_summary
    from singular.analysis.study import sample_one

    rows = sample_one(
        model, n, seed, chains, draws, warmup, _numbers(betas), out, not (quiet or json), kernel=kernel, mass=mass
    )
    if json:
        print_json(rows)
    else:
        how = rows.attrs.get("sampler")
        print_table(*shown_summary(rows)._replace(title=f"{model} ({how})" if how else model))
        if out is not None:
            typer.echo(f"ladder: {out}; every number of it: singular estimate {out}")


@app.command()
@guarded
def estimate(
    file: Annotated[Path, typer.Argument(help="A ladder that `singular sample --out` kept.", metavar="FILE.nc")],
    out: Annotated[Path | None, typer.Option("--out", "--csv", help="CSV file to keep the rows in.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="PNG file for all learning coefficients over β, the exact curve with them.")
    ] = None,
    json: Json = False,
) -> None:
    """Every number of a stored ladder: evidence by all routes, WBIC, learning coefficients, prediction, other priors.

    A catalogue model and a shipped data set are recognised: exact values stand
    beside where they are known. Of a model of your own there are the numbers
    that need its draws alone. What is against a number, its flags, is told below
    its table. The tables tell curves over β at 1/log n and at 1; --json and --out
    hold every rung.

    Examples:

        singular sample tanh-2 --out tanh-2.nc

        singular estimate tanh-2.nc

        singular estimate tanh-2.nc --picture tanh-2.png --out tanh-2.csv

        singular estimate tanh-2.nc --json
    """
    from singular.analysis.number_tables import heading, numbers_of_file, shown_numbers

    numbers = numbers_of_file(file, out, picture)
    if json:
        print_json(numbers.rows)
        return
    typer.echo(heading(numbers))
    for shown in shown_numbers(numbers):
        typer.echo()
        print_table(*shown)
    for note in numbers.left_out:
        typer.echo(f"\nleft out: {note}")
    for what, path in (("rows", out), ("picture", picture)):
        if path is not None:
            typer.echo(f"{what}: {path}")


@app.command()
@guarded
def compare(
    models: Models,
    n: Size = 500,
    seed: Seed = 0,
    chains: Chains = 4,
    draws: Draws = 1000,
    warmup: Warmup = 500,
    samplers: Annotated[
        bool,
        typer.Option(
            "--samplers",
            help="Instead: SGLD and its kin beside NUTS, over steps, batches and localisations, each bias apart.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file to keep the rows in.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Every method at hand on each model, beside the oracle, with standardised errors z = (value − exact) / mcse.

    With --samplers the learning coefficient that SGLD users measure, β (E[nL] − nL(w*)) at β = 1/log n, by SGLD, pSGLD,
    SGHMC, SGNHT, MALA, underdamped Langevin and NUTS, with the errors of step, minibatch, localisation and draws in
    columns of their own; --chains, --draws and --warmup are those of the NUTS ladders. It takes minutes a model.

    Examples:

        singular compare tanh-1 tanh-2 product

        singular compare galaxies-2 galaxies-3 --json

        singular compare product --samplers --n 200
    """
    if samplers:
        from singular.analysis.sampler_tables import samplers_of_models, shown_samplers

        say = None if quiet or json or not sys.stderr.isatty() else status
        frames = samplers_of_models(models, n, seed, chains, draws, warmup, out, say)
        if json:
            print_json(frames)
        else:
            for _, rows in frames.groupby("problem", sort=False):
                print_table(*shown_samplers(rows))
        return
    from singular.analysis.compare import compare as comparison
    from singular.analysis.number_tables import shown_comparison

    rows = comparison(models, n, seed, chains, draws, warmup, out, progress=not (quiet or json))
    if json:
        print_json(rows)
    else:
        for shown in shown_comparison(rows):
            print_table(*shown)


@app.command()
@guarded
def export(
    problem: Annotated[str, typer.Argument(help="A name that `singular models` lists.", metavar="PROBLEM")],
    n: Size = 500,
    seed: Annotated[int, typer.Option(help="Seed of the simulated data.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the two files.")] = Path("exported"),
    json: Json = False,
) -> None:
    """Write a problem for others to estimate on: data and one optimum in .npz, what they are in .json.

    docs/SCORING.md shows the loss in a few lines of NumPy and of PyTorch, and what a
    table of estimates looks like; `singular score` reads it.

    Examples:

        singular export tanh-2

        singular export reduced-rank-3-3-2-1 --n 1000 --seed 3 --out problems

        singular export galaxies-3 --json
    """
    from singular.analysis.exported import export as write_problem

    written = write_problem(problem, n, seed, out)
    if json:
        typer.echo(written.description.read_text(encoding="utf-8"))
        return
    state = "unchanged" if written.unchanged else "written"
    typer.echo(f"{state}: {written.arrays}   (data, optimum, points to check a loss at)")
    typer.echo(f"{state}: {written.description}   (what they are, β, targets)")


@app.command()
@guarded
def score(
    files: Annotated[
        list[Path],
        typer.Argument(help="Estimates made elsewhere, .csv or .json.", metavar="FILE...", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="Folder for tables, the picture and ladders; these are reused.")] = Path(
        "out/score"
    ),
    chains: Chains = 4,
    draws: Draws = 1000,
    warmup: Warmup = 500,
    reference_draws: Annotated[
        int, typer.Option(help="Draws a chain of the long ladder that stands in where nothing is exact.", min=4)
    ] = 4000,
    ours: Annotated[bool, typer.Option("--ours/--no-ours", help="Our own ladders beside the estimates.")] = True,
    exports: Annotated[
        Path | None, typer.Option(help="Folder of exported problems: estimates are held at the optima written there.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG file; score.png in OUT by default.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score estimates made elsewhere: bias, RMSE, coverage and cost by family, beside our own ladders.

    A file has the columns problem, n, seed, target, value, error (empty where unknown),
    and may have method, gradients and gamma. Targets: free_energy, wbic,
    effective_learning_coefficient, excess_coefficient, local_learning_coefficient (with
    gamma) and learning_coefficient, told in docs/SCORING.md. Each is held against its
    exact value on the same data, at β = 1/log n.

    Examples:

        singular score estimates.csv

        singular score sgld.csv smc.json --exports exported --picture score.png

        singular score estimates.csv --no-ours --json
    """
    from singular.analysis.score_table import shown_score
    from singular.analysis.scoring import score as scored

    result = scored(
        files,
        out,
        chains=chains,
        draws=draws,
        warmup=warmup,
        ours=ours,
        reference_draws=reference_draws,
        exports=exports,
        picture=picture,
        progress=not (quiet or json),
        report=None if quiet or json or not sys.stderr.isatty() else status,
    )
    if json:
        print_json(result.rows)
        return
    for shown in shown_score(result):
        print_table(*shown)
    typer.echo(f"rows, families, problems: {result.out}/*.csv")
    typer.echo(f"picture: {result.picture}")


def _version(show: bool) -> None:
    if show:
        from singular import __version__

        typer.echo(f"singular {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"betas={text!r} must be numbers apart by commas, as in 0,0.01,0.1,1") from None


def main() -> None:
    """Run the command line."""
    app()
