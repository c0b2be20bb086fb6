"""`dropnorm audit`."""

from typing import Annotated, Any

import typer

from dropnorm.cli.json_output import print_record
from dropnorm.cli.printing import print_findings
from dropnorm.cli.progress import told_if_slow
from dropnorm.cli.results import write_result

EXIT_ERROR_FOUND = 1
EXAMPLES = """[bold]Examples[/bold]

dropnorm audit nets:small

dropnorm audit nets:small --data churn.csv --target churned

dropnorm audit nets:small --data nets:batches --ignore DN102 --json
"""


def audit(
    model: Annotated[
        str, typer.Argument(help="module:function, such as nets:small, which makes the model, of torch or Keras.")
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Data as for a study; or module:function, which gives batches as a DataLoader or a list."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column of --data to predict.")] = None,
    select: Annotated[
        list[str] | None,
        typer.Option(help="A code, or how codes begin, to look for alone; may be given several times."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="A code, or how codes begin, to leave out; may be given several times.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Say why each matters and what to do.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look a model over for what goes wrong with dropout and batch norm; exits with 1 if there is an error."""
    from dropnorm.surgery.audit.audit import audit as look_over

    net, loader = _model_and_data(model, data, target)
    found = look_over(net, loader=loader, select=select or None, ignore=ignore or ())
    if json:
        print_record(found)
    elif full:
        write_result(str(found))
    else:
        print_findings(found)
    if found.has_errors:
        raise typer.Exit(EXIT_ERROR_FOUND)


def _model_and_data(model: str, data: str | None, target: str | None) -> tuple[Any, Any]:
    """The model that the function makes, and batches of the data if there are."""
    from dropnorm._user_code import exits_told
    from dropnorm.errors import ArgumentError, UserCodeError
    from dropnorm.study.audited import batches_of, model_for
    from dropnorm.study.data.dataset import load_dataset
    from dropnorm.study.modules.factory import find_factory, is_factory
    from dropnorm.study.modules.own_traceback import failure

    if target is not None and (data is None or is_factory(data)):
        raise ArgumentError("--target is given without a table. Expected --data with a file or a name. Give it, too.")
    if data is None:
        return model_for(model, None), None
    if is_factory(data):
        net, function = model_for(model, None), find_factory(data, "data")
        try:
            with exits_told(f"data={data!r}"):
                loader = function()
        except UserCodeError:
            raise
        except Exception as error:
            raise failure(
                f"data={data!r} fails", error, function, "Expected a function that gives batches. Mend it:"
            ) from error
        return net, loader
    with told_if_slow(f"Reading {data} ..."):
        dataset = load_dataset(data, target=target)
    net = model_for(model, dataset)
    return net, batches_of(dataset, net, model)
