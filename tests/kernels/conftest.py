from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from dropnorm.kernels import instruction_sets

NATIVE = [name for name in instruction_sets.available() if name != instruction_sets.REFERENCE]


@pytest.fixture(autouse=True)
def _forget_the_choice() -> Iterator[None]:
    yield
    instruction_sets.choose_again()


@contextmanager
def _forced(name: str) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPNORM_CPU", name)
        instruction_sets.choose_again()
        yield name
    instruction_sets.choose_again()


@pytest.fixture(scope="session")
def forced() -> Callable[[str], AbstractContextManager[str]]:
    """A context in which the kernels of this instruction set run."""
    return _forced


@pytest.fixture(params=NATIVE)
def native(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each of the processor's instruction sets."""
    with _forced(request.param) as name:
        yield name
