import pytest

from dropnorm.study.records import Reliability
from dropnorm.study.statistics.calibration import calibration_error, pooled

TWO = Reliability(counts=(0, 3, 1), confidence=(0.0, 0.5, 0.9), accuracy=(0.0, 2 / 3, 0.0))


def test_the_error_is_the_mean_distance_of_confidence_and_accuracy():
    assert calibration_error(TWO) == pytest.approx((3 * (2 / 3 - 0.5) + 0.9) / 4)
    sure = Reliability(counts=(4, 2), confidence=(0.25, 0.5), accuracy=(0.25, 0.5))
    assert calibration_error(sure) == 0.0


def test_pooled_bins_are_those_of_all_rows_together():
    other = Reliability(counts=(1, 1, 0), confidence=(0.2, 0.6, 0.0), accuracy=(1.0, 0.0, 0.0))
    got = pooled([TWO, other])
    assert got.counts == (1, 4, 1)
    assert got.confidence == pytest.approx((0.2, 0.525, 0.9))
    assert got.accuracy == pytest.approx((1.0, 0.5, 0.0))
    assert pooled([TWO]) == TWO
