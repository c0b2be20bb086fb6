"""What a mask is: the keys, the counters and the generator behind every dropout in this package.

A mask is a pure function of (key, site, row, column, p). Nothing is stored; whoever needs the mask again, the backward
pass for one, makes it again. Every backend follows this page to the bit.

Generator:  Philox4x32 with 7 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
Key:        64 bits; the low 32 are Philox's first key word, the high 32 its second.
Counter:    (block, row low 32 bits, row high 32 bits, site). `row` is the sample's index along dimension 0; `site`, of
            31 bits, tells apart the dropouts that share a key.
Columns:    one call gives four 32-bit words, hence eight 16-bit decisions. Sixteen blocks make a tile of 128 columns.
            Word w, low half (h = 0) or high half (h = 1), of block 16 t + l decides column 128 t + 32 w + 2 l + h.
            So with one block per 32-bit SIMD lane, word w is a register whose 16-bit lanes are 32 neighbouring
            columns, in order: one 16-bit comparison gives their mask and nothing is shuffled.
Decision:   with threshold = round(p * 2**32), a unit is dropped if its 16 bits are below the threshold's high half, or
            tie with it and a second draw is below the low half. The second draw is the same half of the same word of
            the call whose site has its top bit set. So p is exact to 2**-32.
"""

import itertools
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.utils.checkpoint import CheckpointPolicy

from dropnorm._contract import (
    KEY_ROUNDS,
    MASK_ROUNDS,
    PHILOX_MULTIPLIERS,
    PHILOX_WEYL,
    TIE_SITE,
    TILE_BLOCKS,
    TILE_COLUMNS,
    checked_site,
    threshold,
)
from dropnorm._validate import Whole, shown
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError

__all__ = ["derive_key", "draw_key", "keep_mask", "philox"]

_ANY_KEY = torch.zeros((), dtype=torch.int64, device="cpu")
_LOW_32 = 0xFFFFFFFF


def _check_key(key: object, name: str = "key") -> None:
    if not isinstance(key, Tensor):
        raise ArgumentTypeError(
            f"{name}={shown(key)} is no tensor: expected one of torch.int64. Use torch.tensor(...), or `draw_key`."
        )
    if key.dtype != torch.int64 or key.layout != torch.strided:
        raise ArgumentTypeError(
            f"{name} of {key.dtype} and {key.layout} is not supported: expected torch.int64, dense. Use {name}.long()."
        )


