"""One training step of a small net, 784-128-10, batch 32, fused Adam: what batch norm and dropout add to torch's plain net."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from dropnorm import nn
from measure import medians, on_threads, table

BOUND = 1.15


def step_of(*hidden: torch.nn.Module) -> Callable[[], None]:
    """A step of the net with these modules between its two linear layers."""
    net = torch.nn.Sequential(torch.nn.Linear(784, 128), *hidden, torch.nn.Linear(128, 10))
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    features, labels = torch.randn(32, 784), torch.randint(0, 10, (32,))

    def step() -> None:
        loss = F.cross_entropy(net(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Compare torch's plain net with torch's and our batch norm and dropout in it."""
    rows = []
    for threads in on_threads():
        ways = {
            "plain": step_of(torch.nn.ReLU()),
            "torch": step_of(torch.nn.BatchNorm1d(128), torch.nn.ReLU(), torch.nn.Dropout(0.2)),
            "dropnorm": step_of(nn.BatchNormActDropout1d(128, p=0.2)),
            "three layers of dropnorm's": step_of(nn.BatchNorm1d(128), torch.nn.ReLU(), nn.Dropout(0.2)),
        }
        found = medians(ways, repeats=300, warmup=50)
        for name in list(ways)[1:]:
            bound = f"{BOUND}" if name == "dropnorm" else ""
            rows.append([name, str(threads), f"{found[name] / found['plain']:.2f}", bound])
    header = ["batch norm, ReLU and dropout", "threads", "times of the plain step", "at most"]
    table("A training step, 784-128-10, batch 32, Adam", header, rows)


if __name__ == "__main__":
    main()
