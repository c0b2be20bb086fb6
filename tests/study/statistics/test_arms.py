import pytest

from dropnorm.study.records import EpochsToReach
from dropnorm.study.statistics.arms import summarize_arms
from dropnorm.study.statistics.comparisons import compare_arms
from dropnorm.study.statistics.intervals import interval
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import TASKS

CLASSES, QUANTITY = TASKS["classification"], TASKS["regression"]

SEEDS = Resampling(splits=3, seeds=1, test_share=0.25, validation_share=1 / 3)


def summarized(make_history, arms, task):
    nets = [net for chosen in arms.values() for net in chosen]
    epochs = [record for net in nets for record in make_history(net.net, [0.5, 0.4])]
    return summarize_arms(nets, epochs, list(arms), task, SEEDS, 10)


def test_an_arm_is_summed_up_over_its_seeds(four_arms, make_history):
    plain, result, *_ = summarized(make_history, four_arms, CLASSES)
    assert (result.arm, result.nets, result.rates) == ("dropout", (10, 11, 12), (0.2, 0.2, 0.2))
    assert result.test_score == interval([0.81, 0.85, 0.80], 0.25)
    assert result.train_score.mean == pytest.approx(0.92)
    assert result.train_score.high == 1.0
    assert result.generalization_gap.mean == pytest.approx(0.1)
    assert result.statistics["loss_gap"].mean == pytest.approx(0.2)
    assert result.statistics["test_loss"].mean == pytest.approx(0.6)
    assert result.statistics["calibration_error"].mean == pytest.approx(0.11)
    # Validation parts overlap by their own share.
    assert result.validation_score.low == pytest.approx(interval([0.6, 0.7, 0.8], 1 / 3).low)
    assert result.median_best_epoch == 6.0
    assert result.epochs_to_plain_best == EpochsToReach(reached=3, of=3, median_epochs=2, median_steps=20)
    assert result.selection is None
    assert result.comparisons == compare_arms(four_arms, CLASSES, SEEDS)["dropout"]
    assert result.comparison == result.comparisons[0]
    assert result.comparison_in("test_loss") == result.comparisons[1]
    assert (plain.comparisons, plain.comparison) == ((), None)


def test_an_error_has_its_gap_and_its_explained_variance(make_net, make_history):
    """Of an RMSE, the gap is by how much it is larger on test rows."""
    scores = {"plain": (2.0, 2.2), "dropout": (1.5, 1.9)}
    arms = {
        arm: [
            make_net(
                10 * index + seed,
                arm,
                seed,
                test_score=score,
                train_score=score - 0.5 * (1 + index),
                test_r2=0.9 - 0.1 * seed,
            )
            for seed, score in enumerate(values)
        ]
        for index, (arm, values) in enumerate(scores.items())
    }
    plain, dropout = summarized(make_history, arms, QUANTITY)
    assert (plain.generalization_gap.mean, dropout.generalization_gap.mean) == pytest.approx((0.5, 1.0))
    assert plain.test_score.high > 2.2
    explained = plain.statistics["test_r2"]
    assert explained.mean == pytest.approx(0.85)
    assert explained.high == 1.0
    assert explained.low == pytest.approx(interval([0.9, 0.8], 0.25).low)
    assert "calibration_error" not in plain.statistics


def test_classes_have_no_variance_to_be_explained(four_arms, make_history):
    assert "test_r2" not in summarized(make_history, four_arms, CLASSES)[0].statistics
