"""The command line: parsing and printing only. One command per file; this one holds them together."""

import sqlite3
import sys
from typing import Annotated

import typer

from dropnorm.cli import audit, columns, compare, evaluate, export, info, predict, report, runs, study
from dropnorm.cli.printing import complain
from dropnorm.cli.results import kept_for_results, standard_output_told
from dropnorm.errors import ArgumentError, DropnormError

EXIT_FAILED, EXIT_MISTAKE, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="dropnorm",
    help="Dropout and batch normalization done right: find out what helps on your data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command(epilog=study.EXAMPLES)(kept_for_results(study.study))
app.command(epilog=columns.EXAMPLES)(kept_for_results(columns.columns))
app.command(epilog=runs.EXAMPLES)(kept_for_results(runs.runs))
app.command(epilog=compare.EXAMPLES)(kept_for_results(compare.compare))
app.command(epilog=predict.EXAMPLES)(kept_for_results(predict.predict))
app.command(epilog=evaluate.EXAMPLES)(kept_for_results(evaluate.evaluate))
app.command(epilog=report.EXAMPLES)(kept_for_results(report.report))
app.command(epilog=audit.EXAMPLES)(kept_for_results(audit.audit))
app.command(epilog=export.EXAMPLES)(kept_for_results(export.export))
app.command()(kept_for_results(info.info))


def main() -> None:
    """Entry point: what the user can mend ends with a message and code 2, an interruption with 130."""
    try:
        _check_words(sys.argv)
        with standard_output_told():
            app(standalone_mode=True)
    except DropnormError as error:
        complain(str(error))
        sys.exit(EXIT_MISTAKE)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except (OSError, MemoryError, RuntimeError, sqlite3.Error) as error:
        complain(f"failed while running: {type(error).__name__}: {error}")
        sys.exit(EXIT_FAILED)


def _check_words(words: list[str]) -> None:
    """Refuse a word that is no UTF-8, such as the name of a file of another encoding, which no record can keep."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(f"{word} is no UTF-8: expected names in UTF-8. Rename the file or folder.") from error


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dropnorm {version('dropnorm')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    pass
