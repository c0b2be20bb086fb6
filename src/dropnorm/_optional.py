"""Packages that only some need: imported at first use, with an error that names the extra which brings them."""

import importlib
from typing import Any

from dropnorm.errors import ExtraError


def optional_import(module: str, extra: str, purpose: str) -> Any:
    """The module, or an error that says how to get it.

    Args:        module: its full name; extra: the extra of dropnorm that brings it; purpose: what for, to end "... needs it".
    Raises:      ExtraError if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # What an installed package misses in its turn is another matter.
        if error.name is None or module.partition(".")[0] != error.name.partition(".")[0]:
            raise
        raise ExtraError(
            f"{error.name} is not installed, and {purpose} needs it. Install it with: pip install 'dropnorm[{extra}]'"
        ) from error
