"""Two finished runs held against each other: what differs in what they were given, and in what came out.

Nothing here imports torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dropnorm._record import Record
from dropnorm.errors import ArgumentTypeError
from dropnorm.study.arms import words as arm_words
from dropnorm.study.conclusions.significance import FEW, SIGNIFICANCE
from dropnorm.study.conclusions.verdict import TOLD_ONE_BY_ONE
from dropnorm.study.conclusions.wording import Words, joined
from dropnorm.study.records import (
    MAIN_STATISTIC,
    ArmName,
    ArmResult,
    Comparison,
    DataDescription,
    Interval,
    Run,
    Summary,
)
from dropnorm.study.statistics.between_runs import SharedSplits, compare_pairs
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.task import task_of

_SAID_BY_FINGERPRINT = ("fingerprint", "rows_fingerprint", "class_rows", "quantity", "columns_encoded")
_PARTS = ("validation_size", "test_size")


class Difference(Record):
    """Something that two runs were given and that is not the same in both; None where a run has no such thing."""

    name: str
    first: Any
    second: Any


class PairOfArms(Record):
    """An arm of both runs, or the advised arms of the two: test scores, and the second's paired differences to the first.

    There are no comparisons where an arm is in one run alone, or the runs are not paired.
    """

    first_arm: ArmName | None
    second_arm: ArmName | None
    first: Interval | None
    second: Interval | None
    comparisons: tuple[Comparison, ...] = ()

    def comparison_in(self, statistic: str) -> Comparison | None:
        """The comparison in a statistic, if the two were compared in it."""
        return next((one for one in self.comparisons if one.statistic == statistic), None)


class RunComparison(Record):
    """Two finished runs held against each other.

    Args:        data, settings: what differs; units: how many values the tests have, of `unit`, 0 where nothing is tested,
                 which `not_paired` then says why; arms: those of either run, and behind them the advised ones, where they
                 have other names; verdict: what came out, in words, where A is the first run and B the second.
    """

    data: tuple[Difference, ...]
    settings: tuple[Difference, ...]
    units: int
    unit: str
    not_paired: str
    arms: tuple[PairOfArms, ...]
    verdict: tuple[str, ...]


def compare_runs(first: Run, second: Run) -> RunComparison:
    """Hold two finished runs against each other: what differs in data and settings, and arm by arm in scores.

    Where both split the same rows in the same way, differences are tested as those of arms within a study: paired over the
    splits that both have, by the corrected resampled t-test, Holm-adjusted over the arms. Features, nets and training may
    differ. Runs of other rows are only put side by side.

    Args:        first, second: what `load_run` gives, or a `Study`'s `run`. Differences are the second's less the first's.
    Raises:      ArgumentTypeError for what is no run.
    Example:
        >>> import dropnorm as dn
        >>> small, wide = (
        ...     dn.run_study("iris", seeds=2, epochs=2, hidden=(width,)) for width in (4, 16)
        ... )
        >>> comparison = dn.compare_runs(small.run, wide.run)
        >>> [(one.name, one.first, one.second) for one in comparison.settings]
        [('hidden', (4,), (16,)), ('parameters of a plain net', 35, 131)]
        >>> comparison.units, comparison.unit
        (2, 'splits')
    """
    for name, run in (("first", first), ("second", second)):
        if not isinstance(run, Run):
            raise ArgumentTypeError(
                f"{name}={type(run).__name__} is no run: expected what load_run gives, or a study's run. Load it first."
            )
    one, other = first.summary, second.summary
    shared = SharedSplits.of(one, other)
    obstacle = _why_not_paired(one, other, shared)
    pairs = [(arm, arm) for arm in dict.fromkeys(result.arm for study in (one, other) for result in study.arms)]
    if not obstacle and one.advice.arm != other.advice.arm:
        pairs.append((one.advice.arm, other.advice.arm))
    arms = tuple(_side_by_side(one, other, *pair) for pair in pairs)
    if not obstacle:
        arms = _tested(first, second, arms, shared)
    data = _differences(_data(one.data), _data(other.data))
    settings = _differences(_settings(one), _settings(other))
    verdict = () if data or settings else ("Nothing differs in data and settings.",)
    return RunComparison(
        data=data,
        settings=settings,
        units=0 if obstacle else shared.units,
        unit=shared.unit,
        not_paired=obstacle,
        arms=arms,
        verdict=(*verdict, obstacle) if obstacle else (*verdict, *_found(arms, one, other, shared)),
    )


def _why_not_paired(one: Summary, other: Summary, shared: SharedSplits) -> str:
    a, b = one.data, other.data
    same_rows = a.fingerprint == b.fingerprint or a.rows_fingerprint == b.rows_fingerprint != ""
    if a.task != b.task or not same_rows:
        return (
            f"A and B are of other rows or targets ({_told(a)}; {_told(b)}): their scores answer different questions, and are "
            f"not tested against each other."
        )
    judged = [task_of(summary).metric.name for summary in (one, other)]
    if judged[0] != judged[1]:
        return (
            f"A is judged by its {judged[0]} and B by its {judged[1]}: their scores are not tested against each other."
        )
    sizes = [name for name in _PARTS if getattr(one.config, name) != getattr(other.config, name)]
    if sizes:
        told = ", ".join(f"{name} {getattr(one.config, name):g} and {getattr(other.config, name):g}" for name in sizes)
        return (
            f"A and B split the same rows otherwise ({told}): their nets learn from, and are tested on, parts of other sizes, "
            f"and differences are not tested."
        )
    if shared.units < 2:
        return "A and B have a single net of an arm on the same rows: differences of one pair cannot be tested."
    return ""


def _told(data: DataDescription) -> str:
    return f"{data.name}, {data.rows:,} rows, target {data.target}"


def _side_by_side(one: Summary, other: Summary, first: ArmName, second: ArmName) -> PairOfArms:
    a, b = _result(one, first), _result(other, second)
    return PairOfArms(
        first_arm=a and first, second_arm=b and second, first=a and a.test_score, second=b and b.test_score
    )


def _result(summary: Summary, arm: ArmName) -> ArmResult | None:
    return next((result for result in summary.arms if result.arm == arm), None)


def _tested(first: Run, second: Run, arms: tuple[PairOfArms, ...], shared: SharedSplits) -> tuple[PairOfArms, ...]:
    """The arms with the comparisons of those that are in both runs, in what both measure: losses may be weighted in one."""
    task, known = task_of(first.summary), [statistics_of(task_of(run.summary)) for run in (first, second)]
    pairs = {
        str(index): (
            choose_nets(first.nets, arm.first_arm, task.metric),
            choose_nets(second.nets, arm.second_arm, task.metric),
        )
        for index, arm in enumerate(arms)
        if arm.first_arm is not None and arm.second_arm is not None
    }
    found = compare_pairs(pairs, task, shared, task.metric.resolution(first.summary.data.test_rows))
    both = {name for name, statistic in known[0].items() if statistic.label == known[1][name].label}
    return tuple(
        arm.model_copy(update={"comparisons": tuple(one for one in found.get(str(index), ()) if one.statistic in both)})
        for index, arm in enumerate(arms)
    )


def _data(data: DataDescription) -> dict[str, Any]:
    fields = {name: value for name, value in data.model_dump().items() if name not in _SAID_BY_FINGERPRINT}
    return fields | {"fingerprint": data.fingerprint}


def _settings(summary: Summary) -> dict[str, Any]:
    """What decides a study's numbers beside the data; what its kind of net does not have is left out."""
    config = summary.config
    fields = {name: config.settings[name] for name in config.used}
    arms = {f"arm {arm.name}": arm for arm in config.arms if arm.regularizers}
    return fields | arms | {"parameters of a plain net": summary.parameters, "dropnorm": summary.dropnorm_version}


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    return tuple(
        Difference(name=name, first=first.get(name), second=second.get(name))
        for name in dict.fromkeys([*first, *second])
        if first.get(name) != second.get(name)
    )


