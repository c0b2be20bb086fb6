"""Rows predicted by nets that did not see them: against a loop, with nets that diverged, and what a model comes to."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error

from dropnorm.study.statistics.out_of_bag import UnseenMean, model_result, row_hits, row_losses
from dropnorm.study.statistics.rows import mean_interval, mean_of_new_rows, share_interval, share_of_new_rows

ROWS, NETS = 60, 8


@pytest.fixture(scope="module", params=["classes", "quantity"])
def predicted(request):
    """Targets, and each net's rows with what it says of them."""
    rng = np.random.default_rng(0)
    if request.param == "classes":
        targets, said = rng.integers(0, 3, ROWS), rng.dirichlet([1.0, 1.0, 1.0], (NETS, ROWS))
    else:
        targets, said = rng.normal(50.0, 9.0, ROWS), rng.normal(50.0, 9.0, (NETS, ROWS, 1))
    return targets, [(rows, own[rows]) for own in said if len(rows := np.flatnonzero(rng.random(ROWS) < 0.2))]


def mean_of(targets, said):
    mean = UnseenMean(targets, said[0][1].shape[1])
    for rows, own in said:
        half = len(rows) // 2  # a net's rows come piece by piece
        mean.add(rows[:half], own[:half])
        mean.add(rows[half:], own[half:])
    return mean


def test_each_row_is_the_mean_of_the_nets_that_predict_it(predicted):
    targets, said = predicted
    got = mean_of(targets, said).result(np.arange(ROWS) // 3)
    assert 0 < len(got.rows) < ROWS
    place = 0
    for row in range(ROWS):
        own = [values[rows.tolist().index(row)] for rows, values in said if row in rows]
        if not own:
            assert row not in got.rows
            continue
        assert (got.rows[place], got.targets[place], got.groups[place]) == (row, targets[row], row // 3)
        assert got.nets[place] == len(own)
        np.testing.assert_allclose(got.predictions[place], np.mean(own, axis=0))
        truth = np.repeat(targets[row], len(own))
        assert got.single_losses[place] == pytest.approx(row_losses(np.array(own), truth).mean())
        assert got.single_hits[place] == pytest.approx(row_hits(np.array(own), truth).mean())
        place += 1
    assert place == len(got.rows)
    assert mean_of(targets, said).result().groups is None


def test_a_model_comes_to_what_scikit_learn_says_of_its_predictions(predicted, make_net):
    targets, said = predicted
    got = mean_of(targets, said).result()
    nets = [make_net(10 + seed, "dropout", seed, 0.3, weight_decay=0.1) for seed in range(NETS)]
    result = model_result(got, nets, new_rows=12)
    assert (result.arm, result.rate, result.weight_decay) == ("dropout", 0.3, 0.1)
    assert result.nets == tuple(range(10, 10 + NETS))
    assert (result.rows, result.new_rows) == (len(got.rows), 12)
    assert result.nets_per_row == pytest.approx(sum(len(rows) for rows, _ in said) / len(got.rows))
    if targets.dtype.kind == "i":
        hits = got.predictions.argmax(axis=1) == got.targets
        assert result.score.mean == pytest.approx(accuracy_score(got.targets, got.predictions.argmax(axis=1)))
        assert result.loss.mean == pytest.approx(log_loss(got.targets, got.predictions))
        assert result.score == share_interval(hits)
        assert result.score_of_new_rows == share_of_new_rows(hits, 12)
        assert result.single_score == pytest.approx(got.single_hits.mean())
    else:
        error = root_mean_squared_error(got.targets, got.predictions[:, 0])
        assert (result.score.mean, result.loss.mean) == pytest.approx((error, error**2))
        squares = mean_interval((got.targets - got.predictions[:, 0]) ** 2)
        assert (result.score.low, result.score.high) == pytest.approx((squares.low**0.5, squares.high**0.5))
        new = mean_of_new_rows((got.targets - got.predictions[:, 0]) ** 2, 12)
        assert (result.score_of_new_rows.low, result.score_of_new_rows.high) == pytest.approx(
            (new.low**0.5, new.high**0.5)
        )
        assert result.single_score == pytest.approx(result.single_loss**0.5)
    # The loss is convex, so that it is on no row larger of the mean than on average of the nets.
    assert (got.losses <= got.single_losses + 1e-12).all()
    assert result.loss.mean < result.single_loss


def test_groups_are_what_the_intervals_are_over(predicted, make_net):
    targets, said = predicted
    groups = np.arange(ROWS) // 20
    nets = [make_net(0)]
    got = model_result(mean_of(targets, said).result(groups), nets, 12)
    alone = model_result(mean_of(targets, said).result(), nets, 12)
    assert got.score.mean == alone.score.mean
    assert got.score != alone.score
    assert got.loss != alone.loss


def test_a_net_that_has_diverged_is_right_on_no_row_and_has_an_infinite_loss(make_net):
    nan = np.full((2, 3), np.nan)
    assert row_hits(nan, np.array([0, 2])).tolist() == [False, False]
    assert row_losses(nan, np.array([0, 2])).tolist() == [np.inf, np.inf]
    assert row_losses(np.array([[np.inf], [np.nan]]), np.array([1.0, 2.0])).tolist() == [np.inf, np.inf]
    mean = UnseenMean(np.array([0, 2]), 3)
    mean.add(np.array([0, 1]), nan)
    mean.add(np.array([1]), np.array([[0.0, 0.0, 1.0]]))
    result = model_result(mean.result(), [make_net(0)], 2)
    assert (result.score.mean, result.single_score) == (0.0, 0.25)
    assert (result.loss.mean, result.loss.low, result.loss.high, result.single_loss) == (np.inf, 0.0, np.inf, np.inf)


def test_a_probability_of_zero_has_a_large_and_finite_loss():
    losses = row_losses(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 0]))
    assert 700 < losses[0] < np.inf
    assert losses[1] == 0.0
