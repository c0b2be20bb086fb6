import pytest

from dropnorm.study.conclusions.significance import together
from dropnorm.study.records import Interaction
from dropnorm.study.task import ACCURACY, RMSE


@pytest.mark.parametrize(
    ("mean", "p", "case", "units", "said"),
    [
        (0.02, 0.04, "shown", 10, "more"),
        (-0.02, 0.04, "harmful", 10, "less"),
        (0.02, 0.05, "shown", 10, ""),
        (0.02, 0.04, "likely", 10, ""),
        (0.02, 0.04, "shown", 4, ""),
        (0.0004, 0.04, "shown", 10, ""),
    ],
)
def test_together_is_said_of_what_is_shown(mean, p, case, units, said, around, make_advice):
    interaction = Interaction(statistic="test_score", interval=around(mean), p_value=p)
    advice = make_advice(units=units, dropout=case, batch_norm="not_shown")
    assert together(interaction, advice, ACCURACY, 0.9) == said
    if said:
        assert together(interaction, advice, RMSE, 0.9) != said, "a lower error is better"


def test_without_all_four_arms_there_is_no_interaction(make_advice):
    assert together(None, make_advice(dropout="shown"), ACCURACY, 0.9) == ""