def _found(arms: tuple[PairOfArms, ...], one: Summary, other: Summary, shared: SharedSplits) -> tuple[str, ...]:
    """Sentences on what the second run changes in the score, and on what that rests."""
    task = task_of(one)
    words = Words(task, task.metric.scale(one.arms[0].test_score.mean))
    few = shared.units < FEW
    silent, sure = list[PairOfArms](), dict[str, list[PairOfArms]]({"better": [], "worse": []})
    for arm in arms:
        change = _change(arm)
        if change is None:
            continue
        if change.p_holm >= SIGNIFICANCE or words.scale.is_nothing(change.interval.mean):
            silent.append(arm)
        else:
            sure["better" if task.metric.gain(change.interval.mean, 0.0) > 0 else "worse"].append(arm)
    name, verb = f"test {task.metric.name}", "seems" if few else "is"
    sentences = [f"B {verb} {which} in {name} {_told_of(found, words)}." for which, found in sure.items() if found]
    if silent:
        intervals = words.spans([change.interval for arm in silent if (change := _change(arm))])
        sentences.append(f"There is no evidence of a difference in {name} with {_named(silent)} ({intervals}).")
    if few:
        sentences.append(f"{shared.units} {shared.unit} are too few to be sure of any difference: take at least {FEW}.")
    rests = f"The tests rest on the {shared.units} {shared.unit} that both have"
    rests += ", and say nothing of other rows." if shared.splits == 1 else "."
    if one.data.fingerprint != other.data.fingerprint:
        rests += " The features differ; that the rows are the same is read from their targets."
    return (*sentences, rests)


def _change(arm: PairOfArms) -> Comparison | None:
    return arm.comparison_in(MAIN_STATISTIC)


def _told_of(arms: Sequence[PairOfArms], words: Words) -> str:
    """With which arms and by how much; of many the one where it is most."""
    sized = [(arm, change.interval) for arm in arms if (change := _change(arm))]
    if len(sized) < TOLD_ONE_BY_ONE:
        return joined([f"with {_called(arm)} by {words.size(change)}" for arm, change in sized])
    most, largest = max(sized, key=lambda one: abs(one[1].mean))
    return f"with {len(sized)} arms, most of all with {_called(most)} by {words.size(largest)}"


def _named(arms: Sequence[PairOfArms]) -> str:
    """The arms by name, or how many they are."""
    return joined([_called(arm) for arm in arms]) if len(arms) < TOLD_ONE_BY_ONE + 1 else f"{len(arms)} arms"


def _called(arm: PairOfArms) -> str:
    if arm.first_arm == arm.second_arm:
        return arm_words(str(arm.first_arm))
    return f"what each advises, {arm_words(str(arm.first_arm))} and {arm_words(str(arm.second_arm))}"
