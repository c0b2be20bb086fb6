from dropnorm.study.arms import DEFAULT, named_arm
from dropnorm.study.conclusions.pairs import batch_norm_pair, dropout_pair, without_batch_norm, without_dropout


def arms(*names):
    return tuple(map(named_arm, names))


def names(pair):
    return None if pair is None else tuple(arm.name for arm in pair)


def test_the_partner_differs_by_the_one_regularizer_alone():
    studied = arms(*DEFAULT)
    both = studied[-1]
    assert without_dropout(both, studied).name == "batch_norm"
    assert without_batch_norm(both, studied).name == "dropout"
    assert without_dropout(studied[1], studied).name == "plain"


def test_dropout_of_the_last_layer_alone_has_a_partner_too():
    studied = arms("plain", "last_dropout", "batch_norm", "last_dropout+batch_norm")
    assert [without_dropout(arm, studied).name for arm in studied if arm.dropout] == ["plain", "batch_norm"]


def test_an_arm_that_differs_by_more_is_no_partner():
    studied = arms("plain", "dropout+max_norm", "dropout+batch_norm")
    assert [without_dropout(arm, studied) for arm in studied[1:]] == [None, None]
    assert dropout_pair(studied) is None
    assert batch_norm_pair(studied) is None


def test_other_rates_make_no_partner_for_batch_norm():
    two = named_arm("dropout+batch_norm", (0.2,))
    assert without_batch_norm(two, (named_arm("plain"), named_arm("dropout", (0.5,)), two)) is None


def test_the_simplest_pair_is_shown():
    assert names(dropout_pair(arms("plain", "batch_norm", "dropout+batch_norm", "dropout"))) == ("plain", "dropout")
    assert names(dropout_pair(arms("plain", "batch_norm", "dropout+batch_norm"))) == (
        "batch_norm",
        "dropout+batch_norm",
    )
    assert names(batch_norm_pair(arms(*DEFAULT))) == ("plain", "batch_norm")


def test_no_pair_without_the_regularizer():
    assert dropout_pair(arms("plain", "batch_norm")) is None
    assert batch_norm_pair(arms("plain", "dropout")) is None
