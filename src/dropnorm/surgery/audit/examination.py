"""All that rules may look at: a model, its flow in training and in inference, what a batch showed, how it is trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dropnorm.surgery.audit.measuring import Behaviour
from dropnorm.surgery.audit.places import function_dropout
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.reading import is_dropout, is_fused
from dropnorm.surgery.modules.recording import BatchSeen, Recording
from dropnorm.surgery.modules.trace import Flow


@dataclass(frozen=True, eq=False)
class Examination:
    """One model under examination. What was not given is None."""

    model: nn.Module
    flows: tuple[Flow, ...]
    inference_flows: tuple[Flow, ...]
    recording: Recording | None = None
    optimizer: torch.optim.Optimizer | None = None
    behaviour: Behaviour | None = None
    history: Mapping[str, Sequence[float]] | None = None
    wrapper: str = ""
    workers: int = 1

    @cached_property
    def layers(self) -> dict[str, nn.Module]:
        """All modules by their paths, each once."""
        return dict(self.model.named_modules())

    @cached_property
    def paths_of(self) -> dict[nn.Module, list[str]]:
        """All the paths under which a module is held."""
        paths: dict[nn.Module, list[str]] = {}
        for path, module in self.model.named_modules(remove_duplicate=False):
            paths.setdefault(module, []).append(path)
        return paths

    @cached_property
    def batch_norms(self) -> dict[str, Any]:
        """The batch norms by their paths."""
        return {path: module for path, module in self.layers.items() if isinstance(module, _BatchNorm)}

    @cached_property
    def dropouts(self) -> dict[str, Any]:
        """The layers with a drop probability, by their paths."""
        return {path: module for path, module in self.layers.items() if is_dropout(module)}

    @property
    def batches(self) -> tuple[BatchSeen, ...]:
        """What came to the batch norms with the batch."""
        return self.recording.batches if self.recording is not None else ()

    def nodes(self, *kinds: Kind) -> Iterator[tuple[Flow, fx.Node]]:
        """The operations of these kinds, in all flows."""
        for flow in self.flows:
            for node in flow.graph.nodes:
                if kind_of(flow, node) in kinds:
                    yield flow, node

    def droppers(self) -> Iterator[tuple[Flow, fx.Node, float]]:
        """The operations that drop in training, each with its rate above 0."""
        for flow, node in self.nodes(Kind.DROPOUT, Kind.BATCH_NORM):
            module = flow.module_of(node)
            if module is None:
                rate, training = function_dropout(node)
                rate *= training
            else:
                rate = float(getattr(module, "p", 0.0)) if is_dropout(module) or is_fused(module) else 0.0
            if rate > 0.0:
                yield flow, node, rate
