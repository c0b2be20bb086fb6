"""`dropnorm report`."""

from pathlib import Path
from typing import Annotated

import typer

from dropnorm.cli.json_output import Json, print_written
from dropnorm.cli.results import write_result

REPORT_NAME = "report.html"
EXAMPLES = """[bold]Examples[/bold]

dropnorm report dropnorm-runs/churn-1a2b3c4d
"""


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    json: Json = False,
) -> None:
    """Draw a finished study's report again."""
    from dropnorm.errors import RunError
    from dropnorm.report import write_report
    from dropnorm.study.runs.damage import told_as_damage
    from dropnorm.study.runs.loading import load_run

    path = run / REPORT_NAME
    try:
        with told_as_damage(run):
            write_report(load_run(run), path)
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror}): expected a folder of yours. Copy the run to one."
        ) from error
    if json:
        print_written([path])
    else:
        write_result(f"Report: {path}")
