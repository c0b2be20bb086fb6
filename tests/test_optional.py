import sys

import pytest

from dropnorm._optional import optional_import
from dropnorm.errors import ExtraError


def test_a_package_that_is_there_is_imported():
    assert optional_import("json.decoder", "x", "this").JSONDecoder


def test_a_package_that_is_not_there_is_named_with_its_extra(refuses, monkeypatch):
    message = "nonesuch is not installed, and this needs it. Install it with: pip install 'dropnorm[some]'"
    with refuses(ExtraError, message):
        optional_import("nonesuch.part", "some", "this")


def test_what_an_installed_package_misses_itself_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "installed.py").write_text("import nonesuch\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nonesuch'"):
        optional_import("installed", "some", "this")
    assert "installed" not in sys.modules
