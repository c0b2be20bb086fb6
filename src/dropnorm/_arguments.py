"""Functions whose arguments are checked as declared: a constraint per argument, before anything else is done."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, get_args

from dropnorm._user_code import ENDINGS, user_code_error
from dropnorm._validate import Constraint
from dropnorm.errors import ArgumentError, ArgumentTypeError, DropnormError

P = ParamSpec("P")
Result = TypeVar("Result")


def checked(**constraints: Constraint) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Check the arguments of these names, and give the function each in its one form; None passes where the signature names it.

    Raises:      ArgumentError and ArgumentTypeError, at the call; also for arguments that are missing, surplus or unknown;
                 UserCodeError for code of the user that ends the program while the function runs it.
    """

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        signature = inspect.signature(function)
        optional = {name for name in constraints if type(None) in get_args(signature.parameters[name].annotation)}

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise ArgumentTypeError(
                    f"{function.__qualname__} cannot be called so ({error}): expected {function.__qualname__}{signature}. Give "
                    f"these arguments."
                ) from error
            given = bound.arguments
            try:
                for name, constraint in constraints.items():
                    if name in given and not (given[name] is None and name in optional):
                        given[name] = constraint.check(given[name], name)
                return function(*bound.args, **bound.kwargs)
            except (Exception, *ENDINGS):
                raise
            except BaseException as error:
                raise user_code_error(f"Code that {function.__qualname__} runs", error) from error

        return call

    return decorate


@contextlib.contextmanager
def told_of(framework: str, what: str) -> Iterator[None]:
    """Tell of arguments that a framework refuses as errors of dropnorm.

    Args:        what: a sentence's subject, such as a layer's name.
    """
    try:
        yield
    except DropnormError:
        raise
    except Exception as error:
        kind = ArgumentTypeError if isinstance(error, TypeError) else ArgumentError
        raise kind(
            f"{what} is given what {framework} refuses ({type(error).__name__}: {error}): expected arguments as {framework}'s "
            f"layer of this name takes them. Look them up there."
        ) from error
