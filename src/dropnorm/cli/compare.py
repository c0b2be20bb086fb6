"""`dropnorm compare`."""

from pathlib import Path
from typing import Annotated

import typer

from dropnorm.cli.json_output import print_record
from dropnorm.cli.printing import print_sentences, print_table

EXAMPLES = """[bold]Examples[/bold]

dropnorm compare dropnorm-runs/churn-1a2b3c4d dropnorm-runs/churn-5e6f7a8b
"""


def compare(
    first: Annotated[Path, typer.Argument(help="The folder of a finished study, A.")],
    second: Annotated[Path, typer.Argument(help="The folder of another one, B.")],
    json: Annotated[bool, typer.Option("--json", help="Print all measures as JSON instead of tables.")] = False,
) -> None:
    """Hold two finished runs against each other: what differs in data and settings, and arm by arm in scores.

    Where both split the same rows in the same way, differences are tested, paired over the splits that both have.
    """
    from dropnorm.report.comparison import differences_table, pairs_table, run_in_short
    from dropnorm.study.runs.comparing import compare_runs
    from dropnorm.study.runs.damage import told_as_damage
    from dropnorm.study.runs.loading import load_run

    one, other = load_run(first), load_run(second)
    with told_as_damage(f"{first} or {second}"):
        comparison = compare_runs(one, other)
        tables = [differences_table(comparison)] if comparison.data or comparison.settings else []
        pairs = pairs_table(comparison, one.summary, other.summary)
        shorts = [
            f"{name}  {path}: {run_in_short(run)}" for name, path, run in (("A", first, one), ("B", second, other))
        ]
    if json:
        print_record(comparison)
        return
    print_sentences(shorts)
    for table in tables:
        print_table(table)
    print_table(pairs, "intervals 95 %")
    print_sentences(comparison.verdict)
