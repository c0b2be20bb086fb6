import ast
import importlib
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import dropnorm

HEAVY = {"torch", "sklearn", "plotly", "typer", "rich", "polars", "pandas", "pydantic", "scipy", "jinja2", "keras"}


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh Python has loaded after this code, with warnings as errors."""
    code = f"import sys\n{code}\nprint(*(set(sys.modules) & {HEAVY!r}))"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import dropnorm") == set()


def test_names_can_be_listed_without_loading_anything():
    assert loaded_by("import dropnorm; assert 'run_study' in dir(dropnorm); dropnorm.errors.DataError") == set()


def test_a_name_loads_what_it_needs():
    assert "torch" in loaded_by("import dropnorm; dropnorm.ops")


@pytest.mark.parametrize("name", dropnorm.__all__)
def test_every_public_name_is_there(name):
    value = getattr(dropnorm, name)
    assert name in dir(dropnorm)
    assert value is getattr(dropnorm, name)
    if not callable(value):
        assert value is importlib.import_module(f"dropnorm.{name}")


def test_keras_layers_are_there_without_an_import_of_their_own():
    assert dropnorm.keras is importlib.import_module("dropnorm.keras")
    assert "keras" in dir(dropnorm)


def test_a_star_import_gives_every_public_name():
    namespace = {}
    exec("from dropnorm import *", namespace)
    assert set(dropnorm.__all__) <= set(namespace)


def test_type_checkers_see_the_names_that_are_there():
    """The imports under TYPE_CHECKING are what is imported lazily, from the same modules."""
    tree = ast.parse(Path(dropnorm.__file__).read_text())
    (checking,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in checking.body for alias in node.names}
    assert sorted(seen) == sorted(dropnorm.__all__) == list(dropnorm.__all__)
    for name, module in seen.items():
        assert getattr(importlib.import_module(module), name) is getattr(dropnorm, name)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"\Amodule 'dropnorm' has no attribute 'run_studdy'\Z"):
        dropnorm.run_studdy  # noqa: B018


def test_the_version_is_that_of_the_installed_package():
    assert dropnorm.__version__ == version("dropnorm")
    assert "__version__" in dir(dropnorm)
