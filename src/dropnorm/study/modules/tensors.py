"""What a study does with any module: its tensors by name, read and written, and calls under a seed that touches no other's."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def module_tensors(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, each once, as they are shared with the module."""
    return {name: tensor.detach() for name, tensor in (*net.named_parameters(), *net.named_buffers())}


def weighted_layers(net: nn.Module) -> list[nn.Module]:
    """Linear and Conv layers in the order in which the net has them, which dropout and batch norm put in do not change."""
    return [layer for layer in net.modules() if isinstance(layer, _WEIGHTED)]


@torch.no_grad()
def load_tensors(net: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Write values into parameters and buffers.

    Raises:      RuntimeError if they are not those of the module.
    """
    own = module_tensors(net)
    if {name: tensor.shape for name, tensor in own.items()} != {name: tensor.shape for name, tensor in tensors.items()}:
        raise RuntimeError("the tensors are those of another module")
    for name, tensor in own.items():
        tensor.copy_(tensors[name])


@contextlib.contextmanager
def seeded(key: int, device: torch.device | str) -> Iterator[None]:
    """Torch's generators start from the key, and go on afterwards where they were."""
    with torch.random.fork_rng([device] if torch.device(device).type == "cuda" else []):
        start_generators(key, device)
        yield


def start_generators(key: int, device: torch.device | str) -> None:
    """Start torch's generators of the CPU and of the device from the key."""
    seed = key & (2**63 - 1)
    torch.default_generator.manual_seed(seed)
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed(seed)
