"""Options that are declared once, as the fields of a dataclass: `seeds: Annotated[int, Option(Whole(2, 100), ...)] = 10`.

A function decorated with `with_options` takes these fields as its arguments: its signature, as editors and mypy see it, its
docstring and the checks of what it is given are made from them. Command lines, files and pages are too, from `options_of`.
"""

import functools
import inspect
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, ParamSpec, TypeVar, get_args

from dropnorm._user_code import ENDINGS, user_code_error
from dropnorm._validate import Constraint, closest, shown
from dropnorm.errors import ArgumentTypeError

P = ParamSpec("P")
Declared = TypeVar("Declared", bound="Options")
Result = TypeVar("Result")
EMPTY: Any = inspect.Parameter.empty
"""Stands for a default that there is not."""
_MARGIN = 17  # columns before the text of an entry in a docstring of this house


@dataclass(frozen=True)
class Option:
    """What is known of one option. Its name, type and default are those of the field that it annotates.

    Args:        constraint: which values are allowed; help: what the option decides, in a phrase without a full stop; unit: of
                 a number; panel: under which heading the option is listed; python: what else it may be in Python, where no
                 file or command line reaches; in_memory: whether that includes values in memory that a later step checks;
                 default_words: what a default of None means; label: what a report calls the option, by default its name;
                 alias: its name in files and on command lines, by default its name; nets: the nets on which the option has an
                 effect, by default all; before: what was done before there was the option, as a value of it, by default what
                 its default does. The field's own name, type and default are filled in by `options_of`.
    """

    constraint: Constraint
    help: str
    unit: str = ""
    panel: str = ""
    python: str = ""
    in_memory: bool = False
    default_words: str = ""
    label: str = ""
    alias: str = ""
    nets: tuple[str, ...] = ()
    before: Any = EMPTY
    name: str = ""
    type: Any = None
    default: Any = EMPTY

    @property
    def key(self) -> str:
        """The option in a file."""
        return self.alias or self.name

    @property
    def flag(self) -> str:
        """The option on a command line; what is on by default can be turned off there."""
        return f"--{'no-' if self.default is True else ''}{self.key.replace('_', '-')}"

    @property
    def told_as(self) -> str:
        """The option in a report."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def in_words(self) -> bool:
        """Whether a command line or a file can give the option."""
        return self.constraint.form is not None

    @property
    def allowed(self) -> str:
        """What is allowed, with its unit."""
        return self.constraint.allowed(self.unit)

    @property
    def default_text(self) -> str:
        """The default as a command line takes it, or in words; nothing where that goes without saying."""
        silent = any(self.default is one for one in (None, False, EMPTY)) or self.default == ()
        return self.default_words if self.default_words or silent else self.constraint.write(self.default)

    @property
    def summary(self) -> str:
        """What the option decides, what is allowed, and the default, in one sentence."""
        facts = "; ".join(part for part in (self.allowed, self.default_text and f"default {self.default_text}") if part)
        return f"{self.help} ({facts})" if facts else self.help

    def read(self, word: Any) -> Any:
        """Return the value that a word of the command line means, unchecked."""
        return not word if self.default is True else self.constraint.read(word, self.flag)

    def check(self, value: Any) -> Any:
        """Return the value in its one form, or raise ArgumentError or ArgumentTypeError; None is a default that is None."""
        if (value is None and self.default is None) or (self.in_memory and not isinstance(value, str | os.PathLike)):
            return value
        return self.constraint.check(value, self.name)

    def tell(self, value: Any) -> str:
        """Write a checked value for a reader: with its unit, and not as a command line takes it."""
        if value is None:
            return self.default_words
        if isinstance(value, bool):
            return "yes" if value else "no"
        values = value if isinstance(value, tuple) else (value,)
        numbers = (f"{one:,}" if isinstance(one, int) else str(one) for one in values)
        unit = self.unit.removesuffix("s") if values == (1,) else self.unit
        return f"{', '.join(numbers)} {unit}".strip()


@dataclass(frozen=True)
class Options:
    """Base of all declarations: whatever is made of one is checked, and its values are in their one form.

    Args:        given: the names of the options that a caller gave, where a caller made it by a decorated function.
    """

    given: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        """Check every option."""
        for name, option in options_of(type(self)).items():
            object.__setattr__(self, name, option.check(getattr(self, name)))

    def given_of(self, declaration: type["Options"]) -> dict[str, Any]:
        """The options of a declaration that the caller gave, by name."""
        return {name: getattr(self, name) for name in options_of(declaration) if name in self.given}


def options_of(declaration: type[Options]) -> Mapping[str, Option]:
    """Every option of a declaration by its name, in the declared order."""
    found = {}
    for one in fields(declaration):
        default = EMPTY if one.default is MISSING else one.default
        for option in (known for known in get_args(one.type)[1:] if isinstance(known, Option)):
            found[one.name] = replace(option, name=one.name, type=get_args(one.type)[0], default=default)
    return found


def by_panel(options: Iterable[Option], panels: Iterable[str]) -> dict[str, list[Option]]:
    """The options under the heading of each panel, in the order of the panels."""
    listed = list(options)
    return {panel: [option for option in listed if option.panel == panel] for panel in panels}


def with_options(declaration: Callable[P, Declared]) -> Callable[[Callable[[Declared], Result]], Callable[P, Result]]:
    """Give a function the options of a declaration as its arguments; the function itself takes them as one checked record.

    The word {options} in its docstring stands for what is known of all of them.
    """
    declared: Any = declaration
    options = options_of(declared)
    parameters = [
        parameter.replace(annotation=options[name].type if name in options else parameter.annotation)
        for name, parameter in inspect.signature(declared).parameters.items()
    ]

    def decorate(function: Callable[[Declared], Result]) -> Callable[P, Result]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            try:
                return function(checked_call(declared, function.__name__, args, kwargs))
            except (Exception, *ENDINGS):
                raise
            except BaseException as error:
                raise user_code_error(f"Code that {function.__name__} runs", error) from error

        returned = inspect.signature(function).return_annotation
        call.__signature__ = inspect.Signature(parameters, return_annotation=returned)  # type: ignore[attr-defined]
        call.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": returned}
        call.__doc__ = (function.__doc__ or "").replace("{options}", _described(options.values()))
        return call

    return decorate


def checked_call(declaration: type[Declared], caller: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> Declared:
    """The options that the arguments of a call give; an argument that is None takes its default.

    Raises:      ArgumentTypeError for arguments that are no options, are missing or given twice; ArgumentError and
                 ArgumentTypeError for values that are not allowed.
    """
    options = options_of(declaration)
    places = [one.name for one in fields(declaration) if not one.kw_only]
    if len(args) > len(places):
        takes = f"{', '.join(places)} alone" if places else "no argument"
        raise ArgumentTypeError(
            f"{caller} is given {len(args)} arguments without a name: expected {takes}, and each other one by its name. "
            f"Write, for example, {next(name for name in options if name not in places)}=."
        )
    positional = dict(zip(places, args, strict=False))
    for name, value in named.items():
        if name not in options:
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no option of {caller}: {_expected(name, options, positional)}"
            )
        if name in positional:
            raise ArgumentTypeError(
                f"{name} is given twice, by its place and by its name: expected once. Leave one out."
            )
    given = {name: value for name, value in (positional | dict(named)).items() if value is not None}
    for name, option in options.items():
        if option.default is EMPTY and name not in given:
            raise ArgumentTypeError(f"{name} is not given: expected {option.help}. Call {caller}({name}, ...).")
    checked = declaration(**given)
    object.__setattr__(checked, "given", frozenset(given))
    return checked


def _expected(name: str, options: Mapping[str, Option], positional: Mapping[str, Any]) -> str:
    """What is allowed in the place of a name that is unknown, and which name was probably meant."""
    free = [known for known in options if known not in positional]
    meant = closest(name, free)
    return f"expected one of {', '.join(free)}.{f' Did you mean {meant!r}?' if meant else ''}"


def _described(options: Iterable[Option]) -> str:
    """The options as the arguments of a docstring."""
    sentences = [f"{one.name}: {one.summary}{one.python and f'; in Python also {one.python}'}" for one in options]
    lines = textwrap.wrap("; ".join(sentences) + ".", width=120 - _MARGIN, break_on_hyphens=False)
    return ("\n" + " " * _MARGIN).join(lines)
