"""`dropnorm export`."""

from pathlib import Path
from typing import Annotated

import typer

from dropnorm.cli.json_output import Json, print_written
from dropnorm.cli.results import write_result

CSV_NAME = "csv"
ONNX_NAME = "model.onnx"
EXAMPLES = """[bold]Examples[/bold]

dropnorm export dropnorm-runs/churn-1a2b3c4d --csv

dropnorm export dropnorm-runs/churn-1a2b3c4d --csv --out numbers

dropnorm export dropnorm-runs/churn-1a2b3c4d --onnx --arm dropout --out churn.onnx
"""


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished study.")],
    csv: Annotated[
        bool, typer.Option("--csv", help="Every net, every epoch and every bin of confidence as CSV files.")
    ] = False,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="The model, the mean of its nets, as one ONNX graph; needs dropnorm\\[onnx].")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"The folder for --csv, the file for --onnx; default: {CSV_NAME} and {ONNX_NAME} in the run's folder.",
            show_default=False,
        ),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(help="The arm whose nets --onnx takes; default: the recommended one.", show_default=False),
    ] = None,
    net: Annotated[
        int | None,
        typer.Option(
            help="The number of a single net for --onnx, as --csv lists them; default: the mean of all.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import and call the function that the run names for its nets.")
    ] = False,
    json: Json = False,
) -> None:
    """Write what a study found for use elsewhere: its numbers as CSV files, its model as ONNX."""
    from dropnorm.errors import ArgumentError

    if csv == onnx and (out is not None or not csv):
        given = "both --csv and --onnx are named for one --out" if csv else "nothing is named to be exported"
        raise ArgumentError(f"{given}: expected --csv or --onnx. Name one.")
    written: list[tuple[str, Path]] = []
    if csv:
        from dropnorm.study.runs.damage import told_as_damage
        from dropnorm.study.runs.exporting import export_csv
        from dropnorm.study.runs.loading import load_run

        if out is None and (run / CSV_NAME).is_symlink():
            raise ArgumentError(
                f"{run / CSV_NAME}: is a symbolic link: expected a folder of the run. Name another with --out."
            )
        with told_as_damage(run):
            written += [("CSV", path) for path in export_csv(load_run(run), out or run / CSV_NAME)]
    if onnx:
        from dropnorm.study.saving.loading import load_model
        from dropnorm.study.saving.onnx_model import export_onnx

        path = out or run / ONNX_NAME
        export_onnx(load_model(run, arm, net, trust=trust), path)
        written.append(("ONNX model", path))
    if json:
        print_written(path for _, path in written)
        return
    for kind, path in written:
        write_result(f"{kind}: {path}")
