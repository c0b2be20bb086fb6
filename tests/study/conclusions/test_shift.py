import pytest

from dropnorm.study.conclusions.shift import find_shift
from dropnorm.study.task import ACCURACY, RMSE


@pytest.fixture
def shift(make_net, make_data):
    """The shift that is found where arms have these mean scores on validation and test rows."""

    def find(rows=1000, *, task="regression", constant=100.0, given=None, **arms):
        chosen = {
            arm: [make_net(seed, arm, seed, validation_score=v, test_score=t) for seed in range(3)]
            for arm, (v, t) in arms.items()
        }
        how = {"time": "day"} if given is None else given
        data = make_data(task, validation_rows=rows, test_rows=rows, **how)
        return find_shift(chosen, data, RMSE if task == "regression" else ACCURACY, constant)

    return find


def test_a_drop_that_every_arm_has_is_a_shift(shift):
    assert shift(plain=(40.0, 105.0), dropout=(41.0, 103.0)) == pytest.approx(65.0)
    assert shift(plain=(40.0, 105.0), dropout=(41.0, 103.0), given={"given_test": True}) == pytest.approx(65.0)


def test_a_drop_that_an_arm_takes_away_is_none(shift):
    assert shift(plain=(40.0, 105.0), dropout=(41.0, 60.0)) is None
    assert shift(plain=(40.0, 105.0), dropout=(41.0, 74.0)) == pytest.approx(65.0), "half of it is left"


def test_of_a_random_split_nothing_is_looked_for(shift):
    assert shift(plain=(40.0, 105.0), given={}) is None
    assert shift(plain=(40.0, 105.0), given={"group": "patient"}) is None


def test_a_drop_of_less_than_a_tenth_of_the_constants_error_is_none(shift):
    assert shift(100_000, plain=(40.0, 49.0)) is None
    assert shift(100_000, plain=(40.0, 51.0)) == pytest.approx(11.0)


def test_better_test_rows_are_no_shift(shift):
    assert shift(plain=(105.0, 40.0)) is None


def test_a_drop_within_the_rows_own_noise_is_none(shift):
    # The standard errors are 40 * sqrt(2 / 50) = 8 of either part, and 11.3 of the difference.
    assert shift(50, plain=(40.0, 73.0)) is None
    assert shift(50, plain=(40.0, 75.0)) == pytest.approx(35.0)
    # Of shares of rows 0.05 of either part, and 0.0707 of the difference.
    accuracy = {"task": "classification", "constant": 0.5, "rows": 64}
    assert shift(plain=(0.8, 0.6), **accuracy) is None
    assert shift(plain=(0.8, 0.58), **accuracy) == pytest.approx(0.22)


def test_nets_that_have_diverged_show_nothing(shift):
    assert shift(plain=(float("inf"), float("inf"))) is None
    assert shift(plain=(40.0, float("inf")), dropout=(40.0, 41.0)) is None
