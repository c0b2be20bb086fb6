import gc
import itertools
import weakref
from fractions import Fraction

import pytest
import torch
from functorch.compile import aot_function
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.utils.checkpoint import CheckpointPolicy

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.random import (
    TIE_SITE,
    checked_site,
    derive_key,
    draw_key,
    draw_key_in_graph,
    enter_generator,
    keep_mask,
    philox,
    register_made_once,
    snapshot,
    threshold,
)

LOW_32 = 2**32 - 1

# Each statistical test below fails by bad luck with less than this probability, over all that it looks at. The keys are
# fixed, so that it fails always or never.
FALSE_ALARM = 1e-7


# --- The contract again, in whole numbers of Python, one decision at a time -----------------------------------------


def oracle_philox(counter: tuple[int, ...], key: int, rounds: int) -> tuple[int, ...]:
    """Salmon et al. 2011, figure 2 of the Random123 paper, written from the paper."""
    a, b, c, d = counter
    low, high = key & LOW_32, (key >> 32) & LOW_32
    for _ in range(rounds):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ low, right & LOW_32, (left >> 32) ^ d ^ high, left & LOW_32
        low, high = (low + 0x9E3779B9) & LOW_32, (high + 0xBB67AE85) & LOW_32
    return a, b, c, d


def oracle_draw(key: int, row: int, column: int, site: int) -> int:
    """The 16 bits of one unit: column = 128 tile + 32 word + 2 lane + half."""
    tile, inside = divmod(column, 128)
    word, inside = divmod(inside, 32)
    lane, half = divmod(inside, 2)
    words = oracle_philox((16 * tile + lane, row & LOW_32, row >> 32, site), key, rounds=7)
    return (words[word] >> 16) if half else (words[word] & 0xFFFF)


def oracle_keeps(key: int, row: int, column: int, site: int, p: float) -> bool:
    limit = round(Fraction(p) * 2**32)
    first = oracle_draw(key, row, column, site)
    if first != limit >> 16:
        return first > limit >> 16
    return oracle_draw(key, row, column, site + 2**31) >= limit & 0xFFFF


def oracle_mask(key: int, rows: list[int], columns: int, site: int, p: float) -> list[list[bool]]:
    return [[oracle_keeps(key, row, column, site, p) for column in range(columns)] for row in rows]


# --- The generator ---------------------------------------------------------------------------------------------------

ZEROS = ((0, 0, 0, 0), (0, 0))
ONES = ((LOW_32,) * 4, (LOW_32,) * 2)
PI = ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0))

