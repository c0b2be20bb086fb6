"""Where dropout goes: after hidden activations, never before a batch norm, and never twice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import fx
from torch.nn.modules.conv import _ConvNd

from dropnorm._validate import closest
from dropnorm.errors import ArgumentError
from dropnorm.surgery.edits import Insert, NewLayer, SetRate
from dropnorm.surgery.operations import Kind, kind_of
from dropnorm.surgery.placing import Place, place_dropout
from dropnorm.surgery.reading import Note, Reading, is_dropout, is_fused
from dropnorm.surgery.trace import Flow
from dropnorm.surgery.ways import (
    ACTIVATIONS,
    NORMS,
    WEIGHTS,
    ahead,
    behind,
    inputs,
    is_last,
    is_skipped,
    kinds,
    origin,
)

Where = str | Sequence[str]
_STOPS = ACTIVATIONS | NORMS | WEIGHTS | {Kind.GATE, Kind.OUTPUT, Kind.DROPOUT}
_VARIANCE_SHIFT = "a batch norm follows, whose statistics dropout would shift (Li et al. 2019)"
_NO_PLACE = "functions make and take it, or modules called several times. Make the activation a module of its own."


def dropouts(reading: Reading, rate: float, where: Where) -> Iterator[Insert | SetRate | Note]:
    """Dropouts to add, existing ones with the new rate, and notes on places that get none."""
    places = Places(reading, where)
    for path, module in reading.trace.model.named_modules():
        if is_dropout(module):
            yield from places.existing(path, module.p, rate)
    for flow, value in places.values():
        yield from places.find(flow, value, rate)
    yield from places.decided()
    places.check_patterns()
    if where == "last" and not reading.trace.whole:
        yield Note("", "which layer is the last is not known: name the places instead.")


@dataclass(frozen=True)
class Found:
    """A value that should be dropped: the layers that do it alone, or one that also serves other calls of a module."""

    flow: Flow
    name: str
    alone: tuple[Insert, ...]
    shared: Insert | None


class Places:
    """The places of a model where dropout may be, of which `where` chooses."""

    def __init__(self, reading: Reading, where: Where) -> None:
        self.reading = reading
        self.where = where
        self.patterns = () if isinstance(where, str) else tuple(where)
        self.matched: set[str] = set()
        self.names: list[str] = []
        self.found: list[Found] = []

    def existing(self, path: str, now: float, rate: float) -> Iterator[SetRate | Note]:
        """What becomes of a dropout that is there."""
        module = self.reading.module(path)
        # In pieces of a model it is not known what comes before and after them.
        at = [(flow, node) for flow, node in self.reading.nodes() if flow.module_of(node) is module and flow.path == ""]
        if at and not all(behind(flow, node, WEIGHTS | {Kind.EMBEDDING})[0] for flow, node in at):
            yield Note(path, f"rate {now:g}: of an input, so that only input_dropout changes it.")
            return
        is_chosen = self.where == "auto" or self._match([path])
        if self.where == "last":
            is_chosen = bool(at) and all(_is_before_last(flow, node) for flow, node in at)
        if not is_chosen:
            yield Note(path, f"rate {now:g} is kept.")
        elif any(is_last(flow, node) for flow, node in at):
            yield Note(
                path,
                f"rate {now:g} is kept, but it stands after the last layer, where outputs are dropped. Take it out.",
            )
        elif any(Kind.BATCH_NORM in kinds(flow, ahead(flow, node, _STOPS)[0]) for flow, node in at):
            yield Note(path, f"rate {now:g} is kept, but {_VARIANCE_SHIFT}. Take it out or move it.")
        elif now != rate:
            yield SetRate(path, rate)
            yield Note(path, f"dropout is there already: its rate {now:g} becomes {rate:g}.")

    def values(self) -> Iterator[tuple[Flow, fx.Node]]:
        """The values that may be dropped."""
        for flow, node in self.reading.nodes():
            kind = kind_of(flow, node)
            if self.where == "last":
                if kind is Kind.WEIGHT and is_last(flow, node) and flow.path == "":
                    value = origin(flow, inputs(flow, node)[0])
                    if kind_of(flow, value) is not Kind.DROPOUT:
                        yield flow, value
            elif kind in ACTIVATIONS:
                yield flow, node

    def find(self, flow: Flow, value: fx.Node, rate: float) -> Iterator[Note]:
        """Keep where dropout of a value can be, or note why it cannot; nothing where none is to be expected."""
        sources = behind(flow, value, WEIGHTS)[0]
        following = ahead(flow, value, _STOPS)[0]
        after = kinds(flow, following)
        if not sources and kind_of(flow, value) not in WEIGHTS:
            return
        if is_last(flow, value) or Kind.DROPOUT in after or not after & (WEIGHTS | {Kind.OTHER_NORM, Kind.BATCH_NORM}):
            return
        module = flow.module_of(value)
        if module is not None and is_fused(module):
            return
        if _is_dropped(flow, value):
            return
        paths = self._paths(flow, value, sources)
        if not (isinstance(self.where, str) or self._match(paths)):
            return
        reason = self._refusal(flow, value, after)
        if reason:
            yield Note(paths[0], f"no dropout after it: {reason}.")
            return
        alone, shared = (
            [
                Insert(place.path, place.after, place.flat, NewLayer(_class(flow, value, sources, place), rate))
                for place in place_dropout(self.reading, flow, value, repeated)
            ]
            for repeated in (False, True)
        )
        self.found.append(Found(flow, paths[0], tuple(alone), shared[0] if len(shared) == 1 else None))

    def decided(self) -> Iterator[Insert | Note]:
        """The dropouts that were found. One at a module of several calls serves them if each of the calls is a place."""
        for found in self.found:
            sharing = [each for each in self.found if (each.flow, each.shared) == (found.flow, found.shared)]
            all_calls = found.shared is not None and len(sharing) == self.reading.calls(found.flow, found.shared.path)
            if found.shared is not None and all_calls and not all(each.alone for each in sharing):
                yield found.shared
            elif found.alone:
                yield from found.alone
            else:
                yield Note(found.name, f"no dropout after it: {_NO_PLACE}")

    def check_patterns(self) -> None:
        """Refuse a pattern that no place has matched."""
        for pattern in self.patterns:
            if pattern not in self.matched:
                meant = closest(pattern, self.names)
                hint = f" Did you mean {meant!r}?" if meant else ""
                raise ArgumentError(
                    f"where={pattern!r} matches no place that can have dropout: expected "
                    f"{', '.join(map(repr, dict.fromkeys(self.names))) or 'a model that has such places'}.{hint}"
                )

    def _match(self, paths: Sequence[str]) -> bool:
        self.names += paths
        # The name of a block stands for all that is in it.
        hits = {
            pattern
            for pattern in self.patterns
            for path in paths
            if fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}.*")
        }
        self.matched |= hits
        return bool(hits)

    def _refusal(self, flow: Flow, value: fx.Node, after: set[Kind]) -> str:
        if kind_of(flow, value) is Kind.SELF_NORMALIZING:
            return "after SELU only AlphaDropout keeps mean and variance"
        if Kind.BATCH_NORM in after:
            return _VARIANCE_SHIFT
        if Kind.OUTPUT in after:
            return "it is an output, too"
        if Kind.GATE in after:
            return "it is a gate, or is gated"
        if self.where == "auto" and is_skipped(flow, value):
            return "it goes through a skip connection, too, which stays whole"
        return ""

    def _paths(self, flow: Flow, value: fx.Node, sources: Sequence[fx.Node]) -> list[str]:
        """The names under which a place can be chosen: its activation, the layer before it, the blocks that return it."""
        nodes = [node for node in (value, *sources) if node.op == "call_module"]
        blocks = [call.path for call in flow.calls if call.output is value and flow.is_within(value, call)]
        blocks = [f"{flow.path}.{path}" if flow.path else path for path in blocks]
        return list(dict.fromkeys([*(flow.path_of(node) for node in nodes), *blocks])) or [value.name]


def _is_dropped(flow: Flow, value: fx.Node) -> bool:
    """Whether there is a dropout between an activation and the layer before it."""
    while len(inputs(flow, value)) == 1 and kind_of(flow, value) not in WEIGHTS:
        value = inputs(flow, value)[0]
        if kind_of(flow, value) is Kind.DROPOUT:
            return True
    return False


def _is_before_last(flow: Flow, node: fx.Node) -> bool:
    """Whether the next layer after a value is the last."""
    following = ahead(flow, node, WEIGHTS)[0]
    return bool(following) and all(is_last(flow, each) for each in following)


def _class(flow: Flow, value: fx.Node, sources: Sequence[fx.Node], place: Place) -> str:
    """The dropout for a value: of channels where convolutions make them and nothing has flattened them."""
    _, passed = behind(flow, value, WEIGHTS)
    convolution = flow.module_of(sources[0]) if sources else flow.module_of(value)
    if place.flattened or Kind.FLATTENING in passed or not isinstance(convolution, _ConvNd):
        return "Dropout"
    return f"Dropout{len(convolution.kernel_size)}d"
