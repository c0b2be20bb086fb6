import base64
import math
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from dropnorm.study.arms import DEFAULT as ARMS
from dropnorm.study.arms import named_arm
from dropnorm.study.pictures.records import FeatureTiles, LayerActivity, MaskRows, OutputHistogram, Pictures, UnitInput
from dropnorm.study.records import (
    Advice,
    ArmEvidence,
    ArmName,
    ArmResult,
    Beginning,
    ColumnSummary,
    Comparison,
    DataDescription,
    EpochRecord,
    EpochsToReach,
    Interaction,
    Interval,
    NetRecord,
    Power,
    Quantity,
    Reliability,
    Run,
    SelectionOptimism,
    State,
    StudyConfig,
    Summary,
    Timing,
    TrainingLimits,
)

# How a made-up arm behaves: ceiling of accuracy, speed of learning, how fast it overfits, least train loss.
BEHAVIOUR = {
    "plain": (0.958, 0.20, 0.022, 0.0008),
    "dropout": (0.971, 0.15, 0.004, 0.02),
    "batch_norm": (0.968, 0.42, 0.012, 0.0003),
    "dropout+batch_norm": (0.977, 0.30, 0.002, 0.012),
}


def _interval(values: list[float]) -> Interval:
    mean = statistics.fmean(values)
    half = 2.26 * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def _history(net: int, arm: str, rng: random.Random, epochs: int, patience: int) -> list[EpochRecord]:
    ceiling, speed, overfit, least = BEHAVIOUR[arm]
    ceiling += rng.gauss(0, 0.005)
    speed *= math.exp(rng.gauss(0, 0.12))
    records: list[EpochRecord] = []
    best, best_epoch = math.inf, 0
    for epoch in range(1, epochs + 1):
        learnt = 1 - math.exp(-speed * epoch)
        train_loss = 2.2 * math.exp(-speed * 1.3 * epoch) + least + 0.12 * math.exp(-0.14 * epoch)
        validation_loss = 2.1 * math.exp(-speed * 1.2 * epoch) + 3.4 * (1 - ceiling) + overfit * 0.1 * epoch
        validation_loss *= math.exp(rng.gauss(0, 0.03))
        validation = min(1.0, 0.12 + (ceiling - 0.12) * learnt + rng.gauss(0, 0.003))
        records.append(
            EpochRecord(
                net=net,
                epoch=epoch,
                train_loss=train_loss,
                train_score=min(1.0, 0.12 + (0.885 - 0.2 * least) * learnt),
                validation_loss=validation_loss,
                validation_score=validation,
            )
        )
        if validation_loss < best:
            best, best_epoch = validation_loss, epoch
        if epoch - best_epoch >= patience:
            break
    return records


def _net(arm: ArmName, seed: int, rate: float, history: list[EpochRecord], test: float) -> NetRecord:
    best = min(history, key=lambda record: record.validation_loss)
    return NetRecord(
        net=best.net,
        arm=arm,
        split=seed,
        seed=seed,
        rate=rate,
        epochs=len(history),
        best_epoch=best.epoch,
        train_loss=best.train_loss,
        train_score=best.train_score,
        validation_loss=best.validation_loss,
        validation_score=best.validation_score,
        test_loss=best.validation_loss * 1.02,
        test_score=test,
        calibration_error=(60 * 0.13 + 300 * abs(0.99 - test)) / 360,
        reliability=_reliability(0.99, test),
    )


def _comparisons(nets: list[NetRecord], plain: list[NetRecord], p_value: float) -> tuple[Comparison, ...]:
    values: dict[str, Callable[[NetRecord], float]] = {
        "test_score": lambda net: net.test_score,
        "test_loss": lambda net: net.test_loss,
        "calibration_error": lambda net: net.calibration_error or 0.0,
        "generalization_gap": lambda net: net.train_score - net.test_score,
    }
    found = []
    for statistic, of in values.items():
        differences = [of(net) - of(other) for net, other in zip(nets, plain, strict=True)]
        found.append(
            Comparison(
                statistic=statistic,
                differences=tuple(differences),
                interval=_interval(differences),
                bootstrap=_interval(differences),
                p_value=p_value / 3,
                p_holm=p_value,
                power=Power(needed=14, at_best=0.97, rows_factor=None),
            )
        )
    return tuple(found)


def _selection(nets: list[NetRecord]) -> SelectionOptimism:
    return SelectionOptimism(
        chosen=_interval([0.01 * net.seed for net in nets]),
        fixed=_interval([0.004 * net.seed for net in nets]),
        optimism=_interval([0.006 * net.seed for net in nets]),
    )


