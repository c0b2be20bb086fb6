"""Two models as printed, line by line: `-` what goes, `+` what comes."""

import difflib
from itertools import zip_longest

from torch import nn

_INDENT = "  "


def difference(old: nn.Module, new: nn.Module) -> str:
    """The difference of two modules."""
    return "\n".join(f"{mark} {line}" for mark, line in _compare(old, new))


def _compare(old: nn.Module, new: nn.Module, was: str = "", name: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Marked lines: modules of one class are compared child by child, others go and come as a whole."""
    before, after = _lines(old, was, depth), _lines(new, name, depth)
    # A layer that is only counted on has not changed.
    if _lines(old, name, depth) == after:
        return [(" ", line) for line in after]
    if type(old) is not type(new) or old.extra_repr() != new.extra_repr() or not old._modules or not new._modules:
        return [*(("-", line) for line in before), *(("+", line) for line in after)]
    lines = [(" ", after[0])]
    for left, right in _aligned(old, new):
        if left is None and right is not None:
            lines += [("+", line) for line in _lines(right[1], right[0], depth + 1)]
        elif right is None and left is not None:
            lines += [("-", line) for line in _lines(left[1], left[0], depth + 1)]
        elif left is not None and right is not None:
            lines += _compare(left[1], right[1], left[0], right[0], depth + 1)
    return [*lines, (" ", after[-1])]


Child = tuple[str, nn.Module]


def _aligned(old: nn.Module, new: nn.Module) -> list[tuple[Child | None, Child | None]]:
    """The children of two modules, side by side: in a Sequential by their classes, elsewhere by their names."""
    before, after = list(old.named_children()), list(new.named_children())
    if not isinstance(old, nn.Sequential):
        by_name = dict(before), dict(after)
        names = dict.fromkeys([*by_name[0], *by_name[1]])
        sides = [[(name, side[name]) if name in side else None for name in names] for side in by_name]
        return list(zip(*sides, strict=True))
    matcher = difflib.SequenceMatcher(
        None,
        [type(child).__name__ for _, child in before],
        [type(child).__name__ for _, child in after],
        autojunk=False,
    )
    pairs: list[tuple[Child | None, Child | None]] = []
    for _, a, b, c, d in matcher.get_opcodes():
        pairs += zip_longest(before[a:b], after[c:d])
    return pairs


def _lines(module: nn.Module, name: str, depth: int) -> list[str]:
    text = f"({name}): {module!r}" if name else repr(module)
    return [_INDENT * depth + line for line in text.splitlines()]
