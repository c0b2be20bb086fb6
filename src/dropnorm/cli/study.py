"""`dropnorm study`."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from dropnorm.cli.parsing import numbers
from dropnorm.cli.printing import print_results, tell
from dropnorm.cli.progress import shown_progress
from dropnorm.cli.report import REPORT_NAME

if TYPE_CHECKING:
    from dropnorm.study.records import TaskName

ENDING = "Ending after this epoch, which is kept. Press Ctrl-C again to end at once."
# Typer joins lines into paragraphs; an empty line between them keeps each example on its own.
EXAMPLES = """[bold]Examples[/bold]

dropnorm study

dropnorm study churn.csv --target churned

dropnorm study churn.csv --target churned --ignore id --dropout 0.2

dropnorm study houses.csv --target price --task regression

dropnorm study visits.parquet --target healed --group patient

dropnorm study iris --arms dropout --seeds 5 --json > summary.json

dropnorm study churn.csv --target churned --arms input_dropout+dropout+max_norm,weight_decay

dropnorm study dropnorm-runs/churn-1a2b3c4d/study.toml --seeds 20
"""


def study(
    data: Annotated[
        str,
        typer.Argument(
            help="breast_cancer, diabetes, digits, iris or wine; a CSV, TSV, Parquet, Arrow or NPZ file; or a folder of "
            "images with one sub-folder per class; or a study file that names all, such as a run's study.toml."
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
        typer.Option(
            help="What to try, with commas, and with a plus where it is done together, of dropout, last_dropout, "
            "input_dropout, batch_norm, max_norm, weight_decay; default: dropout,batch_norm,dropout+batch_norm."
        ),
    ] = None,
    splits: Annotated[
        int | None, typer.Option(help="Splits, each with --seeds nets of an arm; default: each seed has its own.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Repetitions, each with its own weights and order; default: 10.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="At most that many; default: 100.")] = None,
    dropout: Annotated[
        str | None, typer.Option(help="The rate, or the rates to choose from on validation; default: 0.1,0.3,0.5.")
    ] = None,
    net: Annotated[
        str | None,
        typer.Option(
            help="dense; conv for images: convolutions and poolings first; or module:function, which makes a network of your "
            "own; default: dense."
        ),
    ] = None,
    channels: Annotated[str | None, typer.Option(help="Of the convolutions; default: 16,32.")] = None,
    hidden: Annotated[str | None, typer.Option(help="Widths of the dense hidden layers; default: 128,128.")] = None,
    activation: Annotated[
        str | None, typer.Option(help="relu, leaky_relu, gelu, silu, tanh or sigmoid; default: relu.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a batch; default: 32.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's; default: 0.001.")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without progress on validation before a net stops; default: 10.")
    ] = None,
    validation_size: Annotated[
        float | None, typer.Option(help="Share of the rows to validate on; default: 0.2.")
    ] = None,
    test_size: Annotated[float | None, typer.Option(help="Share of the rows to test on; default: 0.2.")] = None,
    learning_curve: Annotated[
        bool, typer.Option("--learning-curve", help="Train on parts of the training rows too: where does an arm pay?")
    ] = False,
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
        arms=arms,
        splits=splits,
        seeds=seeds,
        epochs=epochs,
        dropout=None if dropout is None else numbers(dropout, "dropout", float),
        net=net,
        channels=None if channels is None else numbers(channels, "channels", int),
        hidden=None if hidden is None else numbers(hidden, "hidden", int),
        activation=activation,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        validation_size=validation_size,
        test_size=test_size,
        # What is not given must not go before what a study file says.
        learning_curve=learning_curve or None,
    )
    folder = planned.default_folder if out is None else out
    described = planned.dataset
    kind = f"{len(described.encoding.classes)} classes" if described.encoding.classes else "a quantity to predict"
    tell(
        f"{described.name}: {described.rows} rows, {described.encoding.features} features, {kind}; "
        f"training {planned.nets} nets."
    )
    if described.rows_without_target:
        tell(f"Rows left out, without a value of {described.encoding.target}: {described.rows_without_target}.")
    if described.images_skipped:
        tell(f"Images left out, broken or of another size than most: {described.images_skipped}.")
    if described.test_rows_known:
        tell(
            f"Careful: {described.test_rows_known} of the {described.given_test} rows of the test part are among the rows to "
            f"learn from too."
        )
    # A request to end is an interruption too, such as that of a machine that is switched off.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with shown_progress() as shown:
            done = planned.carry_out(folder, shown.show, lambda: shown.tell(ENDING))
    except KeyboardInterrupt:
        tell(f"Interrupted. What is finished is kept in {folder}. Go on with:\n{planned.resume_command(folder)}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if json:
        typer.echo(done.summary.model_dump_json(indent=2))
    else:
        print_results(done.summary)
    report_path = folder / REPORT_NAME
    write_report(done.run, report_path)
    if not json:
        typer.echo(f"\nReport: {report_path}")
        typer.echo(f"Predict: dropnorm predict {folder} DATA")
