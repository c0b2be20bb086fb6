"""What a study's numbers say, in words: which of the cases hold, and with which numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from dropnorm.study.arms import words as arm_words
from dropnorm.study.conclusions import cases
from dropnorm.study.conclusions.significance import FEW, SIGNIFICANCE, together
from dropnorm.study.conclusions.wording import Words, as_sentence, counted, joined, verb_of
from dropnorm.study.records import (
    MAIN_STATISTIC,
    Advice,
    ArmResult,
    CaseName,
    DataDescription,
    Interaction,
    Interval,
    ModelResult,
    State,
)
from dropnorm.study.statistics.catalogue import statistics_of
from dropnorm.study.task import TASKS, Scale, Task

NOTHING_LEARNED = 0.005  # of the way from the best constant to being never wrong
TOLD_ONE_BY_ONE = 4  # arms, plain among them; more are summed up


def write_verdict(
    task: Task,
    data: DataDescription,
    arms: Sequence[ArmResult],
    state: State,
    interactions: Sequence[Interaction],
    advice: Advice,
    unit: str = "seeds",
    model: ModelResult | None = None,
) -> tuple[str, ...]:
    """Sentences: how the plain net is doing, what helps or does harm, whether two work together, what to use, what to do.

    Args:        unit: what `advice.units` counts, seeds or splits; model: the result of the advised arm's model.
    """
    words = _Sentences(task, task.metric.scale(arms[0].test_score.mean), data, advice, unit, model)
    score = next((one for one in interactions if one.statistic == MAIN_STATISTIC), None)
    sentences = (
        words.on_state(state, arms[0]),
        words.on_constant(state, arms[0]),
        words.on_arms(arms[1:]),
        words.on_few_seeds(),
        words.on_other_statistics(arms[1:]),
        words.on_interaction(score, arms[0]),
        words.on_advice(state, arms),
        words.on_what_to_do(state),
        words.on_model(),
    )
    return tuple(sentence for sentence in sentences if sentence)


@dataclass(frozen=True)
class _Sentences(Words):
    """The sentences of one study."""

    data: DataDescription
    advice: Advice
    unit: str
    model: ModelResult | None

    @property
    def few(self) -> bool:
        return self.advice.units < FEW

    def on_state(self, state: State, plain: ArmResult) -> str:
        train, validation, test = (
            self.scale.write(score.mean) for score in (plain.train_score, plain.validation_score, plain.test_score)
        )
        scores = self.task.on_both_parts.format(train=train, test=test)
        filled = {"scores": scores, "gap": self.difference(state.gap)}
        if state.name == "shifted":
            rows = cases.LATER_ROWS if self.data.time is not None else cases.GIVEN_ROWS
            filled |= {"rows": rows.say()}
            filled["scores"] = self.task.on_three_parts.format(train=train, validation=validation, test=test)
        if state.name == "fine":
            filled["gap"] = self._slight(state)
        if state.name == "too_little_data":
            unit = self.task.metric.difference_in_words
            filled |= {"low": self.scale.write(state.gap.low), "high": f"{self.scale.write(state.gap.high)}{unit}"}
        if state.name == "underfitting":
            filled["learned"] = self._learned(state)
        return cases.STATES[state.name].say(**filled)

    def _slight(self, state: State) -> str:
        if self.scale.is_nothing(state.gap.mean):
            return cases.NO_GAP.say()
        return (cases.SLIGHT_GAP if state.gap.low > 0 else cases.UNSURE_GAP).say(gap=self.difference(state.gap))

    def _learned(self, state: State) -> str:
        if state.train_skill.mean < NOTHING_LEARNED:
            return cases.LEARNED_NOTHING.say(constant=self.task.constant)
        skill = state.train_skill
        share = Scale(factor=100.0, decimals=0)
        mean, low, high = (share.write(value) for value in (skill.mean, skill.low, skill.high))
        return cases.LEARNED.say(skill=mean, low=low, high=high, constant=self.task.constant)

    def on_constant(self, state: State, plain: ArmResult) -> str:
        """A warning, where nothing is learned that holds for new rows."""
        if self._beats_constant(state, plain):
            return ""
        score = f"{self.scale.write(state.constant)}{self.task.metric.behind}"
        return cases.CONSTANT.say(constant=self.task.constant, score=score)

    def _beats_constant(self, state: State, arm: ArmResult) -> bool:
        """Whether an arm is surely better than the best constant: its nets one by one on test rows, or its model out of bag."""
        ends = [(arm.test_score.low, arm.test_score.high)]
        if self.model is not None and self.model.arm == arm.arm:
            ends += self._ends_of_model(self.model)
        worst = [low if self.task.metric.higher_is_better else high for low, high in ends]
        return any(self.task.metric.gain(one, state.constant) > 0 for one in worst)

    def _ends_of_model(self, model: ModelResult) -> list[tuple[float, float]]:
        """The interval of the model's score in the metric that arms are judged by, where it has one."""
        if self.task.metric == TASKS[self.task.name].metric:
            return [(model.score.low, model.score.high)]
        judged = model.metric(self.task.metric.key)
        return [] if judged is None or judged.low is None or judged.high is None else [(judged.low, judged.high)]

    def on_arms(self, arms: Sequence[ArmResult]) -> str:
        """What is shown of each arm; of many arms, of how many, and of the first of them."""
        order: tuple[CaseName, ...] = ("shown", "harmful", "likely", "not_shown")
        by_case = {case: [arm for arm in arms if self.advice.case_of(arm.arm) == case] for case in order}
        told = self._one_by_one if len(arms) < TOLD_ONE_BY_ONE else self._summed_up
        parts = [part for case, own in by_case.items() if own for part in told(case, own, len(arms))]
        return as_sentence("; ".join(parts))

    def _one_by_one(self, case: CaseName, arms: Sequence[ArmResult], of: int) -> list[str]:  # noqa: ARG002
        if case != "not_shown":
            return [cases.ARMS[case].say(self.few, **self._filled(arm)) for arm in arms]
        names = joined([arm_words(arm.arm) for arm in arms])
        change = "changes" if len(arms) == 1 else "change"
        return [cases.ARMS[case].say(arms=names, change=change, metric=self.task.metric.name, spans=self._spans(arms))]

    def _summed_up(self, case: CaseName, arms: Sequence[ArmResult], of: int) -> list[str]:
        count = {"count": str(len(arms)), "of": str(of), "metric": self.task.metric.name}
        if case == "not_shown":
            show = "shows" if len(arms) == 1 else "show"
            return [cases.SUMMED_UP[case].say(**count, show=show, spans=self._spans(arms))]
        if len(arms) == 1:
            return [cases.ARMS[case].say(self.few, **self._filled(arms[0]))]
        first = max(arms, key=lambda arm: self._weight(case, arm))
        return [cases.SUMMED_UP[case].say(self.few, **(self._filled(first) | count))]

    def _weight(self, case: CaseName, arm: ArmResult) -> float:
        """What is told first: what helps or harms most, or is farthest ahead."""
        return self._lead(arm) if case == "likely" else abs(_change(arm).mean)

    def _lead(self, arm: ArmResult) -> float:
        return next(one.lead for one in self.advice.evidence if one.arm == arm.arm)

    def _filled(self, arm: ArmResult) -> dict[str, str]:
        """What a case says of one arm."""
        change, unit = _change(arm), self.task.metric.difference_in_words
        level = self.scale.is_nothing(change.mean)
        on_test = cases.LEVEL_ON_TEST.say() if level else cases.AHEAD_ON_TEST.say(size=self.unsure(change))
        return {
            "arm": arm_words(arm.arm),
            "metric": self.task.metric.name,
            "verb": verb_of(change),
            "size": self.size(change),
            "lead": f"{self.scale.write(self._lead(arm))}{unit}",
            "on_test": on_test,
        }

    def _spans(self, arms: Sequence[ArmResult]) -> str:
        return self.spans([_change(arm) for arm in arms])

    def on_few_seeds(self) -> str:
        if not self.few:
            return ""
        return cases.TOO_FEW.say(units=counted(self.advice.units, self.unit), least=str(FEW))

    def on_other_statistics(self, arms: Sequence[ArmResult]) -> str:
        """What is found in loss and calibration, whose p values are adjusted over the arms as those of the score are."""
        if self.few:
            return ""
        found = []
        for statistic in statistics_of(self.task).values():
            if not statistic.in_words:
                continue
            scale, unit = statistic.notation.scale(arms[0].test_score.mean), statistic.notation.difference_in_words
            changed = [
                (arm, one.interval)
                for arm in arms
                if (one := arm.comparison_in(statistic.name))
                and one.p_holm < SIGNIFICANCE
                and not scale.is_nothing(one.interval.mean)
            ]
            for verb in ("lowers", "raises"):
                mine = [(arm, change) for arm, change in changed if verb_of(change) == verb]
                if not mine:
                    continue
                said = {"verb": verb if len(mine) == 1 else verb[:-1], "statistic": statistic.in_words, "unit": unit}
                if len(arms) < TOLD_ONE_BY_ONE or len(mine) == 1:
                    by = joined([scale.write(abs(change.mean)) for _, change in mine])
                    names = joined([arm_words(arm.arm) for arm, _ in mine])
                    found.append(cases.STATISTICS.say(arms=names, by=by, **said))
                else:
                    most, change = max(mine, key=lambda one: abs(one[1].mean))
                    count = {"count": str(len(mine)), "of": str(len(arms)), "arm": arm_words(most.arm)}
                    by = scale.write(abs(change.mean))
                    found.append(cases.STATISTICS_SUMMED_UP.say(by=by, **count, **said))
        return as_sentence("; ".join(found)) if found else ""

    def on_interaction(self, interaction: Interaction | None, plain: ArmResult) -> str:
        more = together(interaction, self.advice, self.task.metric, plain.test_score.mean)
        if not more or interaction is None:
            return ""
        return cases.TOGETHER.say(more=more, size=self.size(interaction.interval))

    def on_advice(self, state: State, arms: Sequence[ArmResult]) -> str:
        """Which arm to use and why, and not to rely on it where it is no better than a constant."""
        advised = next(arm for arm in arms if arm.arm == self.advice.arm)
        said = self._which()
        if self._beats_constant(state, advised):
            return said
        warning = cases.RELY_ON_NONE if advised.arm == "plain" else cases.NOT_TO_RELY_ON
        return f"{said} {warning.say(constant=self.task.constant)}"

    def _which(self) -> str:
        advice = self.advice
        case = advice.case_of(advice.arm)
        if case is not None:
            rate = f" at rate {advice.rate:g}" if advice.rate else ""
            rate += f" with decay {advice.weight_decay:g}" if advice.weight_decay else ""
            return cases.ADVICE[case].say(self.few, arm=arm_words(advice.arm), rate=rate)
        better = [one.arm for one in advice.evidence if one.case == "shown"]
        ahead = [one.arm for one in advice.evidence if one.ahead]
        why, arms = ("behind_on_validation", better) if better else ("behind_on_test", ahead)
        if not arms:
            return cases.ADVICE["plain"].say(self.few)
        named = [arm_words(arm) for arm in arms]
        names = joined(named) if len(advice.evidence) < TOLD_ONE_BY_ONE or len(named) == 1 else f"{len(named)} arms"
        return cases.ADVICE[why].say(self.few, arms=names, are="is" if len(arms) == 1 else "are", units=self.unit)

    def on_model(self) -> str:
        """How good the model is, on rows that its nets did not see."""
        model = self.model
        if model is None:
            return ""
        base = TASKS[self.task.name].metric
        scale = base.scale(model.score.mean)
        score, new = model.score, model.score_of_new_rows
        said = cases.MODEL[base.key].say(
            nets=counted(len(model.nets), "nets"),
            score=scale.write(score.mean),
            low=scale.write(score.low),
            high=scale.write(score.high),
            new_rows=f"{model.new_rows:,}",
            new_low=scale.write(new.low),
            new_high=scale.write(new.high),
        )
        return said if self.task.metric == base else f"{said} {self.on_metric(model)}"

    def on_metric(self, model: ModelResult) -> str:
        """The model in the metric that arms are judged by."""
        metric = self.task.metric
        judged = model.metric(metric.key)
        if (
            judged is None
            or judged.value is None
            or judged.low is None
            or judged.high is None
            or judged.constant is None
        ):
            return cases.UNDEFINED.say(metric=metric.name)
        scale = metric.scale(judged.value)
        return cases.JUDGED_BY.say(
            metric=metric.name,
            score=f"{scale.write(judged.value)}{metric.behind}",
            low=scale.write(judged.low),
            high=scale.write(judged.high),
            constant=self.task.constant,
            of_constant=f"{scale.write(judged.constant)}{metric.behind}",
        )

    def on_what_to_do(self, state: State) -> str:
        match state.name:
            case "overfitting" if self.advice.arm == "plain":
                return cases.STILL_OVERFITS.say()
            case "underfitting" | "too_little_data" if state.still_learning >= 0.5:
                return cases.STILL_LEARNING.say()
            case "underfitting":
                return cases.TOO_SMALL.say()
            case "too_little_data":
                return cases.MORE_ROWS.say()
            case "shifted":
                return cases.NEWER_ROWS.say()
            case _:
                return ""


def _change(arm: ArmResult) -> Interval:
    assert arm.comparison is not None, "every arm but plain is compared"
    return arm.comparison.interval
