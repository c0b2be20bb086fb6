import numpy as np
import pytest

from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import configure
from dropnorm.study.older_schemas import before_options
from dropnorm.study.training.limits import limits_of, training_limits


@pytest.mark.parametrize(
    ("steps", "patience", "epochs"),
    [
        (1, 40, 1000),
        (2, 40, 1000),
        (5, 40, 1000),
        (14, 15, 1000),
        (19, 11, 1000),
        (20, 10, 1000),
        (33, 10, 607),
        (179, 10, 112),
        (200, 10, 100),
        (1500, 10, 100),
    ],
)
def test_200_steps_of_patience_and_20_000_in_all_are_so_many_epochs(steps, patience, epochs):
    limits = training_limits(configure(), steps, classes=True)
    assert (limits.patience, limits.epochs) == (patience, epochs)


def test_what_is_given_is_taken():
    limits = training_limits(configure(epochs=7, patience=3, patience_growth=1, stop_by="score"), 5, classes=True)
    assert (limits.epochs, limits.patience, limits.growth, limits.stop_by) == (7, 3, 1.0, "score")
    assert (limits.drops, limits.drop_to) == (2, 0.2)


def test_a_small_loss_is_progress_for_a_quantity_and_where_patience_does_not_grow():
    assert training_limits(configure(), 9, classes=True).progress == 0.002
    assert training_limits(configure(), 9, classes=False).progress == 0.0
    assert training_limits(configure(patience_growth=0), 9, classes=True).progress == 0.0


def test_a_quantity_is_stopped_by_its_loss():
    assert training_limits(configure(stop_by="score"), 9, classes=False).stop_by == "loss"


def test_options_of_version_0_1_0_are_what_it_did():
    limits = training_limits(configure(**before_options()), 5, classes=True)
    assert limits.model_dump() == {
        "epochs": 100,
        "patience": 10,
        "growth": 0.0,
        "progress": 0.0,
        "drops": 0,
        "drop_to": 1.0,
        "stop_by": "loss",
    }


@pytest.mark.parametrize("classes", [True, False])
def test_limits_are_those_of_the_data(classes):
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3 if classes else rng.normal(size=400)
    config = configure(seeds=2, batch_size=24)
    parts = Parts.prepare(load_dataset(rng.normal(size=(400, 2)), y), config)
    assert limits_of(parts, config) == training_limits(config, 240 // 24, classes=classes)
