"""`dropnorm report`."""

from pathlib import Path
from typing import Annotated

import typer

from dropnorm.cli.json_output import Json, print_written
from dropnorm.cli.results import write_result

REPORT_NAME = "report.html"
EXAMPLES = """[bold]Examples[/bold]

dropnorm report dropnorm-runs/churn-1a2b3c4d

dropnorm report dropnorm-runs/churn-1a2b3c4d --out churn.html
"""


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    out: Annotated[
        Path | None,
        typer.Option(help=f"The file to write; default: {REPORT_NAME} in the run's folder.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Draw a finished study's report again."""
    from dropnorm.report import write_report
    from dropnorm.study.runs.damage import told_as_damage
    from dropnorm.study.runs.loading import load_run

    path = out or run / REPORT_NAME
    with told_as_damage(run):
        write_report(load_run(run), path)
    if json:
        print_written([path])
    else:
        write_result(f"Report: {path}")
