"""Many nets as one batched net, against torch training one net after the other: time per net and step on digits."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from dropnorm.study.architecture import Architecture
from dropnorm.study.dataset import load_dataset
from dropnorm.study.design import configure, plan_blocks, plan_nets
from dropnorm.study.objective import OBJECTIVES
from dropnorm.study.parts import Parts
from dropnorm.study.training import BlockTrainer
from measure import medians, table

SHAPE = Architecture(features=64, hidden=(128, 128), outputs=10)
BATCH = 32


def one_net(batch_norm: bool, rate: float) -> Callable[[], None]:
    """An epoch of torch's own layers and fused Adam on data in memory, with no Python beyond the step."""
    modules: list[torch.nn.Module] = []
    for inputs, outputs in ((64, 128), (128, 128)):
        modules += [torch.nn.Linear(inputs, outputs)]
        modules += [torch.nn.BatchNorm1d(outputs)] if batch_norm else []
        modules += [torch.nn.ReLU()]
        modules += [torch.nn.Dropout(rate)] if rate else []
    net = torch.nn.Sequential(*modules, torch.nn.Linear(128, 10))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    features, labels = torch.randn(33 * BATCH, 64), torch.randint(0, 10, (33 * BATCH,))

    def epoch() -> None:
        order = torch.randperm(len(features))
        for rows in order.split(BATCH):
            loss = F.cross_entropy(net(features[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def main() -> None:
    """Compare blocks of nets with and without batch norm and dropout."""
    dataset = load_dataset("digits")
    rows = []
    for arms, batch_norm, rate in (
        (("plain",), False, 0.0),
        (("plain", "dropout"), False, 0.2),
        (("plain", "batch_norm"), True, 0.0),
        (("plain", "dropout+batch_norm"), True, 0.2),
    ):
        config = configure(arms=arms, seeds=20, epochs=10_000, patience=10_000, dropout=(0.2,))
        parts = Parts.prepare(dataset, config)
        block = plan_blocks([net for net in plan_nets(config) if net.arm.name == arms[-1]])[0]
        trainer = BlockTrainer(block, parts, SHAPE, config, OBJECTIVES["classification"], None)
        steps = trainer.steps_per_epoch
        found = medians({"batched": trainer.train_epoch, "torch": one_net(batch_norm, rate)}, repeats=7, warmup=2)
        batched, torch_time = found["batched"] / steps / len(block), found["torch"] / steps
        rows.append(
            [
                arms[-1],
                str(len(block)),
                f"{1e3 * batched:.3f} ms",
                f"{1e3 * torch_time:.3f} ms",
                f"{torch_time / batched:.1f}",
            ]
        )
    table(
        "Study engine: one training step of one net, digits 64-128-128-10, batch 32, evaluation of each epoch included",
        ["arm", "nets at once", "dropnorm", "torch, one net at a time", "times faster"],
        rows,
    )


if __name__ == "__main__":
    main()
