import warnings

import pytest

from dropnorm.cli.new_data import SHOWN, new_data_told
from dropnorm.errors import NewDataWarning


def test_notices_are_told_and_of_many_the_first(capsys):
    with new_data_told("new.csv"):
        warnings.warn("\n".join(f"c{place}: odd." for place in range(SHOWN + 2)), NewDataWarning, stacklevel=1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "new.csv: c0: odd."
    assert lines[-1] == "new.csv: and 2 more such notices."
    assert len(lines) == SHOWN + 1


def test_other_warnings_stay_warnings():
    with pytest.warns(UserWarning, match="another"), new_data_told("new.csv"):
        warnings.warn("another", UserWarning, stacklevel=1)
