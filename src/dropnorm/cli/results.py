"""Where a command's results go: to standard output, which nothing else reaches while the command runs.

What a user's module, or a library that the module imports, prints goes to standard error: by print, by a file descriptor, or
from C. So JSON and CSV on standard output are whole.
"""

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

import typer

from dropnorm._user_code import exits_told
from dropnorm.cli.control_characters import visible
from dropnorm.errors import StorageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_results: ContextVar[TextIO | None] = ContextVar("results", default=None)


def results() -> TextIO:
    """The stream for results: standard output, also while a command keeps it for them."""
    return _results.get() or sys.stdout


def write_result(text: str, *, nl: bool = True) -> None:
    """Write a text of the results, with its control characters written out."""
    typer.echo(visible(text), file=results(), nl=nl)


def write_rows(text: str) -> None:
    """Write a table: to a terminal with control characters written out, to a pipe the very bytes that a file would hold."""
    stream = results()
    if stream.isatty():
        stream.write(visible(text))
    else:
        stream.flush()
        stream.buffer.write(text.encode())
    stream.flush()


def kept_for_results(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose standard output has its results alone."""

    @functools.wraps(command)
    def run(*args: Any, **words: Any) -> None:
        with standard_output_kept(), exits_told("Code that the command runs"):
            command(*args, **words)

    return run


class _Output(io.FileIO):
    """A file descriptor for results: where it cannot be written, dropnorm tells so; a pipe that nobody reads stays Python's."""

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write, as files do, or raise StorageError."""
        try:
            return super().write(content)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StorageError(
                f"standard output: cannot be written ({error.strerror}). Expected a file with room, or a pipe. What was "
                f"written to files is kept: make room, or send the output elsewhere."
            ) from error


def _opened(descriptor: int, like: TextIO | None) -> TextIO:
    raw = _Output(descriptor, "w", closefd=False)
    encoding, errors = (like.encoding, like.errors) if like else ("utf-8", None)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=raw.isatty())


@contextlib.contextmanager
def standard_output_told() -> Iterator[None]:
    """Tell of a standard output that cannot be written, such as a full disk or none at all.

    Raises:      StorageError
    """
    for descriptor in range(3):
        _hold(descriptor)
    before = sys.stdout
    if before is not None and not _is_descriptor_1(before):
        yield
        return
    sys.stdout = own = _opened(1, before)
    try:
        yield
        own.flush()
    finally:
        sys.stdout = before
        with contextlib.suppress(BrokenPipeError, StorageError):
            own.close()


def _hold(descriptor: int) -> None:
    """Keep a standard stream that is closed from becoming the number of another file; what is written there is refused."""
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDONLY)  # the lowest free number, which is this one


@contextlib.contextmanager
def standard_output_kept() -> Iterator[None]:
    """Send to standard error whatever is written to standard output, but for results."""
    before = sys.stdout
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(_moved(before)) if _is_descriptor_1(before) else before
        token = _results.set(own)
        sys.stdout = sys.stderr
        try:
            yield
            own.flush()
        finally:
            sys.stdout = before
            _results.reset(token)


@contextlib.contextmanager
def _moved(before: TextIO) -> Iterator[TextIO]:
    """What was file descriptor 1, under another number; 1 is standard error meanwhile."""
    before.flush()
    number = os.dup(1)
    try:
        os.dup2(2, 1)
        with _opened(number, before) as own:
            yield own
    finally:
        os.dup2(number, 1)
        os.close(number)


def _is_descriptor_1(stream: TextIO) -> bool:
    """Whether a stream writes to the process's own standard output, and not to a text in memory."""
    try:
        return stream.fileno() == 1
    except (OSError, ValueError, AttributeError):
        return False
