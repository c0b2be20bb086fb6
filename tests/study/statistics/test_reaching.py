from dropnorm.study.records import EpochsToReach
from dropnorm.study.statistics.reaching import epochs_to_reach


def reach(make_net, make_history, plain, arm):
    """Epochs to reach, from the validation losses of plain's and an arm's net, seed by seed."""
    nets = [make_net(10 + seed, "dropout", seed) for seed in range(len(arm))]
    others = [make_net(seed, "plain", seed) for seed in range(len(plain))]
    epochs = [record for net, losses in zip(others, plain, strict=True) for record in make_history(net.net, losses)]
    epochs += [record for net, losses in zip(nets, arm, strict=True) for record in make_history(net.net, losses)]
    return epochs_to_reach(nets, others, epochs, 7)


def test_the_first_epoch_that_is_as_good_as_plains_best_of_the_same_seed(make_net, make_history):
    plain = [[0.9, 0.5, 0.6], [0.9, 0.8, 0.2]]
    arm = [[0.7, 0.6, 0.5, 0.4], [0.5, 0.1, 0.9]]
    assert reach(make_net, make_history, plain, arm) == EpochsToReach(
        reached=2, of=2, median_epochs=2.5, median_steps=17.5
    )


def test_a_median_that_most_did_not_reach_is_unknown(make_net, make_history):
    plain = [[0.5]] * 3
    assert reach(make_net, make_history, plain, [[0.4], [0.6], [0.6, 0.5]]) == EpochsToReach(
        reached=2, of=3, median_epochs=2, median_steps=14
    )
    assert reach(make_net, make_history, plain, [[0.4], [0.6], [0.7]]) == EpochsToReach(
        reached=1, of=3, median_epochs=None, median_steps=None
    )
    assert reach(make_net, make_history, plain[:2], [[0.4], [0.6]]).median_epochs is None
    assert reach(make_net, make_history, plain[:1], [[0.6]]).reached == 0


def test_plain_reaches_itself_at_its_best_epoch(make_net, make_history):
    nets = [make_net(0)]
    assert epochs_to_reach(nets, nets, make_history(0, [0.5, 0.3, 0.4, 0.3]), 1).median_epochs == 2


def test_a_plain_net_that_never_got_anywhere_is_no_goal(make_net, make_history):
    infinite = float("inf")
    got = reach(make_net, make_history, [[infinite, infinite]], [[infinite, 0.5]])
    assert (got.reached, got.median_epochs) == (0, None)
