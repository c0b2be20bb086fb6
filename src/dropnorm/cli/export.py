"""`dropnorm export`."""

from pathlib import Path
from typing import Annotated

import typer

CSV_NAME = "csv"
EXAMPLES = """[bold]Examples[/bold]

dropnorm export dropnorm-runs/churn-1a2b3c4d --csv

dropnorm export dropnorm-runs/churn-1a2b3c4d --csv --out numbers
"""


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    csv: Annotated[
        bool, typer.Option("--csv", help="Every net, every epoch and every bin of confidence as CSV files.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help=f"The folder to write to; default: {CSV_NAME} in the run's folder.", show_default=False),
    ] = None,
) -> None:
    """Write what a study found for use elsewhere: its numbers as CSV files."""
    from dropnorm.errors import ArgumentError

    if not csv:
        raise ArgumentError("nothing is named to be exported: expected --csv. Add it.")
    from dropnorm.study.exporting import export_csv
    from dropnorm.study.store import load_run

    for path in export_csv(load_run(run), run / CSV_NAME if out is None else out):
        typer.echo(f"CSV: {path}")
