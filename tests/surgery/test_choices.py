import pytest

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.surgery.choices import Places, chosen_places, chosen_rate


@pytest.mark.parametrize(("value", "rate"), [(None, 0.0), (0, 0.0), (0.3, 0.3)])
def test_a_rate(value, rate):
    assert chosen_rate(value, "dropout") == rate


def test_a_rate_of_everything(refuses):
    with refuses(ArgumentError, "dropout=1 drops everything: expected 0 <= dropout < 1. Use a rate such as 0.2."):
        chosen_rate(1, "dropout")


def test_what_is_no_choice_of_places(refuses):
    assert chosen_places("last") == "last"
    assert chosen_places(["a"]) == ("a",)
    with pytest.raises(ArgumentError, match="Did you mean 'auto'"):
        chosen_places("atuo")
    with pytest.raises(ArgumentTypeError, match=r"\Awhere=3 is no choice of places: "):
        chosen_places(3)


@pytest.mark.parametrize(
    ("pattern", "path", "separator", "is_chosen"),
    [
        ("block", "block/conv", "/", True),
        ("block", "block2/conv", "/", False),
        ("block", "block.conv", "/", False),
        ("block", "block.conv", ".", True),
        ("conv*", "conv1", "/", True),
        ("*/conv", "block/conv", "/", True),
    ],
)
def test_patterns_choose_by_paths_and_blocks(pattern, path, separator, is_chosen):
    places = Places([pattern], separator)
    assert places.has(["other", path]) is is_chosen
    if is_chosen:
        places.check()
    else:
        with pytest.raises(ArgumentError, match=r"matches no place that can have dropout: expected 'other', "):
            places.check()