KNOWN_ANSWERS = [
    (*ZEROS, 7, "5f6fb709 0d893f64 4f121f81 4f730a48"),
    (*ZEROS, 10, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (*ONES, 7, "5207ddc2 45165e59 4d8ee751 8c52f662"),
    (*ONES, 10, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (*PI, 7, "4dfccaba 190a87f0 c47362ba b6b5242a"),
    (*PI, 10, "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def signed(key: int) -> int:
    """64 bits as the int64 that has them."""
    return key - 2**64 if key >= 2**63 else key


def hexadecimal(words: tuple[Tensor, ...]) -> str:
    return " ".join(f"{int(word):08x}" for word in words)


@pytest.mark.parametrize(("counter", "key", "rounds", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers_of_random123(counter, key, rounds, expected):
    as_tensor = torch.tensor(signed(key[0] | key[1] << 32))
    assert hexadecimal(philox(counter, as_tensor, rounds)) == expected
    assert hexadecimal(philox([torch.tensor(word) for word in counter], as_tensor, rounds)) == expected
    assert hexadecimal(oracle_philox(counter, key[0] | key[1] << 32, rounds)) == expected


def test_philox_has_seven_rounds_unless_told_otherwise():
    assert hexadecimal(philox(ZEROS[0], torch.tensor(0))) == "5f6fb709 0d893f64 4f121f81 4f730a48"


def test_philox_broadcasts_counters_and_keys():
    keys = torch.tensor([[1], [2]])
    words = philox((torch.arange(3), 0, 5, 0), keys)
    assert [word.shape for word in words] == [(2, 3)] * 4
    for i, key in enumerate((1, 2)):
        for j in range(3):
            assert tuple(int(word[i, j]) for word in words) == oracle_philox((j, 0, 5, 0), key, 7)


# --- The mask --------------------------------------------------------------------------------------------------------

keys = st.integers(-(2**63), 2**63 - 1)
row_lists = st.lists(st.integers(0, 9) | st.integers(0, 2**62), min_size=0, max_size=3)
column_counts = st.sampled_from([0, 1, 2, 29, 30, 31, 32, 33, 63, 65, 127, 128, 129, 255, 256, 257, 300])
sites = st.integers(0, 9) | st.integers(0, 2**31 - 1)
probabilities = st.floats(0.0, 1.0) | st.sampled_from([0.0, 1.0, 0.5, 0.1, 1e-6, 1.0 - 1e-9, 2.0**-32, 2.0**-33])


@settings(deadline=None, max_examples=150)
@given(keys, row_lists, column_counts | st.integers(1, 300), sites, probabilities)
def test_a_mask_is_what_the_contract_says(key, rows, columns, site, p):
    mask = keep_mask(torch.tensor(key), torch.tensor(rows, dtype=torch.int64), columns, [p], site)
    assert mask.dtype == torch.bool
    assert mask.shape == (len(rows), columns)
    assert mask.tolist() == oracle_mask(key, rows, columns, site, p)


@settings(deadline=None, max_examples=60)
@given(keys, st.integers(0, 2**40), st.integers(0, 299), sites)
def test_a_tie_is_settled_by_the_second_draw(key, row, column, site):
    first, second = oracle_draw(key, row, column, site), oracle_draw(key, row, column, site + 2**31)

    def kept(low: int) -> bool:
        p = (first * 2**16 + low) / 2**32  # exact in a float, so that this unit ties
        mask = keep_mask(torch.tensor(key), torch.tensor([row]), 300, [p], site)
        assert mask.tolist() == oracle_mask(key, [row], 300, site, p)
        return bool(mask[0, column])

    assert kept(second)
    assert kept(0)
    if second < 2**16 - 1:
        assert not kept(second + 1)


def test_ties_are_settled_for_each_group_and_row_by_its_own_draw():
    keys, rows, p = list(range(-10, 10)), [2**33 + 5, 1], []
    for key in keys:
        first, second = (oracle_draw(key, rows[key % 2], 40, site) for site in (0, 2**31))
        p.append((first * 2**16 + second + key % 3 % 2) / 2**32)  # kept by a hair, or dropped
    masks = keep_mask(torch.tensor(keys), torch.tensor(rows), 41, p)
    assert masks.tolist() == [oracle_mask(key, rows, 41, 0, value) for key, value in zip(keys, p, strict=True)]
    assert [bool(masks[index, key % 2, 40]) for index, key in enumerate(keys)] == [key % 3 != 1 for key in keys]


# Bit i, from the least significant, is the unit of row i // columns, column i % columns; made by the oracle above. Should
# one of these change, every mask that anyone has ever drawn changes with it.
STORED = [
    # key, site, rows, columns, p, packed mask
    (0, 0, [0], 64, 0.5, 0xEE8FB3FC00752849),
    (0, 0, [0, 1], 33, 0.1, 0x3C3FFEFFFEFFD79FF),
    (
        1,
        0,
        [0, 1, 2],
        129,
        0.5,
        0x7B4A756869F31F5ECB33375B0AF652A2BD29D542396540822040F8E07144EFEAB96FF85ACD3305FE54D8F80C92E4CCA73,
    ),
    (-1, 7, [5], 128, 0.25, 0x77EDABF553FFDFF66FF0CEB5FEFEFBBE),
    (4294967296, 0, [0], 128, 0.5, 0xFAE423F222ABC077311D678006F8DC86),
    (81985529216486895, 2147483647, [0, 4294967296, 4611686018427387904], 40, 0.75, 0x24005282010400DA4A02208C018D),
    (-9223372036854775808, 3, [4294967297], 31, 0.9, 0x400401),
    (
        42,
        1,
        [9, 8],
        257,
        0.2,
        0x3BDFF56FFFDEF2FEBEA6BFCEAFEBFFFDDFD7BF7BFFD5FF6FFFFCDFF2B7A9FFFF5FFFA7B173DF7FDBF7DFD7EBB8FF7FF7FFBFBFBF9E5FFFEFF7DD5FFBBB3B76B7F,
    ),
    (
        275,
        0,
        [0],
        256,
        0.3,
        0x6CFFECCDFFDE875FBFBBFEBC79F47D923DDF3E6BF3DDDBCD976C4EBDF7AF7847,
    ),  # column 117 ties and is dropped
    (
        389,
        0,
        [0],
        256,
        0.3,
        0x39A77CB7EFF9471E7B7419FF7FF57D95E3A1FDFFE67F66EF74EEBCAF7C7FF6EF,
    ),  # column 22 ties and is kept
]


@pytest.mark.parametrize(("key", "site", "rows", "columns", "p", "packed"), STORED)
def test_masks_are_those_that_were_stored(key, site, rows, columns, p, packed):
    mask = keep_mask(torch.tensor(key), torch.tensor(rows), columns, [p], site).flatten().tolist()
    assert sum(bit << index for index, bit in enumerate(mask)) == packed


@pytest.mark.parametrize("columns", [1, 30, 31, 128, 129, 1023])
def test_the_ends_are_exact_nothing_and_everything_is_dropped(columns):
    key, rows = torch.tensor(5), torch.arange(64)
    assert keep_mask(key, rows, columns, [0.0]).all()
    assert not keep_mask(key, rows, columns, [1.0]).any()


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0, 0),
        (2.0**-33, 0),
        (1.5 * 2.0**-32, 2),
        (2.0**-32, 1),
        (1e-6, 4295),
        (0.5, 2**31),
        (1.0 - 1e-9, 2**32 - 4),
        (1.0 - 2.0**-34, 2**32),
        (1.0, 2**32),
    ],
)
def test_the_threshold_is_p_to_32_bits(p, expected):
    assert threshold(p) == expected


def test_a_threshold_needs_a_probability(refuses):
    with refuses(
        ArgumentError, "p=1.5 is not a probability: expected 0 <= p <= 1. To drop 1.5 % of the units use p=0.015."
    ):
        threshold(1.5)
    with refuses(ArgumentTypeError, "p='0.5' is not a number: expected a real number, got str. Use p=0.5."):
        threshold("0.5")


def test_a_narrow_mask_is_the_left_of_a_wide_one():
    key, rows = torch.tensor(-11), torch.arange(3)
    wide = keep_mask(key, rows, 300, [0.3], 4)
    for columns in range(300):
        assert torch.equal(keep_mask(key, rows, columns, [0.3], 4), wide[:, :columns])


def test_a_part_of_a_batch_is_dropped_as_in_the_whole():
    key, rows = torch.tensor(77), torch.tensor([0, 5, 2**32, 2**32 + 5, 2**62, 7, 7])
    whole = keep_mask(key, rows, 200, [0.4])
    order = torch.tensor([6, 2, 0])
    assert torch.equal(keep_mask(key, rows[order], 200, [0.4]), whole[order])
    assert torch.equal(whole[5], whole[6])
    assert not torch.equal(whole[0], whole[2])
    assert not torch.equal(whole[1], whole[3])


def test_groups_are_many_single_masks():
    keys, rows, p = torch.tensor([1, -1, 2**40, 1]), torch.arange(5), [0.5, 0.1, 0.0, 0.9]
    grouped = keep_mask(keys, rows, 65, p, 3)
    assert grouped.shape == (4, 5, 65)
    for group in range(4):
        assert torch.equal(grouped[group], keep_mask(keys[group], rows, 65, [p[group]], 3))


def test_raising_p_only_drops_more():
    kept = [keep_mask(torch.tensor(9), torch.arange(50), 100, [p / 10]) for p in range(11)]
    for less, more in itertools.pairwise(kept):
        assert not (more & ~less).any()


def test_the_number_of_threads_does_not_show_in_a_mask():
    threads, masks = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            masks.append(keep_mask(torch.tensor(123), torch.arange(500), 1023, [0.3]))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])


def test_a_mask_needs_one_probability_per_key(refuses):
    rows = torch.arange(2)
    with refuses(ArgumentError, "p has 2 values for a key of shape (): expected one p per key."):
        keep_mask(torch.tensor(1), rows, 3, [0.1, 0.2])
    with refuses(ArgumentError, "p has 1 values for a key of shape (2,): expected one p per key."):
        keep_mask(torch.tensor([1, 2]), rows, 3, [0.1])
    with refuses(ArgumentError, "p has 1 values for a key of shape (0,): expected one p per key."):
        keep_mask(torch.tensor([], dtype=torch.int64), rows, 3, [0.1])
    with refuses(ArgumentError, "p has 1 values for a key of shape (1, 1): expected one p per key."):
        keep_mask(torch.tensor([[1]]), rows, 3, [0.1])


def test_no_group_has_an_empty_mask():
    assert keep_mask(torch.tensor([], dtype=torch.int64), torch.arange(2), 3, []).shape == (0, 2, 3)


@pytest.mark.parametrize("site", [-1, 2**31])
def test_a_site_has_31_bits(refuses, site):
    message = f"site={site} is out of range: expected 0 <= site < 2**31. Number the dropouts that share a key from 0."
    with refuses(ArgumentError, message):
        keep_mask(torch.tensor(1), torch.arange(2), 3, [0.5], site)
    with refuses(ArgumentError, message):
        checked_site(site)
    assert checked_site(TIE_SITE - 1) == 2**31 - 1


# --- The masks' randomness -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.001, 0.1, 1 / 3, 0.5, 0.9, 0.999])
def test_a_share_of_p_is_dropped(p):
    rows, columns = 1024, 1023
    dropped = int((~keep_mask(torch.tensor(2026), torch.arange(rows), columns, [p])).sum())
    law = stats.binom(rows * columns, p)
    assert law.ppf(FALSE_ALARM / 2) <= dropped <= law.isf(FALSE_ALARM / 2)


def test_one_in_a_million_is_dropped_where_16_bits_alone_would_drop_none():
    batches, rows, columns = 5, 1024, 4096
    dropped = sum(
        int((~keep_mask(torch.tensor(key), torch.arange(rows), columns, [1e-6])).sum()) for key in range(batches)
    )
    law = stats.binom(batches * rows * columns, 1e-6)
    assert law.ppf(FALSE_ALARM / 2) > 0
    assert law.ppf(FALSE_ALARM / 2) <= dropped <= law.isf(FALSE_ALARM / 2)


def signs(mask: Tensor) -> Tensor:
    """+1 and -1, so that independent fair units have products of mean 0 and variance 1."""
    return mask.double() * 2.0 - 1.0


def uncorrelated(vectors: Tensor) -> None:
    """All pairs of rows at once: their correlations' squares sum to a chi-square variable, one degree for each pair."""
    count, length = vectors.shape
    products = (vectors @ vectors.T).triu(1) / length**0.5
    pairs = count * (count - 1) // 2
    statistic = float(products.square().sum())
    assert stats.chi2.ppf(FALSE_ALARM / 4, pairs) < statistic < stats.chi2.isf(FALSE_ALARM / 4, pairs)
    # One pair that is the same twice drowns in a sum over thousands. Bonferroni over the pairs.
    assert float(products.abs().max()) < stats.norm.isf(FALSE_ALARM / 4 / pairs)


def test_neighbouring_columns_are_independent():
    mask = signs(keep_mask(torch.tensor(31), torch.arange(256), 4096, [0.5]))
    lags = [1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 96, 127, 128, 129, 256, 2048]
    for lag in lags:
        products = mask[:, lag:] * mask[:, :-lag]
        statistic = float(products.sum()) ** 2 / products.numel()
        assert statistic < stats.chi2.isf(FALSE_ALARM / len(lags), 1), lag


def test_rows_are_independent():
    near, far = torch.arange(48), torch.arange(48) << 32
    uncorrelated(signs(keep_mask(torch.tensor(8), torch.cat((near, far[1:])), 8192, [0.5])))


def test_keys_that_differ_in_one_bit_are_independent():
    keys = torch.cat((torch.arange(48), torch.arange(1, 48) << 32, 1 << torch.arange(40, 64)))
    keys = torch.unique(keys)
    uncorrelated(signs(keep_mask(keys, torch.arange(4), 2048, [0.5] * len(keys)).flatten(1)))


def test_sites_are_independent():
    key, rows = torch.tensor(1), torch.arange(4)
    masks = [keep_mask(key, rows, 2048, [0.5], site).flatten() for site in (*range(40), 2**30, 2**31 - 1)]
    uncorrelated(signs(torch.stack(masks)))


def test_every_column_of_a_tile_has_the_same_rate():
    kept = keep_mask(torch.tensor(64), torch.arange(20_000), 256, [0.5]).double().sum(0)
    statistic = float(((kept - 10_000) ** 2 / 5_000).sum())
    assert stats.chi2.ppf(FALSE_ALARM / 2, 256) < statistic < stats.chi2.isf(FALSE_ALARM / 2, 256)


# --- Keys ------------------------------------------------------------------------------------------------------------


@given(keys, st.lists(st.integers(0, LOW_32), min_size=1, max_size=4))
def test_a_derived_key_is_philox_with_ten_rounds(key, counter):
    a, b, _, _ = oracle_philox((*counter, 0, 0, 0)[:4], key, rounds=10)
    assert int(derive_key(torch.tensor(key), *counter)) == signed(a | b << 32)


def test_derived_keys_broadcast():
    derived = derive_key(torch.tensor([[1], [2]]), torch.arange(3), 9)
    assert derived.shape == (2, 3)
    assert derived.dtype == torch.int64
    assert derived.unique().numel() == 6
    assert derived[1, 2] == derive_key(torch.tensor(2), 2, 9)


@pytest.mark.parametrize("count", [0, 5])
def test_a_key_is_derived_from_one_to_four_numbers(refuses, count):
    with refuses(ArgumentError, f"derive_key got {count} counters: expected one to four."):
        derive_key(torch.tensor(1), *range(count))


def default_state() -> Tensor:
    return torch.get_rng_state()


def test_drawn_keys_follow_the_seed_and_use_all_64_bits():
    torch.manual_seed(3)
    first = [int(draw_key()) for _ in range(200)]
    torch.manual_seed(3)
    assert first == [int(draw_key()) for _ in range(200)]
    torch.manual_seed(4)
    assert first[0] != int(draw_key())
    assert len(set(first)) == 200
    for bit in range(64):  # a bit that never changes in 200 fair draws: 2 * 2**-200
        assert {key >> bit & 1 for key in first} == {0, 1}
    assert draw_key().dtype == torch.int64
    assert draw_key().shape == ()


def test_a_generator_of_ones_own_is_used_in_place_of_the_default_one():
    generator, before = torch.Generator().manual_seed(5), default_state()
    first = int(draw_key(generator))
    assert torch.equal(default_state(), before)
    assert first == int(draw_key(torch.Generator().manual_seed(5)))
    assert first != int(draw_key(generator))


@pytest.mark.parametrize("own", [False, True])
def test_code_to_be_compiled_draws_the_same_keys(own):
    def generator() -> torch.Generator | None:
        torch.manual_seed(6)
        return torch.Generator().manual_seed(7) if own else None

    eager = generator()
    expected = [int(draw_key(eager)) for _ in range(3)]
    traced = generator()
    number = enter_generator(traced)
    assert [int(draw_key_in_graph(number)) for _ in range(3)] == expected


def test_a_generator_has_a_number_and_is_not_kept_alive_by_it():
    generator = torch.Generator()
    assert enter_generator(None) == 0
    assert enter_generator(generator) == enter_generator(generator) != enter_generator(torch.Generator())
    gone = weakref.ref(generator)
    del generator
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("operation", [lambda _: draw_key_in_graph(0), torch.ops.dropnorm.snapshot])
def test_what_is_made_once_is_kept_for_the_backward_pass(operation):
    kept = []

    def noted(graph, inputs):
        kept.extend(node.meta.get("recompute") for node in graph.graph.nodes if "dropnorm" in str(node.target))
        return graph

    aot_function(lambda x: x * operation(torch.tensor(3)), noted)(torch.ones(3, requires_grad=True))
    assert kept == [CheckpointPolicy.MUST_SAVE]


def test_a_registered_operation_is_its_function_and_the_compiler_calls_it_in_the_forward_pass_alone(compiled):
    calls = []

    def doubled(values):
        calls.append(values.item())
        return values * 2

    register_made_once("test_doubled", doubled, torch.empty_like)
    assert int(torch.ops.dropnorm.test_doubled(torch.tensor(4))) == 8
    assert calls.pop() == 4
    state, x = torch.tensor(3.0), torch.ones(3, requires_grad=True)

    def function(x):
        factor = torch.ops.dropnorm.test_doubled(state * 5)
        state.add_(1)
        return (x * factor).sin()

    y = compiled(function)(x)
    y.sum().backward()
    assert calls == [15]
    torch.testing.assert_close(x.grad, 30 * torch.full((3,), 30.0).cos())


def test_a_snapshot_is_taken_in_compiled_code_with_gradients_alone(compiled):
    values = torch.tensor(3)
    assert snapshot(values) is values

    def function(values):
        taken = snapshot(values)
        values.add_(1)
        return taken + 0

    fast = compiled(function)
    assert int(fast(values)) == 3
    with torch.no_grad():
        assert int(fast(values)) == 5  # the values themselves, as in eager code