def _reliability(confidence: float, accuracy: float) -> Reliability:
    """Most rows in the last bin, some in the tenth, none elsewhere."""
    counts = [0] * 15
    counts[9], counts[14] = 60, 300
    return Reliability(
        counts=tuple(counts),
        confidence=tuple(0.63 if index == 9 else confidence if index == 14 else 0.0 for index in range(15)),
        accuracy=tuple(0.5 if index == 9 else accuracy if index == 14 else 0.0 for index in range(15)),
    )


def _result(nets: list[NetRecord], plain: list[NetRecord], p_value: float) -> ArmResult:
    reached = len(nets) if nets is plain or len(nets) < 3 else len(nets) - 1
    median = statistics.median(net.best_epoch for net in nets)
    return ArmResult(
        arm=nets[0].arm,
        nets=tuple(net.net for net in nets),
        rates=tuple(net.rate for net in nets),
        weight_decays=(),
        statistics={
            "train_score": _interval([net.train_score for net in nets]),
            "validation_score": _interval([net.validation_score for net in nets]),
            "test_score": _interval([net.test_score for net in nets]),
            "test_loss": _interval([net.test_loss for net in nets]),
            "calibration_error": _interval([net.calibration_error or 0.0 for net in nets]),
            "generalization_gap": _interval([net.train_score - net.test_score for net in nets]),
            "loss_gap": _interval([net.test_loss - net.train_loss for net in nets]),
        },
        median_best_epoch=median,
        epochs_to_plain_best=EpochsToReach(
            reached=reached, of=len(nets), median_epochs=median, median_steps=36 * median
        ),
        selection=None if nets[0].rate == 0.0 else _selection(nets),
        comparisons=() if nets is plain else _comparisons(nets, plain, p_value),
    )


def _pictures(nets: list[NetRecord], arms: tuple[ArmName, ...]) -> Pictures:
    """Of two hidden layers; the more is dropped, the less is active."""
    return Pictures(
        activity=tuple(
            LayerActivity(net=net.net, layer=layer, active=0.5 - 0.2 * net.rate - 0.1 * layer + 0.01 * net.seed)
            for net in nets
            for layer in range(2)
        ),
        histograms=tuple(
            OutputHistogram(
                arm=arm, rate=rate, layer=layer, silent=0.4 + rate, edges=(0.0, 1.0, 2.0), shares=(0.4 - rate, 0.2)
            )
            for layer in range(2)
            for arm, rate in (("plain", 0.0), ("dropout", 0.3))
            if "dropout" in arms
        ),
        features=tuple(
            FeatureTiles(
                arm=arm,
                rate=rate,
                units=5,
                height=2,
                width=3,
                channels=1,
                pixels=base64.b64encode(bytes(range(100, 130))).decode(),
            )
            for arm, rate in (("plain", 0.0), ("dropout", 0.3))
            if "dropout" in arms
        ),
        masks=tuple(
            MaskRows(arm="dropout", layer=1, rate=rate, rows=rows)
            for rate, rows in ((0.25, ("1101", "1110")), (0.5, ("1100", "0110")))
            if "dropout" in arms
        ),
    )


def _unit_inputs(nets: list[NetRecord], epochs: int) -> tuple[UnitInput, ...]:
    """Of two hidden layers and the first nets of two arms; without batch norm the band moves up."""
    first = {net.arm: net for net in reversed(nets) if net.arm in ("plain", "batch_norm")}
    return tuple(
        UnitInput(net=net.net, epoch=epoch, layer=layer, unit=4 + layer, low=middle - 1, median=middle, high=middle + 2)
        for net in (first.values() if len(first) == 2 else ())
        for epoch in range(1, epochs + 1)
        for layer in range(2)
        for middle in [0.1 * epoch if net.arm == "plain" else 0.0]
    )


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """A factory of made-up runs: plausible numbers, everything drawn from one fixed seed."""
    return build_run


