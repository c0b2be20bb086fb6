import numpy as np

from dropnorm.study.data.sources.table import Source, first_line, free_name, listed


def test_of_many_names_the_first_are_listed():
    assert listed(["a", 2]) == "a, 2"
    assert listed("abcd", 3) == "a, b, c, ..."
    assert listed("abc", 3) == "a, b, c"
    assert listed([]) == ""
    assert listed("abcd", 2, last=True) == "a, b, ..., d"
    assert listed("ab", 2, last=True) == "a, b"


def test_of_an_error_the_first_line_is_taken():
    assert first_line(ValueError("\nbroken\n\nTry `ignore_errors=True`")) == "broken"


def test_a_free_name_is_none_of_those_that_are_there():
    assert free_name("target", ["x"]) == "target"
    assert free_name("target", ["x", "target", "target_"]) == "target__"


def test_a_row_is_told_by_its_number_and_its_line():
    assert Source("X").place(4) == "row 5"
    source = Source("f.csv", line=lambda row: row + 2)
    assert f"{source}, {source.place(0)}" == "f.csv, row 1 (line 2)"
    kept = source.where(np.array([False, True, False, True]))
    assert kept.place(1) == "row 4 (line 5)"
    assert kept.where(np.array([False, True])).place(0) == "row 4 (line 5)"
