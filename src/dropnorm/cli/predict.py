"""`dropnorm predict`."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """[bold]Examples[/bold]

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv --out predictions.csv
"""


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
