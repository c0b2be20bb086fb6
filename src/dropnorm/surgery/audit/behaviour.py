"""Rules on what a model does with data."""

import math

from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.measuring import Behaviour
from dropnorm.surgery.audit.registry import Seen, Values, rule
from dropnorm.surgery.audit.state import is_untouched

_GAP, _BEYOND = 0.25, 1.25
_DEAD_SHARE, _ROWS_FOR_DEATH = 0.1, 100
_SHIFT = 0.6


@rule(
    "DN301",
    "training and inference differ",
    "warning",
    seen="outputs in training mode differ from those in inference by {gap:.0%} of their spread, of which dropout explains "
    "{dropped:.0%}",
    why="The rest is batch norm: its running statistics are not those of the batches, so that what was trained is not "
    "what predicts.",
    source="Ioffe 2017, arXiv:1702.03275, section 2",
    fix="dropnorm.recalibrate(model, batches); if that does not help, larger batches.",
    needs="loader",
)
def modes_differ(examination: Examination) -> Seen:
    """Beyond what dropout and the noise of so many batch norms over so few rows explain. A new model is not trained yet."""
    found = examination.behaviour
    assert found is not None
    norms = examination.batch_norms.values()
    if not any(is_untouched(norm) for norm in norms):
        yield from unexplained(found, sum(norm.running_mean is not None for norm in norms))


@rule(
    "DN302",
    "dead units",
    "warning",
    seen="{dead} of {units} units behind it are 0 in all of {rows} rows",
    why="A unit that is never above 0 gets no gradient, does nothing, and does not come back.",
    source="Maas et al. 2013, 'Rectifier nonlinearities improve neural network acoustic models', section 2",
    fix="Lower the learning rate, put a batch norm before the activation (dropnorm.regularize), or use LeakyReLU or GELU.",
    needs="loader",
)
def dead_units(examination: Examination) -> Seen:
    """A unit that is above 0 in one of a hundred rows has been dead in r of them with probability 0.99^r."""
    found = examination.behaviour
    assert found is not None
    if found.rows < _ROWS_FOR_DEATH:
        return
    for units in found.units:
        dead, count = int((~units.alive).sum()), units.alive.numel()
        if dead >= max(1.0, _DEAD_SHARE * count):
            yield units.path, {"dead": dead, "units": count, "rows": found.rows}


@rule(
    "DN303",
    "variance shift",
    "warning",
    seen="its inputs have {measured:.2f} times the variance in inference that they have with dropout on{predicted}",
    why="The running variance is learned with dropout on, so that in inference values come out smaller than the "
    "layers behind were trained on.",
    source="Li et al. 2019, arXiv:1801.05134, equations 8 and 13",
    fix='Use a lower rate, or dropout behind the last batch norm alone (dropnorm.regularize(..., where="last")); or '
    "dropnorm.recalibrate(model, batches) after training.",
    needs="loader",
)
def variance_shift(examination: Examination) -> Seen:
    """Of the mean channel. What dropout with p = 0.2 does behind a ReLU stays below the alarm."""
    found = examination.behaviour
    assert found is not None
    for shift in found.shifts:
        measured = float(shift.measured.mean())
        if measured < _SHIFT:
            values: Values = {"measured": measured, "predicted": ""}
            if shift.predicted is not None:
                values["predicted"] = f"; of the dropout before it, {float(shift.predicted.mean()):.2f} are predicted"
            yield shift.path, values


def unexplained(found: Behaviour, batch_norms: int) -> Seen:
    """The gap between training and inference, if dropout and the noise of so many batch norms do not explain it."""
    explained = math.sqrt(max(0.0, found.whole**2 - found.dropped**2))
    # What dropout does is known from a few masks only.
    is_beyond_dropout = found.whole > _BEYOND * found.dropped
    if batch_norms and is_beyond_dropout and explained > _GAP + math.sqrt(batch_norms / max(1, found.batch_rows)):
        yield "", {"gap": found.whole, "dropped": found.dropped}
