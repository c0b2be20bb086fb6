"""The command line: parsing and printing only."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer
from rich.console import Console
from rich.table import Table

from dropnorm.errors import ArgumentError, DropnormError

if TYPE_CHECKING:
    from dropnorm.study.execution import Progress
    from dropnorm.study.records import Summary, TaskName

Number = TypeVar("Number", int, float)

EXIT_FAILED, EXIT_MISTAKE, EXIT_INTERRUPTED = 1, 2, 130
REPORT_NAME = "report.html"

app = typer.Typer(
    name="dropnorm",
    help="Dropout and batch normalization done right: find out what helps on your data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

# Typer joins lines into paragraphs; an empty line between them keeps each example on its own.
STUDY_EXAMPLES = """[bold]Examples[/bold]

dropnorm study

dropnorm study churn.csv --target churned

dropnorm study churn.csv --target churned --ignore id --dropout 0.2

dropnorm study houses.csv --target price --task regression

dropnorm study visits.parquet --target healed --group patient

dropnorm study iris --arms dropout --seeds 5 --json > summary.json
"""
PREDICT_EXAMPLES = """[bold]Examples[/bold]

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv --out predictions.csv
"""
REPORT_EXAMPLES = """[bold]Examples[/bold]

dropnorm report dropnorm-runs/churn-1a2b3c4d
"""


def main() -> None:
    """Entry point: a mistake of the user's ends with a message and code 2, an interruption with 130."""
    try:
        app(standalone_mode=True)
    except DropnormError as error:
        _complain(str(error))
        sys.exit(EXIT_MISTAKE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except (OSError, MemoryError, RuntimeError, sqlite3.Error) as error:
        _complain(f"failed while running: {type(error).__name__}: {error}")
        sys.exit(EXIT_FAILED)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dropnorm {version('dropnorm')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    pass


@app.command(epilog=STUDY_EXAMPLES)
def study(
    data: Annotated[
        str,
        typer.Argument(
            help="breast_cancer, diabetes, digits, iris or wine; a CSV, TSV, Parquet, Arrow or NPZ file; or a folder of "
            "images with one sub-folder per class."
        ),
    ] = "digits",
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; default: what the target looks like.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="A file or folder with the rows to test on.")] = None,
    group: Annotated[
        str | None, typer.Option(help="A column that names groups, none of which shall be in two parts.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="A column of times: earlier rows train, later ones validate, the latest test.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be given several times.")] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out images that are broken or of another size than most.")
    ] = False,
    arms: Annotated[
        str | None,
        typer.Option(help="Of plain,dropout,batch_norm,dropout+batch_norm; default: all.", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Repetitions, each with its own split, weights and order.")] = 10,
    epochs: Annotated[int, typer.Option(help="At most that many.")] = 100,
    dropout: Annotated[str, typer.Option(help="The rate, or the rates to choose from on validation.")] = "0.1,0.3,0.5",
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "128,128",
    batch_size: Annotated[int, typer.Option(help="Rows in a batch.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Adam's.")] = 1e-3,
    patience: Annotated[int, typer.Option(help="Epochs without progress on validation before a net stops.")] = 10,
    validation_size: Annotated[
        float | None, typer.Option(help="Share of the rows to validate on; default: 0.2.", show_default=False)
    ] = None,
    test_size: Annotated[
        float | None, typer.Option(help="Share of the rows to test on; default: 0.2.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run; default: one of its own in dropnorm-runs.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON instead of the table.")] = False,
) -> None:
    """Train plain, dropout, batch-norm and combined nets on your data, and say what helps and how surely.

    Writes a report of pictures, the numbers, and the recommended net, ready for `dropnorm predict`. Started again with the
    same arguments, an interrupted study goes on where it stopped.
    """
    from dropnorm.report import write_report
    from dropnorm.study.design import checked_arms
    from dropnorm.study.run import plan_study

    planned = plan_study(
        data,
        target=target,
        task=cast("TaskName | None", task),
        test=test,
        group=group,
        time=time,
        ignore=ignore or (),
        skip_broken=skip_broken,
        device=device,
        arms=checked_arms(arms),
        seeds=seeds,
        epochs=epochs,
        dropout=_numbers(dropout, "dropout", float),
        hidden=_numbers(hidden, "hidden", int),
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        validation_size=validation_size,
        test_size=test_size,
    )
    folder = planned.default_folder if out is None else out
    described = planned.dataset
    kind = f"{len(described.encoding.classes)} classes" if described.encoding.classes else "a quantity to predict"
    _tell(
        f"{described.name}: {described.rows} rows, {described.encoding.features} features, {kind}; "
        f"training {planned.nets} nets."
    )
    if described.rows_without_target:
        _tell(f"Rows left out, without a value of {described.encoding.target}: {described.rows_without_target}.")
    if described.images_skipped:
        _tell(f"Images left out, broken or of another size than most: {described.images_skipped}.")
    if described.test_rows_known:
        _tell(
            f"Careful: {described.test_rows_known} of the {described.given_test} rows of the test part are among the rows to "
            f"learn from too."
        )
    try:
        with _progress() as show:
            done = planned.carry_out(folder, show)
    except KeyboardInterrupt:
        _tell(f"Interrupted. What is finished is kept in {folder}; the same command goes on from there.")
        raise
    report_path = folder / REPORT_NAME
    write_report(done.run, report_path)
    if json:
        typer.echo(done.summary.model_dump_json(indent=2))
    else:
        _print_results(done.summary)
        typer.echo(f"\nReport: {report_path}")
        typer.echo(f"Predict: dropnorm predict {folder} DATA")


@app.command(epilog=PREDICT_EXAMPLES)
def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    data: Annotated[
        str,
        typer.Argument(help="A file with the studied columns, or a folder of images; the target may be missing."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="A CSV, TSV, Parquet or Arrow file to write; default: CSV to the terminal.")
    ] = None,
) -> None:
    """Predict classes with their probabilities, or quantities, with a study's recommended net."""
    from dropnorm.study.saved_model import load_model

    predictions = load_model(run).predict(data)
    if out is None:
        typer.echo(predictions.write_csv(), nl=False)
        return
    from dropnorm.study.sources.writing import write_table

    write_table(predictions, out)
    typer.echo(f"{predictions.height} predictions: {out}")


@app.command(epilog=REPORT_EXAMPLES)
def report(run: Annotated[Path, typer.Argument(help="The folder of a finished study.")]) -> None:
    """Draw a finished study's report again."""
    from dropnorm.report import write_report
    from dropnorm.study.store import load_run

    path = run / REPORT_NAME
    write_report(load_run(run), path)
    typer.echo(f"Report: {path}")


@app.command()
def info() -> None:
    """Print what dropnorm runs on: versions, processor, threads, and which kernels."""
    import torch

    from dropnorm import __version__
    from dropnorm.kernels import instruction_sets
    from dropnorm.study.execution import processor_name

    facts = {
        "dropnorm": __version__,
        "torch": torch.__version__,
        "processor": processor_name("cpu"),
        "threads": str(torch.get_num_threads()),
        "kernels": f"{instruction_sets.chosen()} (of {', '.join(instruction_sets.available())}; DROPNORM_CPU chooses)",
        "CUDA": processor_name("cuda") if torch.cuda.is_available() else "none",
    }
    for name, value in facts.items():
        typer.echo(f"{name:10} {value}")


def _numbers(text: str, name: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """Numbers separated by commas."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        example = "128,128" if kind is int else "0.1,0.3"
        raise ArgumentError(
            f"--{name} {text!r} is no list of numbers: expected numbers with commas, such as {example}."
        ) from None


def _print_results(summary: "Summary") -> None:
    """The table of arms, the recommended one marked, and the verdict."""
    from dropnorm.report.tables import arm_table

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    arms = arm_table(summary)
    table = Table(title=f"{summary.data.name}: {summary.config.seeds} seeds, intervals 95 %", title_justify="left")
    for column in arms.columns:
        table.add_column(column.header, justify=column.align, no_wrap=column.align == "left")
    for index, row in enumerate(arms.rows):
        marked = index == arms.marked
        table.add_row(*(("→ " if marked else "  ") + row[0], *row[1:]), style="bold" if marked else "")
    console.print(table)
    console.print("\n".join(summary.verdict), markup=False, highlight=False, soft_wrap=True)


def _complain(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"dropnorm: {message}", markup=False, highlight=False)


def _tell(message: str) -> None:
    """Say something beside the results, which alone go to standard output."""
    Console(stderr=True, soft_wrap=True).print(message, markup=False, highlight=False)


@contextmanager
def _progress() -> "Iterator[Callable[[Progress], None]]":
    """A live bar on a terminal, a plain line for every twentieth elsewhere."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    # On a narrow terminal the description gives way, not the numbers.
    fixed, giving_way = Column(no_wrap=True), Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        BarColumn(bar_width=20, table_column=fixed),
        TextColumn("{task.percentage:3.0f} %", table_column=fixed),
        TimeRemainingColumn(table_column=fixed),
        TextColumn("left", table_column=fixed),
        TextColumn("{task.description}", table_column=giving_way),
    )
    with Bar(*columns, console=console, transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda progress: bar.update(task, completed=progress.done, description=_describe(progress))


def _plain_lines() -> "Callable[[Progress], None]":
    import time

    from dropnorm.report.tables import duration

    started, first, printed = time.monotonic(), None, -1

    def show(progress: "Progress") -> None:
        nonlocal first, printed
        first = progress.done if first is None else first
        if (step := int(progress.done * 20)) == printed:
            return
        printed = step
        made = progress.done - first
        left = (time.monotonic() - started) * (1.0 - progress.done) / made if made > 0 else None
        ending = "" if left is None or progress.done >= 1.0 else f", at most {duration(left)} left"
        _tell(f"{100 * progress.done:3.0f} %  {_describe(progress)}{ending}")

    return show


def _describe(progress: "Progress") -> str:
    from dropnorm.study.task import TASKS

    metric, score = TASKS[progress.task].metric, progress.validation_score
    return (
        f"{' and '.join(progress.arms)}: epoch {progress.epoch} of {progress.epochs}, {progress.nets_in_training} nets, "
        f"validation {metric.name} {metric.scale(score).write(score)} {metric.unit}".rstrip()
    )
