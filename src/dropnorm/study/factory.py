"""A user's own network in a study: the function that makes it, found by name, called under a seed, and looked over."""

import contextlib
import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.record import Record

NAMES = {
    "features": "features",
    "in_features": "features",
    "outputs": "outputs",
    "out_features": "outputs",
    "image": "image",
}
"""The arguments that a factory may have, and what each is given."""
SAMPLE_ROWS = 4
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_USE = "Expected module:function, such as nets:small for the function small in nets.py."


class ModuleArchitecture(Record):
    """A net that a user's factory makes.

    Args:        factory: module:function; features, outputs: numbers per row; image: channels, height and width of a row that
                 is an image, and channels_last: whether its features have the channels last; parameters: of a plain net;
                 largest: how many numbers a row is at its largest; output_layer: the place among
                 `weighted_layers` of the one that is called last; fingerprint: of the layers and the shapes of their tensors.
    """

    factory: str
    features: int
    outputs: int
    image: tuple[int, int, int] | None = None
    channels_last: bool = False
    parameters: int = 0
    largest: int = 1
    output_layer: int | None = None
    fingerprint: str = ""

    def sample(self) -> Tensor:
        """A few rows of noise, as the net takes them, from torch's generator."""
        return torch.randn(SAMPLE_ROWS, *(self.image or (self.features,)))


def is_factory(net: str) -> bool:
    """Whether the name of a net is that of a factory."""
    return ":" in net


def factory_name(factory: Callable[..., nn.Module]) -> str:
    """The name module:function by which a function is found again.

    Raises:      ArgumentTypeError for what is no function, ArgumentError for one that has no name in its module.
    """
    if not callable(factory) or isinstance(factory, nn.Module):
        raise ArgumentTypeError(
            f"net={factory!r} is no factory: expected 'dense', 'conv', or a function that makes a torch.nn.Module anew at each "
            f"call. Of a module give the function, or its class."
        )
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "")
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not factory:
        raise ArgumentError(
            f"net={name or factory!r} cannot be found again by its name, as a resumed study and predict must: expected a "
            f"function at the top of a module. Write it with def there, and bind arguments in a function of its own."
        )
    return f"{module}:{name}"


