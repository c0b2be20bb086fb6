"""How the numbers of a study are put into words."""

from collections.abc import Sequence
from dataclasses import dataclass

from dropnorm.study.records import Interval
from dropnorm.study.task import Scale, Task


@dataclass(frozen=True)
class Words:
    """Words for scores and differences of one task, all written alike."""

    task: Task
    scale: Scale

    def difference(self, interval: Interval, alone: str = "") -> str:
        """A difference as text: '0.8 points (95 % interval 0.3 to 1.3)'; `alone` stands behind the interval's name."""
        mean, low, high = (self.scale.write(value) for value in (interval.mean, interval.low, interval.high))
        return f"{mean}{self.task.metric.difference_in_words} (95 % interval{alone} {low} to {high})"

    def size(self, interval: Interval, alone: str = "") -> str:
        """The same without its sign, which the verb beside it has: 'lowers by 0.8 points'."""
        if interval.mean >= 0:
            return self.difference(interval, alone)
        return self.difference(Interval(mean=-interval.mean, low=-interval.high, high=-interval.low), alone)

    def unsure(self, interval: Interval) -> str:
        """The same of a difference that is not sure: over all arms, where its own interval leaves zero out."""
        return self.size(interval, ", taken alone," if interval.low > 0.0 or interval.high < 0.0 else "")

    def spans(self, intervals: Sequence[Interval]) -> str:
        """What may be though nothing is sure: '95 % intervals from −2.2 to +1.3 points'.

        An interval is that of its arm alone, and may leave zero out where the test, adjusted over all arms, finds nothing.
        """
        low, high = min(one.low for one in intervals), max(one.high for one in intervals)
        if self.scale.is_nothing(low) and self.scale.is_nothing(high):
            return "no difference in any seed"
        ends = f"from {self.scale.write(low, signed=True)} to {self.scale.write(high, signed=True)}"
        spanned, each = ("interval", "") if len(intervals) == 1 else ("intervals", "each ")
        alone = f", {each}taken alone," if any(one.low > 0.0 or one.high < 0.0 for one in intervals) else ""
        return f"95 % {spanned}{alone} {ends}{self.task.metric.difference_in_words}"


def verb_of(change: Interval) -> str:
    """What a change does to the score."""
    return "raises" if change.mean > 0 else "lowers"


def as_sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def joined(parts: Sequence[str]) -> str:
    """Commas, and an "and" before the last."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def counted(number: int, things: str) -> str:
    """A number with what it counts, of which `things` is the plural: '1 seed', '1,797 rows'."""
    return f"{number:,} {noun(number, things)}"


def noun(number: int, things: str) -> str:
    """What a number counts, of which `things` is the plural: 'seed' of 1, 'seeds' of all others, 'class' of 'classes'."""
    if number != 1:
        return things
    return things.removesuffix("es") if things.endswith("sses") else things.removesuffix("s")
