"""The state of the plain net: its criteria one by one, and data made to have a known answer."""

import numpy as np
import pytest

import dropnorm as dn
from dropnorm.study.conclusions.state import find_state
from dropnorm.study.records import DataDescription, Quantity
from dropnorm.study.statistics.resampling import Resampling
from dropnorm.study.task import ACCURACY, RMSE

SEEDS = Resampling(splits=3, seeds=1, test_share=0.25, validation_share=1 / 3)


@pytest.fixture
def classes() -> DataDescription:
    """Two classes, of which the more frequent has three of five rows."""
    return DataDescription(
        name="data",
        task="classification",
        target="y",
        fingerprint="",
        rows=100,
        columns=2,
        features=2,
        classes=("a", "b"),
        class_rows=(60, 40),
        quantity=None,
        train_rows=60,
        validation_rows=20,
        test_rows=20,
    )


@pytest.fixture
def find(classes, make_net, make_history):
    """The state of three seeds, from their training and test accuracies and their last losses."""

    def state(
        train, test, *, train_loss=0.1, validation_loss=0.5, best_epoch=4, data=classes, metric=ACCURACY, step=0.0
    ):
        nets = [
            make_net(seed, seed=seed, train_score=a, test_score=b, train_loss=train_loss, best_epoch=best_epoch)
            for seed, (a, b) in enumerate(zip(train, test, strict=True))
        ]
        epochs = [
            record.model_copy(update={"train_loss": loss})
            for net in nets
            for record, loss in zip(make_history(net.net, [0.9, validation_loss]), (0.9, train_loss), strict=True)
        ]
        constant = 0.6 if metric is ACCURACY else 2.0
        return find_state({"plain": nets}, epochs, data, 20, metric, constant, SEEDS, step)

    return state


def test_seeds_that_tie_do_not_make_a_gap_sure(find):
    tied = (0.95, 0.95, 0.95), (0.9, 0.9, 0.9)
    assert find(*tied).gap.low == pytest.approx(find(*tied).gap.high)
    found = find(*tied, step=1 / 20)
    assert found.name == "too_little_data"
    assert found.gap.low < 0.0 < 0.1 < found.gap.high
    assert found.train_skill.low < found.train_skill.mean


def test_a_sure_gap_is_overfitting(find):
    found = find((0.99, 1.0, 0.98), (0.90, 0.91, 0.90))
    assert found.name == "overfitting"
    assert found.gap.mean == pytest.approx(0.26 / 3)
    assert found.gap.low > 0
    assert found.constant == 0.6
    # From 0.6 to 1, seed by seed
    assert found.train_skill.mean == pytest.approx((0.975 + 1.0 + 0.95) / 3)
    assert found.opening == pytest.approx(0.8)


def test_a_sure_gap_of_less_than_a_fiftieth_of_the_constants_error_is_fine(find):
    # 0.02 of the 0.4 that the constant gets wrong are 0.008.
    assert find((0.957,) * 3, (0.95,) * 3).name == "fine"
    assert find((0.959,) * 3, (0.95,) * 3).name == "overfitting"


def test_a_gap_that_may_be_none_and_may_be_large_is_too_little_data(find):
    found = find((0.9, 1.0, 0.95), (0.95, 0.85, 0.90))
    assert found.gap.low < 0
    assert found.gap.high > 0.1 * 0.4
    assert found.name == "too_little_data"


def test_no_gap_that_could_be_large_is_fine(find):
    assert find((0.95, 0.951, 0.952), (0.95, 0.95, 0.953)).name == "fine"


def test_training_rows_that_are_not_learned_though_training_went_on_are_underfitting(find):
    poor = {"train": (0.70, 0.71, 0.70), "test": (0.70, 0.70, 0.71)}
    found = find(**poor, train_loss=0.49, validation_loss=0.5)
    assert found.name == "underfitting"
    assert found.train_skill.high < 0.9
    # Learned by heart what does not hold: another cause than a net that is too small
    assert find(**poor, train_loss=0.4, validation_loss=0.5).name == "fine"
    # Surely better in training than on new rows
    assert find((0.75, 0.75, 0.75), (0.70, 0.70, 0.70), train_loss=0.49).name == "overfitting"
    # A gap that may be larger than what is not learned
    assert find((0.85, 0.90, 0.87), (0.85, 0.80, 0.95), train_loss=0.49).name == "too_little_data"
    # Learned well enough
    assert find((0.98, 0.99, 0.99), (0.98, 0.99, 0.985), train_loss=0.49).name == "fine"


