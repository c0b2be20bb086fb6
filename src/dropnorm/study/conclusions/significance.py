"""What counts as shown, in the verdict and in the report alike. Nothing here imports more than records."""

from dropnorm.study.records import Advice, Interaction
from dropnorm.study.task import Metric

SIGNIFICANCE = 0.05
FEW = 5
"""Under so many seeds, or splits where each has several, nothing is called sure."""


def together(interaction: Interaction | None, advice: Advice, metric: Metric, typical: float) -> str:
    """Whether two arms give "more" or "less" together than the sum of what each gives alone; "" where that is not shown.

    An interaction of arms of which none is shown to do anything, one that is written as zero, and one of few seeds are not
    spoken of.
    Args:        typical: a score such as those that differ, which says how many digits are written.
    """
    if interaction is None or interaction.p_value >= SIGNIFICANCE or advice.units < FEW:
        return ""
    if metric.scale(typical).is_nothing(interaction.interval.mean):
        return ""
    # A run of an older version keeps no evidence on its arms, and is told as it was.
    if advice.evidence and all(one.case not in ("shown", "harmful") for one in advice.evidence):
        return ""
    return "more" if metric.gain(interaction.interval.mean, 0.0) > 0 else "less"
