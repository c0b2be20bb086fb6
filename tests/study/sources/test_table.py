from dropnorm.study.sources.table import first_line, listed


def test_of_many_names_the_first_are_listed():
    assert listed(["a", 2]) == "a, 2"
    assert listed("abcd", 3) == "a, b, c, ..."
    assert listed("abc", 3) == "a, b, c"
    assert listed([]) == ""


def test_of_an_error_the_first_line_is_taken():
    assert first_line(ValueError("\nbroken\n\nTry `ignore_errors=True`")) == "broken"
