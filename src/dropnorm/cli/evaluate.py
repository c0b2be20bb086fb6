"""`dropnorm evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dropnorm.cli.json_output import Json, print_record
from dropnorm.cli.new_data import new_data_told
from dropnorm.cli.printing import print_sentences, print_table, tell
from dropnorm.cli.progress import told_if_slow
from dropnorm.cli.reading import Encoding, Header, Separator, Sheet

EXAMPLES = """[bold]Examples[/bold]

dropnorm evaluate dropnorm-runs/churn-1a2b3c4d held_out.csv

dropnorm evaluate dropnorm-runs/churn-1a2b3c4d held_out.csv --arm plain --json
"""


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    data: Annotated[str, typer.Argument(help="A file with the studied columns and the target, or a folder of images.")],
    arm: Annotated[
        str | None,
        typer.Option(help="Evaluate the mean of this arm's nets; default: the recommended one's.", show_default=False),
    ] = None,
    net: Annotated[
        int | None,
        typer.Option(help="Evaluate the single net of this number; default: the mean of all.", show_default=False),
    ] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out images that are broken or of another size than most.")
    ] = False,
    header: Header = "auto",
    encoding: Encoding = None,
    separator: Separator = None,
    sheet: Sheet = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import and call the function that the run names for its nets.")
    ] = False,
    json: Json = False,
) -> None:
    """Say how good a study's model is on rows whose target is known: every metric with its 95 % interval, and each class."""
    from dropnorm.report.model import table_of_classes, table_of_metrics
    from dropnorm.study.conclusions.evaluated import describe_evaluation
    from dropnorm.study.saving.loading import load_model

    how: dict[str, Any] = {"header": header, "encoding": encoding, "separator": separator, "sheet": sheet}
    model = load_model(run, arm, net, trust=trust)
    with told_if_slow(f"Reading {data} and predicting ..."), new_data_told(data):
        found = model.evaluate(data, skip_broken=skip_broken, **how)
    if json:
        print_record(found)
        return
    if found.rows_without_target:
        tell(f"Rows left out, without a value of {found.target}: {found.rows_without_target}.")
    if found.images_skipped:
        tell(f"Images left out, broken or of another size than most: {found.images_skipped}.")
    print_table(table_of_metrics(found.task, found.metrics), f"{data}: {found.rows:,} rows")
    if found.classes:
        print_table(table_of_classes(found.classes))
    print_sentences([describe_evaluation(found)])
