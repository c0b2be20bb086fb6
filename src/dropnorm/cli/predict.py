"""`dropnorm predict`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dropnorm.cli.json_output import print_written
from dropnorm.cli.new_data import new_data_told
from dropnorm.cli.progress import told_if_slow
from dropnorm.cli.reading import Encoding, Header, Separator, Sheet
from dropnorm.cli.results import write_result, write_rows

EXAMPLES = """[bold]Examples[/bold]

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv --out predictions.csv

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv --keep customer_id

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv --uncertainty

dropnorm predict dropnorm-runs/churn-1a2b3c4d new.csv --arm dropout
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
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Columns of the data to write beside the predictions, with commas, or several times.",
            show_default=False,
        ),
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Say how sure each prediction is: between the nets, and within each.")
    ] = False,
    samples: Annotated[
        int | None, typer.Option(help="Passes with dropout on of each net; default: 100.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The key of the masks of --uncertainty; default: 0.", show_default=False)
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(
            help="Predict with the mean of this arm's nets; default: the recommended one's.", show_default=False
        ),
    ] = None,
    net: Annotated[
        int | None,
        typer.Option(
            help="Predict with the single net of this number, as export --csv lists them; default: the mean of all.",
            show_default=False,
        ),
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
    json: Annotated[
        bool,
        typer.Option("--json", help="Print an object per row as JSON instead of CSV; with --out, what was written."),
    ] = False,
) -> None:
    """Predict classes with their probabilities, or quantities, with the mean of a study's recommended nets."""
    from dropnorm.errors import ArgumentError
    from dropnorm.study.data.sources.writing import check_ending, write_table
    from dropnorm.study.saving.loading import load_model

    if out is not None:
        check_ending(out)
    if not uncertainty and (samples is not None or seed is not None):
        option = "--seed" if samples is None else "--samples"
        raise ArgumentError(
            f"{option} is given without --uncertainty, of which it is an option. Give both, or leave it out."
        )
    how: dict[str, Any] = {"header": header, "encoding": encoding, "separator": separator, "sheet": sheet}
    drawn: dict[str, Any] = {"samples": 100 if samples is None else samples, "key": seed or 0}
    model = load_model(run, arm, net, trust=trust)
    with told_if_slow(f"Reading {data} and predicting ..."), new_data_told(data):
        predictions = model.predict(
            data, uncertainty=uncertainty, skip_broken=skip_broken, keep=keep or (), **how, **drawn
        )
    if out is None:
        if json:
            write_result(predictions.write_json())
        else:
            write_rows(predictions.write_csv())
        return
    write_table(predictions, out)
    if json:
        print_written([out], predictions.height)
    else:
        write_result(f"{predictions.height} predictions: {out}")
