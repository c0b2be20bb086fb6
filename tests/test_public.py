"""Every public name has a docstring, a test that mentions it, and an entry in the documentation."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import dropnorm
from dropnorm import errors, keras, nn, ops

ROOT = Path(__file__).parent.parent
THIS = Path(__file__).name

PUBLIC = {
    **{name: getattr(dropnorm, name) for name in dropnorm.__all__},
    **{f"nn.{name}": getattr(nn, name) for name in nn.__all__},
    **{f"keras.{name}": getattr(keras, name) for name in keras.__all__},
    **{f"ops.{name}": getattr(ops, name) for name in ops.__all__},
    **{f"errors.{name}": value for name, value in vars(errors).items() if inspect.isclass(value)},
}


def words_of(paths) -> set[str]:
    return {word for path in paths for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def tested() -> set[str]:
    return words_of(path for path in (ROOT / "tests").rglob("test_*.py") if path.name != THIS)


@pytest.fixture(scope="module")
def documented() -> set[str]:
    return words_of((ROOT / "docs").glob("*.md"))


def test_there_are_names_to_look_at():
    assert len(PUBLIC) >= 30
    assert {"run_study", "nn.Dropout", "ops.batch_norm", "errors.DataError"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring_of_its_own(name):
    value = PUBLIC[name]
    own = value.__doc__ if isinstance(value, ModuleType) or not inspect.isclass(value) else vars(value).get("__doc__")
    assert own
    # What a dataclass writes for itself says nothing.
    assert not own.startswith(f"{value.__name__}(")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_mentioned_in_a_test(name, tested):
    assert name.rpartition(".")[2] in tested


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_mentioned_in_the_documentation(name, documented):
    assert name.rpartition(".")[2] in documented


METHODS = {
    f"{name}.{method}": member
    for name, value in PUBLIC.items()
    if inspect.isclass(value)
    for method, member in vars(value).items()
    if not method.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
}


@pytest.mark.parametrize("name", METHODS)
def test_a_public_method_has_a_docstring(name):
    assert inspect.getdoc(METHODS[name])
