"""Code of a user that ends the program, or raises what no `except Exception` catches: told as an error of dropnorm."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from dropnorm.errors import UserCodeError

_OURS = str(Path(__file__).parent)


@contextlib.contextmanager
def exits_told(what: str) -> Iterator[None]:
    """Turn sys.exit, and whatever else derives from BaseException alone, into an error; Ctrl-C stays what it is.

    Args:        what: the code that runs, as the subject of a sentence.
    Raises:      UserCodeError
    """
    try:
        yield
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise UserCodeError(_told(what, error)) from error


def _told(what: str, error: BaseException) -> str:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(_OURS)]
    place = "".join(traceback.format_list(frames[-1:])).rstrip()
    did = f"calls sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"raises {type(error).__name__}"
    return (
        f"{what} {did}, which would end the program: expected code that returns, or raises an Exception. Take it out, or put "
        f'it under if __name__ == "__main__":\n{place}'.rstrip("\n")
    )
