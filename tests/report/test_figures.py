import math

import pytest

from dropnorm.report import figures
from dropnorm.study.records import EpochRecord, Interval


def record(net, epoch, loss, score=0.5):
    return EpochRecord(
        net=net,
        epoch=epoch,
        train_loss=loss / 10,
        train_score=score / 2,
        validation_loss=loss,
        validation_score=score,
    )


def with_plain(run, epochs, **update):
    """The run with plain as its only arm, and these epochs alone."""
    plain = run.summary.arms[0].model_copy(update=update)
    return run.model_copy(
        update={"summary": run.summary.model_copy(update={"arms": (plain,)}), "epochs": tuple(epochs)}
    )


def test_median_and_band_are_percentiles_over_the_nets_that_were_chosen(make_run):
    # Net 3 is not among the chosen. Of 1, 2, 4 the 15th percentile lies 0.3 of the way from 1 to 2, and the
    # 85th 0.7 of the way from 2 to 4.
    epochs = [record(0, 1, 2.0), record(1, 1, 4.0), record(2, 1, 1.0), record(3, 1, 99.0)]
    run = with_plain(make_run(), epochs, nets=(0, 1, 2), median_best_epoch=1.0)
    (arm,) = figures.learning_curves(run, "loss").arms
    assert arm.validation.epochs == (1,)
    assert arm.validation.median == (2.0,)
    assert arm.validation.low == pytest.approx((1.3,))
    assert arm.validation.high == pytest.approx((3.4,))
    assert arm.train.median == pytest.approx((0.2,))
    assert arm.train.high == pytest.approx((0.34,))


def test_accuracy_is_in_percent(make_run):
    run = with_plain(make_run(), [record(0, 1, 1.0, score=0.75)], nets=(0,), median_best_epoch=1.0)
    curves = figures.learning_curves(run, "score")
    assert (curves.measured, curves.metric.label) == ("score", "accuracy, %")
    assert curves.arms[0].validation.median == (75.0,)
    assert curves.arms[0].train.median == (37.5,)
    assert curves.arms[0].best_value == 75.0


def test_a_curve_goes_on_while_half_of_the_nets_train_and_no_longer(make_run):
    lengths = {0: 5, 1: 3, 2: 2, 3: 2}
    epochs = [record(net, epoch, net + epoch) for net, last in lengths.items() for epoch in range(1, last + 1)]
    run = with_plain(make_run(), reversed(epochs), nets=tuple(lengths), median_best_epoch=2.0)
    (arm,) = figures.learning_curves(run, "loss").arms
    assert arm.validation.epochs == (1, 2, 3)
    assert arm.validation.median == (2.5, 3.5, 3.5)
    assert arm.train.epochs == (1, 2, 3)
    assert arm.validation.nets == (4, 4, 2)
    assert arm.validation.complete == 2


def test_the_best_point_lies_on_the_validation_curve_between_epochs_too(make_run):
    epochs = [record(0, epoch, loss) for epoch, loss in ((1, 8.0), (2, 4.0), (3, 2.0))]
    run = with_plain(make_run(), epochs, nets=(0,), median_best_epoch=2.5)
    (arm,) = figures.learning_curves(run, "loss").arms
    assert (arm.best_epoch, arm.best_value) == (2.5, 3.0)


def test_learning_curves_keep_the_order_of_the_arms_and_leave_out_those_without_epochs(make_run):
    run = make_run()
    names = [arm.arm for arm in figures.learning_curves(run, "loss").arms]
    assert names == ["plain", "dropout", "batch_norm", "dropout+batch_norm"]
    kept = tuple(one for one in run.epochs if one.net not in run.summary.arms[1].nets)
    names = [arm.arm for arm in figures.learning_curves(run.model_copy(update={"epochs": kept}), "loss").arms]
    assert names == ["plain", "batch_norm", "dropout+batch_norm"]


def test_generalization_gaps_are_in_percentage_points(make_run):
    gap = Interval(mean=0.02, low=-0.01, high=0.05)
    run = with_plain(make_run(), [], statistics={"generalization_gap": gap})
    (one,) = figures.generalization_gaps(run.summary)
    assert (one.arm, one.mean, one.low, one.high) == ("plain", 2.0, -1.0, 5.0)


def test_paired_differences_have_a_dot_per_seed_and_leave_out_plain(make_run):
    run = make_run(arms=("plain", "dropout"))
    changed = {"differences": (0.01, -0.02, 0.03), "interval": Interval(mean=0.0067, low=-0.05, high=0.06)}
    comparison = run.summary.arms[1].comparison.model_copy(update=changed)
    arms = (run.summary.arms[0], run.summary.arms[1].model_copy(update={"comparisons": (comparison,)}))
    (one,) = figures.paired_differences(run.summary.model_copy(update={"arms": arms}))
    assert one.seeds == pytest.approx((1.0, -2.0, 3.0))
    assert one.interval.arm == "dropout"
    assert (one.interval.mean, one.interval.low, one.interval.high) == pytest.approx((0.67, -5.0, 6.0))


def test_percentiles_of_nets_of_which_one_has_diverged_are_values_that_are_there():
    assert figures._percentiles([1.0, 2.0, 3.0, 4.0], (50, 15)) == pytest.approx([2.5, 1.45])
    assert figures._percentiles([1.0, 2.0, math.inf, math.inf], (0, 100)) == [1.0, math.inf]
