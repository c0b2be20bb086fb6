"""What is told of data that is unlike the data that was learned from."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from dropnorm.cli.printing import tell

SHOWN = 8


@contextmanager
def new_data_told(data: str) -> Iterator[None]:
    """Tell of the warnings of a model, a line for each column, and of many the first."""
    from dropnorm.errors import NewDataWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NewDataWarning)
        yield
    lines = []
    for one in caught:
        if issubclass(one.category, NewDataWarning):
            lines += str(one.message).splitlines()
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    for line in lines[:SHOWN]:
        tell(f"{data}: {line}")
    if lines[SHOWN:]:
        tell(f"{data}: and {len(lines) - SHOWN} more such notices.")
