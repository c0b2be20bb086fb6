import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from hypothesis import settings

# Keras reads it once: the tests run on torch, but for those in a process of their own.
os.environ.setdefault("KERAS_BACKEND", "torch")

# The same examples in every run: a failure must come from a change, not from the day's luck.
# Time limits would fail where the machine is busy.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """What a shell runs in the background starts with interruptions ignored, and tests of Ctrl-C would wait in vain."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state, alone or among others."""
    torch.manual_seed(0)


@pytest.fixture
def refuses() -> Callable[[type[Exception], str], AbstractContextManager[pytest.ExceptionInfo[Exception]]]:
    """A context that must end with this error and, from its first to its last character, this message."""

    def context(error: type[Exception], message: str) -> AbstractContextManager[pytest.ExceptionInfo[Exception]]:
        return pytest.raises(error, match=rf"\A{re.escape(message)}\Z")

    return context


@pytest.fixture
def compiled() -> Callable[..., Callable[..., object]]:
    """torch.compile without graph breaks, from an empty cache."""
    torch.compiler.reset()
    return lambda function: torch.compile(function, fullgraph=True)
