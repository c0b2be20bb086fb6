"""A user's own network looked over before a study: made twice, called once, and refused with what is wrong."""

import copy
import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dropnorm.errors import ArgumentError
from dropnorm.study.modules.architecture import SAMPLE_ROWS, ModuleArchitecture, make_module
from dropnorm.study.modules.own_traceback import failure
from dropnorm.study.modules.tensors import module_tensors, seeded, weighted_layers


def look_over(architecture: ModuleArchitecture, device: str = "cpu") -> ModuleArchitecture:
    """The architecture with what a net of the factory shows when it is made, called and copied.

    Args:        device: where the nets will train.
    Raises:      ArgumentError for one that cannot be studied: of other outputs, without weights, of another dtype than
                 float32, with NaN, on another device, not the same from the same seed, or one that cannot be copied.
    """
    name = architecture.factory
    net, again = make_module(architecture, 0), make_module(architecture, 0)
    if net is again or any(id(one) == id(other) for one in net.parameters() for other in again.parameters()):
        raise ArgumentError(
            f"net={name!r} gives the same module twice: expected a new one at each call, since each seed trains its own. "
            f"Make it inside the factory."
        )
    _check_tensors(net, name)
    tensors, others = module_tensors(net), module_tensors(again)
    if tensors.keys() != others.keys() or not all(_same(tensor, others[key]) for key, tensor in tensors.items()):
        raise ArgumentError(
            f"net={name!r} gives another net at each call: expected the same from the same seed, for pairs of nets that start "
            f"alike. Draw its random numbers from torch's default generator alone."
        )
    architecture = as_taken(net, architecture)
    largest, called = _call(net, architecture)
    _check_copy(net, architecture, device)
    text = repr(net) + "".join(f"{key} {tuple(tensor.shape)} {tensor.dtype}" for key, tensor in sorted(tensors.items()))
    return architecture.model_copy(
        update={
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "largest": largest,
            "output_layer": weighted_layers(net).index(called[-1]) if called else None,
            "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        }
    )


def _check_tensors(net: nn.Module, name: str) -> None:
    """Refuse a net whose parameters cannot be trained as those of others are."""
    tensors = (*net.named_parameters(), *net.named_buffers())
    if lazy := [key for key, tensor in tensors if is_lazy(tensor)]:
        raise ArgumentError(
            f"net={name!r} leaves the shape of {lazy[0]!r} open: expected layers that know their shapes when they are made. "
            f"Use the factory's arguments features and outputs instead of lazy layers."
        )
    if elsewhere := [(key, tensor.device) for key, tensor in tensors if tensor.device.type != "cpu"]:
        key, device = elsewhere[0]
        raise ArgumentError(
            f"net={name!r} makes {key!r} on the device {str(device)!r}: expected every tensor on the CPU, from where --device "
            f"(device= in Python) moves the net. Leave device= and .to() out of the factory."
        )
    trained = [(key, parameter) for key, parameter in net.named_parameters() if parameter.requires_grad]
    if not trained:
        raise ArgumentError(
            f"net={name!r} has no parameter to train: expected at least one that requires a gradient. Give it layers with "
            f"weights, and leave some of them unfrozen."
        )
    if other := [(key, parameter.dtype) for key, parameter in trained if parameter.dtype != torch.float32]:
        key, dtype = other[0]
        raise ArgumentError(
            f"net={name!r} has {key!r} of {dtype}: expected parameters of torch.float32 alone. Leave dtype=, .double() and "
            f".half() out of the factory."
        )


def _check_copy(net: nn.Module, architecture: ModuleArchitecture, device: str) -> None:
    """Refuse a net that cannot be trained and then copied, or that works on the CPU alone though it shall train elsewhere."""
    name, forward = architecture.factory, type(net).forward
    try:
        with seeded(1, "cpu"):
            net.train()(architecture.sample())
    except Exception as error:
        raise failure(f"net={name!r} makes a net that fails in training mode", error, forward) from error
    try:
        copied = copy.deepcopy(net)
    except Exception as error:
        raise ArgumentError(
            f"net={name!r} makes a net that cannot be copied ({type(error).__name__}: {error}): expected one that "
            f"copy.deepcopy takes after a training pass, as a study makes copies of its nets. Keep no results of forward in "
            f"the module but detached, and no handles or locks; or give the module a __deepcopy__."
        ) from error
    if torch.device(device).type == "cpu":
        return
    try:
        with seeded(1, device), torch.no_grad():
            copied.to(device).eval()(architecture.sample().to(device))
    except Exception as error:
        expected = (
            "Expected one that computes where its input is. Keep constants with register_buffer, and make other tensors on "
            "x.device; or study it with --device cpu:"
        )
        raise failure(
            f"net={name!r} makes a net that fails on the device {device!r}", error, forward, expected
        ) from error


def as_taken(net: nn.Module, architecture: ModuleArchitecture) -> ModuleArchitecture:
    """The architecture with rows or, where rows are images, images: first as its factory asks for them, then the other way.

    Raises:      ArgumentError for a net that takes neither.
    """
    if architecture.image is None:
        return architecture
    rows = architecture.model_copy(update={"image": None, "channels_last": False})
    refused = []
    for form in (rows, architecture) if architecture.asks_for_rows else (architecture, rows):
        try:
            _call(net, form)
        except ArgumentError as error:
            refused.append(error)
        else:
            return form
    raise refused[0]


def _call(net: nn.Module, architecture: ModuleArchitecture) -> tuple[int, list[nn.Module]]:
    """One call in inference mode: how many numbers a row is at its largest, and the weighted layers in their order."""
    called: list[nn.Module] = []
    sizes, weighted = [architecture.features], set(weighted_layers(net))

    def note(layer: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor):
            sizes.append(-(-output.numel() // SAMPLE_ROWS))
        if layer in weighted:
            called.append(layer)

    hooks = [layer.register_forward_hook(lambda layer, _, output: note(layer, output)) for layer in net.modules()]
    name = architecture.factory
    try:
        with seeded(1, "cpu"), torch.no_grad():
            x = architecture.sample()
            shown = f"a batch of shape {tuple(x.shape)}"
            outputs = net.eval()(x)
    except Exception as error:
        expected = (
            ""
            if architecture.image is None
            else "Expected one that takes images (batch, channels, height, width); layers of rows come behind nn.Flatten():"
        )
        raise failure(f"net={name!r} makes a net that fails on {shown}", error, type(net).forward, expected) from error
    finally:
        for hook in hooks:
            hook.remove()
    wanted = (SAMPLE_ROWS, architecture.outputs)
    if not isinstance(outputs, Tensor) or outputs.shape != wanted:
        got = f"shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ArgumentError(
            f"net={name!r} gives {got} for {shown}: expected a tensor of shape {wanted}, one number per class, or one of a "
            f"quantity. Let the last layer have as many outputs as the factory's argument outputs says."
        )
    if not bool(outputs.isfinite().all()):
        raise ArgumentError(
            f"net={name!r} gives NaN or infinity before it is trained: expected finite outputs. Look at its initial weights."
        )
    return max(sizes), called


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    alike: Tensor = (one == other) | (one != one)  # NaN is told of later
    return bool(alike.all())
