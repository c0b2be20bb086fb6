import torch

from dropnorm.study.pictures.reliability import BinnedRows
from dropnorm.study.statistics.calibration import calibration_error


def test_rows_are_counted_in_the_bin_that_their_confidence_closes():
    binned = BinnedRows(1)
    confidences = torch.tensor([[1 / 15, 1 / 15 + 1e-6, 1.0, 0.5, 0.0]], dtype=torch.float64)
    binned.add(
        confidences, torch.tensor([[1.0, 0.0, 1.0, 0.0, 0.0]], dtype=torch.float64), torch.ones(1, 5, dtype=torch.bool)
    )
    (got,) = binned.records()
    assert [index for index, count in enumerate(got.counts) if count] == [0, 1, 7, 14]
    assert got.counts[0] == 2
    assert got.accuracy[0] == 0.5
    assert got.confidence[7] == 0.5


def test_pieces_of_unequal_parts_add_up_to_the_whole():
    """Against sums over each net's own rows, one by one."""
    nets, rows, sizes = 3, 50, torch.tensor([50, 33, 7])
    confidences = torch.rand(nets, rows, dtype=torch.float64)
    hits = (torch.rand(nets, rows) < confidences).double()
    own = torch.arange(rows) < sizes[:, None]
    binned = BinnedRows(nets)
    for piece in (slice(0, 20), slice(20, 50)):
        binned.add(confidences[:, piece], hits[:, piece], own[:, piece])
    for net, got in enumerate(binned.records()):
        size = int(sizes[net])
        assert sum(got.counts) == size
        error = 0.0
        for index in range(15):
            inside = [r for r in range(size) if index / 15 < confidences[net, r] <= (index + 1) / 15]
            assert got.counts[index] == len(inside)
            error += abs(sum(float(hits[net, r] - confidences[net, r]) for r in inside)) / size
        torch.testing.assert_close(calibration_error(got), error)


def test_a_net_that_has_diverged_is_sure_of_nothing():
    binned = BinnedRows(1)
    binned.add(torch.tensor([[torch.nan]]).double(), torch.zeros(1, 1).double(), torch.ones(1, 1, dtype=torch.bool))
    (got,) = binned.records()
    assert (got.counts[0], got.confidence[0]) == (1, 0.0)
