"""Which arms show by comparison what one regularizer does: an arm, and the one that differs from it by that alone."""

from collections.abc import Callable, Sequence
from typing import Any

from dropnorm.study.records import Arm


def without_dropout(arm: Arm, arms: Sequence[Arm]) -> Arm | None:
    """The arm that differs from this one by its dropout alone, if it was studied."""
    return _changed(arm, arms, dropout=(), where="hidden")


def without_batch_norm(arm: Arm, arms: Sequence[Arm]) -> Arm | None:
    """The arm that differs from this one by its batch norm alone, if it was studied."""
    return _changed(arm, arms, batch_norm=False)


def dropout_pair(arms: Sequence[Arm]) -> tuple[Arm, Arm] | None:
    """The arms that show best what dropout does, without it and with it: of such pairs the simplest, the first of these."""
    return _simplest([arm for arm in arms if arm.dropout], arms, without_dropout)


def batch_norm_pair(arms: Sequence[Arm]) -> tuple[Arm, Arm] | None:
    """The arms that show best what batch norm does, without it and with it: the simplest such pair, the first of these."""
    return _simplest([arm for arm in arms if arm.batch_norm], arms, without_batch_norm)


def _changed(arm: Arm, arms: Sequence[Arm], **settings: Any) -> Arm | None:
    """The arm that is this one with other settings, whatever it is called."""
    alike = arm.model_copy(update=settings)
    return next((one for one in arms if one.model_copy(update={"name": arm.name}) == alike), None)


def _simplest(
    candidates: Sequence[Arm], arms: Sequence[Arm], partner: Callable[[Arm, Sequence[Arm]], Arm | None]
) -> tuple[Arm, Arm] | None:
    pairs = [(other, arm) for arm in candidates if (other := partner(arm, arms)) is not None]
    return min(pairs, key=lambda pair: len(pair[1].regularizers), default=None)
