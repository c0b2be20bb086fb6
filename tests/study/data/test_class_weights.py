import numpy as np
import pytest

from dropnorm.study.data.class_weights import balanced_weights


def test_classes_come_to_the_same_sum_over_the_training_rows_which_stays_their_number():
    targets = np.repeat([0, 1, 2], [70, 20, 10])
    train = np.r_[0:60, 70:85, 90:95]
    weights = balanced_weights(targets, train, 3)
    sums = [weights[targets[train]][targets[train] == label].sum() for label in range(3)]
    assert sums == pytest.approx([80 / 3] * 3)
    assert weights.dtype == np.float32


def test_a_class_that_no_training_row_has_counts_one_and_leaves_the_others_alike():
    targets = np.array([0, 0, 0, 1, 2])
    np.testing.assert_allclose(balanced_weights(targets, np.arange(4), 3), [4 / 6, 2.0, 1.0])
