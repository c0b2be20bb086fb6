"""What the pictures show of finished nets, measured in inference mode with the weights of their best epochs."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from dropnorm.study.conclusions.pairs import dropout_pair, without_dropout
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NETS_PER_BLOCK, NetPlan, plan_blocks, plan_nets
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.pictures.features import feature_tiles
from dropnorm.study.pictures.masks import draw_masks
from dropnorm.study.pictures.records import LayerActivity, OutputHistogram, Pictures
from dropnorm.study.records import NetRecord, StudyConfig
from dropnorm.study.runs.store import Store
from dropnorm.study.statistics.choice import choose_nets
from dropnorm.study.task import Metric
from dropnorm.study.training.kinds import AnyArchitecture

SILENT = 0.01  # of the root mean square of a layer's outputs
BINS = 30
BEYOND = 1.0  # percent of the outputs, at either end, that the outermost bins take up
_LARGEST_SAMPLE = 256  # rows
_NUMBERS = 1 << 22  # of one layer, all nets together: 16 MiB, which stays in memory that is warm


def picture_nets(
    store: Store, parts: Parts, architecture: AnyArchitecture, config: StudyConfig, metric: Metric
) -> Pictures:
    """Measure the finished nets of a store; of a user's own network nothing is known of what is inside."""
    pair = dropout_pair(config.arms)
    if not isinstance(architecture, Architecture) or not any(arm.dropout for arm in config.arms):
        return Pictures()
    nets, records = _FinishedNets(store, parts, architecture, config), store.nets()
    shown = {arm.name for arm in config.arms if arm.dropout}
    shown |= {other.name for arm in config.arms if arm.dropout and (other := without_dropout(arm, config.arms))}
    compared: list[list[NetRecord]] = []
    if pair is not None:
        rates = (0.0, max(pair[1].dropout))
        compared = [
            choose_nets([net for net in records if net.rate == rate], arm.name, metric)
            for arm, rate in zip(pair, rates, strict=True)
        ]
    histograms = _Histograms(compared, nets)
    activity: list[LayerActivity] = []
    for net, layers in nets.outputs([net for net in records if net.arm in shown]):
        still = [silent(outputs) for outputs in layers]
        histograms.add(net, layers, still)
        activity += [
            LayerActivity(net=net.net, layer=layer, active=1.0 - int(one.count_nonzero()) / one.numel())
            for layer, one in enumerate(still)
        ]
    activity.sort(key=lambda one: (one.net, one.layer))
    dropping = pair[1] if pair is not None else next(arm for arm in config.arms if arm.dropout)
    return Pictures(
        activity=tuple(activity),
        histograms=histograms.records(),
        features=tuple(
            tiles
            for chosen in compared
            if (tiles := feature_tiles(chosen[0], nets.plans[chosen[0].net], nets.weights(chosen[0].net), architecture))
        ),
        masks=draw_masks(dropping, architecture),
    )


def validation_sample(parts: Parts, seeds: Sequence[int], architecture: Architecture) -> Tensor:
    """The features (seeds, rows, features) of each seed's validation rows, or of as many as keep the largest layer small."""
    rows, sizes = parts.index(seeds, "validation")
    most = max(1, min(_LARGEST_SAMPLE, int(sizes.min()), _NUMBERS // architecture.largest))
    x, _ = parts.take(torch.tensor(seeds, device=rows.device), rows[:, :most].contiguous())
    return x


class _FinishedNets:
    """The finished nets of a store, with the weights of their best epochs."""

    def __init__(self, store: Store, parts: Parts, architecture: Architecture, config: StudyConfig) -> None:
        self.store, self.parts, self.architecture = store, parts, architecture
        self.plans = {plan.net: plan for plan in plan_nets(config)}

    def outputs(self, records: Sequence[NetRecord]) -> Iterator[tuple[NetRecord, list[Tensor]]]:
        """Each net with the outputs (values, units) of its hidden layers; nets of one structure are computed together."""
        by_net = {record.net: record for record in records}
        together = max(1, _NUMBERS // (_LARGEST_SAMPLE * self.architecture.largest))
        plans = [self.plans[record.net] for record in records]
        for block in plan_blocks(plans, 1, min(together, NETS_PER_BLOCK)):
            x = validation_sample(self.parts, [plan.seed for plan in block], self.architecture)
            layers = [outputs for _, outputs in self._batched(block).hidden(x)]
            for position, plan in enumerate(block):
                yield by_net[plan.net], [outputs[position] for outputs in layers]

    def weights(self, net: int) -> dict[str, Tensor]:
        """One net's tensors by name."""
        return load(self.store.weights(net))

    def _batched(self, plans: Sequence[NetPlan]) -> BatchedNets:
        device = self.parts.targets.device
        weights = [self.weights(plan.net) for plan in plans]
        tensors = {name: torch.stack([one[name] for one in weights]).to(device) for name in weights[0]}
        running = {name: tensor for name, tensor in tensors.items() if ".running_" in name}
        parameters = {name: tensor for name, tensor in tensors.items() if name not in running}
        return BatchedNets(plans, self.architecture, parameters, running)


class _Histograms:
    """The outputs of groups of nets, each of one arm and rate, counted layer by layer in bins that are common to all groups."""

    def __init__(self, groups: Sequence[Sequence[NetRecord]], nets: _FinishedNets) -> None:
        self.group = {net.net: group for group, members in enumerate(groups) for net in members}
        self.firsts = [members[0] for members in groups]
        outputs = zip(*(layers for _, layers in nets.outputs(self.firsts)), strict=True)
        self.edges = [_edges(torch.cat([one.flatten() for one in layer]).cpu().numpy()) for layer in outputs]
        self.silent, self.all = np.zeros((2, len(groups), len(self.edges)), dtype=np.int64)
        self.bins = np.zeros((len(groups), len(self.edges), BINS), dtype=np.int64)

    def add(self, net: NetRecord, layers: Sequence[Tensor], still: Sequence[Tensor]) -> None:
        """Count the outputs of one net, and which of them are silent, if it belongs to a group."""
        if net.net not in self.group:
            return
        group = self.group[net.net]
        for layer, edges in enumerate(self.edges):
            low, high = float(edges[0]), float(edges[-1])
            loud = layers[layer][~still[layer]].clamp(low, high)
            self.bins[group, layer] += torch.histc(loud, BINS, low, high).cpu().numpy().astype(np.int64)
            self.silent[group, layer] += int(still[layer].count_nonzero())
            self.all[group, layer] += still[layer].numel()

    def records(self) -> tuple[OutputHistogram, ...]:
        """Layer by layer that of each group."""
        return tuple(
            OutputHistogram(
                arm=net.arm,
                rate=net.rate,
                layer=layer,
                silent=float(self.silent[group, layer] / self.all[group, layer]),
                edges=tuple(edges.tolist()),
                shares=tuple((self.bins[group, layer] / self.all[group, layer]).tolist()),
            )
            for layer, edges in enumerate(self.edges)
            for group, net in enumerate(self.firsts)
        )


def silent(outputs: Tensor) -> Tensor:
    """Which outputs of a layer (values, units) are zero, or as good as zero beside the others."""
    return outputs.abs() <= SILENT * outputs.square().mean().sqrt()


def _edges(values: np.ndarray) -> np.ndarray:
    """Bins over what is not extreme of the outputs, zero among them."""
    low, high = np.percentile(np.nan_to_num(values), (BEYOND, 100 - BEYOND))
    edges: np.ndarray = np.linspace(min(float(low), 0.0), max(float(high), 0.0) or 1.0, BINS + 1)
    return edges
