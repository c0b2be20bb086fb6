"""Results of arms as the conclusions see them."""

from collections.abc import Callable, Sequence

import pytest

from dropnorm.study.records import (
    Advice,
    ArmEvidence,
    ArmResult,
    Comparison,
    DataDescription,
    EpochsToReach,
    Interval,
    Power,
    State,
)

WIDE = Interval(mean=0.0, low=-0.1, high=0.1)


def _around(mean: float, reach: float = 0.01) -> Interval:
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def _compared(statistic: str, difference: Interval, p: float) -> Comparison:
    return Comparison(
        statistic=statistic,
        differences=(0.0, 0.0),
        interval=difference,
        bootstrap=difference,
        p_value=p / 3,
        p_holm=p,
        power=Power(needed=None, at_best=0.05, rows_factor=None),
    )


def _arm(
    name: str,
    *,
    difference: Interval = WIDE,
    p: float = 1.0,
    score: float = 0.9,
    train: float = 0.95,
    validation: float | None = None,
    nets: Sequence[int] = (),
    others: Sequence[Comparison] = (),
) -> ArmResult:
    return ArmResult(
        arm=name,
        nets=tuple(nets),
        rates=tuple(0.2 for _ in nets),
        weight_decays=tuple(0.0 for _ in nets),
        statistics={
            "train_score": _around(train),
            "validation_score": _around(score if validation is None else validation),
            "test_score": _around(score),
            "generalization_gap": WIDE,
        },
        median_best_epoch=3,
        epochs_to_plain_best=EpochsToReach(reached=0, of=2, median_epochs=None, median_steps=None),
        selection=None,
        comparisons=() if name == "plain" else (_compared("test_score", difference, p), *others),
    )


@pytest.fixture(scope="session")
def around() -> Callable[..., Interval]:
    """An interval around a mean."""
    return _around


@pytest.fixture(scope="session")
def compared() -> Callable[..., Comparison]:
    """A comparison in a statistic, of this difference and adjusted p value."""
    return _compared


@pytest.fixture(scope="session")
def make_arm() -> Callable[..., ArmResult]:
    """An arm's result, of which only what a test is about is given."""
    return _arm


@pytest.fixture(scope="session")
def make_advice() -> Callable[..., Advice]:
    """Advice for an arm, from the case of every other arm and which of them are ahead on validation."""

    def make(arm="plain", *, rate=0.0, weight_decay=0.0, units=10, ahead=(), lead=0.012, **by_arm: str) -> Advice:
        named = {name.replace("_and_", "+"): case for name, case in by_arm.items()}
        evidence = tuple(
            ArmEvidence(arm=name, case=case, lead=lead, standard_error=0.005, ahead=name in ahead)
            for name, case in named.items()
        )
        return Advice(arm=arm, rate=rate, weight_decay=weight_decay, units=units, evidence=evidence)

    return make


@pytest.fixture(scope="session")
def make_state() -> Callable[..., State]:
    """A state of the plain net."""

    def make(name="fine", *, gap=WIDE, skill=0.9, constant=0.3, still=0.0, drop=None) -> State:
        return State(
            name=name,
            gap=gap,
            train_skill=_around(skill, 0.05),
            constant=constant,
            opening=0.5,
            still_learning=still,
            drop=drop,
        )

    return make


@pytest.fixture(scope="session")
def make_data() -> Callable[..., DataDescription]:
    """What was studied: 160 rows of two classes, or of a quantity."""

    def make(task="classification", **given) -> DataDescription:
        counts = {"rows": 160, "columns": 3, "features": 2, "train_rows": 96, "validation_rows": 32, "test_rows": 32}
        quantity = {"lowest": 0.0, "highest": 400.0, "mean": 150.0, "deviation": 77.0}
        kind = (
            {"classes": ("a", "b"), "class_rows": (80, 80), "quantity": None}
            if task == "classification"
            else {"classes": (), "class_rows": (), "quantity": quantity}
        )
        own = {"name": "made up", "task": task, "target": "y", "fingerprint": "sha256:0"}
        return DataDescription(**(own | counts | kind | given))

    return make