def find_factory(name: str) -> Callable[..., nn.Module]:
    """The function of a name module:function, whose module may lie in the current directory.

    Raises:      ArgumentError for a module that cannot be imported or does not have it; ArgumentTypeError for no function.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise ArgumentError(f"net={name!r} is no name of a factory. {_USE}")
    try:
        with _current_directory():
            found: Any = importlib.import_module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and module_name.startswith(error.name):
            raise ArgumentError(
                f"net={name!r}: there is no module {error.name!r}, neither installed nor in {Path.cwd()}. {_USE} "
                f"Start in its folder."
            ) from error
        where = _own_frames(error, lambda code: not code.co_filename.startswith("<frozen"), after="importlib")
        raise ArgumentError(
            f"net={name!r}: the module {module_name!r} fails when it is imported. Expected one that can be. Mend it:\n{where}"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ArgumentError(
                f"net={name!r}: {module_name!r} has no {path!r}. {_USE} A function of a script or notebook "
                f"is there in that one only."
            )
        found = getattr(found, part)
    if not callable(found) or isinstance(found, nn.Module):
        raise ArgumentTypeError(
            f"net={name!r} is {type(found).__name__}, no function: expected one that makes a torch.nn.Module anew at each call."
            f" Write def {path}(features, outputs)."
        )
    return found  # type: ignore[no-any-return]


def make_module(architecture: ModuleArchitecture, key: int) -> nn.Module:
    """The module that the factory makes; its random numbers are those of the key, and torch's generator is as it was.

    Raises:      ArgumentError for a factory that fails, with its own traceback; ArgumentTypeError for one that makes no module.
    """
    name = architecture.factory
    factory = find_factory(name)
    arguments = _arguments(factory, architecture)
    with seeded(key, "cpu"):
        try:
            made = factory(**arguments)
        except Exception as error:
            raise _failure(f"net={name!r} fails", error, factory) from error
    if not isinstance(made, nn.Module):
        raise ArgumentTypeError(
            f"net={name!r} gives {type(made).__name__}: expected a torch.nn.Module. Return the net from the factory."
        )
    return made


def look_over(architecture: ModuleArchitecture) -> ModuleArchitecture:
    """The architecture with what a net of the factory shows when it is made and called once.

    Raises:      ArgumentError for one that cannot be studied: of other outputs, without weights, of another dtype than
                 float32, with NaN, or not the same from the same seed.
    """
    name = architecture.factory
    net, again = make_module(architecture, 0), make_module(architecture, 0)
    tensors, others = module_tensors(net), module_tensors(again)
    trained = [tensor for tensor in net.parameters() if tensor.requires_grad]
    if net is again or any(id(one) == id(other) for one in net.parameters() for other in again.parameters()):
        raise ArgumentError(
            f"net={name!r} gives the same module twice: expected a new one at each call, since each seed trains its own. "
            f"Make it inside the factory."
        )
    if not trained or any(tensor.dtype != torch.float32 or tensor.device.type != "cpu" for tensor in trained):
        raise ArgumentError(
            f"net={name!r} has parameters that cannot be trained here: expected at least one, and all of float32 on the CPU. "
            f"Leave dtype and device as they are by default, and use no lazy layers; --device moves the net."
        )
    if tensors.keys() != others.keys() or not all(_same(tensor, others[key]) for key, tensor in tensors.items()):
        raise ArgumentError(
            f"net={name!r} gives another net at each call: expected the same from the same seed, for pairs of nets that start "
            f"alike. Draw its random numbers from torch's default generator alone."
        )
    largest, called = _call(net, architecture)
    text = repr(net) + "".join(f"{key} {tuple(tensor.shape)} {tensor.dtype}" for key, tensor in sorted(tensors.items()))
    return architecture.model_copy(
        update={
            "parameters": sum(parameter.numel() for parameter in net.parameters()),
            "largest": largest,
            "output_layer": weighted_layers(net).index(called[-1]) if called else None,
            "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        }
    )


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
    on_gpu = torch.device(device).type == "cuda"
    with torch.random.fork_rng([device] if on_gpu else []):
        seed = key & (2**63 - 1)
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield


def _arguments(factory: Callable[..., Any], architecture: ModuleArchitecture) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    given = {}
    for parameter in parameters:
        known = NAMES.get(parameter.name)
        if known is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            given[parameter.name] = getattr(architecture, known)
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise ArgumentError(
                f"net={architecture.factory!r} asks for {parameter.name!r}, which a study does not know: expected arguments "
                f"named {', '.join(NAMES)}, or none. Give others a default."
            )
    return given


def _call(net: nn.Module, architecture: ModuleArchitecture) -> tuple[int, list[nn.Module]]:
    """One call in inference mode: how many numbers a row is at its largest, and the weighted layers in their order."""
    called: list[nn.Module] = []
    sizes = [architecture.features]

    def note(layer: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor):
            sizes.append(-(-output.numel() // SAMPLE_ROWS))
        if isinstance(layer, _WEIGHTED):
            called.append(layer)

    hooks = [layer.register_forward_hook(lambda layer, _, output: note(layer, output)) for layer in net.modules()]
    name = architecture.factory
    try:
        with seeded(1, "cpu"), torch.no_grad():
            x = architecture.sample()
            shown = f"a batch of shape {tuple(x.shape)}"
            outputs = net.eval()(x)
    except Exception as error:
        raise _failure(f"net={name!r} makes a net that fails on {shown}", error, type(net).forward) from error
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


def _failure(what: str, error: Exception, function: Callable[..., Any]) -> ArgumentError:
    file = getattr(getattr(function, "__code__", None), "co_filename", None) or _file_of(function)
    where = _own_frames(error, lambda code: code.co_filename == file)
    return ArgumentError(f"{what}. Expected a factory that works by itself, outside of a study. Mend it:\n{where}")


def _file_of(function: Callable[..., Any]) -> str | None:
    try:
        return inspect.getsourcefile(function)
    except TypeError:
        return None


def _own_frames(error: Exception, own: Callable[[CodeType], bool], after: str = "") -> str:
    """A traceback shortened to the frames of the user's own file, and what was raised."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if after:
        last = max((index for index, frame in enumerate(frames) if after in frame.f_code.co_filename), default=-1)
        frames = frames[last + 1 :]
    kept = [frame for frame in frames if own(frame.f_code) and frame.f_code.co_filename != __file__]
    lines = traceback.format_list(
        [entry for entry in traceback.extract_tb(error.__traceback__) if any(_is(entry, frame) for frame in kept)]
    )
    return "".join([*lines, *traceback.format_exception_only(error)]).rstrip()


def _is(entry: traceback.FrameSummary, frame: Any) -> bool:
    return (entry.filename, entry.name) == (str(frame.f_code.co_filename), str(frame.f_code.co_name))


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    alike: Tensor = (one == other) | (one != one)  # NaN is told of later
    return bool(alike.all())


@contextlib.contextmanager
def _current_directory() -> Iterator[None]:
    """The current directory is looked into first, as `python -m` does."""
    path = str(Path.cwd())
    sys.path.insert(0, path)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(path)