def philox(
    counter: Sequence[Tensor | int], key: Tensor, rounds: int = MASK_ROUNDS
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32: four pseudo-random 32-bit words for each counter.

    Shape:       four counter words and the key broadcast together; each output word has the broadcast shape.
    Args:        counter: four words in [0, 2**32), int64 tensors or ints; key: int64, all 64 bits used;
                 rounds: 7 for masks, 10 for deriving keys.
    Numerics:    words live in the low half of int64, since torch computes little in uint32. The product of two 32-bit
                 words overflows int64's sign and nothing else, so that masking after the shift gives its high half.
    Source:      Salmon, Moraes, Dror & Shaw 2011, doi:10.1145/2063384.2063405, section 3.3.
    """
    _check_key(key)
    rounds = Whole(1, 1000).check(rounds, "rounds")
    try:
        if any(isinstance(word, Tensor) and word.layout != torch.strided for word in counter):
            raise TypeError("a word is not dense")
        x0, x1, x2, x3 = (torch.as_tensor(word, dtype=torch.int64, device=key.device) for word in counter)
        torch.broadcast_shapes(x0.shape, x1.shape, x2.shape, x3.shape, key.shape)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentTypeError(
            f"counter={shown(counter)} is no counter for a key of shape {tuple(key.shape)} ({error}): expected four words, "
            f"int64 tensors or ints in [0, 2**32), that broadcast with the key. Use whole numbers."
        ) from error
    k0, k1 = key & _LOW_32, (key >> 32) & _LOW_32
    for _ in range(rounds):
        product0, product1 = x0 * PHILOX_MULTIPLIERS[0], x2 * PHILOX_MULTIPLIERS[1]
        x0 = ((product1 >> 32) ^ x1 ^ k0).bitwise_and_(_LOW_32)
        x2 = ((product0 >> 32) ^ x3 ^ k1).bitwise_and_(_LOW_32)
        x1, x3 = product1, product0
        k0, k1 = k0 + PHILOX_WEYL[0], k1 + PHILOX_WEYL[1]
    x0, x1, x2, x3 = torch.broadcast_tensors(x0, x1 & _LOW_32, x2, x3 & _LOW_32)
    return x0, x1, x2, x3


def keep_mask(key: Tensor, rows: Tensor, columns: int, p: Sequence[float], site: int = 0) -> Tensor:
    """Which units stay, by the contract on this page.

    Shape:       key () and one p -> (rows, columns); key (groups,) and one p per group -> (groups, rows, columns)
    Args:        key: int64; rows: int64 (rows,), the samples' indices, each at least 0; columns: count of columns;
                 p: drop probabilities in [0, 1]; site: in [0, 2**31).
    Raises:      ArgumentError if the number of probabilities is not the number of keys, or site is out of range.
    Example:
        >>> import torch
        >>> keep_mask(torch.tensor(7), torch.arange(2), 4, [0.5]).shape
        torch.Size([2, 4])
    """
    _check_key(key)
    _check_key(rows, "rows")
    columns = Whole(0, 2**31 - 1).check(columns, "columns")
    if not isinstance(p, Sequence) or isinstance(p, str):
        raise ArgumentTypeError(f"p={shown(p)} is no list of probabilities: expected one per key. Use p=[0.5].")
    if rows.ndim != 1:
        raise ShapeError(f"rows.shape={tuple(rows.shape)} is no list: expected (rows,). Use torch.arange(count).")
    if len(p) != key.numel() or key.ndim > 1:
        raise ArgumentError(f"p has {len(p)} values for a key of shape {tuple(key.shape)}: expected one p per key.")
    site, rows = checked_site(site), rows.to(key.device)
    limits = torch.tensor([threshold(value) for value in p], dtype=torch.int64, device=key.device)
    limits = limits.reshape(*key.shape, 1, 1)
    high, low = (limits >> 16).int(), (limits & 0xFFFF).int()
    # Groups often share a key, such as one net tried at several rates; they share its draws.
    distinct, group = key.unique(return_inverse=True) if key.ndim else (key, ...)
    draws = _draws(distinct, rows, columns, site)[group]
    dropped = draws < high
    tied = (draws == high) & (low > 0)
    if tied.any():
        at = tied.nonzero(as_tuple=True)
        keys = key[at[0]] if key.ndim else key
        second = _draw_at(keys, rows[at[-2]], at[-1], site | TIE_SITE)
        dropped[at] = second < low.expand_as(draws)[at]
    return ~dropped


def _draws(key: Tensor, rows: Tensor, columns: int, site: int) -> Tensor:
    """The 16-bit draws of every row and column, computed block by block."""
    tiles = -(-columns // TILE_COLUMNS)
    # A narrow row needs only the first lanes of its single tile's first word.
    lanes = TILE_BLOCKS if columns > 2 * (TILE_BLOCKS - 1) else (columns + 1) // 2
    tile = torch.arange(tiles, device=key.device)[:, None]
    block = tile * TILE_BLOCKS + torch.arange(lanes, device=key.device)
    row = rows[:, None, None]
    words = philox((block, row & _LOW_32, (row >> 32) & _LOW_32, site), key[..., None, None, None])
    word = torch.stack(words, dim=-2)  # (..., rows, tiles, 4, lanes)
    halves = torch.stack(((word & 0xFFFF).int(), (word >> 16).int()), dim=-1)
    return halves.flatten(-4)[..., :columns]


def _draw_at(key: Tensor, row: Tensor, column: Tensor, site: int) -> Tensor:
    """The 16-bit draw of single (key, row, column) triples, straight from the contract's formula."""
    tile, inside = column // TILE_COLUMNS, column % TILE_COLUMNS
    word, lane, half = inside // 32, inside % 32 // 2, inside % 2
    words = philox((tile * TILE_BLOCKS + lane, row & _LOW_32, (row >> 32) & _LOW_32, site), key)
    chosen = torch.stack(words).gather(0, word[None])[0]
    return (chosen >> (16 * half)) & 0xFFFF


def derive_key(key: Tensor, *counter: Tensor | int) -> Tensor:
    """A new independent key from a key and up to four whole numbers, such as an epoch and a step.

    Equation:    derived = low words of Philox4x32-10(counter, key); unlike a mask's calls it has 10 rounds.
    Shape:       key and counters broadcast together
    Args:        counter: one to four words in [0, 2**32).
    Example:
        >>> import torch
        >>> int(derive_key(torch.tensor(1), 2)) == int(derive_key(torch.tensor(1), 3))
        False
    """
    _check_key(key)
    if not 1 <= len(counter) <= 4:
        raise ArgumentError(f"derive_key got {len(counter)} counters: expected one to four.")
    low, high, _, _ = philox((*counter, 0, 0, 0)[:4], key, rounds=KEY_ROUNDS)
    return low | (high << 32)


# A generator cannot be an argument of a registered operation in a traced graph; the number of its entry here can.
_generators: "weakref.WeakValueDictionary[int, torch.Generator]" = weakref.WeakValueDictionary()
_numbers: "weakref.WeakKeyDictionary[torch.Generator, int]" = weakref.WeakKeyDictionary()
_counter = itertools.count(1)
_call_sites = itertools.count()


def draw_key(generator: torch.Generator | None = None) -> Tensor:
    """Draw a fresh 64-bit key, one draw of torch's generator whatever the mask's size will be.

    Args:        generator: a CPU generator; None is torch's default one, which `torch.manual_seed` governs.
    Randomness:  eager and compiled code draw the same keys in the same order from the same seed.
    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> first = draw_key()
        >>> _ = torch.manual_seed(0)
        >>> bool(first == draw_key())
        True
    """
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ArgumentTypeError(
            f"generator={shown(generator)} is no generator: expected a torch.Generator of the CPU. Use torch.Generator()."
        )
    # On the CPU whatever the default device is: the same key for every device.
    if torch._C._len_torch_dispatch_stack():
        key = torch.empty((), dtype=torch.int64, device="cpu")  # of the kind that the mode makes
    else:
        key = torch.empty_like(_ANY_KEY)  # faster, which a batch of 32 notices
    return key.random_(-(2**63), 2**63 - 1, generator=generator)


def draw_key_in_graph(generator_number: int) -> Tensor:
    """`draw_key` for code that is being compiled; `generator_number` is from `enter_generator`."""
    drawn: Tensor = torch.ops.dropnorm.draw_key(generator_number)
    return drawn


def enter_generator(generator: torch.Generator | None) -> int:
    """The number by which a compiled graph names this generator, 0 for the default one. It is not kept alive."""
    if generator is None:
        return 0
    if generator not in _numbers:
        _numbers[generator] = next(_counter)
        _generators[_numbers[generator]] = generator
    return _numbers[generator]


# A compiler merges calls that look alike. So the composite operation, which a trace replaces by what it does, puts a
# number of its own into each call. The device argument is there for torch's replay of random state in a checkpoint.
_library = torch.library.Library("dropnorm", "FRAGMENT")
_library.define("draw_key(int generator_number) -> Tensor")
_library.define(
    "draw_key_at(int call_site, int generator_number, *, Device device) -> Tensor",
    tags=(torch.Tag.nondeterministic_seeded,),
)


def _draw_key_at(call_site: int, generator_number: int, *, device: torch.device) -> Tensor:  # noqa: ARG001
    return draw_key(_generators[generator_number] if generator_number else None)


def _draw_key_composite(generator_number: int) -> Tensor:
    device = torch.device("cpu")
    return made_once(torch.ops.dropnorm.draw_key_at.default, next(_call_sites), generator_number, device=device)


_library.impl("draw_key_at", _draw_key_at, "CompositeExplicitAutograd")
_library.impl("draw_key", _draw_key_composite, "CompositeImplicitAutograd")
torch.library.register_fake(
    "dropnorm::draw_key_at", lambda _site, _generator, *, device: torch.empty((), dtype=torch.int64, device=device)
)


def made_once(operation: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Call an operation that a compiled backward pass must not repeat: a trace in progress notes to keep what it made.

    A compiler repeats in the backward pass what seems cheaper to make again than to keep, and what a checkpoint tells it to.
    Of a draw that is another key, and of a state that has been moved on in place it is what the state is by then.
    """
    made: Tensor = operation(*args, **kwargs)
    trace = get_proxy_mode()
    if trace is not None:
        nodes = reversed(trace.tracer.graph.nodes)
        node = next((node for node in nodes if node.target is operation), None)
        if node is not None:
            node.meta["recompute"] = CheckpointPolicy.MUST_SAVE
    return made


def register_made_once(name: str, function: Callable[[Tensor], Tensor], fake: Callable[[Tensor], Tensor]) -> None:
    """Register `function` of a tensor as an operation that compilers neither look into nor repeat in a backward pass."""
    _library.define(f"{name}(Tensor of) -> Tensor")
    _library.define(f"{name}_once(Tensor of) -> Tensor")
    operation = getattr(torch.ops.dropnorm, f"{name}_once").default
    _library.impl(f"{name}_once", function, "CompositeExplicitAutograd")
    _library.impl(name, partial(made_once, operation), "CompositeImplicitAutograd")
    torch.library.register_fake(f"dropnorm::{name}_once", fake)


register_made_once("snapshot", Tensor.clone, torch.empty_like)


def snapshot(values: Tensor) -> Tensor:
    """Values as a backward pass will need them, whatever is done to them in place before it comes.

    In compiled code a copy, which the compiler cannot leave out, as it does with one of torch's; eager code needs none.
    """
    if not torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return values
    taken: Tensor = torch.ops.dropnorm.snapshot(values)
    return taken
