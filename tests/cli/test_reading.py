from typing import get_args

from dropnorm.cli.reading import Header
from dropnorm.study.data.sources.given import HeaderGiven


def test_a_header_is_said_as_in_a_study():
    assert get_args(get_args(Header)[0]) == get_args(HeaderGiven)
