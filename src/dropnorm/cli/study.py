"""`dropnorm study`."""

from typing import Annotated, Any

import typer

from dropnorm._options import by_panel, options_of
from dropnorm.cli.json_output import print_record
from dropnorm.cli.options import options_for
from dropnorm.cli.printing import print_results, tell
from dropnorm.cli.progress import shown_progress, told_if_slow
from dropnorm.cli.report import REPORT_NAME
from dropnorm.cli.results import write_result
from dropnorm.study.interruption import requests_to_end_as_interruptions
from dropnorm.study.options import PANELS, RUN, StudyOptions

ENDING = "Ending after this epoch, which is kept. Press Ctrl-C again to end at once."
# Typer joins lines into paragraphs; an empty line between them keeps each example on its own.
EXAMPLES = """[bold]Examples[/bold]

dropnorm study

dropnorm study churn.csv --target churned

dropnorm study churn.csv --target churned --ignore id --dropout 0.2

dropnorm study houses.csv --target price --task regression

dropnorm study visits.parquet --target healed --group patient

dropnorm study iris --arms dropout --seeds 5 --json > summary.json

dropnorm study churn.csv --target churned --arms input_dropout+dropout+max_norm,weight_decay

dropnorm study dropnorm-runs/churn-1a2b3c4d/study.toml --seeds 20
"""


_OPTIONS = options_of(StudyOptions)
_IN_WORDS = [option for option in _OPTIONS.values() if option.in_words and option.name != "X"]


@options_for(one for panel in by_panel(_IN_WORDS, PANELS).values() for one in panel)
def study(
    given: dict[str, Any],
    data: Annotated[str, typer.Argument(help=f"{_OPTIONS['X'].summary}.")] = "digits",
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON instead of the table.", rich_help_panel=RUN)
    ] = False,
) -> None:
    """Train plain, dropout, batch-norm and combined nets on your data, and say what helps and how surely.

    Writes a report of pictures, the numbers, and a model, the mean of the advised nets, ready for `dropnorm predict`. Started
    again with the same arguments, an interrupted study goes on where it stopped.
    """
    from dropnorm.report import write_report
    from dropnorm.study.run import plan_study

    out = given.pop("out", None)
    with told_if_slow(f"Reading {data} ..."):
        planned = plan_study(data, **given)
    folder = planned.default_folder if out is None else out
    described = planned.dataset
    kind = f"{len(described.encoding.classes)} classes" if described.encoding.classes else "a quantity to predict"
    tell(
        f"{described.name}: {described.rows} rows, {described.encoding.features} features, {kind}; "
        f"training {planned.nets} nets."
    )
    for notice in planned.notices:
        tell(f"{notice[0].upper()}{notice[1:]}.")
    if described.rows_without_target:
        tell(f"Rows left out, without a value of {described.encoding.target}: {described.rows_without_target}.")
    if described.images_skipped:
        tell(f"Images left out, broken or of another size than most: {described.images_skipped}.")
    if described.test_rows_known:
        tell(
            f"Careful: {described.test_rows_known} of the {described.given_test} rows of the test part are among the rows to "
            f"learn from too."
        )
    try:
        with requests_to_end_as_interruptions(), shown_progress() as shown:
            done = planned.carry_out(folder, shown.show, lambda: shown.tell(ENDING))
    except KeyboardInterrupt:
        tell(f"Interrupted. What is finished is kept in {folder}. Go on with:\n{planned.resume_command(folder)}")
        raise
    if json:
        print_record(done.summary)
    else:
        print_results(done.summary)
    report_path = folder / REPORT_NAME
    write_report(done.run, report_path)
    if not json:
        write_result(f"\nReport: {report_path}")
        write_result(f"Predict: dropnorm predict {folder} DATA")
