import pytest

from dropnorm.study.statistics.choice import best_choice, choose_nets, nets_of_choice, selection_optimism
from dropnorm.study.statistics.intervals import interval
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import ACCURACY, RMSE, judged_by

SEEDS = Resampling(splits=2, seeds=1, test_share=0.25, validation_share=1 / 3)


def test_each_seed_takes_the_rate_that_is_best_on_its_own_validation_part(make_net):
    nets = [
        make_net(0, "dropout", 1, 0.1, validation_loss=0.5, test_score=0.9),
        make_net(1, "dropout", 1, 0.3, validation_loss=0.4, test_score=0.1),
        make_net(2, "dropout", 0, 0.1, validation_loss=0.2),
        make_net(3, "dropout", 0, 0.3, validation_loss=0.3),
        make_net(4, "plain", 0, 0.0, validation_loss=0.1),
    ]
    assert [net.net for net in choose_nets(nets, "dropout", ACCURACY)] == [2, 1]


def test_of_rates_that_are_equally_good_the_smaller_is_taken(make_net):
    nets = [make_net(0, "dropout", 0, 0.5), make_net(1, "dropout", 0, 0.1), make_net(2, "dropout", 0, 0.3)]
    assert [net.rate for net in choose_nets(nets, "dropout", ACCURACY)] == [0.1]


def test_each_seed_takes_the_rate_that_is_best_in_the_metric_that_arms_are_judged_by(make_net):
    area = judged_by("classification", "roc_auc").metric
    nets = [
        make_net(0, "dropout", 0, 0.1, validation_loss=0.1, validation_score=0.7),
        make_net(1, "dropout", 0, 0.3, validation_loss=0.2, validation_score=0.8),
        make_net(2, "dropout", 1, 0.1, validation_score=float("nan")),
        make_net(3, "dropout", 1, 0.3, validation_score=0.6),
    ]
    assert [net.net for net in choose_nets(nets, "dropout", area)] == [1, 3]
    assert [net.net for net in choose_nets(nets, "dropout", ACCURACY)] == [0, 2], "shares of hits: by the loss"
    errors = [net.model_copy(update={"validation_score": -net.validation_score}) for net in nets]
    assert [net.net for net in choose_nets(errors, "dropout", RMSE)] == [1, 3]


def test_the_rate_of_an_arm_is_best_on_average_over_the_seeds(make_net):
    losses = {0.1: (0.1057, 0.2), 0.3: (0.3, 0.05), 0.5: (0.05, 0.5)}
    nets = [
        make_net(len(losses) * index + seed, "dropout", seed, rate, validation_loss=loss)
        for index, (rate, own) in enumerate(losses.items())
        for seed, loss in enumerate(own)
    ]
    assert best_choice(nets, "dropout", ACCURACY) == (0.1, 0.0)
    same = [make_net(0, "dropout", 0, 0.5), make_net(1, "dropout", 0, 0.1)]
    assert best_choice(same, "dropout", ACCURACY) == (0.1, 0.0), "ties: the smaller"


def test_the_decay_of_a_quantity_is_best_in_the_targets_own_unit(make_net):
    # Seed 1 has an outlier to learn from: its loss is small in units of a large deviation.
    scores = {0.01: ((5.0, 0.9), (50.0, 0.1)), 1.0: ((4.0, 0.8), (52.0, 0.3))}
    nets = [
        make_net(
            10 * seed + index,
            "weight_decay",
            seed,
            weight_decay=decay,
            validation_score=own[seed][0],
            validation_loss=own[seed][1],
        )
        for index, (decay, own) in enumerate(scores.items())
        for seed in range(2)
    ]
    assert best_choice(nets, "weight_decay", RMSE) == (0.0, 0.01)


def test_a_rate_at_which_a_net_diverged_is_the_last_choice(make_net):
    for field, metric in (("validation_loss", ACCURACY), ("validation_score", RMSE)):
        nets = [
            make_net(0, "dropout", 0, 0.1, **{field: 0.0}),
            make_net(1, "dropout", 1, 0.1, **{field: float("inf")}),
            make_net(2, "dropout", 0, 0.3, **{field: 9.0}),
            make_net(3, "dropout", 1, 0.3, **{field: 9.0}),
        ]
        assert best_choice(nets, "dropout", metric) == (0.3, 0.0)


def test_the_nets_of_a_choice_are_one_per_seed_in_the_seeds_order(make_net):
    choices = [(0.1, 0.0), (0.1, 1.0), (0.3, 0.0)]
    nets = [
        make_net(10 * index + seed, "dropout", seed, rate, weight_decay=decay)
        for index, (rate, decay) in enumerate(choices)
        for seed in (2, 0, 1)
    ]
    nets.append(make_net(99, "plain", 0, 0.1))
    assert [net.net for net in nets_of_choice(nets, "dropout", (0.1, 1.0))] == [10, 11, 12]


def grid(make_net, scores):
    """Two seeds of a dropout arm with two rates: (validation, test) scores of each, the better validation loss first."""
    return [
        make_net(
            10 * seed + index,
            "dropout",
            seed,
            0.1 + 0.2 * index,
            validation_loss=index,
            validation_score=v,
            test_score=t,
        )
        for seed, rates in enumerate(scores)
        for index, (v, t) in enumerate(rates)
    ]


def test_optimism_is_what_the_chosen_nets_lose_on_test_rows_beyond_those_of_a_fixed_rate(make_net):
    # Chosen: 0.10 and 0.04; on average over the grid: (0.10 + 0) / 2 and (0.04 - 0.02) / 2.
    nets = grid(make_net, [[(0.9, 0.8), (0.8, 0.8)], [(0.84, 0.8), (0.80, 0.82)]])
    got = selection_optimism(nets, "dropout", ACCURACY, SEEDS)
    assert (got.chosen.mean, got.fixed.mean, got.optimism.mean) == pytest.approx((0.07, 0.03, 0.04))
    assert got.optimism.low == pytest.approx(interval([0.05, 0.03], 0.25).low)


def test_an_error_is_optimistic_where_it_is_lower_on_validation(make_net):
    nets = grid(make_net, [[(1.0, 3.0), (2.0, 2.0)]] * 2)
    assert selection_optimism(nets, "dropout", RMSE, SEEDS).optimism.mean == pytest.approx(1.0)


def test_without_a_choice_there_is_no_optimism(make_net):
    nets = [make_net(0), make_net(1, seed=1)]
    assert selection_optimism(nets, "plain", ACCURACY, SEEDS) is None
