from dropnorm.study.data.sources.table import first_line, free_name, listed


def test_of_many_names_the_first_are_listed():
    assert listed(["a", 2]) == "a, 2"
    assert listed("abcd", 3) == "a, b, c, ..."
    assert listed("abc", 3) == "a, b, c"
    assert listed([]) == ""


def test_of_an_error_the_first_line_is_taken():
    assert first_line(ValueError("\nbroken\n\nTry `ignore_errors=True`")) == "broken"


def test_a_free_name_is_none_of_those_that_are_there():
    assert free_name("target", ["x"]) == "target"
    assert free_name("target", ["x", "target", "target_"]) == "target__"
