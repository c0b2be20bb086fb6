import pytest

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.arms import DEFAULT, RATES, WORDS, checked_arms, named_arm, words
from dropnorm.study.records import Arm


def names(*given, **settings):
    return [arm.name for arm in checked_arms(*given, **settings)]


def test_the_default_is_the_whole_factorial_the_simplest_first():
    assert names() == names(None) == list(DEFAULT) == ["plain", "dropout", "batch_norm", "dropout+batch_norm"]


def test_arms_are_ordered_by_how_much_they_do_with_plain_among_them():
    assert names(["batch_norm", "dropout", "dropout"]) == ["plain", "dropout", "batch_norm"]
    assert names(DEFAULT[::-1]) == list(DEFAULT)
    assert names("dropout+max_norm, weight_decay,dropout") == ["plain", "dropout", "weight_decay", "dropout+max_norm"]


def test_arms_may_be_one_text_with_commas():
    assert names("dropout,batch_norm") == ["plain", "dropout", "batch_norm"]
    assert names("dropout") == ["plain", "dropout"]


@pytest.mark.parametrize("part", WORDS)
def test_a_name_is_made_of_what_the_arm_does(part):
    assert named_arm(part).regularizers == (part,)
    assert named_arm("plain").regularizers == ()
    if part not in ("dropout", "last_dropout"):
        assert set(named_arm(f"dropout+{part}").regularizers) == {"dropout", part}


def test_rates_are_for_the_arms_that_drop_hidden_units():
    plain, dropout, batch_norm, both = checked_arms(rates=(0.2,))
    assert (plain.dropout, dropout.dropout, batch_norm.dropout, both.dropout) == ((), (0.2,), (), (0.2,))
    assert named_arm("last_dropout").dropout == RATES
    assert named_arm("input_dropout", (0.7,)) == Arm(name="input_dropout", input_dropout=0.2)


def test_arms_may_be_described_by_their_settings():
    found = checked_arms({"dropout": {}, "as in 2014": {"input_dropout": 0.2, "dropout": 0.5, "max_norm": 3}})
    assert found[1] == named_arm("dropout")
    assert found[2] == Arm(name="as in 2014", dropout=(0.5,), input_dropout=0.2, max_norm=3.0)
    assert checked_arms([found[2], "dropout"]) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["plain"], "arms names plain alone: expected another one beside it, to compare plain with."),
        (
            ["batchnorm"],
            "arms='batchnorm' is unknown: expected one of 'plain', 'dropout', 'last_dropout', 'input_dropout', 'batch_norm', "
            "'max_norm', 'weight_decay'. Did you mean 'batch_norm'?",
        ),
        (
            ["dropout+plain"],
            "arms='plain' is unknown: expected one of 'dropout', 'last_dropout', 'input_dropout', 'batch_norm', 'max_norm', "
            "'weight_decay'. Use arms='dropout'.",
        ),
        (
            "dropout+last_dropout",
            "arms='dropout+last_dropout' has one part twice, or two that drop the same units: expected each once.",
        ),
        (
            ["dropout+batch_norm", "batch_norm+dropout"],
            "arms='batch_norm+dropout' is the same as 'dropout+batch_norm': expected arms that differ. Leave one out.",
        ),
        (
            {"mine": {"droput": 0.3}},
            "the setting 'droput' of the arm 'mine' is unknown: expected one of 'dropout', 'where', 'input_dropout', "
            "'batch_norm', 'max_norm', 'weight_decay'. Did you mean 'dropout'?",
        ),
        (
            {"mine": {"where": "last"}},
            "arms: 'mine' regularizes nothing: expected one of its settings. Plain is always there.",
        ),
        (
            {"plain": {"dropout": 0.5}},
            "arms has a plain one with settings: expected plain without. Give that arm another name.",
        ),
        (
            {"mine": {"dropout": [0.2, 1.0]}},
            "dropout=1.0 is not a rate to try: expected 0 < dropout < 1. Arm 'plain' has no dropout.",
        ),
        (
            {"mine": {"input_dropout": 1.0}},
            "input_dropout=1.0 is not a rate to try: expected 0 <= input_dropout < 1. Use input_dropout=0.2.",
        ),
        (
            {"mine": {"max_norm": 0}},
            "max_norm=0 is out of range: expected a finite number above 0. Give max_norm such a number.",
        ),
        (
            {"mine": {"weight_decay": -1}},
            "weight_decay=-1 is out of range: expected a finite number above 0. Give weight_decay such a number.",
        ),
        (
            {"mine": {"dropout": 0.5, "where": "first"}},
            "where='first' is unknown: expected one of 'hidden', 'last'. Use where='hidden'.",
        ),
    ],
)
def test_arms_that_are_none(given, message, refuses):
    with refuses(ArgumentError, message):
        checked_arms(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "arms=3 is no list of arms: expected one such as ['dropout', 'batch_norm']."),
        (
            {"mine": 0.3},
            "arms: mine=0.3 is no table of settings: expected one such as {'dropout': [0.1, 0.3]}.",
        ),
        (
            {"mine": {"batch_norm": 1}},
            "batch_norm=1 is no truth value: expected True or False. Use batch_norm=True, or leave batch_norm out.",
        ),
        (
            {"mine": {"dropout": "0.3"}},
            "dropout='0.3' is not a number: expected a real number, got str. Use dropout=0.3.",
        ),
    ],
)
def test_arms_of_another_type(given, message, refuses):
    with refuses(ArgumentTypeError, message):
        checked_arms(given)


def test_words():
    assert words("plain") == "the plain net"
    assert words("dropout+batch_norm") == "dropout with batch norm"
    assert words("max_norm") == "max-norm"
    assert words("as in 2014") == "as in 2014"
