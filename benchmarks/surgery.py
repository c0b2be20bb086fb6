"""What the doctor's tools cost and gain: fuse and fold against the models themselves, mc_predict and audit against passes."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.fx.experimental.optimization import fuse as torch_fuse

import dropnorm as dn
from measure import medians, on_threads, table

# The baselines are the architectures of the tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "surgery"))
from architectures import VGG, ResNet18

LAST = torch.channels_last


def mlp(width: int = 1024) -> nn.Sequential:
    """784-1024-1024-10 with batch norm and dropout."""
    hidden = [
        layer
        for inputs in (784, width)
        for layer in (nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.2))
    ]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def step_of(model: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """A training step on one batch."""
    optimizer = torch.optim.Adam(model.train().parameters(), fused=True)
    labels = torch.randint(0, 10, (len(x),))

    def step() -> None:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def fused_training(threads: int) -> list[list[str]]:
    """Training steps of models as they are, and fused."""
    rows = []
    dense, x = mlp(), torch.randn(128, 784)
    # What remains if batch norm and dropout cost nothing.
    plain = nn.Sequential(*(layer for layer in mlp() if not isinstance(layer, nn.BatchNorm1d | nn.Dropout)))
    ways = {"torch": step_of(dense, x), "fused": step_of(dn.fuse(dense).model, x), "plain": step_of(plain, x)}
    found = medians(ways, repeats=30, warmup=5)
    work = "784-1024-1024-10, batch 128"
    for what, way, bound in (
        (f"fuse: training step, {work}", "fused", "1.3"),
        ("the same without the two layers", "plain", ""),
    ):
        rows.append([what, "the model", str(threads), f"{found['torch'] / found[way]:.2f}", bound])
    vgg, x = VGG().to(memory_format=LAST), torch.randn(64, 3, 32, 32).to(memory_format=LAST)
    found = medians({"torch": step_of(vgg, x), "fused": step_of(dn.fuse(vgg).model, x)}, repeats=9, warmup=1)
    ratio = found["torch"] / found["fused"]
    rows.append(
        [
            "fuse: training step, VGG-16-BN, 32 x 32, batch 64",
            "the model, channels last",
            str(threads),
            f"{ratio:.2f}",
            "1",
        ]
    )
    return rows


@torch.no_grad()
def folded_inference(threads: int) -> list[list[str]]:
    """Inference of a folded model against torch's own way of folding."""
    model, x = ResNet18().eval(), torch.randn(4, 3, 224, 224)
    ours, theirs = dn.fold(model).model, torch_fuse(model)
    found = medians(
        {"model": lambda: model(x), "torch": lambda: theirs(x), "ours": lambda: ours(x)}, repeats=25, warmup=2
    )
    work = "fold: inference, ResNet-18, 224 x 224, batch 4"
    return [
        [work, "torch.fx.experimental.optimization.fuse", str(threads), f"{found['torch'] / found['ours']:.2f}", "1"],
        [work, "the model", str(threads), f"{found['model'] / found['ours']:.2f}", ""],
    ]


@torch.no_grad()
def monte_carlo(threads: int) -> list[list[str]]:
    """100 samples against a loop of 100 passes with dropout on."""
    rows = []
    model = nn.Sequential(*(layer for layer in mlp() if not isinstance(layer, nn.BatchNorm1d)))
    for count in (1, 8, 128):
        x = torch.randn(count, 784)

        def loop(x: torch.Tensor = x) -> torch.Tensor:
            model.train()
            probabilities = torch.stack([model(x).softmax(1) for _ in range(100)])
            return torch.stack([probabilities.mean(0), probabilities.var(0)])

        # The one product of matrices that no way of sampling can do without.
        hidden, layer = torch.randn(100 * count, 1024), model[3]
        ways = {
            "loop": loop,
            "ours": lambda x=x: dn.mc_predict(model.eval(), x, 100),
            "product": lambda hidden=hidden, layer=layer: layer(hidden),
        }
        found = medians(ways, repeats=25 if count < 128 else 5, warmup=2)
        work = f"mc_predict: 100 samples, 784-1024-1024-10, {count} row{'s' * (count > 1)}"
        bound = "10" if count < 128 else ""
        rows.append([work, "100 passes", str(threads), f"{found['loop'] / found['ours']:.1f}", bound])
        what = "the second layer's product alone, of as many rows"
        rows.append([what, "100 passes", str(threads), f"{found['loop'] / found['product']:.1f}", ""])
    return rows


def audited(threads: int) -> list[list[str]]:
    """An audit with a batch, less one forward pass, in milliseconds."""
    model, x = ResNet18().train(), torch.randn(8, 3, 224, 224)
    found = medians({"forward": lambda: model(x), "audit": lambda: dn.audit(model, x)}, repeats=5, warmup=1)
    beyond = 1000 * (found["audit"] - found["forward"])
    return [
        [
            "audit: ResNet-18, 224 x 224, batch 8",
            "ms beyond one forward pass",
            str(threads),
            f"{beyond:.0f}",
            "at most 100",
        ]
    ]


def main() -> None:
    """All of them, with two threads and with one."""
    rows = []
    for threads in on_threads():
        rows += [*fused_training(threads), *folded_inference(threads), *monte_carlo(threads), *audited(threads)]
    table("Surgery", ["what", "times faster than", "threads", "measured", "at least"], rows)


if __name__ == "__main__":
    main()
