"""The running statistics of a model's batch norms measured anew: exactly, under the weights as they are."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dropnorm._record import Record
from dropnorm._validate import probability
from dropnorm.errors import ArgumentError, NonFiniteError, SurgeryError
from dropnorm.surgery.batches import check_batches, cloned, inputs_of
from dropnorm.surgery.moments import Moments
from dropnorm.surgery.recording import record
from dropnorm.surgery.restoring import restored
from dropnorm.surgery.trace import Flow


class LayerShift(Record):
    """How far one batch norm's old running statistics were off.

    Args:        path: of the module; level: how many batch norms come before it, at most; values: how many per channel;
                 mean_shift: of the median channel, in old standard deviations; variance_ratio: of the median channel, new
                 variance over old.
    """

    path: str
    level: int
    values: int
    mean_shift: float
    variance_ratio: float


class Recalibration(Record):
    """What `recalibrate` found: print it for a table.

    Args:        layers: one entry for each batch norm; passes: how often the batches were gone through; rows: how many there
                 were; not_reached: batch norms that no batch came to, which are as they were.
    """

    layers: tuple[LayerShift, ...]
    passes: int
    rows: int
    not_reached: tuple[str, ...]

    def __str__(self) -> str:
        rows = [("batch norm", "mean off by", "variance is")]
        rows += [(each.path, f"{each.mean_shift:.2g} sd", f"{each.variance_ratio:.3g} x") for each in self.layers]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = ["  ".join([row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2])]) for row in rows]
        lines.append(f"{self.rows} rows, {self.passes} pass{'es' * (self.passes > 1)}")
        lines += [f"{path}: no batch came to it." for path in self.not_reached]
        return "\n".join(lines)


def recalibrate(model: nn.Module, batches: Iterable[Any], *, momentum: float = 1.0) -> Recalibration:
    """Set the running statistics of every batch norm to those of the data, under the weights as they are, in place.

    Equation:    mean and variance of each channel over all values of all batches, as they come to the layer in inference mode,
                 with dropout off, when all batch norms before it have their new statistics already
    Args:        model: any torch.nn.Module; only running statistics change. batches: what training sees, in batches of any
                 sizes, with labels behind the inputs or without: a DataLoader or a list, which is gone through once for each
                 batch norm on the longest way through the model. momentum: how far to go from the old statistics to the new
                 ones, default 1: all the way.
    Returns:     Recalibration, which says how far the old statistics were off.
    Numerics:    in float64; each value weighs the same, in whichever batch it is. The running variance is unbiased, as torch's.
    Raises:      ArgumentError for a model without running statistics, or momentum outside [0, 1]; ArgumentTypeError for an
                 iterator that ends after one pass; SurgeryError for batches that do not fit, NonFiniteError for values that are
                 no numbers: then all is as it was.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
        >>> report = dn.recalibrate(net, [torch.randn(32, 4), torch.randn(7, 4)])
        >>> report.rows, report.passes
        (39, 1)
    Source:      Li et al. 2019, arXiv:1801.05134, section 5.2; Wu & Johnson 2021, arXiv:2105.07576, section 3, "PreciseBN"
    See also:    torch.optim.swa_utils.update_bn: keeps dropout on, lets all batch norms learn at once of inputs that still
                 change, and weighs a short last batch as a full one.
    """
    probability(momentum, "momentum")
    norms = {path: module for path, module in model.named_modules() if isinstance(module, _BatchNorm)}
    norms = {path: norm for path, norm in norms.items() if norm.running_mean is not None}
    if not norms:
        raise ArgumentError(
            "model has no batch norm with running statistics: expected one, since they are what is measured. There is nothing "
            "to do for others."
        )
    check_batches(batches, "batches")
    measured: dict[str, Moments] = {}
    # What is set on the way is put back at the end, so that an error leaves all as it was.
    with restored(model), torch.no_grad():
        model.eval()
        # Batches may take different ways, so that what is first is known only after all of them.
        levels = dict.fromkeys(norms, 0)
        found, rows, count = _measure(model, norms, batches, levels)
        for level in range(max(levels.values()) + 1):
            here = {path: norms[path] for path, own in levels.items() if own == level}
            if level:
                found, _, _ = _measure(model, here, batches)
            for path in [path for path in here if path in found]:
                _check_finite(path, found[path])
                _move(norms[path], found[path], 1.0)
                measured[path] = found[path]
    layers = []
    for path, moments in sorted(measured.items(), key=lambda each: levels[each[0]]):
        layers.append(_shift(path, levels[path], norms[path], moments))
        _move(norms[path], moments, momentum)
        _count(norms[path], count)
    missed = tuple(path for path in norms if path not in measured)
    return Recalibration(layers=tuple(layers), passes=max(levels.values()) + 1, rows=rows, not_reached=missed)


def _raise_levels(levels: dict[str, int], flow: Flow) -> None:
    """To how many batch norms come before each, at most, in this pass, too."""
    before: dict[fx.Node, int] = {}
    for node in flow.graph.nodes:
        # A value that comes from where nothing is noted, such as a scripted function, may depend on all before it.
        known = before.values() if node.op == "placeholder" else (before[each] for each in node.all_input_nodes)
        before[node] = max(known, default=0)
        path = str(node.target)
        if node.op == "call_module" and path in levels:
            # One that is called again behind itself is measured at both places at once.
            levels[path] = max(before[node], levels[path])
            before[node] += 1


def _measure(
    model: nn.Module, norms: dict[str, Any], batches: Iterable[Any], levels: dict[str, int] | None = None
) -> tuple[dict[str, Moments], int, int]:
    """Moments of what comes to these batch norms, and how many rows and batches there are; levels, if given, are raised."""
    moments = {path: Moments() for path in norms}
    rows = count = 0
    with ExitStack() as stack:
        for path, norm in norms.items():
            hook = norm.register_forward_pre_hook(_adds_to(moments[path]), with_kwargs=True)
            stack.callback(hook.remove)
        for batch in batches:
            arguments, named = cloned(inputs_of(model, batch))
            try:
                if levels is None:
                    model(*arguments, **named)
                else:
                    recording = record(model, arguments, named)
                    if recording.failure is not None:
                        raise recording.failure
                    _raise_levels(levels, recording.flow)
            except Exception as error:
                raise _refused(model, error) from error
            tensors = (each for each in (*arguments, *named.values()) if isinstance(each, Tensor) and each.ndim)
            rows += len(next(tensors, ()))
            count += 1
    if not count:
        raise SurgeryError("batches is empty: expected what the model is trained on. Look at the data set.")
    return {path: found for path, found in moments.items() if found.count}, rows, count


def _check_finite(path: str, found: Moments) -> None:
    if not bool((found.mean.isfinite() & found.var.isfinite()).all()):
        raise NonFiniteError(
            f"NaN or infinity comes to the batch norm {path!r}: expected finite values. The running statistics are as they "
            f"were. Look for the batch, or the weights before it, that made them."
        )


def _adds_to(moments: Moments) -> Callable[[Any, Any, Any], None]:
    def add(_: Any, arguments: Any, named: Any) -> None:
        x = arguments[0] if arguments else named["input"]
        mask = named.get("mask")
        moments.add_values(x if mask is None else x.movedim(1, -1)[mask.bool()])

    return add


def _move(norm: Any, moments: Moments, momentum: float) -> None:
    unbiased = moments.var * (moments.count / max(1, moments.count - 1))
    for running, new in ((norm.running_mean, moments.mean), (norm.running_var, unbiased)):
        running.copy_(torch.lerp(running.double(), new.to(running.device), momentum))


def _count(norm: Any, batches: int) -> None:
    """As if it had learned from these batches, for layers that average all that they have seen."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.fill_(batches)


def _shift(path: str, level: int, norm: Any, moments: Moments) -> LayerShift:
    mean, var = norm.running_mean.double().cpu(), norm.running_var.double().cpu() + norm.eps
    return LayerShift(
        path=path,
        level=level,
        values=moments.count,
        mean_shift=float(((moments.mean - mean).abs() / var.sqrt()).median()),
        variance_ratio=float(((moments.var + norm.eps) / var).median()),
    )


def _refused(model: nn.Module, error: Exception) -> SurgeryError:
    return SurgeryError(
        f"batches cannot be given to {type(model).__name__} ({type(error).__name__}: {error}): expected what its forward "
        f"takes, with labels behind it or not. All is as it was."
    )
