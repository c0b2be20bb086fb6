import math

import pytest
import torch

from dropnorm.study.records import TrainingLimits
from dropnorm.study.training.early_stopping import EarlyStopping, before_there_was_progress


def limits(**given):
    known = {"epochs": 99, "patience": 3, "growth": 0.0, "progress": 0.0, "drops": 0, "drop_to": 0.2, "stop_by": "loss"}
    return TrainingLimits(**(known | given))


def followed(losses, scores=None, **given):
    """One net's best epochs, those of its drops, and the one after which it stopped, or None."""
    stopping, best, drops = EarlyStopping(limits(**given), 1), [], []
    for epoch, loss in enumerate(losses, 1):
        score = 0.0 if scores is None else scores[epoch - 1]
        judged = stopping.after_epoch(epoch, torch.tensor([0]), torch.tensor([loss]), torch.tensor([score]))
        best += [epoch] if judged.best else []
        drops += [epoch] if judged.dropping else []
        if not judged.staying:
            return best, drops, epoch
    return best, drops, None


def test_a_net_stops_so_many_epochs_after_its_lowest_loss():
    assert followed([5.0, 4.0, 4.5, 3.0, 3.1, 3.2, 3.3, 1.0]) == ([1, 2, 4], [], 7)
    assert followed([5.0, 4.0, 4.5, 3.0, 3.1, 3.2]) == ([1, 2, 4], [], None)


def test_a_loss_as_low_is_not_lower():
    assert followed([1.0, 1.0, 1.0, 1.0]) == ([1], [], 4)


def test_patience_grows_with_the_epochs_that_were_needed():
    falling = [1.0 / epoch for epoch in range(1, 13)]
    assert followed(falling + [1.0] * 20, growth=0.5) == (list(range(1, 13)), [], 12 + 6)
    assert followed(falling[:4] + [1.0] * 20, growth=0.5) == ([1, 2, 3, 4], [], 4 + 3), "at least the patience"
    assert followed(falling + [1.0] * 20, growth=2.0)[2] is None
    assert followed(falling[:5] + [1.0] * 20, growth=0.4, patience=1)[2] == 5 + 2


def test_a_little_lower_is_the_best_and_no_progress():
    losses = [1.0, 0.9, 0.89, 0.88, 0.87]
    assert followed(losses, progress=0.05) == ([1, 2, 3, 4, 5], [], 5)
    # Little by little is progress in the end.
    assert followed([1.0, 0.9, 0.88, 0.86, 0.84, 0.82, 0.80, 0.78], progress=0.05)[2] is None


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_net_that_has_run_away_is_never_the_best(bad):
    assert followed([bad, bad, bad]) == ([], [], 3)
    assert followed([bad, bad, bad], [0.3, 0.4, 0.5], stop_by="score")[0] == []


def test_by_score_the_loss_decides_among_equals():
    losses, scores = [5.0, 4.0, 6.0, 3.0, 2.0], [0.5, 0.6, 0.6, 0.6, 0.5]
    assert followed(losses, scores, stop_by="score")[0] == [1, 2, 4]
    assert followed(losses, scores)[0] == [1, 2, 4, 5]


def test_by_score_a_lower_loss_is_progress_too():
    losses, scores = [5.0, 4.0, 3.0, 2.0, 2.0, 2.0], [0.6, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert followed(losses, scores, stop_by="score") == ([1], [], None)
    assert followed([2.0] * 9, [0.5, 0.6, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8], stop_by="score") == ([1, 2, 3, 4], [], 7)


def test_the_learning_rate_drops_before_a_net_stops():
    # The patience does not grow behind a drop, and each progress starts it anew.
    losses = [1.0 / epoch for epoch in range(1, 9)] + [1.0] * 4 + [0.1, 1.0, 1.0, 0.09, 1.0, 1.0, 1.0] + [1.0] * 9
    best, drops, stopped = followed(losses, growth=0.5, drops=2)
    assert (best[-3:], drops, stopped) == ([8, 13, 16], [12, 19], 22)


def test_each_net_is_judged_by_itself_and_learns_at_its_own_share():
    stopping = EarlyStopping(limits(patience=1, drops=2), 3)
    everyone = torch.arange(3)
    falls = [(2.0, 2.0, 2.0), (1.0, 3.0, 3.0), (0.5, 1.0, 3.0)]
    judged = [stopping.after_epoch(e, everyone, torch.tensor(f), torch.zeros(3)) for e, f in enumerate(falls, 1)]
    assert [one.best.tolist() for one in judged] == [[True] * 3, [True, False, False], [True, True, False]]
    assert judged[1].dropping.tolist() == [False, True, True]
    assert judged[2].dropping.tolist() == [False, False, True]
    assert stopping.shares(everyone) == pytest.approx([1.0, 0.2, 0.04])
    assert all(one.staying.all() for one in judged)
    # Those that are left are known by their numbers.
    last = stopping.after_epoch(4, torch.tensor([0, 2]), torch.tensor([0.4, 9.0]), torch.zeros(2))
    assert (last.best.tolist(), last.staying.tolist()) == ([True, False], [True, False])
    assert stopping.best_epoch.tolist() == [4, 3, 1]


def test_one_made_from_a_state_judges_as_it_would_have():
    torch.manual_seed(0)
    losses, scores = torch.rand(40, 5), torch.rand(40, 5)
    given = limits(patience=2, growth=0.3, progress=0.1, drops=1, stop_by="score")
    stopping, everyone = EarlyStopping(given, 5), torch.arange(5)
    for epoch in range(1, 40):
        state = {name: tensor.clone() for name, tensor in stopping.state().items()}
        again = EarlyStopping(given, 5, state)
        one = stopping.after_epoch(epoch, everyone, losses[epoch], scores[epoch])
        other = again.after_epoch(epoch, everyone, losses[epoch], scores[epoch])
        for name in ("best", "dropping", "staying"):
            assert getattr(one, name).equal(getattr(other, name))
        assert stopping.shares(everyone) == again.shares(everyone)


def test_a_state_of_version_0_1_0_goes_on():
    stopping = EarlyStopping(limits(), 2, before_there_was_progress(torch.tensor([1.0, 2.0]), torch.tensor([4, 5])))
    judged = stopping.after_epoch(7, torch.arange(2), torch.tensor([1.5, 1.5]), torch.zeros(2))
    assert (judged.best.tolist(), judged.staying.tolist()) == ([False, True], [False, True])
    assert stopping.best_epoch.tolist() == [4, 7]
