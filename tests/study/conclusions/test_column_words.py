from typing import get_args

import pytest

from dropnorm.study.conclusions.column_words import LEFT_OUT, what_it_became, what_it_holds
from dropnorm.study.records import ColumnKind, ColumnSummary


def summary(kind, **fields):
    return ColumnSummary(names=("c",), count=1, kind=kind, features=1, **fields)


@pytest.mark.parametrize("kind", get_args(ColumnKind))
def test_every_kind_has_words(kind):
    one = summary(kind, reason="as it is", shape=(2, 3), cycles=("year",), categories=4)
    assert bool(what_it_holds(one)) == (kind != "left out")
    assert (
        what_it_became(one) == "nothing: as it is"
        if kind in LEFT_OUT
        else not what_it_became(one).startswith("nothing")
    )


def test_missing_values_are_told():
    one = summary("number", has_missing=True)
    assert what_it_holds(one) == "numbers, some missing"
    assert what_it_became(one) == "the number itself, and whether it is missing"
