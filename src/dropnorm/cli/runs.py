"""`dropnorm runs`."""

from pathlib import Path
from typing import Annotated

import typer

from dropnorm.cli.printing import print_table, tell
from dropnorm.cli.results import write_result

EXAMPLES = """[bold]Examples[/bold]

dropnorm runs

dropnorm runs experiments --json
"""


def runs(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder of runs, or a run; default: dropnorm-runs.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all that is known as JSON instead of the table.")] = False,
) -> None:
    """List the runs in a folder: how far each is, on what data, and what came out. Scores are those on test rows."""
    from dropnorm.report.runs import runs_table
    from dropnorm.study.runs.listing import RUNS_FOLDER, RunOverview, list_runs

    looked_into = folder or Path(RUNS_FOLDER)
    found = () if folder is None and not looked_into.exists() else list_runs(looked_into)
    if json:
        from pydantic import TypeAdapter

        write_result(TypeAdapter(tuple[RunOverview, ...]).dump_json(found, indent=2).decode())
    elif any(run.state != "unreadable" for run in found):
        print_table(runs_table(found), compact=True)
    elif not found:
        tell(f"There is no run in {looked_into} yet. `dropnorm study` makes one.")
    for run in found:
        if run.state == "unreadable":
            tell(run.problem)
