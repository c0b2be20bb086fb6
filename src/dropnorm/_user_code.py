"""Code of a user that ends the program, or raises what no `except Exception` catches: told as an error of dropnorm."""

import contextlib
import traceback
from collections.abc import Iterator
from pathlib import Path

from dropnorm.errors import UserCodeError

ENDINGS = (KeyboardInterrupt, GeneratorExit)
"""What is no Exception and yet passes through: it is asked for."""
_OURS = str(Path(__file__).parent)


@contextlib.contextmanager
def exits_told(what: str) -> Iterator[None]:
    """Turn sys.exit, and whatever else derives from BaseException alone, into an error; Ctrl-C stays what it is.

    Args:        what: the code that runs, as the subject of a sentence.
    Raises:      UserCodeError
    """
    try:
        yield
    except (Exception, *ENDINGS):
        raise
    except BaseException as error:
        raise user_code_error(what, error) from error


def user_code_error(what: str, error: BaseException) -> UserCodeError:
    """The error that tells of code which ends the program; `what` is the code, as the subject of a sentence."""
    return UserCodeError(_told(what, error))


def _told(what: str, error: BaseException) -> str:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if not one.filename.startswith(_OURS)]
    place = "".join(traceback.format_list(frames[-1:])).rstrip()
    did = f"calls sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"raises {type(error).__name__}"
    return (
        f"{what} {did}, which would end the program: expected code that returns, or raises an Exception. Take it out, or put "
        f'it under if __name__ == "__main__":\n{place}'.rstrip("\n")
    )
