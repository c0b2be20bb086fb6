"""What a study's numbers say, in words, and which arm they recommend."""

from collections.abc import Sequence
from dataclasses import dataclass

from dropnorm.study.arms import words as arm_words
from dropnorm.study.records import ArmResult, Interaction, Interval, NetRecord, Recommendation
from dropnorm.study.statistics import standard_error
from dropnorm.study.task import Metric, Scale, Task

SIGNIFICANCE = 0.05


def overfits(plain: ArmResult) -> bool:
    """Whether the plain net is surely better on its training rows than on new ones: the gap's interval is above zero."""
    return plain.generalization_gap.low > 0.0


def recommend(
    arms: Sequence[ArmResult], nets: Sequence[NetRecord], metric: Metric, test_share: float
) -> Recommendation:
    """The simplest arm within one standard error of the best, by its score on validation, and its best net.

    The error is that of the paired difference, so that what all arms owe to a lucky split does not count. The scores on
    the test parts have no say. Source: the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, section 3.4.3.
    """
    by_net = {net.net: net for net in nets}
    validation = {arm.arm: [by_net[net].validation_score for net in arm.nets] for arm in arms}
    best = max(arms, key=lambda arm: metric.gain(arm.validation_score.mean, 0.0)).arm
    within = tuple(arm.arm for arm in arms if _is_within(validation[best], validation[arm.arm], metric, test_share))
    chosen = next(arm for arm in arms if arm.arm == within[0])
    net = min((by_net[net] for net in chosen.nets), key=lambda net: (_rank(net, metric), net.seed))
    return Recommendation(
        arm=chosen.arm,
        best_arm=best,
        within_one_standard_error=within,
        net=net.net,
        seed=net.seed,
        rate=net.rate,
        weight_decay=net.weight_decay,
        test_score=net.test_score,
    )


def _rank(net: NetRecord, metric: Metric) -> float:
    """Of nets of several seeds the least is the best: their loss, since many have the same share of hits; of a quantity their
    score, since its loss is in the unit of each seed's own training part.
    """
    return net.validation_loss if metric.counted else -metric.gain(net.validation_score, 0.0)


def _is_within(best: Sequence[float], other: Sequence[float], metric: Metric, test_share: float) -> bool:
    behind = [metric.gain(a, b) for a, b in zip(best, other, strict=True)]
    # The small allowance is for rounding: an arm is within zero standard errors of itself.
    return sum(behind) / len(behind) <= standard_error(behind, test_share) + 1e-12


def write_verdict(
    task: Task, arms: Sequence[ArmResult], interaction: Interaction | None, recommendation: Recommendation
) -> tuple[str, ...]:
    """Sentences: whether the net overfits, what helps or harms, whether the two work together, what to use."""
    words = _Words(task, task.metric.scale(arms[0].test_score.mean))
    sentences = [words.on_overfitting(arms[0]), words.on_arms(arms[1:])]
    if interaction is not None and interaction.p_value < SIGNIFICANCE:
        sentences.append(words.on_interaction(interaction.interval))
    return (*sentences, words.on_recommendation(recommendation))


@dataclass(frozen=True)
class _Words:
    """The sentences of one study, whose scores are all written alike."""

    task: Task
    scale: Scale

    def on_overfitting(self, plain: ArmResult) -> str:
        metric, gap, test = self.task.metric, plain.generalization_gap, plain.test_score.mean
        train = test + gap.mean if metric.higher_is_better else test - gap.mean
        parts = self.task.on_both_parts.format(train=self.scale.write(train), test=self.scale.write(test))
        measured = f"{parts}, a gap of {self.difference(gap)}"
        if not overfits(plain):
            return f"There is no evidence that the plain net overfits: {measured}."
        slightly = " slightly" if metric.is_slight(gap.mean, test) else ""
        return f"The plain net overfits{slightly}: {measured}."

    def on_arms(self, arms: Sequence[ArmResult]) -> str:
        name = self.task.metric.name
        found, silent = [], []
        for arm in arms:
            assert arm.comparison is not None
            if arm.comparison.p_holm < SIGNIFICANCE:
                change = "raises" if arm.comparison.interval.mean > 0 else "lowers"
                found.append(f"{arm_words(arm.arm)} {change} test {name} by {self.size(arm.comparison.interval)}")
            else:
                silent.append(arm)
        parts = ["; ".join(found)] if found else []
        if silent:
            names = _joined([arm_words(arm.arm) for arm in silent])
            change = "changes" if len(silent) == 1 else "change"
            parts.append(f"there is no evidence that {names} {change} test {name} ({self.spans(silent)})")
        text = "; ".join(parts)
        return f"{text[:1].upper()}{text[1:]}."

    def on_interaction(self, interval: Interval) -> str:
        more = "more" if self.task.metric.gain(interval.mean, 0.0) > 0 else "less"
        return f"Together, dropout and batch norm give {more} than the sum of what each gives alone, by {self.size(interval)}."

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

    def difference(self, interval: Interval) -> str:
        """A difference as text: '0.8 points (95 % interval 0.3 to 1.3)'."""
        mean, low, high = (self.scale.write(value) for value in (interval.mean, interval.low, interval.high))
        return f"{mean}{self.task.metric.difference_in_words} (95 % interval {low} to {high})"

    def size(self, interval: Interval) -> str:
        """The same without its sign, which the verb beside it has: 'lowers by 0.8 points'."""
        if interval.mean >= 0:
            return self.difference(interval)
        return self.difference(Interval(mean=-interval.mean, low=-interval.high, high=-interval.low))

    def spans(self, arms: Sequence[ArmResult]) -> str:
        """What was seen all the same: the differences, and how large they might be."""
        intervals = [arm.comparison.interval for arm in arms if arm.comparison is not None]
        means = _joined([self.scale.write(interval.mean, signed=True) for interval in intervals])
        low = self.scale.write(min(interval.low for interval in intervals), signed=True)
        high = self.scale.write(max(interval.high for interval in intervals), signed=True)
        spanned = "an interval" if len(intervals) == 1 else "intervals"
        return f"{means}{self.task.metric.difference_in_words}, with {spanned} from {low} to {high}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
