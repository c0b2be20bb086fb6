"""What a study's numbers say, in words, and which arm they recommend."""

from collections.abc import Sequence

from dropnorm.study.records import ArmName, ArmResult, Interaction, Interval, NetRecord, Recommendation
from dropnorm.study.statistics import standard_error

SIGNIFICANCE = 0.05
SLIGHT_GAP = 0.01
ARM_WORDS: dict[ArmName, str] = {
    "plain": "the plain net",
    "dropout": "dropout",
    "batch_norm": "batch norm",
    "dropout+batch_norm": "dropout with batch norm",
}


def overfits(plain: ArmResult) -> bool:
    """Whether the plain net is surely better on its training rows than on new ones: the gap's interval is above zero."""
    return plain.generalization_gap.low > 0.0


def recommend(arms: Sequence[ArmResult], nets: Sequence[NetRecord], test_share: float) -> Recommendation:
    """The simplest arm within one standard error of the best, by accuracy on validation, and its best net.

    The error is that of the paired difference, so that what all arms owe to a lucky split does not count. The scores on
    the test parts have no say. Source: the one-standard-error rule of Breiman, Friedman, Olshen & Stone 1984, section 3.4.3.
    """
    by_net = {net.net: net for net in nets}
    validation = {arm.arm: [by_net[net].validation_accuracy for net in arm.nets] for arm in arms}
    best = max(arms, key=lambda arm: arm.validation_accuracy.mean).arm
    within = tuple(arm.arm for arm in arms if _is_within(validation[best], validation[arm.arm], test_share))
    chosen = next(arm for arm in arms if arm.arm == within[0])
    net = min((by_net[net] for net in chosen.nets), key=lambda net: (net.validation_loss, net.seed))
    return Recommendation(
        arm=chosen.arm,
        best_arm=best,
        within_one_standard_error=within,
        net=net.net,
        seed=net.seed,
        rate=net.rate,
        test_accuracy=net.test_accuracy,
    )


def _is_within(best: Sequence[float], other: Sequence[float], test_share: float) -> bool:
    behind = [a - b for a, b in zip(best, other, strict=True)]
    # The small allowance is for rounding: an arm is within zero standard errors of itself.
    return sum(behind) / len(behind) <= standard_error(behind, test_share) + 1e-12


def write_verdict(
    arms: Sequence[ArmResult], interaction: Interaction | None, recommendation: Recommendation
) -> tuple[str, ...]:
    """Sentences: whether the net overfits, what helps or harms, whether the two work together, what to use."""
    sentences = [_on_overfitting(arms[0]), _on_arms(arms[1:])]
    if interaction is not None and interaction.p_value < SIGNIFICANCE:
        more = "more" if interaction.interval.mean > 0 else "less"
        sentences.append(
            f"Together, dropout and batch norm give {more} than the sum of what each gives alone, by "
            f"{_size(interaction.interval)}."
        )
    return (*sentences, _on_recommendation(recommendation))


def _on_overfitting(plain: ArmResult) -> str:
    gap = plain.generalization_gap
    train, test = 100 * (plain.test_accuracy.mean + gap.mean), 100 * plain.test_accuracy.mean
    measured = (
        f"it is right on {train:.1f} % of its training rows and on {test:.1f} % of new ones, a gap of {_points(gap)}"
    )
    if not overfits(plain):
        return f"There is no evidence that the plain net overfits: {measured}."
    slightly = " slightly" if gap.mean < SLIGHT_GAP else ""
    return f"The plain net overfits{slightly}: {measured}."


def _on_arms(arms: Sequence[ArmResult]) -> str:
    found, silent = [], []
    for arm in arms:
        assert arm.comparison is not None
        if arm.comparison.p_holm < SIGNIFICANCE:
            change = "raises" if arm.comparison.interval.mean > 0 else "lowers"
            found.append(f"{ARM_WORDS[arm.arm]} {change} test accuracy by {_size(arm.comparison.interval)}")
        else:
            silent.append(arm)
    parts = ["; ".join(found)] if found else []
    if silent:
        names = _joined([ARM_WORDS[arm.arm] for arm in silent])
        change = "changes" if len(silent) == 1 else "change"
        parts.append(f"there is no evidence that {names} {change} test accuracy ({_spans(silent)})")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _on_recommendation(recommendation: Recommendation) -> str:
    words = ARM_WORDS[recommendation.arm]
    rate = f" at rate {recommendation.rate:g}" if recommendation.rate else ""
    accuracy = f"The saved net is right on {100 * recommendation.test_accuracy:.1f} % of its test rows."
    if recommendation.arm == recommendation.best_arm == "plain":
        return f"Use {words}: nothing is better on validation. {accuracy}"
    if recommendation.arm == recommendation.best_arm:
        return f"Use {words}{rate}: best on validation, and nothing simpler comes within one standard error of it. {accuracy}"
    best = ARM_WORDS[recommendation.best_arm]
    return f"Use {words}{rate}: the simplest within one standard error of the best on validation, {best}. {accuracy}"


def _points(interval: Interval) -> str:
    """A difference as text, in percentage points: '0.8 points (95 % interval 0.3 to 1.3)'."""
    return f"{_digits(interval.mean)} points (95 % interval {_digits(interval.low)} to {_digits(interval.high)})"


def _size(interval: Interval) -> str:
    """The same without its sign, which the verb beside it has: 'lowers by 0.8 points'."""
    if interval.mean >= 0:
        return _points(interval)
    return _points(Interval(mean=-interval.mean, low=-interval.high, high=-interval.low))


def _spans(arms: Sequence[ArmResult]) -> str:
    """What was seen all the same: the differences, and how large they might be."""
    intervals = [arm.comparison.interval for arm in arms if arm.comparison is not None]
    means = _joined([f"{_signed(interval.mean)}" for interval in intervals])
    low, high = min(interval.low for interval in intervals), max(interval.high for interval in intervals)
    spanned = "an interval" if len(intervals) == 1 else "intervals"
    return f"{means} points, with {spanned} from {_signed(low)} to {_signed(high)}"


def _digits(value: float, sign: str = "-") -> str:
    """In percentage points with one digit; sign="+" shows it on positive numbers too, and zero has none."""
    rounded = round(100 * value, 1) or 0.0
    return format(rounded, f"{sign if rounded else '-'}.1f").replace("-", "\N{MINUS SIGN}")


def _signed(value: float) -> str:
    return _digits(value, "+")


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
