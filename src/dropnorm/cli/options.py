"""Declared options as those of a command: each becomes one of typer's, grouped by panels."""

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import typer

from dropnorm._options import Option


def options_for(options: Iterable[Option]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command declared options beside its own parameters.

    The command gets those that were given as its first argument, by name, in the form that Python takes; what was not given is
    not among them, so that it does not go before what a study file says.
    """
    declared = {option.name: option for option in options}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**words: Any) -> None:
            given = {
                name: option.read(word) for name, option in declared.items() if (word := words.pop(name)) is not None
            }
            command(given, **words)

        own = list(inspect.signature(command).parameters.values())[1:]
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        parameters[1:1] = [_parameter(option) for option in declared.values()]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        # Typer breaks lines where a docstring does.
        paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
        run.__name__, run.__doc__ = command.__name__, "\n\n".join(" ".join(one.split()) for one in paragraphs)
        return run

    return decorate


def _parameter(option: Option) -> inspect.Parameter:
    """One of typer's options; None where it is not given."""
    form = option.constraint.form
    described = typer.Option(
        option.flag, help=f"{option.summary}.", rich_help_panel=option.panel or None, show_default=False
    )
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[form | None, described]
    )
