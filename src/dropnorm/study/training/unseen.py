"""What finished nets say of the rows that they did not see: neither trained on nor chosen by."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from safetensors.torch import load
from torch import Tensor

from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.parts import Parts, standardize_target
from dropnorm.study.design import NetPlan, plan_nets
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.records import ArmName, NetRecord, StudyConfig, TaskName
from dropnorm.study.runs.store import Store
from dropnorm.study.statistics.out_of_bag import OutOfBag, UnseenMean
from dropnorm.study.training.kinds import blocks_of
from dropnorm.study.training.protocols import Kind

_NUMBERS_AT_ONCE = 1 << 22  # of one layer, all nets together: 16 MiB, which stays in memory that is warm


def predict_unseen(
    store: Store,
    nets_of_arms: Mapping[ArmName, Sequence[NetRecord]],
    dataset: Dataset,
    parts: Parts,
    kind: Kind,
    config: StudyConfig,
) -> dict[ArmName, OutOfBag]:
    """Of each arm the mean of its nets on every row that is in the test part of at least one, by those in whose it is.

    The rows of a net's test part are in none of its other parts. On a test part of its own, and by time, all nets have the
    same rows to test on, and each row is predicted by all of them.
    """
    plans = {plan.net: plan for plan in plan_nets(config)}
    chosen = [plans[net.net] for nets in nets_of_arms.values() for net in nets]
    outputs = dataset.encoding.outputs
    means = {arm: UnseenMean(dataset.targets, outputs) for arm in nets_of_arms}
    scales = [standardize_target(dataset, split)[1:] for split in parts.splits]
    mean, scale = torch.tensor(scales, dtype=torch.float64).unbind(1)
    for block in blocks_of(chosen, kind, config.batch_size):
        for plan, rows, predictions in _predictions(block, store, parts, kind, dataset.encoding.task, mean, scale):
            means[plan.arm.name].add(rows, predictions)
    return {arm: one.result(dataset.order.groups) for arm, one in means.items()}


def _predictions(
    block: Sequence[NetPlan],
    store: Store,
    parts: Parts,
    kind: Kind,
    task: TaskName,
    mean: Tensor,
    scale: Tensor,
) -> Iterator[tuple[NetPlan, np.ndarray, np.ndarray]]:
    """Each net of a block with some of its test rows, and probabilities or quantities (rows, outputs) of these."""
    device, objective = parts.targets.device, OBJECTIVES[task]
    weights = [load(store.weights(plan.net)) for plan in block]
    tensors = {name: torch.stack([one[name] for one in weights]).to(device) for name in weights[0]}
    seeds = [plan.seed for plan in block]
    steps = kind.steps(
        kind.initial(block, device).of(block, tensors), parts, torch.tensor(seeds, device=device), objective
    )
    rows, sizes = parts.index(seeds, "test")
    at_once = max(1, _NUMBERS_AT_ONCE // (len(block) * kind.largest))
    for start in range(0, rows.shape[1], at_once):
        some = rows[:, start : start + at_once]
        # In float64, so that no probability of a class is too small for the logarithm of its loss.
        outputs = steps.outputs(some).double().cpu()
        predictions = objective.values(outputs, mean[seeds], scale[seeds])
        for place, plan in enumerate(block):
            own = max(0, int(sizes[place]) - start)
            yield plan, some[place, :own].cpu().numpy(), predictions[place, :own].numpy()
