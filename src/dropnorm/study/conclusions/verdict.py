"""What a study's numbers say, in words."""

from collections.abc import Sequence

from dropnorm.study.arms import words as arm_words
from dropnorm.study.conclusions.wording import Words, as_sentence, joined, verb_of
from dropnorm.study.records import ArmResult, Interaction, MeasureName, Recommendation, State
from dropnorm.study.task import Scale, Task

SIGNIFICANCE = 0.05
NOTHING_LEARNED = 0.005  # of the way from the best constant to being never wrong
CALIBRATION = Scale(factor=100.0, decimals=1)


def write_verdict(
    task: Task,
    arms: Sequence[ArmResult],
    state: State,
    interactions: Sequence[Interaction],
    recommendation: Recommendation,
) -> tuple[str, ...]:
    """Sentences: how the plain net is doing, what helps or does harm, whether the two work together, what to do."""
    words = _Sentences(task, task.metric.scale(arms[0].test_score.mean))
    score = next((one for one in interactions if one.measure == "score"), None)
    sentences = (
        words.on_state(state, arms[0]),
        words.on_constant(state, arms[0]),
        words.on_arms(arms[1:]),
        words.on_other_measures(arms[1:]),
        words.on_interaction(score),
        words.on_what_to_do(state, recommendation),
        words.on_recommendation(recommendation),
    )
    return tuple(sentence for sentence in sentences if sentence)


class _Sentences(Words):
    """The sentences of one study."""

    def on_state(self, state: State, plain: ArmResult) -> str:
        train, test = plain.train_score.mean, plain.test_score.mean
        parts = self.task.on_both_parts.format(train=self.scale.write(train), test=self.scale.write(test))
        measured = f"{parts}, a gap of {self.difference(state.gap)}"
        match state.name:
            case "overfitting":
                return f"The plain net overfits: {measured}."
            case "too_little_data":
                return f"There is too little data to say whether the plain net overfits: {measured}."
            case "underfitting":
                skill = state.train_skill
                learned = [f"{round(100 * value)}".replace("-", "−") for value in (skill.mean, skill.low, skill.high)]
                if skill.mean < NOTHING_LEARNED:
                    return (
                        f"The plain net underfits, or there is no more to learn: {parts}. On its training rows, that is no "
                        f"better than {self.task.constant}."
                    )
                return (
                    f"The plain net underfits, or there is no more to learn: {parts}. On its training rows, that is "
                    f"{learned[0]} % (95 % interval {' to '.join(learned[1:])}) of the way from "
                    f"{self.task.constant} to being never wrong."
                )
            case "fine":
                small = "too small to matter" if state.gap.low > 0 else "no evidence of overfitting"
                return f"The plain net is fine: {measured}, {small}."

    def on_constant(self, state: State, plain: ArmResult) -> str:
        """A warning, where nothing is learned that holds for new rows."""
        if self.task.metric.higher_is_better:
            sure = plain.test_score.low > state.constant
        else:
            sure = plain.test_score.high < state.constant
        if sure:
            return ""
        return (
            f"On new rows it is not surely better than {self.task.constant} "
            f"({self.scale.write(state.constant)}{' %' if self.task.metric.unit else ''})."
        )

    def on_arms(self, arms: Sequence[ArmResult]) -> str:
        name = self.task.metric.name
        helps, harms, silent = [], [], []
        for arm in arms:
            assert arm.comparison is not None, "every arm but plain is compared"
            change = arm.comparison.interval
            if arm.comparison.p_holm >= SIGNIFICANCE:
                silent.append(arm)
            elif self.task.metric.gain(change.mean, 0.0) > 0:
                helps.append(f"{arm_words(arm.arm)} helps, and {verb_of(change)} test {name} by {self.size(change)}")
            else:
                harms.append(
                    f"{arm_words(arm.arm)} does harm, and {verb_of(change)} test {name} by {self.size(change)}"
                )
        parts = [*helps, *harms]
        if silent:
            names = joined([arm_words(arm.arm) for arm in silent])
            change_words = "changes" if len(silent) == 1 else "change"
            seen = self.spans([arm.comparison.interval for arm in silent if arm.comparison])
            parts.append(f"there is no evidence that {names} {change_words} test {name} ({seen})")
        return as_sentence("; ".join(parts))

    def on_other_measures(self, arms: Sequence[ArmResult]) -> str:
        """What is found in loss and calibration, whose p values are adjusted over the arms as those of the score are."""
        found = []
        measures: dict[MeasureName, tuple[str, Scale, str]] = {
            "loss": (f"the {self.task.loss_in_words}", Scale(1.0, 3), ""),
            "calibration_error": ("the calibration error", CALIBRATION, " points"),
        }
        for measure, (name, scale, unit) in measures.items():
            changed = [(arm, one) for arm in arms if (one := arm.comparison_in(measure)) and one.p_holm < SIGNIFICANCE]
            for verb in ("lowers", "raises"):
                mine = [(arm, one) for arm, one in changed if verb_of(one.interval) == verb]
                if mine:
                    by = joined([scale.write(abs(one.interval.mean)) for _, one in mine])
                    names = joined([arm_words(arm.arm) for arm, _ in mine])
                    found.append(f"{names} {verb if len(mine) == 1 else verb[:-1]} {name} by {by}{unit}")
        return as_sentence("; ".join(found)) if found else ""

    def on_interaction(self, interaction: Interaction | None) -> str:
        if interaction is None or interaction.p_value >= SIGNIFICANCE:
            return ""
        more = "more" if self.task.metric.gain(interaction.interval.mean, 0.0) > 0 else "less"
        size = self.size(interaction.interval)
        return f"Together, dropout and batch norm give {more} than the sum of what each gives alone, by {size}."

    def on_what_to_do(self, state: State, recommendation: Recommendation) -> str:
        match state.name:
            case "overfitting" if recommendation.arm == "plain":
                return "None of the arms mends the overfitting for sure: more rows would, or try a smaller net or other arms."
            case "underfitting" | "too_little_data" if state.still_learning >= 0.5:
                return "It was still learning when its epochs ended: allow more (--epochs)."
            case "underfitting":
                return "Try more or wider hidden layers (--hidden), or better columns. Dropout makes it learn less."
            case "too_little_data":
                return "More rows would tell; more seeds narrow the interval only as far as their shared rows allow."
            case _:
                return ""

    def on_recommendation(self, recommendation: Recommendation) -> str:
        words = arm_words(recommendation.arm)
        rate = f" at rate {recommendation.rate:g}" if recommendation.rate else ""
        rate += f" with decay {recommendation.weight_decay:g}" if recommendation.weight_decay else ""
        score = f"The saved net {self.task.on_test_rows.format(test=self.scale.write(recommendation.test_score))}."
        if recommendation.arm == recommendation.best_arm == "plain":
            return f"Use {words}: nothing is better on validation. {score}"
        if recommendation.arm == recommendation.best_arm:
            return f"Use {words}{rate}: best on validation, and nothing simpler comes within one standard error of it. {score}"
        best = arm_words(recommendation.best_arm)
        return f"Use {words}{rate}: the simplest within one standard error of the best on validation, {best}. {score}"
