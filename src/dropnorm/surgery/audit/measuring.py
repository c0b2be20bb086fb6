"""What a model does with data, measured: in inference, with its dropout on, and as in training."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._pytree import tree_leaves

from dropnorm.errors import SurgeryError
from dropnorm.surgery.audit.shift import Shift, Squares, shifts
from dropnorm.surgery.modules.batches import Arguments, cloned, inputs_of
from dropnorm.surgery.modules.reading import is_dropout, is_fused
from dropnorm.surgery.modules.recording import Recording, record
from dropnorm.surgery.modules.restoring import restored
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.moments import Moments

ROWS = 1024
MASKS = 4
NO_BATCHES = "loader is empty: expected batches of what the model takes. Look at its data set."
_KEY = 0


@dataclass
class Units:
    """Of one activation that can be zero: which units were ever above it."""

    path: str
    alive: Tensor


@dataclass
class Behaviour:
    """Measurements over `rows` rows. Differences of outputs are root mean squares in units of the outputs' own spread.

    Args:        whole: between inference mode and the mean of passes in training mode; dropped: between inference mode and the
                 mean of passes with nothing but dropout on; batch_rows: rows of a typical batch.
    """

    rows: int = 0
    batch_rows: int = 0
    whole: float = 0.0
    dropped: float = 0.0
    units: list[Units] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)


def measure(model: nn.Module, loader: Iterable[Any]) -> Behaviour:
    """Run the model on the first rows of the loader; afterwards it is as it was."""
    quiet, noisy = _Mode(model), _Mode(model)
    flows: list[Flow] = []

    def outputs() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for batch in loader:
            given = inputs_of(model, batch)
            model.eval()
            recording = record(model, *cloned(given), quiet.watch)
            calm = _outputs(recording)
            flows.append(recording.flow)
            if any(each.count < 2 for each in recording.batches):
                continue  # torch trains on no such batch: DN222
            quiet.finish(recording)
            with _dropping(model):
                dropped = _mean(model, given, noisy)
            with restored(model):
                model.train()
                whole = _mean(model, given, None)
            yield calm, whole, dropped

    with restored(model), torch.no_grad():
        torch.default_generator.manual_seed(_KEY)
        found = compared(outputs())
    if not flows:
        raise SurgeryError(NO_BATCHES)
    flow = flows[-1]
    found.units = [
        Units(flow.where(node), quiet.alive[node.name]) for node in flow.graph.nodes if node.name in quiet.alive
    ]
    found.shifts = list(shifts(flow, quiet.squares, quiet.moments, noisy.moments))
    return found


def compared(outputs: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Behaviour:
    """How far outputs (rows, *) in inference are from those as in training and those with dropout on, over the first rows."""
    found = Behaviour()
    differences = torch.zeros(2, dtype=torch.float64)
    seen: list[Tensor] = []
    for calm, *others in outputs:
        differences += torch.stack([(calm - each).square().sum() for each in others]).cpu()
        seen.append(calm.cpu())
        found.batch_rows = max(found.batch_rows, len(calm))
        found.rows += len(calm)
        if found.rows >= ROWS:
            break
    spread = _spread(seen)
    found.whole, found.dropped = (float((part / spread).sqrt()) for part in differences)
    return found


class _Mode:
    """What is gathered over all passes in one mode."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.alive: dict[str, Tensor] = {}
        self.moments: dict[str, Moments] = {}
        self.squares: dict[str, Squares] = {}

    def watch(self, node: fx.Node, first: Tensor, output: Any) -> None:
        """Gather what an operation shows."""
        module: Any = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
        is_relu = isinstance(module, nn.ReLU) or (is_fused(module) and module.activation == "relu")
        name = "" if module is not None else str(getattr(node.target, "__name__", "")).strip("_")
        if (is_relu or name == "relu") and isinstance(output, Tensor) and output.ndim > 1:
            # Of (N, L, features) the features come last, of (N, channels, *) the channels second.
            last = output.ndim == 3 and not self._is_of_channels(node)
            above = (output > 0).movedim(-1 if last else 1, 0).flatten(1).any(1).cpu()
            before = self.alive.get(node.name, above)
            if before.shape == above.shape:
                self.alive[node.name] = before | above
        if (is_dropout(module) if module is not None else name == "dropout") and first.ndim > 1:
            self.squares.setdefault(node.name, Squares()).add(first)

    def _is_of_channels(self, node: fx.Node) -> bool:
        """Whether a convolution made it, with norms and dropouts between at most."""
        while node.all_input_nodes:
            node = node.all_input_nodes[0]
            module = self.model.get_submodule(str(node.target)) if node.op == "call_module" else None
            if not isinstance(module, _BatchNorm | _DropoutNd | nn.Identity):
                return isinstance(module, _ConvNd) or str(getattr(node.target, "__name__", "")).startswith("conv")
        return False

    def finish(self, recording: Recording) -> None:
        """Gather what came to the batch norms."""
        for each in recording.batches:
            self.moments.setdefault(each.path, Moments()).add(each.count, each.mean, each.var)


@contextmanager
def _dropping(model: nn.Module) -> Iterator[None]:
    """Nothing but dropout on: that of a fused layer behind it, since its own mode is that of its batch norm, too."""
    with ExitStack() as stack:
        for module in model.modules():
            if is_fused(module):
                if not module.training:
                    stack.callback(module.register_forward_hook(_drop).remove)
            elif is_dropout(module):
                module.training = True
        yield


def _drop(module: Any, _: Any, output: Tensor) -> Tensor:
    shape = output.shape[:2] + (1,) * (output.ndim - 2) if module.channelwise else output.shape
    return output * F.dropout(output.new_ones(shape), module.p)


def _mean(model: nn.Module, given: Arguments, mode: _Mode | None) -> Tensor:
    total: Tensor | None = None
    for _ in range(MASKS):
        if mode is None:
            arguments, named = cloned(given)
            outputs = _tensor(model(*arguments, **named))
        else:
            recording = record(model, *cloned(given), mode.watch)
            outputs = _outputs(recording)
            mode.finish(recording)
        total = outputs if total is None else total + outputs
    assert total is not None
    return total / MASKS


def _spread(seen: list[Tensor]) -> Tensor:
    """The sum of squares of outputs around their mean: one mean for all batches, if their rows are of one length."""
    if len({each.shape[1:] for each in seen}) == 1:
        seen = [torch.cat(seen)]
    squares = torch.stack(
        [(each - each.mean(0)).square().sum() for each in seen] or [torch.zeros((), dtype=torch.float64)]
    )
    return squares.sum().clamp(min=torch.finfo(torch.float64).tiny)


def _outputs(recording: Recording) -> Tensor:
    if recording.failure is not None:
        raise SurgeryError(
            f"loader cannot be given to the model ({type(recording.failure).__name__}: {recording.failure}): expected "
            f"batches of what its forward takes, with labels behind it or not."
        ) from recording.failure
    return _tensor(recording.outputs)


def _tensor(outputs: Any) -> Tensor:
    values = dict(outputs) if hasattr(outputs, "keys") else outputs
    leaf = next(leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.is_floating_point())
    flat: Tensor = leaf.detach().double().reshape(len(leaf), -1) if leaf.ndim else leaf.detach().double().reshape(1, 1)
    return flat
