"""Tracebacks show a user's own lines, and no others."""

import pytest
from torch import nn

from dropnorm.errors import ArgumentError
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.modules.own_traceback import failure


def test_a_factory_that_raises_shows_its_own_lines_alone(written):
    body = "def net(features):\n    return helper(features)\ndef helper(n):\n    return nn.Linear(n, 'three')"
    with pytest.raises(ArgumentError) as caught:
        look_over(written(body))
    text = str(caught.value)
    assert "return helper(features)" in text
    assert "nn.Linear(n, 'three')" in text
    assert text.count('File "') == 2
    assert "site-packages" not in text
    assert text.splitlines()[-1].startswith("TypeError")


def test_of_a_net_of_torchs_own_layers_what_was_raised_is_enough(written):
    with pytest.raises(ArgumentError) as caught:
        look_over(written("def net():\n    return nn.Sequential(nn.Linear(9, 3))"))
    assert 'File "' not in str(caught.value)
    assert str(caught.value).splitlines()[-1].startswith("RuntimeError: mat1 and mat2 shapes cannot be multiplied")


def test_an_import_shows_the_files_that_led_to_it(written, tmp_path):
    (tmp_path / "written_helpers.py").write_text("wrong = 1 / 0\n")
    with pytest.raises(ArgumentError) as caught:
        find_factory(written("import written_helpers").factory)
    text = str(caught.value)
    assert text.count('File "') == 2
    assert "import written_helpers" in text
    assert "wrong = 1 / 0" in text
    assert text.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_a_module_that_is_not_python_shows_its_line(written):
    with pytest.raises(ArgumentError, match=r"fails when it is imported(.|\n)*def net\(:(.|\n)*SyntaxError"):
        find_factory(written("def net(:").factory)


def test_what_is_expected_may_be_said():
    error = failure("net='x' fails", ValueError("too wide"), nn.Linear.forward, "Expected less. Narrow it:")
    assert str(error) == "net='x' fails. Expected less. Narrow it:\nValueError: too wide"
