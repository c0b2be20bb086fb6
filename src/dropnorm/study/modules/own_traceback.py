"""What went wrong in a user's own code, as a traceback shortened to that code."""

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dropnorm.errors import ArgumentError

_OURS = str(Path(__file__).parents[1])


def failure(what: str, error: Exception, function: Callable[..., Any], expected: str = "") -> ArgumentError:
    """An error raised in a user's function, with the lines of the function's file that led to it."""
    file = _file_of(function)
    shown = _shortened(error, lambda name: name == file)
    expected = expected or "Expected a factory that works by itself, outside of a study. Mend it:"
    return ArgumentError(f"{what}. {expected}\n{shown}")


def traceback_of_import(error: Exception) -> str:
    """Where a module failed while it was imported: in its own file, or in one that it imports."""
    return _shortened(error, lambda name: not name.startswith(("<frozen", _OURS)) and "importlib" not in name)


def _file_of(function: Callable[..., Any]) -> str | None:
    """The file that defines a function or class; None of a framework's own, whose lines say nothing of the user's."""
    if function.__module__.startswith(("torch.", "keras.")):
        return None
    code = getattr(function, "__code__", None)
    try:
        return inspect.getsourcefile(function) if code is None else str(code.co_filename)
    except TypeError:
        return None


def _shortened(error: Exception, own: Callable[[str], bool]) -> str:
    """The frames in a user's files, and what was raised."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if own(frame.filename)]
    return "".join([*traceback.format_list(frames), *traceback.format_exception_only(error)]).rstrip()
