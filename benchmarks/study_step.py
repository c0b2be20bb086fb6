"""A training step of many nets, against the matrix products that it cannot do without: images of 784 pixels, 784-128-10."""

from collections.abc import Callable

import numpy as np
import torch

from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import Purpose, configure, plan_blocks, plan_nets, seed_keys
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.training.block import BlockTrainer
from dropnorm.study.training.kinds import kind_of
from measure import medians, on_threads, table

FEATURES, UNITS, CLASSES, BATCH, NETS = 784, 128, 10, 128, 10
ROWS = 12_000
BOUND = 1.5
ARM = "dropout+batch_norm"


def trainer() -> BlockTrainer:
    """Ten nets with both regularizers on bytes, as images are kept."""
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (ROWS, FEATURES)), generator.integers(0, CLASSES, ROWS)
    dataset = load_dataset(images.astype(np.uint8), labels)
    config = configure(arms=("plain", ARM), seeds=NETS, dropout=(0.2,), hidden=(UNITS,), batch_size=BATCH)
    block = plan_blocks([net for net in plan_nets(config) if net.arm.name == ARM])[0]
    kind = kind_of(Architecture(features=FEATURES, hidden=(UNITS,), outputs=CLASSES))
    return BlockTrainer(block, Parts.prepare(dataset, config), kind, config, OBJECTIVES["classification"], None)


def matrix_products(steps: int) -> Callable[[], None]:
    """Those of so many steps, forward and backward, batched over the nets, into memory that is already there."""
    x, h = torch.randn(NETS, BATCH, FEATURES), torch.randn(NETS, BATCH, UNITS)
    w1, w2 = torch.randn(NETS, FEATURES, UNITS), torch.randn(NETS, UNITS, CLASSES)
    of_h, of_y = torch.randn(NETS, BATCH, UNITS), torch.randn(NETS, BATCH, CLASSES)
    z, y, into_h, into_w1, into_w2 = (torch.empty_like(each) for each in (h, of_y, h, w1, w2))

    def products() -> None:
        for _ in range(steps):
            torch.bmm(x, w1, out=z)
            torch.bmm(h, w2, out=y)
            torch.bmm(h.transpose(1, 2), of_y, out=into_w2)
            torch.bmm(of_y, w2.transpose(1, 2), out=into_h)
            torch.bmm(x.transpose(1, 2), of_h, out=into_w1)

    return products


def main() -> None:
    """Compare the steps of an epoch, and the epoch with its measurements."""
    rows = []
    for threads in on_threads():
        nets = trainer()
        steps, seeds = nets.steps_per_epoch, [plan.seed for plan in nets.plans]
        order = torch.stack([nets.parts.train_rows(seed) for seed in seeds])[:, : steps * BATCH]
        keys = seed_keys(seeds, Purpose.MASKS, 0, torch.arange(steps))
        ways = {
            "products": matrix_products(steps),
            "steps": lambda nets=nets, order=order, keys=keys: nets.steps.train(order, keys),
            "epoch": nets.train_epoch,
        }
        found = medians(ways, repeats=7, warmup=2)
        per_net = {name: f"{1e6 * seconds / steps / NETS:.0f} µs" for name, seconds in found.items()}
        ratio = found["steps"] / found["products"]
        of_epoch = found["epoch"] / found["products"]
        rows.append(
            [str(threads), per_net["products"], per_net["steps"], f"{ratio:.2f}", f"{BOUND}", f"{of_epoch:.2f}"]
        )
    table(
        f"A training step of one net, 784-128-10, batch {BATCH}, batch norm and dropout, {NETS} nets at once",
        ["threads", "its matrix products", "the step", "ratio", "at most", "ratio with the measurements of each epoch"],
        rows,
    )


if __name__ == "__main__":
    main()