def build_run(
    *,
    arms: tuple[ArmName, ...] = ARMS,
    seeds: int = 3,
    epochs: int = 12,
    patience: int = 10,
    classes: tuple[str, ...] = tuple("0123456789"),
    name: str = "digits",
    target: str = "digit",
    timing: bool = True,
    flat: bool = False,
    p_value: float = 0.012,
    interaction: Interaction | None = None,
) -> Run:
    rng = random.Random(20)
    config = StudyConfig(arms=tuple(map(named_arm, arms)), seeds=seeds, epochs=epochs)
    nets: list[NetRecord] = []
    records: list[EpochRecord] = []
    chosen: dict[ArmName, list[NetRecord]] = {arm: [] for arm in arms}
    for seed in range(seeds):
        luck = rng.gauss(0, 0.004)
        for arm in arms:
            tried = []
            for rate in named_arm(arm).dropout or (0.0,):
                history = _history(len(nets), arm, rng, epochs, patience)
                test = 0.95 if flat else round(360 * min(1, BEHAVIOUR[arm][0] + luck + rng.gauss(0, 0.005))) / 360
                tried.append(_net(arm, seed, rate, history, test))
                nets.append(tried[-1])
                records += history
            chosen[arm].append(min(tried, key=lambda net: net.validation_loss))
    results = tuple(_result(chosen[arm], chosen["plain"], p_value) for arm in arms)
    if interaction is None and set(arms) == set(ARMS):
        low_mean_high = Interval(mean=-0.0041, low=-0.0102, high=0.002)
        interaction = Interaction(statistic="test_score", interval=low_mean_high, p_value=0.171)
    best = max(results, key=lambda result: result.test_score.mean)
    picked = chosen[best.arm][0]
    summary = Summary(
        dropnorm_version="0.1.0",
        data=DataDescription(
            name=name,
            task="classification",
            target=target,
            fingerprint="sha256:9f2b6c0d7a41e58334bb1f0c2a9d5e7788c1f4a3",
            rows=1797,
            columns=65,
            features=64,
            classes=classes,
            class_rows=tuple(170 + index % 9 for index in range(len(classes))),
            quantity=None,
            train_rows=1149,
            validation_rows=288,
            test_rows=360,
            columns_encoded=(ColumnSummary(names=("x",), count=1, kind="array", features=64, shape=(8, 8)),),
        ),
        config=config,
        steps_per_epoch=36,
        limits=TrainingLimits(
            epochs=epochs, patience=10, growth=0.5, progress=0.002, drops=2, drop_to=0.2, stop_by="loss"
        ),
        parameters=26122,
        arms=results,
        interactions=() if interaction is None else (interaction,),
        state=State(
            name="overfitting",
            gap=results[0].generalization_gap,
            train_skill=Interval(mean=0.99, low=0.98, high=1.0),
            constant=0.1,
            opening=0.9,
            still_learning=0.0,
        ),
        advice=Advice(
            arm=best.arm,
            rate=picked.rate,
            units=max(seeds, 5),
            evidence=tuple(
                ArmEvidence(arm=arm, case="shown", lead=0.01, standard_error=0.004, ahead=True)
                for arm in arms
                if arm != "plain"
            ),
        ),
        verdict=(
            "The plain net overfits: it is right on 99.5 % of its training rows and on 95.6 % of new ones, a "
            "gap of 3.9 points (95 % interval 3.4 to 4.5).",
            "Dropout raises test accuracy by 1.6 points (95 % interval 1.1 to 2.0); batch norm raises test "
            "accuracy by 1.1 points (95 % interval 0.8 to 1.5).",
            f"Use {best.arm}: it helps, and is ahead of the plain net on validation rows too.",
        ),
    )
    return Run(
        summary=summary,
        nets=tuple(nets),
        epochs=tuple(records),
        unit_inputs=_unit_inputs(nets, epochs),
        pictures=_pictures(nets, arms),
        beginning=Beginning(
            at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC), data=name, task="classification", nets=len(nets)
        ),
        timing=Timing(
            seconds=83.4,
            finished=datetime(2026, 3, 1, 23, 31, 23, tzinfo=UTC),
            processor="A Processor 3000",
            threads=2,
            torch_version="2.13.0",
        )
        if timing
        else None,
        command=f"dropnorm study {name} --target {target} --seeds {seeds} --epochs {epochs}",
    )


def with_statistics(result: ArmResult, **changed: Interval) -> ArmResult:
    return result.model_copy(update={"statistics": result.statistics | changed})


@pytest.fixture(scope="session")
def as_regression() -> Callable[..., Run]:
    """A run as if it were of a quantity, with this RMSE of plain, and its verdict."""

    def convert(run: Run, score: float = 54.321, **update: object) -> Run:
        quantity = Quantity(lowest=-25.0, highest=346.0, mean=152.13, deviation=77.0)
        kind = {"task": "regression", "classes": (), "class_rows": (), "quantity": quantity}
        test = Interval(mean=score, low=0.9 * score, high=1.1 * score)
        r2 = Interval(mean=0.4256, low=0.2, high=0.65)
        changed = {
            "data": run.summary.data.model_copy(update=kind),
            "arms": tuple(with_statistics(result, test_score=test, test_r2=r2) for result in run.summary.arms),
            "verdict": ("The plain net overfits: its RMSE is 31.18 on its training rows and 54.32 on new ones.",),
        }
        return run.model_copy(update={"summary": run.summary.model_copy(update=changed | update)})

    return convert


@pytest.fixture(scope="session")
def regression(make_run, as_regression) -> Run:
    """A made-up run of a quantity."""
    return as_regression(make_run())
