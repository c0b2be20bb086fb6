"""Rules on how the losses went: whether the model overfits or has not learned enough, with their noise considered."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.registry import Seen, rule

LEAST_EPOCHS = 10
_NAMES = {
    "train": ("train_loss", "training_loss", "loss", "train"),
    "validation": ("validation_loss", "val_loss", "valid_loss", "validation", "val"),
}
# A difference of two means of noisy losses must be so many of its standard errors, and so much of what was learned at all.
_ERRORS, _SHARE = 4.0, 0.05


def losses_of(history: Any) -> dict[str, list[float]]:
    """Training and validation losses, one of each per epoch, from a dictionary of lists or a list of dictionaries.

    Raises:      ArgumentTypeError for another type, ArgumentError where one of the losses is missing or they differ in length.
    """
    history = getattr(history, "history", history)
    if isinstance(history, Sequence) and all(isinstance(epoch, Mapping) for epoch in history):
        names = history[0] if history else {}
        history = {name: [epoch[name] for epoch in history if name in epoch] for name in names}
    if not isinstance(history, Mapping):
        raise ArgumentTypeError(
            f"history={type(history).__name__} is no record of losses: expected a dictionary with 'train_loss' and "
            f"'validation_loss', a list each, or a list of such per epoch."
        )
    found = {}
    for part, names in _NAMES.items():
        name = next((name for name in names if name in history), None)
        if name is None:
            raise ArgumentError(
                f"history has {', '.join(map(repr, history)) or 'nothing'}, and no losses of {part}: expected "
                f"'{names[0]}', a list with one loss per epoch. Rename what you have."
            )
        found[part] = [float(value) for value in history[name]]
    if len(found["train"]) != len(found["validation"]):
        raise ArgumentError(
            f"history has {len(found['train'])} training and {len(found['validation'])} validation losses: expected one of "
            f"each per epoch. Leave out epochs that have no validation."
        )
    return found


@rule(
    "DN311",
    "overfitting",
    "warning",
    seen="validation loss has risen from {best:.3g} after epoch {epoch} to {last:.3g}, while training loss fell from "
    "{then:.3g} to {now:.3g}",
    why="What the model learns since then is true of its training rows only.",
    source="Prechelt 1998, 'Early stopping - but when?'",
    fix="Keep the weights of epoch {epoch}; and try dropnorm.regularize(model), more data or augmentation, or weight decay. "
    "dropnorm study tells what helps.",
    needs="history",
)
def overfitting(examination: Examination) -> Seen:
    """By means of a tenth of the epochs, three at least, so that no single epoch decides."""
    train, validation = _losses(examination)
    width = max(3, len(train) // 10)
    if len(train) < LEAST_EPOCHS:
        return
    smooth = [fmean(validation[start : start + width]) for start in range(len(validation) - width + 1)]
    start = smooth.index(min(smooth))
    if start > len(smooth) - 1 - width:
        return
    last, now, then = smooth[-1], fmean(train[-width:]), fmean(train[start : start + width])
    rise, bound = last - smooth[start], _bound(validation, width)
    if rise > bound and now < then - _bound(train, width):
        epoch = 1 + min(range(start, start + width), key=validation.__getitem__)
        yield "", {"best": smooth[start], "epoch": epoch, "last": last, "then": then, "now": now}


@rule(
    "DN312",
    "not trained to the end",
    "note",
    seen="both losses still fall: over the last third of the epochs validation loss went from {before:.3g} to {last:.3g}",
    why="The model could learn more than it was given time for: it underfits. Regularization would only slow it down.",
    source="Prechelt 1998, 'Early stopping - but when?'",
    fix="Train longer, or with a larger learning rate; judge dropout and batch norm afterwards.",
    needs="history",
)
def still_learning(examination: Examination) -> Seen:
    """Both must fall beyond their noise."""
    train, validation = _losses(examination)
    third = len(train) // 3
    if len(train) < LEAST_EPOCHS:
        return
    half = max(1, third // 2)
    falls = []
    for losses in (train, validation):
        before, last = fmean(losses[-third : len(losses) - third + half]), fmean(losses[-half:])
        falls.append((before, last, before - last > _bound(losses, half)))
    if all(fell for *_, fell in falls):
        yield "", {"before": falls[1][0], "last": falls[1][1]}


def _losses(examination: Examination) -> tuple[Sequence[float], Sequence[float]]:
    assert examination.history is not None
    return examination.history["train"], examination.history["validation"]


def _bound(losses: Sequence[float], width: int) -> float:
    """What a difference of two means of `width` losses must exceed.

    Noise is taken from second differences, to which a trend adds little: of independent noise they have 6 times its variance.
    """
    steps = [b - a for a, b in pairwise(losses)]
    bends = [abs(b - a) for a, b in pairwise(steps)]
    noise = 1.4826 * median(bends) / 6.0**0.5
    bound: float = max(_ERRORS * noise * (2.0 / width) ** 0.5, _SHARE * (max(losses) - min(losses)))
    return bound
