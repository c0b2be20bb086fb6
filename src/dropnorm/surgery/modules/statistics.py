"""The running statistics of a torch module: measured of what comes to its batch norms, and moved."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dropnorm.errors import SurgeryError
from dropnorm.surgery.modules.batches import check_batches, cloned, inputs_of
from dropnorm.surgery.modules.recording import record
from dropnorm.surgery.modules.restoring import restored
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.moments import Moments


class ModuleStatistics:
    """The batch norms of a module that have running statistics, by their paths."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        norms = {path: module for path, module in model.named_modules() if isinstance(module, _BatchNorm)}
        self.norms: dict[str, Any] = {path: norm for path, norm in norms.items() if norm.running_mean is not None}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """In inference mode, with all as it was afterwards."""
        with restored(self.model), torch.no_grad():
            self.model.eval()
            yield

    def batches(self, given: Any) -> Iterable[Any]:
        """The batches, as they are."""
        return check_batches(given, "batches")

    def measure(
        self, paths: Sequence[str], batches: Iterable[Any], levels: dict[str, int] | None = None
    ) -> tuple[dict[str, Moments], int, int]:
        """Moments of what comes to these, and how many rows and batches there are; levels, if given, are raised."""
        moments = {path: Moments() for path in paths}
        rows = count = 0
        with ExitStack() as stack:
            for path in paths:
                hook = self.norms[path].register_forward_pre_hook(_adds_to(moments[path]), with_kwargs=True)
                stack.callback(hook.remove)
            for batch in batches:
                arguments, named = cloned(inputs_of(self.model, batch))
                try:
                    if levels is None:
                        self.model(*arguments, **named)
                    else:
                        recording = record(self.model, arguments, named)
                        if recording.failure is not None:
                            raise recording.failure
                        _raise_levels(levels, recording.flow)
                except Exception as error:
                    raise _refused(self.model, error) from error
                tensors = (each for each in (*arguments, *named.values()) if isinstance(each, Tensor) and each.ndim)
                rows += len(next(tensors, ()))
                count += 1
        if not count:
            raise SurgeryError("batches is empty: expected what the model is trained on. Look at the data set.")
        return {path: found for path, found in moments.items() if found.count}, rows, count

    @torch.no_grad()
    def move(self, path: str, moments: Moments, momentum: float) -> None:
        """Move the running statistics towards the moments; torch's variance is the unbiased one."""
        norm, unbiased = self.norms[path], moments.var * (moments.count / max(1, moments.count - 1))
        for running, new in ((norm.running_mean, moments.mean), (norm.running_var, unbiased)):
            running.copy_(torch.lerp(running.double(), new.to(running.device), momentum))

    def count(self, path: str, batches: int) -> None:
        """As if it had learned from these batches, for layers that average all that they have seen."""
        if self.norms[path].num_batches_tracked is not None:
            self.norms[path].num_batches_tracked.fill_(batches)

    def current(self, path: str) -> tuple[Tensor, Tensor]:
        """The running mean, and the running variance with epsilon."""
        norm = self.norms[path]
        return norm.running_mean.double().cpu(), norm.running_var.double().cpu() + norm.eps

    def epsilon(self, path: str) -> float:
        """What is added to the variance."""
        return float(self.norms[path].eps)


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


def _adds_to(moments: Moments) -> Callable[[Any, Any, Any], None]:
    def add(_: Any, arguments: Any, named: Any) -> None:
        x = arguments[0] if arguments else named["input"]
        mask = named.get("mask")
        moments.add_values(x if mask is None else x.movedim(1, -1)[mask.bool()])

    return add


def _refused(model: nn.Module, error: Exception) -> SurgeryError:
    return SurgeryError(
        f"batches cannot be given to {type(model).__name__} ({type(error).__name__}: {error}): expected what its forward "
        f"takes, with labels behind it or not. All is as it was."
    )
