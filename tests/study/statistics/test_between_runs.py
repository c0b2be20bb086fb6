import math
from dataclasses import replace

import pytest

from dropnorm.study.statistics.between_runs import SharedSplits, compare_pairs
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.statistics.comparisons import compare_arms
from dropnorm.study.statistics.intervals import holm, interval, p_value
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import TASKS

CLASSES = TASKS["classification"]
SCORE = statistics_of(CLASSES)["test_score"]


@pytest.fixture
def scores(make_net):
    """Nets of an arm from the scores of each split's seeds."""

    def make(*splits, **given):
        values = [(split, score) for split, of_split in enumerate(splits) for score in of_split]
        return [
            make_net(seed, split=split, seed=seed, test_score=score, **given)
            for seed, (split, score) in enumerate(values)
        ]

    return make


def test_two_runs_are_compared_as_two_arms_of_one(four_arms):
    """What a study finds of an arm and plain, two studies find of the same nets."""
    share = 0.25
    arms = {name: four_arms[name] for name in ("plain", "dropout", "batch_norm")}
    within = compare_arms(arms, CLASSES, Resampling(splits=3, seeds=1, test_share=share, validation_share=1.0), 0.01)
    pairs = {name: (arms["plain"], arms[name]) for name in ("dropout", "batch_norm")}
    between = compare_pairs(pairs, CLASSES, SharedSplits(splits=3, seeds=1, share=share), 0.01)
    assert between == {name: within[name] for name in pairs}
    compared = ["test_score", "test_loss", "calibration_error", "generalization_gap"]
    assert [one.statistic for one in between["dropout"]] == compared


def test_of_splits_with_several_seeds_the_means_count_whatever_their_number(scores):
    one, other = scores((0.5, 0.7), (0.6, 0.6), (0.8, 0.9)), scores((0.7,), (0.9,), (0.8,), (0.1,))
    shared = SharedSplits(splits=3, seeds=1, share=0.25)
    sample = shared.sample((one, other), SCORE, 0.1)
    assert sample.values == pytest.approx([0.1, 0.3, -0.05])
    # Of two scores, a mean of two rounds half as much in variance as one.
    assert sample.resolution == pytest.approx(0.1 * math.sqrt((1 / 2 + 1 / 1) / 2))
    (comparison, *_) = compare_pairs({"plain": (one, other)}, CLASSES, shared)["plain"]
    assert comparison.interval == interval(sample.values, 0.25)
    assert comparison.p_value == comparison.p_holm == p_value(sample.values, 0.25)


def test_of_a_single_split_the_seeds_of_both_count(scores):
    one, other = scores((0.5, 0.7, 0.6)), scores((0.6, 0.6))
    sample = SharedSplits(splits=1, seeds=2, share=0.0).sample((one, other), SCORE, 0.1)
    assert sample == (pytest.approx([0.1, -0.1]), 0.0, 0.1)


def test_nets_are_paired_by_their_seed_whatever_their_order(scores):
    one, other = scores((0.5, 0.7)), scores((0.6, 0.9))
    sample = SharedSplits(splits=1, seeds=2, share=0.0).sample((one[::-1], other), SCORE, 0.0)
    assert sample.values == pytest.approx([0.1, 0.2])


def test_p_values_are_adjusted_over_the_pairs_and_statistics_that_none_has_are_left_out(scores):
    one = scores((0.5,), (0.7,), (0.6,))
    pairs = {"a": (one, scores((0.6,), (0.9,), (0.65,))), "b": (one, scores((0.5,), (0.8,), (0.7,)))}
    found = compare_pairs(pairs, CLASSES, SharedSplits(splits=3, seeds=1, share=0.25))
    assert [one.statistic for one in found["a"]] == ["test_score", "test_loss", "generalization_gap"]
    scored = [comparisons[0] for comparisons in found.values()]
    assert [one.p_holm for one in scored] == holm([one.p_value for one in scored])
    assert scored[0].p_holm != scored[0].p_value


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"seeds": 10}, {"seeds": 4}, (4, 1, "splits", 4)),
        ({"seeds": 10}, {"splits": 3, "seeds": 2}, (3, 1, "splits", 3)),
        ({"splits": 1, "seeds": 6}, {"splits": 1, "seeds": 5}, (1, 5, "seeds", 5)),
        ({"splits": 1, "seeds": 6}, {"seeds": 5}, (1, 1, "seeds", 1)),
    ],
)
def test_what_two_studies_share(first, second, expected, finished):
    studies = [
        finished.summary.model_copy(update={"config": replace(finished.summary.config, **given)})
        for given in (first, second)
    ]
    shared = SharedSplits.of(*studies)
    assert (shared.splits, shared.seeds, shared.unit, shared.units) == expected
    data = finished.summary.data
    left_out = data.test_rows / (data.train_rows + data.validation_rows)
    assert shared.share == (0.0 if shared.splits == 1 else left_out)
