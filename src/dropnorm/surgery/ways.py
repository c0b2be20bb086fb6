"""The ways through a traced graph: what comes after a value, and before it."""

from collections.abc import Callable, Container, Iterable

from dropnorm.surgery.kinds import AnyNode, Graph, Kind, kind_of

WEIGHTS = frozenset({Kind.WEIGHT, Kind.OPAQUE})
ACTIVATIONS = frozenset({Kind.ACTIVATION, Kind.SELF_NORMALIZING})
NORMS = frozenset({Kind.BATCH_NORM, Kind.OTHER_NORM})
# What passes a value on, alone, unmixed, and channel by channel or feature by feature.
PASSING = frozenset({Kind.POOLING, Kind.FLATTENING, Kind.IDENTITY})


def ahead(flow: Graph[AnyNode], node: AnyNode, stops: Container[Kind]) -> tuple[list[AnyNode], set[Kind]]:
    """The first operations of these kinds on the ways from a node to the output, and the kinds passed before them."""
    return _walk(flow, users(flow, node), stops, forwards=True)


def behind(flow: Graph[AnyNode], node: AnyNode, stops: Container[Kind]) -> tuple[list[AnyNode], set[Kind]]:
    """The last operations of these kinds on the ways from the input to a node, and the kinds passed after them."""
    return _walk(flow, inputs(flow, node), stops, forwards=False)


def users(flow: Graph[AnyNode], node: AnyNode) -> list[AnyNode]:
    """The operations that take a node's value; asking for its size is none."""
    return [user for user in node.users if kind_of(flow, user) is not Kind.METADATA]


def inputs(flow: Graph[AnyNode], node: AnyNode) -> list[AnyNode]:
    """The nodes whose values an operation takes."""
    return [each for each in node.all_input_nodes if kind_of(flow, each) is not Kind.METADATA]


def _walk(
    flow: Graph[AnyNode], start: Iterable[AnyNode], stops: Container[Kind], forwards: bool
) -> tuple[list[AnyNode], set[Kind]]:
    found: list[AnyNode] = []
    passed: set[Kind] = set()
    waiting, seen = list(start), set[AnyNode]()
    while waiting:
        node = waiting.pop(0)
        if node in seen:
            continue
        seen.add(node)
        kind = kind_of(flow, node)
        if kind in stops:
            found.append(node)
        else:
            passed.add(kind)
            waiting += users(flow, node) if forwards else inputs(flow, node)
    return found, passed


def is_last(flow: Graph[AnyNode], node: AnyNode) -> bool:
    """Whether no weights come after a node."""
    return not ahead(flow, node, WEIGHTS)[0]


def kinds(flow: Graph[AnyNode], nodes: Iterable[AnyNode]) -> set[Kind]:
    """The kinds of these nodes."""
    return {kind_of(flow, node) for node in nodes}


def origin(flow: Graph[AnyNode], node: AnyNode) -> AnyNode:
    """What made a value before poolings and reshapes passed it on."""
    while kind_of(flow, node) in PASSING and len(inputs(flow, node)) == 1:
        node = inputs(flow, node)[0]
    return node


def neighbour(flow: Graph[AnyNode], node: AnyNode, before: bool, passes: Callable[[AnyNode], bool]) -> AnyNode | None:
    """The operation before or behind, past what does nothing, if nothing else has to do with the value in between."""
    while True:
        if before:
            beside = inputs(flow, node)
            if len(beside) != 1 or len(users(flow, beside[0])) != 1:
                return None
        else:
            beside = users(flow, node)
            if len(beside) != 1 or len(inputs(flow, beside[0])) != 1:
                return None
        node = beside[0]
        if not passes(node):
            return node


def is_skipped(flow: Graph[AnyNode], value: AnyNode) -> bool:
    """Whether a value goes around layers as well as through them: two ways from it meet in a sum, and nowhere before."""
    while len(users(flow, value)) == 1 and kind_of(flow, users(flow, value)[0]) in PASSING:
        value = users(flow, value)[0]
    branches = users(flow, value)
    if len(branches) < 2:
        return False
    through = {value: {value}}
    for branch in branches:
        for node in (branch, *_after(flow, branch)):
            through.setdefault(node, set()).add(branch)
    sums = [node for node in through if kind_of(flow, node) is Kind.ADDITION]
    for node in sums:
        left, right = ([through.get(each, set()) for each in inputs(flow, node)] + [set(), set()])[:2]
        if left and right and not left & right:
            return True
    return False


def _after(flow: Graph[AnyNode], node: AnyNode) -> set[AnyNode]:
    after: set[AnyNode] = set()
    waiting = users(flow, node)
    while waiting:
        each = waiting.pop()
        if each not in after:
            after.add(each)
            waiting += users(flow, each)
    return after