def test_seeds_whose_best_epoch_is_among_the_last_were_still_learning(find):
    assert find((0.7,) * 3, (0.7,) * 3, best_epoch=19).still_learning == 1.0
    assert find((0.7,) * 3, (0.7,) * 3, best_epoch=18).still_learning == 0.0


def test_of_a_quantity_the_constant_is_its_mean_and_the_skill_r2(find, classes):
    quantity = Quantity(lowest=-5.0, highest=5.0, mean=0.0, deviation=2.0)
    data = classes.model_copy(update={"task": "regression", "classes": (), "class_rows": (), "quantity": quantity})
    found = find((1.0, 1.1, 1.0), (1.3, 1.4, 1.3), train_loss=0.3, data=data, metric=RMSE)
    assert found.name == "overfitting"
    assert found.gap.mean == pytest.approx(0.3)
    assert found.train_skill.mean == pytest.approx(0.7)
    # 0.02 of a deviation of 2 are 0.04.
    assert find((1.0,) * 3, (1.039,) * 3, data=data, metric=RMSE).name == "fine"


def test_later_rows_that_are_other_rows_are_not_overfitting(find, classes):
    later = classes.model_copy(update={"time": "day", "test_rows": 2000, "validation_rows": 2000})
    found = find((0.99,) * 3, (0.3,) * 3, data=later)
    assert (found.name, found.drop) == ("shifted", pytest.approx(0.2))
    assert find((0.99,) * 3, (0.3,) * 3).name == "overfitting", "of a random split nothing else can be the cause"


def test_of_nets_that_have_diverged_nothing_is_said(find, classes):
    quantity = Quantity(lowest=-5.0, highest=5.0, mean=0.0, deviation=2.0)
    data = classes.model_copy(update={"task": "regression", "classes": (), "class_rows": (), "quantity": quantity})
    infinite = (float("inf"),) * 3
    found = find(infinite, infinite, train_loss=float("inf"), validation_loss=float("inf"), data=data, metric=RMSE)
    assert (found.name, found.opening) == ("too_little_data", 0.0)


def partly_random(rng):
    """The class follows a plane in 30 dimensions for half of the rows, and is a coin's for the others."""
    X = rng.standard_normal((300, 30))
    truth = (X @ rng.standard_normal(30) > 0).astype(int)
    return X, np.where(rng.random(300) < 0.5, rng.integers(0, 2, 300), truth)


def spirals(rng):
    """Two spirals of one and a half turns, that hardly touch."""
    y = np.arange(1500) % 2
    radius = rng.uniform(0.1, 1.0, 1500)
    angle = 3 * np.pi * radius + np.pi * y
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


def far_apart(rng):
    """Three clouds, six deviations apart."""
    y = np.arange(2000) % 3
    return 6 * rng.standard_normal((3, 8))[y] / 2**0.5 + rng.standard_normal((2000, 8)), y


def few(rng):
    """Two overlapping clouds of 18 rows each."""
    y = np.arange(36) % 2
    return rng.standard_normal((36, 4)) + 0.6 * (2 * y - 1)[:, None], y


@pytest.mark.parametrize("data_seed", range(3))
@pytest.mark.parametrize(
    ("make", "settings", "name"),
    [
        (partly_random, {"hidden": (64,), "learning_rate": 0.01}, "overfitting"),
        (spirals, {"hidden": (2,), "epochs": 40, "learning_rate": 0.01}, "underfitting"),
        (far_apart, {"hidden": (16,), "epochs": 15, "learning_rate": 0.01}, "fine"),
        (few, {"hidden": (16,), "epochs": 40, "batch_size": 8}, "too_little_data"),
    ],
    ids=["memorizes noise", "too small", "well posed", "tiny"],
)
def test_data_with_a_known_answer_gets_it(make, settings, name, data_seed):
    X, y = make(np.random.default_rng(data_seed))
    summary = dn.run_study(X, y, arms=["batch_norm"], **({"seeds": 6} | settings)).summary
    assert summary.state.name == name, summary.state
